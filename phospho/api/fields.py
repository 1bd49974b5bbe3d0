"""What may be said of an event definition; see `phospho.models.EventDefinition`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from phospho.models import Answer, Scope


class ExampleFields(TypedDict, total=False):
    """An interaction in which an event occurred."""

    input: str
    output: str


class DefinitionFields(TypedDict, total=False):
    """What may be said of a definition besides its name and description."""

    scope: Scope
    detector: str
    keywords: Sequence[str]
    pattern: str | None
    examples: Sequence[ExampleFields]
    answer: Answer
    categories: Sequence[str]
    score_range: Sequence[float]
    settings: Mapping[str, Any]


class DefinitionChanges(DefinitionFields, total=False):
    """What may be changed.

    `enabled` tells whether new interactions are looked at, `version` is the one that was read: the
    change is refused where somebody has made a newer one. `to_past` tells whether past interactions
    are looked at again.
    """

    name: str
    description: str
    enabled: bool
    version: int
    to_past: bool


class DraftFields(DefinitionFields, total=False):
    """What may be said of a draft.

    `event_id` is the definition that it would change, and `interactions` how many of the newest to
    look at, from 1 to 10,000.
    """

    name: str
    description: str
    event_id: str
    interactions: int

"""What is sent of an event definition: a new one, a change of one, a draft to be tried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from phospho.detectors.rules import (
    MAX_DESCRIPTION_CHARS,
    MAX_KEYWORD_CHARS,
    MAX_KEYWORDS,
    MAX_NAME_CHARS,
    MAX_PATTERN_CHARS,
)
from phospho.models import Answer, Scope
from phospho_server.api.resources.bodies import Body
from phospho_server.defining import MAX_EXAMPLE_CHARS
from phospho_server.previewing import MOST, USUAL

# More would take longer to read than a preview may.
MOST_EXAMPLES = 200

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]
Description = Annotated[str, Field(min_length=1, max_length=MAX_DESCRIPTION_CHARS)]
_Keyword = Annotated[str, Field(max_length=MAX_KEYWORD_CHARS)]
_Pattern = Annotated[str, Field(min_length=1, max_length=MAX_PATTERN_CHARS)]
_ExampleText = Annotated[str, Field(max_length=MAX_EXAMPLE_CHARS)]


class ExampleGiven(Body):
    """An interaction in which an event occurred, given to show what is meant."""

    input: _ExampleText = ""
    output: _ExampleText = ""


class DefinitionFields(Body):
    """What a person may write of a definition; see `phospho.models.EventDefinition`."""

    scope: Scope = "auto"
    detector: Annotated[str, Field(examples=["auto", "rules"])] = "auto"
    keywords: Annotated[Sequence[_Keyword], Field(max_length=MAX_KEYWORDS)] = ()
    pattern: _Pattern | None = None
    examples: Annotated[Sequence[ExampleGiven], Field(max_length=MOST_EXAMPLES)] = ()
    answer: Answer = "yes_no"
    categories: Sequence[str] = ()
    score_range: Annotated[Sequence[float], Field(min_length=2, max_length=2)] = (1.0, 5.0)
    settings: Mapping[str, Any] = Field(default_factory=dict)


class NewDefinition(DefinitionFields):
    """A new event definition."""

    name: Name
    description: Description


def _leave_out_defaults(schema: dict[str, Any]) -> None:
    """Take the defaults out of a schema, where what is left out stays as it is."""
    for described in schema["properties"].values():
        described.pop("default", None)


class DefinitionChange(DefinitionFields):
    """What changes of an event definition; what is left out stays.

    Args:
        enabled: Whether new interactions are looked at.
        version: The one that was read; refused where somebody has made a newer one since.
        to_past: Whether past interactions are looked at again where more than the name changes.
    """

    model_config = ConfigDict(json_schema_extra=_leave_out_defaults)

    name: Name = ""
    description: Description = ""
    enabled: bool = True
    version: Annotated[int, Field(ge=1)] = 1
    to_past: bool = True


class Draft(DefinitionFields):
    """A definition to be tried out.

    Args:
        event_id: The definition to compare with, whose fields stand for those left out.
        interactions: How many of the newest to look at.
    """

    model_config = ConfigDict(json_schema_extra=_leave_out_defaults)

    name: Name = "draft"
    description: Description = ""
    event_id: str | None = None
    interactions: Annotated[int, Field(ge=1, le=MOST)] = USUAL

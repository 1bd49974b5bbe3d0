"""Events to begin from: the common ones, written out in `event_templates.json`.

A template fills the form of a new event in; whoever uses it may change everything.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class EventTemplate:
    """An event to begin from.

    Args:
        id: Stands in addresses.
        name: The event's.
        description: The event's.
        scope: Where to look.
        examples: Messages of the side that it is about.
        answer: What is asked, for a score from `lowest` to `highest`.
    """

    id: str
    name: str
    description: str
    scope: str = "auto"
    examples: Sequence[str] = ()
    answer: str = "yes_no"
    lowest: float = 1
    highest: float = 5


@dataclass(frozen=True)
class TemplateGroup:
    """Templates of one kind, under a title."""

    title: str
    templates: Sequence[EventTemplate]


@cache
def list_templates() -> Sequence[TemplateGroup]:
    """Return all templates, in the order in which pages show them."""
    text = files("phospho_server").joinpath("event_templates.json").read_text(encoding="utf-8")
    written: list[dict[str, Any]] = json.loads(text)
    return tuple(
        TemplateGroup(group["group"], tuple(EventTemplate(**each) for each in group["templates"]))
        for group in written
    )


def find_template(template_id: str) -> EventTemplate | None:
    """Return a template, or None if there is none with this id."""
    every = (each for group in list_templates() for each in group.templates)
    return next((each for each in every if each.id == template_id), None)

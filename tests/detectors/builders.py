"""The smallest turns and definitions a test needs."""

from __future__ import annotations

from typing import Any

from phospho.models import EventDefinition, Interaction, Turn


def turn(input: str = "", output: str | None = None, *, task_id: str = "t1") -> Turn:
    return Turn(
        interaction=Interaction(task_id=task_id, session_id="s1", input=input, output=output)
    )


def event(description: str, **fields: Any) -> EventDefinition:
    return EventDefinition(
        **{"id": description, "name": "event", "description": description, **fields}
    )

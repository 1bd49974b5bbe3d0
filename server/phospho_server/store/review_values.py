"""Which category, or which score, a person says it is; and what stands of theirs and a detector's.

A detector's value stays in `detections.value`, a person's stands in `detections.reviewed_value`, so
that undoing a review gives the detector's back.
"""

from __future__ import annotations

import json

from phospho.detectors import answers
from phospho.models import EventDefinition
from phospho_server.errors import InvalidError

Value = float | str | None
"""A score, a category, or neither."""


def standing_value(table: str) -> str:
    """Return the SQL of what stands for an interaction, as JSON: null where nothing occurred.

    Args:
        table: The name that `detections` has in the statement.
    """
    return (
        f"case when {table}.reviewed = 0 and {table}.reviewed_value is null then null "
        f"else coalesce({table}.reviewed_value, {table}.value) end"
    )


def settle_review(
    definition: EventDefinition, said: Value, *, occurred: bool, value: Value
) -> tuple[bool, Value]:
    """Return whether an event occurred, and as what, by the word of a person.

    A value says by itself whether the event occurred; who confirms means what the detector found.

    Args:
        definition: As it is now.
        said: The value of the detector's yes; None where it has said no, or nothing yet.
        occurred: What the person clicked.
        value: What they chose.

    Raises:
        InvalidError: The value is none that the definition asks for, or it is missing.
    """
    if definition.answer == "yes_no" or (value is None and not occurred):
        return occurred, None
    if value is None:
        value = said
    elif isinstance(value, int | float):
        value = float(value)
    if value is None:
        what = "category" if definition.answer == "category" else "score"
        raise InvalidError(f"Choose the {what} that {definition.name!r} has here.")
    if value != said and not _is_possible(definition, value):
        raise InvalidError(
            f"{definition.name!r} cannot be {value!r}. Open the page again and choose there."
        )
    return answers.occurred(definition, value), value


def read_value(text: str | None) -> Value:
    """Return a value that was kept as JSON."""
    value: Value = json.loads(text) if text else None
    return value


def dump_value(value: Value) -> str | None:
    """Return a value as it is kept."""
    return None if value is None else json.dumps(value)


def _is_possible(definition: EventDefinition, value: float | str) -> bool:
    if definition.answer == "category":
        return value in definition.categories
    lowest, highest = definition.score_range
    return isinstance(value, float) and lowest <= value <= highest

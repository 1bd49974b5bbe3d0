"""Check a stranger's steps: the calls of models, tools and retrievers that led to an answer.

The format is that of `phospho.steps`. A step is kept as well as can be: what it has besides, or
what is not of its type, stands in short under its key `other`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from phospho.snapshot import MAX_METADATA_CHARS, take
from phospho.steps import KINDS, MAX_STEP_CHARS, MAX_STEPS, USAGE_KEYS, short_text

# Beyond it, neither a float nor JavaScript holds every whole number.
_MAX_NUMBER = 2**53

_ERROR_KEYS = ("type", "message")


def read_steps(value: object) -> tuple[Sequence[Mapping[str, Any]], Mapping[str, Any]]:
    """Return the steps, checked and cut to the limits, and what is left for the metadata.

    Args:
        value: What an event has under `steps`, as JSON gave it.

    Returns:
        At most 100 dicts with `kind` and `name`, and, as far as known, `started_at_ms`,
        `duration_ms`, `model`, `usage`, `error` (`type`, `message`), `input`, `output`, `other`.
        Left are `steps`, where that is no list or has entries without a name, and
        `steps_left_out`, the number of those that were too many.
    """
    if not isinstance(value, list):
        return [], {"steps": value}
    steps = [entry for entry in value if _is_step(entry)]
    left: dict[str, Any] = {}
    if len(steps) < len(value):
        strange = [entry for entry in value if not _is_step(entry)]
        # A copy within limits: an interaction is not refused because one of its steps is odd.
        left["steps"] = take(strange, MAX_METADATA_CHARS).value
    if len(steps) > MAX_STEPS:
        left["steps_left_out"] = len(steps) - MAX_STEPS
    return [_read_step(step) for step in steps[:MAX_STEPS]], left


def _is_step(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("name"), str)


def _read_step(step: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {"kind": "other"}
    # A step that was read here before, and comes back in a file, has its own already.
    given = step.get("other")
    other: dict[str, Any] = dict(given) if isinstance(given, dict) else {}
    for key, value in step.items():
        if key == "other" and isinstance(given, dict):
            continue
        fact = _READERS[key](value) if key in _READERS else None
        if fact is not None:
            kept[key] = fact
        if value is not None and (fact is None or (key == "usage" and fact != value)):
            other[key] = value
    if other:
        kept["other"] = take(other, MAX_STEP_CHARS).value
    return kept


def _read_kind(value: object) -> str | None:
    return value if isinstance(value, str) and value in KINDS else None


def _read_words(value: object) -> str | None:
    return short_text(value) if isinstance(value, str) else None


def _read_number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value <= _MAX_NUMBER else None


def _read_whole(value: object) -> int | None:
    number = _read_number(value)
    return None if number is None else int(number)


def _read_usage(value: object) -> dict[str, int] | None:
    if not isinstance(value, dict):
        return None
    counts = {name: _read_whole(value.get(name)) for name in USAGE_KEYS}
    return {name: count for name, count in counts.items() if count is not None} or None


def _read_error(value: object) -> dict[str, str] | None:
    """Return an error by type and message; of one in another form, all of it as the message."""
    if not value:
        return None
    error: dict[str, Any] = {"message": value}
    if isinstance(value, dict) and value.keys() <= set(_ERROR_KEYS):
        error = value
    return {name: short_text(error.get(name) or "") for name in _ERROR_KEYS}


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "kind": _read_kind,
    "name": _read_words,
    "started_at_ms": _read_whole,
    "duration_ms": _read_number,
    "model": _read_words,
    "usage": _read_usage,
    "error": _read_error,
    "input": lambda value: None if value is None else short_text(value),
    "output": lambda value: None if value is None else short_text(value),
}

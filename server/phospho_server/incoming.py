"""Turn a stranger's log event into an interaction to keep, or say why it cannot be.

The format is that of existing phospho clients (`POST /v2/log`, observed from phospho 0.3.45) with
what our SDK adds: `client_created_at_ms`, `finish_reason`, `tool_calls`, `status`, `error`,
`steps`.
Checks are written out: a pydantic model for each event costs twice as much as parsing the batch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from phospho.models import Flag
from phospho.snapshot import MAX_ID_CHARS, MAX_METADATA_CHARS, MAX_RAW_CHARS, clean_text
from phospho_server.clock import DAY_MS, new_id
from phospho_server.errors import InvalidError
from phospho_server.limits import MAX_DEPTH
from phospho_server.steps import read_steps
from phospho_server.store.rows import NewInteraction

# Keys with a column of their own, or with nothing to say once stored. All others are metadata.
_NOT_METADATA = frozenset(
    {
        "client_created_at",
        "client_created_at_ms",
        "created_at",
        "created_at_ms",
        "project_id",
        "task_id",
        "session_id",
        "user_id",
        "version_id",
        "input",
        "output",
        "flag",
        "metadata",
        "notes",
        "raw_input",
        "raw_input_type_name",
        "raw_output",
        "raw_output_type_name",
        "steps",
    }
)

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MS = timedelta(milliseconds=1)

# 9999-12-31 in seconds.
_LATEST_S = 253_402_300_799


def parse_json(text: str | bytes) -> Any:
    """Return a JSON value; numbers JSON does not have, such as NaN and 1e999, become None.

    Raises:
        ValueError: It is not JSON.
        RecursionError: It is nested too deeply.
    """
    if isinstance(text, str):
        return JSON.decode(text)
    return json.loads(text, parse_constant=lambda _: None, parse_float=_finite)


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


# Kept: `json.dumps` makes another one each time, which takes longer than a small value.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

# Of numbers JSON does not have, such as NaN and 1e999, it makes None.
JSON = json.JSONDecoder(parse_constant=lambda _: None, parse_float=_finite)


def read_interaction(event: object, *, received_at_ms: int) -> NewInteraction:
    """Return a log event as an interaction.

    Args:
        event: One entry of `batched_log_events`, as JSON gave it.
        received_at_ms: Taken as the time where the event has none, or an impossible one.

    Raises:
        InvalidError: It is no object, has no text as `input`, or an id that is no id.
    """
    if not isinstance(event, dict):
        raise InvalidError("An interaction must be a JSON object, as in {...}.")
    metadata = _collect_metadata(event)
    user_id = read_id(event, "user_id") or read_id(metadata, "user_id")
    version_id = read_id(event, "version_id") or read_id(metadata, "version_id")
    text_in = _read_text(event, "input", required=True)
    text_out = _read_text(event, "output", required=False)
    return NewInteraction(
        task_id=read_id(event, "task_id") or new_id("task_"),
        session_id=read_id(event, "session_id") or new_id("session_"),
        user_id=user_id,
        version_id=version_id,
        created_at_ms=_read_time(event, received_at_ms),
        input=text_in or "",
        output=text_out,
        flag=read_flag(event.get("flag")),
        raw_input=_dump_raw(event, "raw_input", text_in, metadata),
        raw_output=_dump_raw(event, "raw_output", text_out, metadata),
        steps=_dump_steps(event.get("steps"), metadata),
        metadata=_dump_metadata(metadata),
    )


def read_flag(value: object) -> Flag | None:
    """Return the flag if it is one; feedback that says neither is no feedback."""
    if value == "success":
        return "success"
    return "failure" if value == "failure" else None


def _collect_metadata(event: Mapping[str, Any]) -> dict[str, Any]:
    given = event.get("metadata")
    metadata = dict(given) if isinstance(given, dict) else {}
    if given is not None and not isinstance(given, dict):
        metadata["metadata"] = given
    for key, value in event.items():
        if key not in _NOT_METADATA and value is not None:
            metadata.setdefault(key, value)
    return metadata


def read_id(event: Mapping[str, Any], name: str) -> str | None:
    """Return an id as text, or None where there is none.

    Raises:
        InvalidError: It is no id, or longer than ids are.
    """
    value = event.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidError(f"{name} must be text, not {_kind(value)}.")
    text = clean_text(str(value))
    if len(text) > MAX_ID_CHARS:
        raise InvalidError(f"{name} has {len(text)} characters; use at most {MAX_ID_CHARS}.")
    return text


def _read_text(event: Mapping[str, Any], name: str, *, required: bool) -> str | None:
    value = event.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str):
        raise InvalidError(
            f"{name} must be text, not {_kind(value)}. Send the text in {name} and anything else "
            f"in raw_{name}."
        )
    return clean_text(value)


def _kind(value: object) -> str:
    names = {"dict": "an object", "list": "a list", "NoneType": "missing", "bool": "true or false"}
    return names.get(type(value).__name__, "a number")


# Where an event tells its time, the app's word first; each with its unit in milliseconds.
_TIMES = (
    ("created_at_ms", 1),
    ("created_at", 1000),
    ("client_created_at_ms", 1),
    ("client_created_at", 1000),
)


def _read_time(event: Mapping[str, Any], received_at_ms: int) -> int:
    """Return the first time the event gives, in milliseconds."""
    for name, unit_ms in _TIMES:
        at_ms = to_ms(event.get(name), unit_ms)
        if at_ms is not None:
            # As the original did: what lies before 1970 or more than a day ahead means "now".
            return at_ms if 0 <= at_ms <= received_at_ms + DAY_MS else received_at_ms
    return received_at_ms


def to_ms(value: object, unit_ms: int) -> int | None:
    """Return a time in milliseconds, -1 for a number that is none; None for other values.

    Args:
        value: A number, or text in ISO 8601.
        unit_ms: The unit of a number, in milliseconds.
    """
    if isinstance(value, str):
        return _parse_iso(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Beyond these bounds a number is no time, and infinite ones have no whole number.
    return int(value * unit_ms) if -_LATEST_S < value < _LATEST_S * 1000 else -1


def _parse_iso(text: str) -> int | None:
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    # Not by way of a float, in which some milliseconds become the one before.
    return (at - _EPOCH) // _MS


def _dump_raw(
    event: Mapping[str, Any], name: str, text: str | None, metadata: dict[str, Any]
) -> str | None:
    """Return a raw value as JSON, unless it says no more than the text or is too large."""
    value = event.get(name)
    if isinstance(value, str) and clean_text(value) == text:
        return None
    if value is None or value in ({}, []):
        return None
    dumped = _dump(value)
    if len(dumped) > MAX_RAW_CHARS:
        metadata[f"{name}_left_out"] = f"{len(dumped)} characters"
        return None
    return dumped


def _dump_steps(value: object, metadata: dict[str, Any]) -> str | None:
    """Return the steps as JSON; what is none stays in the metadata."""
    if value is None:
        return None
    steps, left = read_steps(value)
    for name, rest in left.items():
        metadata.setdefault(name, rest)
    return _dump(steps) if steps else None


def _dump_metadata(metadata: dict[str, Any]) -> str | None:
    if not metadata:
        return None
    dumped = _dump(metadata)
    if len(dumped) <= MAX_METADATA_CHARS:
        return dumped
    kept: dict[str, Any] = {"metadata_cut": f"{len(dumped)} characters"}
    left = MAX_METADATA_CHARS
    for key, value in metadata.items():
        size = len(_dump({key: value}))
        if size < left:
            kept[key] = value
            left -= size
    return _dump(kept)


def _dump(value: object) -> str:
    if is_deep(value):
        raise InvalidError(
            f"A value is nested more than {MAX_DEPTH} levels deep. Flatten it, or send it as text."
        )
    dumped = _ENCODER.encode(value)
    return clean_text(dumped, max_chars=len(dumped))


def is_deep(value: object) -> bool:
    """Tell whether a value is nested too deeply, without recursion of our own."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for each in level
            if isinstance(each, dict | list)
            for child in (each.values() if isinstance(each, dict) else each)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True

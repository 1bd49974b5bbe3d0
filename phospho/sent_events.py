"""Reads server-sent events in what an app streams: as text, or as web frameworks take them.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
import re
from typing import Any

from phospho import snapshot
from phospho.extractors.fields import get_items, is_mapping

# Lines of the AI SDK, version 4.
_DATA_STREAM = re.compile(r'[0-9a-k]:["{\[]')

_LINE_END = re.compile(r"\r\n|\n|\r")

# Each line of events is empty, a comment or a field; in prose, few are.
_FIELD = re.compile(r"\Z|:|(?:data|event|id|retry)(?::|\Z)")

# What many vendors send last.
END = "[DONE]"

# One line of JSON is an answer in JSON.
_MIN_LINES = 2

_EVENT_FIELDS = frozenset({"event", "data", "id", "retry", "comment"})


def read_events(text: str) -> list[Any] | None:
    """Return the data of server-sent events, or of JSON lines; None for any other text."""
    if _DATA_STREAM.match(text):
        from phospho.extractors import vercel

        return vercel.read_lines(text.split("\n"))
    if not text.startswith(("{", "data", "event", "id", "retry", ":")):
        return None
    lines = _LINE_END.split(text)
    if text.startswith("{"):
        events = [_read_json(line) for line in lines if line and line.strip() != END]
        is_json = len(events) >= _MIN_LINES and all(isinstance(event, dict) for event in events)
        return events if is_json else None
    if not all(_FIELD.match(line) for line in lines):
        return None
    data = _data_in(lines)
    return [_read_json(event) for event in data if event.strip() != END] if data else None


def _data_in(lines: list[str]) -> list[str]:
    """Return the data of each event, which may be in several lines and ends with an empty one."""
    events: list[str] = []
    data: list[str] = []
    for line in [*lines, ""]:
        if not line and data:
            events.append("\n".join(data))
            data = []
        elif line.startswith("data"):
            data.append(line[5:].removeprefix(" "))
    return events


def data_of(event: Any) -> Any:
    """Return the data of an event that is a dict or an object, or None for anything else."""
    fields = dict(get_items(event, len(_EVENT_FIELDS) + 1)) if is_mapping(event) else None
    fields = snapshot.public_fields(event) if fields is None else fields
    if fields is None or "data" not in fields or not _EVENT_FIELDS.issuperset(fields):
        return None
    data = fields["data"]
    return _read_json(data) if isinstance(data, str) else data


def _read_json(text: str) -> Any:
    """Return what a text is in JSON; numbers and the like are pieces of text, too."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, (dict, list, str)) else text

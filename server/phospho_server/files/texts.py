"""What was said, out of whatever others keep it in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from phospho.extraction import Extracted, extract
from phospho.models import Side
from phospho.plugins import Plugins
from phospho_server.incoming import is_deep, parse_json


@dataclass(frozen=True)
class Said:
    """What was said on one side.

    Args:
        text: As people read it.
        raw: What it was read out of, None where that was the text.
        facts: What else that tells.
    """

    text: str
    raw: Any = None
    facts: Extracted | None = None


def read_said(value: Any, side: Side) -> Said:
    """Return what a value says: a text, JSON as text, or an object that an extractor knows."""
    value = parse_text(value)
    if isinstance(value, str):
        return Said(value)
    facts = extract(value, side, _extractors())
    if facts is None:
        return Said(json.dumps(value, ensure_ascii=False), value)
    return Said(facts.text, value, facts)


def parse_text(value: Any, *, is_json: bool = False) -> Any:
    """Return what a text is as JSON, where it is an object or a list; else the value itself.

    Args:
        value: Anything.
        is_json: Whether a text is JSON for certain, so that it may also be `"text"` or `5`.
    """
    if not isinstance(value, str) or not (is_json or value.lstrip()[:1] in ("{", "[")):
        return value
    try:
        parsed = parse_json(value)
    except (ValueError, RecursionError):
        return value
    return value if is_deep(parsed) else parsed


@cache
def _extractors() -> Plugins:
    """The built-in extractors; they know what OpenAI, LangChain and others made."""
    return Plugins(entry_points=False)

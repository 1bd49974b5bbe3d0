"""Read text out of anything else: scalars as they are, the rest as JSON of its fields.

Registered first, so asked last. An object's repr, with its address, is never shown as text.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from phospho import attachments, guard, snapshot
from phospho.extraction import Extracted
from phospho.extractors import catalogue, inside
from phospho.hookspecs import hookimpl

if TYPE_CHECKING:
    from phospho.models import Side


@hookimpl
def phospho_extract_input(value: Any) -> Extracted | str:
    """Return a text for any value."""
    return _read_json(value, "input") or _read(value)


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | str:
    """Return a text for any value; an exception is no answer."""
    if isinstance(value, BaseException):
        error = {"type": type(value).__name__, "message": guard.words_of(value)}
        return Extracted("", error=error)
    return _read_json(value, "output") or _read(value)


def _read_json(value: Any, side: Side) -> Extracted | None:
    """Read what an extractor knows in bytes of JSON, such as the body of a response."""
    if not isinstance(value, (bytes, bytearray)) or len(value) > snapshot.MAX_TEXT_CHARS:
        return None
    try:
        return inside.read(json.loads(value), side)
    except (ValueError, RecursionError):
        return None


def _read(value: Any) -> Extracted | str:
    if value is None:
        return ""
    copied = snapshot.take(value, snapshot.MAX_TEXT_CHARS).value
    if isinstance(copied, (bool, int, float)):
        return str(copied)
    if _is_container(value):
        return json.dumps(copied, ensure_ascii=False)
    if isinstance(copied, str):
        return copied
    text = json.dumps(copied, ensure_ascii=False)
    # What an object says of itself has the files in it; what a model says is for programmers.
    if not attachments.is_described_in(text) and not _is_model(type(value)):
        text = snapshot.own_text(value) or text
    return Extracted(text=text, extra={"extractor": "fallback"})


def _is_container(value: Any) -> bool:
    return issubclass(type(value), (dict, list, tuple, set, frozenset))


def _is_model(kind: type) -> bool:
    """Tell whether objects of a class describe themselves as Pydantic makes them."""
    where = str(getattr(kind.__str__, "__module__", ""))
    is_library = hasattr(kind, "__pydantic_fields__") and catalogue.is_known_package(kind)
    return is_library or where.startswith("pydantic")

"""Read text out of a list of anything: texts, answers of a library, dicts and records of an app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phospho.extraction import Extracted
from phospho.extractors import inside
from phospho.extractors.fields import is_picture, last_items
from phospho.extractors.messages import ROLES, by_name
from phospho.extractors.records import read_named
from phospho.hookspecs import hookimpl

if TYPE_CHECKING:
    from phospho.models import Side

# So many of the last items are looked at: a longer list is a table of data.
_MAX_LOOKED_AT = 100


@hookimpl
def phospho_extract_input(value: Any) -> Extracted | None:
    """Return the last thing said in a list, or its texts joined."""
    return _read(value, "input")


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | None:
    """Return the last answer in a list, or its texts joined."""
    return _read(value, "output")


def _read(value: Any, side: Side) -> Extracted | None:
    kind = type(value)
    if not issubclass(kind, (list, tuple)) or hasattr(kind, "_fields"):
        return None
    items = last_items(value)
    if items and all(isinstance(item, str) or is_picture(item) for item in items):
        return _read_texts(items)
    if isinstance(value, tuple) and _is_text_with_facts(items):
        return Extracted(items[0])
    if len(items) == 1 and isinstance(items[0], (list, tuple)):
        return inside.read(items[0], side)
    last = items[-_MAX_LOOKED_AT:]
    for item in reversed(last):
        answer = inside.read_of_source(item, side)
        if answer is not None and answer.text:
            return answer
    return _join(last, side) if len(items) <= _MAX_LOOKED_AT else None


def _is_text_with_facts(items: list[Any]) -> bool:
    """Know a text that is returned with its sources, a score or the like."""
    first, *rest = items or [None]
    is_text = isinstance(first, str) and first.lower() not in _NO_TEXTS
    return is_text and not any(isinstance(item, str) for item in rest)


# What LangGraph, and messages as pairs, have first.
_NO_TEXTS = ROLES | {"checkpoints", "custom", "debug", "messages", "tasks", "updates", "values"}


def _read_texts(items: list[Any]) -> Extracted:
    """Join texts; pictures may stand between them."""
    texts = [item for item in items if isinstance(item, str)]
    pictures = len(items) - len(texts)
    return Extracted(
        "\n".join(texts), extra={"attachments": {"image": pictures}} if pictures else {}
    )


def _join(items: list[Any], side: Side) -> Extracted | None:
    """Join what stands under the usual names of each item."""
    read = [by_name(item, side) or read_named(item, side) for item in items]
    texts = [answer.text for answer in read if answer is not None]
    return Extracted("\n".join(filter(None, texts))) if texts and len(texts) == len(read) else None

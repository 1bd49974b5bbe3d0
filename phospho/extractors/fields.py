"""Reads a field of a dict or of an object alike, and only if it has the expected type."""

from __future__ import annotations

import json
import types
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

from phospho import snapshot
from phospho.extractors import catalogue


def get(value: Any, name: str) -> Any:
    """Return a dict's item or an object's attribute, or None where it cannot be read.

    What is computed (a property, `__getattr__`) is read of packages that an extractor knows: of
    the app's own classes it may ask a database.
    """
    try:
        kind = value.__class__
        if kind is dict:
            return value.get(name)
        is_mapping, is_model = _kind_of(kind)
        if is_mapping:
            return value.get(name)
        if is_model:
            return _get_of_model(value, kind, name)
        return _get_of_object(value, kind, name)
    except Exception:  # noqa: BLE001 - a stranger's `__getattr__` must not cost the extractor
        return None


def is_mapping(value: Any) -> bool:
    """Tell whether a value has its fields as items."""
    try:
        return value.__class__ is dict or _kind_of(value.__class__)[0]
    except Exception:  # noqa: BLE001 - a class may not be hashable, or say anything of itself
        return issubclass(type(value), dict)


# Few classes go through an app's answers; those it makes at run time are not kept for ever.
@lru_cache(maxsize=256)
def _kind_of(kind: type) -> tuple[bool, bool]:
    """Tell whether objects of a class are mappings, and whether plain Pydantic models."""
    missing = getattr(kind, "__getattr__", None)
    return issubclass(kind, Mapping), getattr(missing, "__module__", "") == "pydantic.main"


def _get_of_model(value: Any, kind: type, name: str) -> Any:
    """Read a model's field; Pydantic takes ten times as long to say that one is not there."""
    found = value.__dict__.get(name, _MISSING)
    if found is not _MISSING:
        return found
    extra = value.__pydantic_extra__
    if extra and name in extra:
        return extra[name]
    return getattr(value, name, None) if _has(kind, name) else None


def _get_of_object(value: Any, kind: type, name: str) -> Any:
    if _is_data(kind, name):
        return getattr(value, name, None)
    own = object.__getattribute__(value, "__dict__")
    return own.get(name) if type(own) is dict else None


_MISSING = object()

# What a class has in place of a field that is stored: in a slot, in C, in a named tuple.
_STORED = (types.MemberDescriptorType, types.GetSetDescriptorType)


@lru_cache(maxsize=2_048)
def _has(kind: type, name: str) -> bool:
    return any(name in vars(base) for base in kind.__mro__)


@lru_cache(maxsize=2_048)
def _is_data(kind: type, name: str) -> bool:
    """Tell whether reading an attribute runs none of the app's own code."""
    if catalogue.is_known_package(kind):
        return True
    found = next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)
    is_stored = not hasattr(type(found), "__get__") or isinstance(found, _STORED)
    is_of_tuple = issubclass(kind, tuple) and name in getattr(kind, "_fields", ())
    return found is not None and (is_stored or is_of_tuple)


def is_picture(value: Any) -> bool:
    """Know an image of Pillow, which some libraries take beside texts."""
    return any((k.__module__, k.__name__) == ("PIL.Image", "Image") for k in type(value).__mro__)


def get_items(value: Any, max_items: int) -> list[tuple[Any, Any]]:
    """Return the first names and values of a mapping, or none where they cannot be read."""
    try:
        items = dict.items(value) if isinstance(value, dict) else value.items()
        return list(islice(items, max_items))
    except Exception:  # noqa: BLE001 - a stranger's mapping may raise anything
        return []


def get_text(value: Any, name: str) -> str | None:
    """Return a field that is text, or None."""
    found = get(value, name)
    return found if isinstance(found, str) else None


def get_count(value: Any, name: str) -> int | None:
    """Return a field that is a whole number, or None."""
    found = get(value, name)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def get_list(value: Any, name: str) -> list[Any]:
    """Return a field that is a list or tuple, or an empty list."""
    found = get(value, name)
    return last_items(found) if isinstance(found, (list, tuple)) else []


def last_items(found: list[Any] | tuple[Any, ...]) -> list[Any]:
    """Return the items, of very many the last ones.

    No code of a subclass is run: it may not end.
    """
    last = slice(-snapshot.MAX_ITEMS, None)
    if isinstance(found, list):
        return list.__getitem__(found, last)
    return list(tuple.__getitem__(found, last))


def items_of(values: Sequence[Any], name: str) -> list[Any]:
    """Return the items of a list that each value has, of very many the last ones."""
    items = (item for value in reversed(values) for item in reversed(get_list(value, name)))
    return list(islice(items, snapshot.MAX_ITEMS))[::-1]


def join_parts(texts: Iterable[str]) -> str:
    """Join the parts of one text; of those that are files the length stays, and what is between."""
    return "".join(map(snapshot.without_long_files, texts))


def json_text(value: Any) -> str:
    """Return a value as JSON text: a text, which may be JSON already, stays; nothing is empty."""
    if value is None or isinstance(value, str):
        return value or ""
    copied = snapshot.take(value, snapshot.MAX_METADATA_CHARS).value
    return copied if isinstance(copied, str) else json.dumps(copied, ensure_ascii=False)


def token_counts(
    prompt: int | None, completion: int | None, total: int | None = None
) -> dict[str, int]:
    """Return what is known of `prompt_tokens`, `completion_tokens` and their total."""
    if total is None and prompt is not None and completion is not None:
        total = prompt + completion
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    return {name: count for name, count in counts.items() if count is not None}


def first_text(value: Any, *names: str) -> str | None:
    """Return the first of several fields that is a text with something in it, or None."""
    return next((text for name in names if (text := get_text(value, name))), None)


def first_count(value: Any, *names: str) -> int | None:
    """Return the first of several fields that is a whole number, or None."""
    return next((count for name in names if (count := get_count(value, name)) is not None), None)

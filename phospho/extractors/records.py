"""Read text out of the app's own records: dataclasses, attrs classes, named tuples, models.

The text stands under a usual name, else it is JSON of the fields. Objects of libraries that no
other extractor takes are read where they have such a name.
"""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

from phospho import snapshot
from phospho.extraction import Extracted
from phospho.extractors import catalogue, inside
from phospho.extractors.fields import get
from phospho.extractors.messages import by_name
from phospho.hookspecs import hookimpl

if TYPE_CHECKING:
    from phospho.models import Side


@hookimpl
def phospho_extract_input(value: Any) -> Extracted | None:
    """Return what stands under a name such as `question`."""
    return _read(value, "input")


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | None:
    """Return what stands under a name such as `answer`."""
    return _read(value, "output")


def _read(value: Any, side: Side) -> Extracted | None:
    if catalogue.is_known_package(type(value)):
        return _read_of_library(value, side)
    if _fields_of(value) is None:
        return None
    if getattr(type(value), "__pydantic_root_model__", False) is True:
        return _read_root(get(value, "root"), side)
    return read_named(value, side) or Extracted(_own_text(value) or _json(value))


def _read_root(root: Any, side: Side) -> Extracted:
    """Read the one value that a Pydantic `RootModel` is a model of."""
    read = Extracted(root) if isinstance(root, str) else inside.read(root, side)
    return read or Extracted(_json(root))


def _read_of_library(value: Any, side: Side) -> Extracted | None:
    """Read what a library's own object has under a usual name; it has more that is no text."""
    if not snapshot.is_data(type(value)):
        return None
    read = by_name(snapshot.public_fields(value), side, is_named=True)
    return read if read is not None and read.text else None


def read_named(value: Any, side: Side) -> Extracted | None:
    """Return the text under a usual name of a record, or None where there is none."""
    return by_name(_fields_of(value), side)


def _fields_of(value: Any) -> dict[str, Any] | None:
    """Return the fields of a record; other objects have a state, which is nobody's text."""
    kind = type(value)
    if issubclass(kind, tuple):
        names = getattr(kind, "_fields", None)
        return None if names is None else dict(zip(names, islice(value, len(names)), strict=False))
    if not snapshot.is_data(kind) or catalogue.is_known_package(kind):
        return None
    return snapshot.public_fields(value) or {}


def _own_text(value: Any) -> str | None:
    """Return `str(value)` where the app wrote how; Pydantic's own is no text to read."""
    where = getattr(type(value).__str__, "__module__", "")
    return None if where.startswith("pydantic") else snapshot.own_text(value)


def _json(value: Any) -> str:
    copied = snapshot.take(value, snapshot.MAX_TEXT_CHARS).value
    return copied if isinstance(copied, str) else json.dumps(copied, ensure_ascii=False)

"""Lists of the API as pandas DataFrames: a row each, and a column for each field.

Times are `datetime64[ns, UTC]`, whole numbers that may be missing `Int64`. What is nested stays in
its cell, but for an event that stands alone and an interaction that was searched for, whose fields
become columns. The events of an interaction are `{name: score or value}`, as in exports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from operator import attrgetter
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from pydantic import BaseModel

from phospho.api.answers import Event, Found, Interaction, Occurrence
from phospho.errors import MissingDependencyError

if TYPE_CHECKING:
    import pandas as pd

Cell = Callable[[Any], object]

_TIME = "datetime64[ns, UTC]"


def to_frame(kind: type[BaseModel], items: Iterable[BaseModel]) -> pd.DataFrame:
    """Return what was listed as a DataFrame, which has its columns also where it has no rows.

    Raises:
        MissingDependencyError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingDependencyError("pandas", extra="pandas") from error
    columns = {name: read for name, read, _ in _columns(kind)}
    rows = list(items)
    frame = pd.DataFrame({name: [read(row) for row in rows] for name, read in columns.items()})
    return frame.astype({name: dtype for name, _, dtype in _columns(kind) if dtype})


def _columns(kind: type[BaseModel]) -> list[tuple[str, Cell, str | None]]:
    """Return the columns of a kind: name, what reads a cell, and its dtype if it needs one."""
    if kind is Found:
        return [
            (name, _within("interaction", read), dtype)
            for name, read, dtype in _columns(Interaction)
        ]
    if kind is Occurrence:
        rest = [column for column in _own_columns(kind) if column[0] != "event"]
        return [("event", attrgetter("event.name"), None), *_event_columns(), *rest]
    return _own_columns(kind)


def _own_columns(kind: type[BaseModel]) -> list[tuple[str, Cell, str | None]]:
    return [
        (name, _cell(name, kind), _dtype(field.annotation))
        for name, field in kind.model_fields.items()
    ]


def _event_columns() -> list[tuple[str, Cell, str | None]]:
    return [
        (name, _within("event", read), dtype)
        for name, read, dtype in _own_columns(Event)
        if name != "name"
    ]


def _within(outer: str, read: Cell) -> Cell:
    return lambda row: read(getattr(row, outer))


def _cell(name: str, kind: type[BaseModel]) -> Cell:
    """Return what reads a field as a cell."""

    def read(row: Any) -> object:
        return _plain(getattr(row, name))

    if issubclass(kind, Interaction) and name in {"events", "rejected"}:
        return lambda row: {
            event.name: event.score if event.value is None else event.value
            for event in getattr(row, name)
        }
    return read


def _plain(value: object) -> object:
    """Return a value without the API's own types."""
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value


def _dtype(annotation: Any) -> str | None:
    """Return how pandas keeps a field, where it would not find that by itself."""
    is_union = get_origin(annotation) in {Union, UnionType}
    options = set(get_args(annotation)) if is_union else {annotation}
    kinds = options - {NoneType}
    if kinds == {int}:
        return "Int64" if NoneType in options else "int64"
    if kinds == {float}:
        return "float64"
    if kinds == {bool}:
        return "boolean" if NoneType in options else "bool"
    return _TIME if datetime in kinds else None

"""One statement for many rows: the values of each parameter as an array, a row for each place.

What PostgreSQL and psycopg do for a statement costs more than the row that it adds: a batch of a
hundred interactions was nine hundred statements.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from phospho_server.store import PARAMETER, Params
from phospho_server.store.postgresql.dialect import as_kept

# An insert of one row, and what it does where there is one already.
_INSERT = re.compile(
    r"\s*(?P<head>insert\s+into\s+\w+\s*(?:\((?P<columns>[^()]*)\))?)\s*"
    r"values\s*\((?P<values>.*?)\)\s*(?P<tail>on\s+conflict\b.*)?",
    re.DOTALL,
)
_UPDATED_BY = re.compile(r"on\s+conflict\s*\((?P<key>[^()]*)\)\s*do\s+update\b")

# By the types of the values that a parameter has, but for nulls: as all the columns there are.
_ARRAYS: Mapping[frozenset[type], tuple[str, type]] = {
    frozenset({str}): ("text", str),
    frozenset({bytes}): ("bytea", bytes),
    frozenset({int}): ("bigint", int),
    frozenset({bool}): ("bigint", int),
    frozenset({int, bool}): ("bigint", int),
    frozenset({float}): ("double precision", float),
    frozenset({float, int}): ("double precision", float),
}


@dataclass(frozen=True)
class Insert:
    """An insert of one row that can add many.

    Args:
        head: What comes before its values.
        values: As it has them, with named parameters.
        tail: What is done where there is such a row; without parameters.
        names: The parameters.
        key: Those that decide which row there is already, where that is then changed.
    """

    head: str
    values: str
    tail: str
    names: tuple[str, ...]
    key: tuple[str, ...]

    def rounds(self, sets: Sequence[Params]) -> Iterator[Sequence[Params]]:
        """Yield the sets in their order, but never two of one row together.

        A statement changes a row once. Of what is added to it again the statement after must know.
        """
        if not self.key:
            yield sets
            return
        left = sets
        while left:
            seen: set[Hashable] = set()
            together: list[Params] = []
            later: list[Params] = []
            for each in left:
                key = tuple(as_kept(each[name]) for name in self.key)
                (later if key in seen else together).append(each)
                seen.add(key)
            yield together
            left = later

    def bind(self, sets: Sequence[Params]) -> tuple[bytes, dict[str, list[object]]] | None:
        """Return the statement for some sets and its parameters; None where types are mixed."""
        arrays: dict[str, str] = {}
        params: dict[str, list[object]] = {}
        for name in self.names:
            values = [each[name] for each in sets]
            types = frozenset(map(type, values)) - {type(None)}
            if not types:
                continue
            if types not in _ARRAYS:
                return None
            arrays[name], needed = _ARRAYS[types]
            params[name] = values if types == {needed} else _convert(values, needed)
        return _statement(self, tuple(arrays.items())), params


def _convert(values: Sequence[object], needed: type) -> list[object]:
    return [None if value is None else needed(value) for value in values]


@lru_cache(maxsize=1_024)
def _statement(insert: Insert, arrays: tuple[tuple[str, str], ...]) -> bytes:
    """Return the statement where only some parameters are ever more than null."""
    names = [name for name, _ in arrays]
    listed = ", ".join(f"cast(%({name})s as {kind}[])" for name, kind in arrays)
    values = PARAMETER.sub(
        lambda found: _value(found["name"], names) if found["name"] else found[0],
        insert.values.replace("%", "%%"),
    )
    tail = insert.tail.replace("%", "%%")
    return (
        f"{insert.head} select {values} from unnest({listed}) as new({', '.join(names)}) {tail}"
    ).encode()


def _value(name: str, names: Sequence[str]) -> str:
    return f"new.{name}" if name in names else "null"


@lru_cache(maxsize=1_024)
def read(sql: str) -> Insert | None:
    """Return the insert that a statement is; None where it is another, or has to go by itself."""
    found = _INSERT.fullmatch(sql)
    if found is None:
        return None
    tail = found["tail"] or ""
    names = tuple(dict.fromkeys(_names(found["values"])))
    key = _key(found["columns"], found["values"], tail)
    if not names or key is None or any(_names(tail)):
        return None
    return Insert(found["head"], found["values"], tail, names, key)


def _key(columns: str | None, values: str, tail: str) -> tuple[str, ...] | None:
    """Return the parameters of the columns that may not be there twice; None: not to be told."""
    updated = _UPDATED_BY.match(tail)
    if updated is None:
        return ()
    placed = dict(zip(_split(columns or ""), _split(values), strict=False))
    key = [placed.get(column, "") for column in _split(updated["key"])]
    return tuple(value[1:] for value in key) if all(v.startswith(":") for v in key) else None


def _split(listed: str) -> list[str]:
    return [each.strip() for each in listed.split(",")]


def _names(text: str) -> Iterator[str]:
    return (found["name"] for found in PARAMETER.finditer(text) if found["name"])

"""A page of a list: so many rows along an index, and where the next page begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phospho_server.store import Connection, Row

# Rows of an index that are looked at for one page. What is rare besides takes several pages, each
# of them quick.
MOST_CANDIDATES = 2_000

Place = Sequence[Any]


@dataclass(frozen=True)
class Way:
    """A walk along an index.

    Args:
        source: The table, with its alias.
        keys: The columns that give the order, as the index has them; the last tells rows apart.
        is_down: Whether it goes downwards.
        where: What makes it a part of the index that has no gaps.
        params: What the conditions name.
    """

    source: str
    keys: Sequence[str]
    is_down: bool
    where: Sequence[str]
    params: Mapping[str, object]


def walk(
    db: Connection,
    way: Way,
    *,
    columns: str,
    join: str = "",
    conditions: Sequence[str] = (),
    place: Place | None = None,
    limit: int,
    most_candidates: int = MOST_CANDIDATES,
) -> tuple[list[tuple[Any, ...]], Place | None]:
    """Return at most `limit` rows from a place on, and the place where the next page begins.

    A row has its columns in their order.

    Args:
        db: A connection.
        way: Where to walk.
        columns: What to return of each row.
        join: Other tables that the columns and conditions need, one row each.
        conditions: What else has to hold. With any, there may be few rows, or none, with more to
            come.
        place: The keys of the row before.
        limit: Rows to return.
        most_candidates: Rows that are looked at where there are conditions.
    """
    params = {**way.params, "limit": limit + 1}
    where = list(way.where)
    beyond, up_to, direction = ("<", ">=", "desc") if way.is_down else (">", "<=", "asc")
    order = "order by " + ", ".join(f"{key} {direction}" for key in way.keys)
    if place is not None:
        where.append(_compare(way, beyond, "place", place, params))
    keys = ", ".join(f"{key} as key_{number}" for number, key in enumerate(way.keys))
    end: Row | None = None
    if conditions:
        end = db.row(
            f"select {keys} from {way.source} where {' and '.join(where)} {order} "
            f"limit 1 offset {most_candidates - 1}",
            params,
        )
    if end is not None:
        where.append(_compare(way, up_to, "end", _read_place(way, end), params))
    rows = db.tuples(
        f"select {columns}, {keys} from {way.source} {join} "
        f"where {' and '.join([*where, *conditions])} {order} limit :limit",
        params,
    )
    width = -len(way.keys)
    found = [row[:width] for row in rows[:limit]]
    if len(rows) > limit:
        return found, rows[limit - 1][width:]
    return found, _read_place(way, end) if end is not None else None


def _compare(way: Way, sign: str, name: str, place: Place, params: dict[str, object]) -> str:
    names = [f"{name}_{number}" for number in range(len(way.keys))]
    params |= dict(zip(names, place, strict=True))
    return f"({', '.join(way.keys)}) {sign} ({', '.join(f':{each}' for each in names)})"


def _read_place(way: Way, row: Row) -> Place:
    return [row[f"key_{number}"] for number in range(len(way.keys))]

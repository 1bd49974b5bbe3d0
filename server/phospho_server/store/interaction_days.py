"""Which interactions each day has, by the order of arrival, so that a period is a range of ids."""

from __future__ import annotations

from collections.abc import Iterable

from phospho_server.clock import day_of
from phospho_server.store import Connection

_UPSERT_DAY = """
insert into interaction_days (project_id, day_ms, first_id, last_id)
values (:project_id, :day_ms, :first_id, :last_id)
on conflict (project_id, day_ms) do update set
    first_id = case when excluded.first_id < interaction_days.first_id
        then excluded.first_id else interaction_days.first_id end,
    last_id = case when excluded.last_id > interaction_days.last_id
        then excluded.last_id else interaction_days.last_id end
"""


def roll_up(db: Connection, project_id: str, new: Iterable[tuple[int, int]]) -> None:
    """Add interactions, each as its time and its id."""
    days: dict[int, list[int]] = {}
    for at_ms, interaction_id in new:
        days.setdefault(day_of(at_ms), []).append(interaction_id)
    db.execute_many(
        _UPSERT_DAY,
        [
            {"project_id": project_id, "day_ms": day_ms, "first_id": min(ids), "last_id": max(ids)}
            for day_ms, ids in days.items()
        ],
    )


def find_range(
    db: Connection, project_id: str, *, since_ms: int | None, until_ms: int | None
) -> tuple[int, int] | None:
    """Return the first and the last id that interactions of a period may have; None: it has none.

    What is late, or was imported, makes the range longer than it has to be; nothing lies outside.
    """
    row = db.row(
        "select min(first_id) as first_id, max(last_id) as last_id from interaction_days "
        "where project_id = :project_id and day_ms >= :since and day_ms < :until",
        {
            "project_id": project_id,
            "since": day_of(since_ms or 0),
            "until": 2**62 if until_ms is None else until_ms,
        },
    )
    return None if row is None or row["first_id"] is None else (row["first_id"], row["last_id"])

"""What there was on each UTC day, from the roll-up by day."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from phospho_server.clock import day_of
from phospho_server.store import Connection


@dataclass(frozen=True)
class DayTotals:
    """Numbers of a day, or of several."""

    interactions: int = 0
    sessions: int = 0
    events: int = 0
    successes: int = 0
    failures: int = 0

    def plus(self, other: DayTotals) -> DayTotals:
        """Return the numbers of both."""
        mine, theirs = vars(self), vars(other)
        return DayTotals(**{name: mine[name] + theirs[name] for name in mine})


# Which number a metric of the roll-up is; of feedback with its key.
_NUMBERS = {
    ("interactions", ""): "interactions",
    ("sessions", ""): "sessions",
    ("feedback", "success"): "successes",
    ("feedback", "failure"): "failures",
}


def list_days(
    db: Connection, project_id: str, *, since_ms: int | None, until_ms: int | None
) -> dict[int, DayTotals]:
    """Return the numbers of each day, by its start, that there are any of.

    Args:
        db: A connection.
        project_id: The project.
        since_ms: The first day is that of this time.
        until_ms: The last day begins before this time.
    """
    rows = db.rows(
        "select metric, case metric when 'feedback' then key else '' end as key, day_ms, "
        "sum(value) as value from day_counters where project_id = :project_id "
        "and metric in ('interactions', 'sessions', 'events', 'feedback') "
        "and day_ms >= :since and day_ms < :until group by 1, 2, 3",
        {
            "project_id": project_id,
            "since": day_of(since_ms or 0),
            "until": 2**62 if until_ms is None else until_ms,
        },
    )
    found: dict[int, DayTotals] = defaultdict(DayTotals)
    for row in rows:
        name = _NUMBERS.get((row["metric"], row["key"]), "events")
        if row["value"]:
            found[row["day_ms"]] = found[row["day_ms"]].plus(DayTotals(**{name: row["value"]}))
    return found

"""How often an event occurred in a window that ends now, and in the same one of the days before."""

from __future__ import annotations

from dataclasses import dataclass

from phospho_server.clock import DAY_MS, HOUR_MS, MINUTE_MS, hour_of, minute_of, now_ms
from phospho_server.store import Connection, counters
from phospho_server.store.counters import MINUTES_KEPT_MS

# Days that a window is compared with.
MOST_DAYS = 14


@dataclass(frozen=True)
class Window:
    """What was counted in a stretch of time."""

    events: int
    interactions: int


@dataclass(frozen=True)
class Stretch:
    """The time that is counted: whole minutes, the last of which is running.

    It is at least as long as it is called, and at most a minute longer, so that nothing falls
    between two looks.
    """

    since_ms: int
    until_ms: int

    @classmethod
    def ending(cls, at_ms: int, length_ms: int) -> Stretch:
        """Return the stretch of a length that ends at a time."""
        until_ms = minute_of(at_ms) + MINUTE_MS
        return cls(until_ms - length_ms - MINUTE_MS, until_ms)

    @property
    def whole_hours(self) -> tuple[int, int]:
        """Begin and end of the whole hours in it, which the roll-up by hour knows."""
        first_ms, last_ms = hour_of(self.since_ms + HOUR_MS - 1), hour_of(self.until_ms)
        return (first_ms, last_ms) if first_ms < last_ms else (self.until_ms, self.until_ms)


_COUNT = """
(select coalesce(sum(value), 0) from {table} where project_id = :project_id
and metric = '{metric}' and key = {key}
and {time} >= {begin} - n * :day and {time} < {end} - n * :day)
"""


def _count(metric: str, key: str) -> str:
    """Return SQL that counts a stretch of a day: by hours, and by minutes at its ends."""
    of = {"metric": metric, "key": key}
    minutes = {**of, "table": "minute_counters", "time": "minute_ms"}
    return " + ".join(
        (
            _COUNT.format(**minutes, begin=":since", end=":first_hour"),
            _COUNT.format(
                **of, table="counters", time="hour_ms", begin=":first_hour", end=":last_hour"
            ),
            _COUNT.format(**minutes, begin=":last_hour", end=":until"),
        )
    )


_COUNT_DAYS = f"""
with recursive days (n) as (select 0 union all select n + 1 from days where n < :days)
select {_count("events", ":definition_id")} as events,
    {_count("interactions", "''")} as interactions
from days order by n
"""


def count_windows(
    db: Connection, project_id: str, definition_id: str, stretch: Stretch, *, days: int = 0
) -> list[Window]:
    """Return what was counted today, and at the same time of each of the days before.

    Args:
        db: A connection.
        project_id: The project.
        definition_id: The event.
        stretch: The time of today.
        days: How many days before, yesterday first.
    """
    first_hour, last_hour = stretch.whole_hours
    rows = db.rows(
        _COUNT_DAYS,
        {
            "project_id": project_id,
            "definition_id": definition_id,
            "since": stretch.since_ms,
            "until": stretch.until_ms,
            "first_hour": first_hour,
            "last_hour": last_hour,
            "day": DAY_MS,
            "days": days,
        },
    )
    # What is taken out again may stand in another minute than what was counted by the hour.
    return [Window(max(row["events"], 0), max(row["interactions"], 0)) for row in rows]


def count_known_days(
    db: Connection, project_id: str, definition_id: str, stretch: Stretch
) -> int | None:
    """Return of how many days before today it is known how often an event occurred.

    Returns:
        At most `MOST_DAYS`; None while past interactions are being looked at.
    """
    if _is_looking_back(db, project_id, definition_id):
        return None
    first_ms = counters.first_hour(db, project_id)
    if first_ms is None:
        return 0
    known_ms = max(first_ms, _find_decided_since(db, project_id, definition_id))
    days = (stretch.since_ms - known_ms) // DAY_MS
    return max(0, min(days, MOST_DAYS))


def _is_looking_back(db: Connection, project_id: str, definition_id: str) -> bool:
    return (
        db.row(
            "select 1 from jobs where project_id = :project_id and kind = 'backfill' "
            "and definition_id = :definition_id",
            {"project_id": project_id, "definition_id": definition_id},
        )
        is not None
    )


def _find_decided_since(db: Connection, project_id: str, definition_id: str) -> int:
    """Return since when the present version of a definition decides; 0: about all."""
    row = db.row(
        "select v.from_id from event_definitions d join event_definition_versions v "
        "on v.definition_id = d.id and v.version = d.version "
        "where d.project_id = :project_id and d.id = :definition_id",
        {"project_id": project_id, "definition_id": definition_id},
    )
    if row is None or not row["from_id"]:
        return 0
    first = db.row(
        "select received_at_ms from interactions where project_id = :project_id and id >= :from_id "
        "order by id limit 1",
        {"project_id": project_id, "from_id": row["from_id"]},
    )
    return now_ms() if first is None else int(first["received_at_ms"])


def has_old(db: Connection) -> bool:
    """Tell whether there are counts that nothing looks back to."""
    row = db.row("select min(minute_ms) as at_ms from minute_counters")
    return row is not None and row["at_ms"] is not None and row["at_ms"] < _oldest_ms()


def forget_old(db: Connection, *, most: int) -> int:
    """Forget some counts that nothing looks back to; return how many."""
    return db.execute(
        "delete from minute_counters where (project_id, metric, key, minute_ms) in "
        "(select project_id, metric, key, minute_ms from minute_counters "
        " where minute_ms < :oldest limit :most)",
        {"oldest": _oldest_ms(), "most": most},
    )


def _oldest_ms() -> int:
    # An hour later than what is counted, so that it goes in few parts.
    return now_ms() - MINUTES_KEPT_MS - HOUR_MS

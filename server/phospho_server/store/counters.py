"""Roll-ups by hour, by day and by the minute: counts that nothing has to scan for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from phospho_server.clock import DAY_MS, HOUR_MS, day_of, hour_of, minute_of, now_ms
from phospho_server.store import Connection
from phospho_server.store.rows import EventCount, Series, Totals
from phospho_server.store.time_steps import TimeSteps
from phospho_server.store.user_days import count_users, get_user_series

_ADD = """
insert into counters (project_id, metric, key, hour_ms, value)
values (:project_id, :metric, :key, :at_ms, :value)
on conflict (project_id, metric, key, hour_ms) do update set value = counters.value + excluded.value
"""

# The same by day, so that a year is not 8,760 rows of each metric.
_ADD_TO_DAYS = """
insert into day_counters (project_id, metric, key, day_ms, value)
values (:project_id, :metric, :key, :at_ms, :value)
on conflict (project_id, metric, key, day_ms)
    do update set value = day_counters.value + excluded.value
"""

# The same by the minute, of what alerts are about and for as long as they look back.
_ADD_TO_MINUTES = """
insert into minute_counters (project_id, metric, key, minute_ms, value)
values (:project_id, :metric, :key, :at_ms, :value)
on conflict (project_id, metric, key, minute_ms)
    do update set value = minute_counters.value + excluded.value
"""
_MINUTE_METRICS = frozenset({"interactions", "events"})
MINUTES_KEPT_MS = 16 * DAY_MS


def add(db: Connection, project_id: str, changes: Mapping[tuple[str, str, int], int]) -> None:
    """Add to counters.

    Args:
        db: A connection in a write transaction.
        project_id: The project.
        changes: `(metric, key, at_ms)` to the difference, which may be negative.
    """
    hours: Counter[tuple[str, str, int]] = Counter()
    days: Counter[tuple[str, str, int]] = Counter()
    minutes: Counter[tuple[str, str, int]] = Counter()
    oldest_ms = now_ms() - MINUTES_KEPT_MS
    for (metric, key, at_ms), difference in changes.items():
        hours[metric, key, hour_of(at_ms)] += difference
        days[metric, key, day_of(at_ms)] += difference
        if metric in _MINUTE_METRICS and at_ms >= oldest_ms:
            minutes[metric, key, minute_of(at_ms)] += difference
    for statement, counts in ((_ADD, hours), (_ADD_TO_DAYS, days), (_ADD_TO_MINUTES, minutes)):
        db.execute_many(
            statement,
            [
                {"project_id": project_id, "metric": m, "key": k, "at_ms": at, "value": difference}
                for (m, k, at), difference in counts.items()
                if difference
            ],
        )


def table_for(*bounds_ms: int) -> str:
    """Return the roll-up that answers for a stretch of time, its columns named as in `counters`.

    Args:
        bounds_ms: Begin, end and steps: multiples of an hour. Where all are whole UTC days, the
            roll-up by day answers, which is a 24th as long.
    """
    if any(bound % DAY_MS for bound in bounds_ms):
        return "counters"
    return "(select project_id, metric, key, day_ms as hour_ms, value from day_counters)"


def get_totals(db: Connection, project_id: str, *, since_ms: int, until_ms: int) -> Totals:
    """Return the numbers of a period that begins and ends on an hour; users by whole days."""
    rows = db.rows(
        f"select metric, key, sum(value) as value from {table_for(since_ms, until_ms)} c "
        "where project_id = :project_id "
        "and metric in ('sessions', 'interactions', 'events', 'feedback') "
        "and hour_ms >= :since and hour_ms < :until group by metric, key",
        {"project_id": project_id, "since": since_ms, "until": until_ms},
    )
    counts: Counter[str] = Counter()
    for row in rows:
        name = f"{row['key']}_flags" if row["metric"] == "feedback" else row["metric"]
        counts[name] += row["value"]
    users = count_users(db, project_id, since_ms=day_of(since_ms), until_ms=until_ms)
    return Totals(
        sessions=counts["sessions"],
        interactions=counts["interactions"],
        users=users,
        events=counts["events"],
        successes=counts["success_flags"],
        failures=counts["failure_flags"],
    )


def get_series(
    db: Connection, project_id: str, *, since_ms: int, until_ms: int, step_ms: int
) -> Series:
    """Return counts over time of sessions, interactions, users, events and feedback.

    Args:
        db: A connection.
        project_id: The project.
        since_ms: Start of the period, on an hour.
        until_ms: Its end. Steps are counted from here, so the first may be shorter.
        step_ms: Length of a step: a multiple of an hour; `users` are counted by whole UTC days,
            so they are left out of shorter steps.
    """
    steps = TimeSteps(since_ms, until_ms, step_ms)
    rows = db.rows(
        "select metric, key, (hour_ms - :origin) / :step as step, sum(value) as value "
        f"from {table_for(since_ms, until_ms, step_ms)} c where project_id = :project_id "
        "and metric in ('sessions', 'interactions', 'events', 'feedback') "
        "and hour_ms >= :since and hour_ms < :until group by metric, key, step",
        {"project_id": project_id, **steps.params},
    )
    values = {
        name: [0] * steps.count
        for name in ("sessions", "interactions", "users", "events", "success", "failure")
    }
    for row in rows:
        name = row["key"] if row["metric"] == "feedback" else row["metric"]
        values[name][row["step"]] += row["value"]
    if step_ms % DAY_MS:
        del values["users"]
    else:
        values["users"] = get_user_series(db, project_id, steps)
    return Series(steps.starts_ms, values)


def get_event_series(
    db: Connection,
    project_id: str,
    definition_id: str,
    *,
    since_ms: int,
    until_ms: int,
    step_ms: int,
) -> Series:
    """Return `events` of one definition over time, and all `interactions`; as `get_series` does."""
    steps = TimeSteps(since_ms, until_ms, step_ms)
    rows = db.rows(
        "select metric, (hour_ms - :origin) / :step as step, sum(value) as value "
        f"from {table_for(since_ms, until_ms, step_ms)} c where project_id = :project_id "
        "and metric in ('events', 'interactions') and key in (:definition_id, '') "
        "and hour_ms >= :since and hour_ms < :until group by metric, step",
        {"project_id": project_id, "definition_id": definition_id, **steps.params},
    )
    values = {name: [0] * steps.count for name in ("events", "interactions")}
    for row in rows:
        values[row["metric"]][row["step"]] = row["value"]
    return Series(steps.starts_ms, values)


def count_events(
    db: Connection, project_id: str, *, since_ms: int, until_ms: int
) -> Sequence[EventCount]:
    """Return how often each event occurred in a period, the most frequent first.

    Every definition that is not deleted is listed, also with 0.
    """
    rows = db.rows(
        "select d.id as definition_id, d.name, d.description, d.color, "
        "coalesce(sum(c.value), 0) as events "
        f"from event_definitions d left join {table_for(since_ms, until_ms)} c "
        "on c.project_id = d.project_id "
        "and c.metric = 'events' and c.key = d.id and c.hour_ms >= :since and c.hour_ms < :until "
        "where d.project_id = :project_id and d.deleted_at_ms is null "
        "group by d.id, d.name, d.description, d.color order by events desc, d.name",
        {"project_id": project_id, "since": since_ms, "until": until_ms},
    )
    return [EventCount(**dict(row)) for row in rows]


def count_interactions(db: Connection, project_id: str) -> int:
    """Return how many interactions a project has had, those that were removed included."""
    row = db.row(
        "select coalesce(sum(value), 0) as n from day_counters where project_id = :project_id "
        "and metric = 'interactions' and key = ''",
        {"project_id": project_id},
    )
    return int(row["n"]) if row else 0


def count_stored(db: Connection, project_id: str, *, until_ms: int | None = None) -> int:
    """Return how many interactions a project still has.

    Args:
        db: A connection.
        project_id: The project.
        until_ms: Only those older than this, the start of an hour.
    """
    row = db.row(
        "select coalesce(sum(case metric when 'removed' then -value else value end), 0) as n "
        "from counters where project_id = :project_id "
        "and metric in ('interactions', 'removed') and key = '' "
        "and (:until_ms is null or hour_ms < :until_ms)",
        {"project_id": project_id, "until_ms": until_ms},
    )
    return int(row["n"]) if row else 0


def first_hour(db: Connection, project_id: str) -> int | None:
    """Return the hour of the project's earliest interaction, or None before there is one."""
    row = db.row(
        "select min(hour_ms) as hour_ms from counters where project_id = :project_id "
        "and metric = 'interactions' and key = ''",
        {"project_id": project_id},
    )
    return row["hour_ms"] if row else None


def whole_hours(at_ms: int) -> int:
    """Return the end of the hour `at_ms` lies in."""
    return at_ms - at_ms % HOUR_MS + HOUR_MS


def count_all(db: Connection, project_id: str) -> Totals:
    """Return the interactions and events of all time; the other numbers stay 0."""
    rows = db.rows(
        "select metric, sum(value) as value from day_counters where project_id = :project_id "
        "and metric in ('interactions', 'events') group by metric",
        {"project_id": project_id},
    )
    return Totals(**{row["metric"]: row["value"] for row in rows})

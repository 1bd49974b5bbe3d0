"""Roll-ups by hour, by day and by the minute: counts that nothing has to scan for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


# Each key that numbers of a project are kept under, so that a period is a range of each.
_KEYS = (
    "key in (select '' union all select 'success' union all select 'failure' "
    "union all select id from event_definitions where project_id = :project_id)"
)
_NUMBERS = f"metric in ('sessions', 'interactions', 'events', 'feedback') and {_KEYS}"


@dataclass(frozen=True)
class Counted:
    """The roll-ups that answer for a stretch of time.

    Args:
        table: Has `metric`, `key`, `hour_ms` and `value` of `:project_id`.
        params: What a query of it needs besides.
    """

    table: str
    params: Mapping[str, object]


_DAYS = (
    "select metric, key, day_ms as hour_ms, value from day_counters "
    "where project_id = :project_id and {which} and day_ms >= :first_day and day_ms < :last_day"
)
_HOURS = (
    "select metric, key, hour_ms, value from counters "
    "where project_id = :project_id and {which} and hour_ms >= {begin} and hour_ms < {end}"
)


def counted(
    which: str, since_ms: int, until_ms: int, *, origin_ms: int = 0, step_ms: int = DAY_MS
) -> Counted:
    """Return what answers for a stretch of time: whole UTC days by day, its ends by the hour.

    Args:
        which: SQL that names metrics and keys, so that of each a range is read.
        since_ms: Its begin, on an hour.
        until_ms: Its end, on an hour.
        origin_ms: Where a step of it begins. Where steps are no whole UTC days, all is by hour.
        step_ms: Their length, a multiple of an hour.
    """
    first_day, last_day = day_of(since_ms + DAY_MS - 1), day_of(until_ms)
    if origin_ms % DAY_MS or step_ms % DAY_MS or first_day >= last_day:
        first_day = last_day = until_ms
    parts = [
        _HOURS.format(which=which, begin=":since", end=":first_day")
        if since_ms < first_day
        else "",
        _DAYS.format(which=which) if first_day < last_day else "",
        _HOURS.format(which=which, begin=":last_day", end=":until") if last_day < until_ms else "",
    ]
    params = {"since": since_ms, "until": until_ms, "first_day": first_day, "last_day": last_day}
    # Of no time at all nothing is counted.
    whole = " union all ".join(filter(None, parts)) or _DAYS.format(which=which)
    return Counted(f"({whole})", params)


def counted_in(which: str, steps: TimeSteps) -> Counted:
    """Return what answers for a stretch of time by its steps."""
    of = counted(
        which,
        steps.since_ms,
        steps.until_ms,
        origin_ms=steps.origin_ms,
        step_ms=steps.step_ms,
    )
    return Counted(of.table, {**of.params, "origin": steps.origin_ms, "step": steps.step_ms})


def get_totals(db: Connection, project_id: str, *, since_ms: int, until_ms: int) -> Totals:
    """Return the numbers of a period that begins and ends on an hour; users by whole days."""
    of = counted(_NUMBERS, since_ms, until_ms)
    rows = db.rows(
        f"select metric, key, sum(value) as value from {of.table} c group by metric, key",
        {"project_id": project_id, **of.params},
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
    of = counted_in(_NUMBERS, steps)
    rows = db.rows(
        "select case metric when 'feedback' then key else metric end as name, "
        "(hour_ms - :origin) / :step as step, sum(value) as value "
        f"from {of.table} c group by name, step",
        {"project_id": project_id, **of.params},
    )
    values = {
        name: [0] * steps.count
        for name in ("sessions", "interactions", "users", "events", "success", "failure")
    }
    for row in rows:
        values[row["name"]][row["step"]] = row["value"]
    if step_ms % DAY_MS:
        del values["users"]
    else:
        values["users"] = get_user_series(db, project_id, steps)
    return Series(steps.starts_ms, values)


def sum_up(
    db: Connection, project_id: str, series: Series, *, since_ms: int, until_ms: int
) -> Totals:
    """Return what `get_totals` does of a period whose course is known, without counting again."""
    sums = {name: sum(values) for name, values in series.values.items()}
    return Totals(
        sessions=sums["sessions"],
        interactions=sums["interactions"],
        users=count_users(db, project_id, since_ms=day_of(since_ms), until_ms=until_ms),
        events=sums["events"],
        successes=sums["success"],
        failures=sums["failure"],
    )


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
    of = counted_in("metric in ('events', 'interactions') and key in (:definition_id, '')", steps)
    rows = db.rows(
        "select metric, (hour_ms - :origin) / :step as step, sum(value) as value "
        f"from {of.table} c group by metric, step",
        {"project_id": project_id, "definition_id": definition_id, **of.params},
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
    of = counted(f"metric = 'events' and {_KEYS}", since_ms, until_ms)
    rows = db.rows(
        "select d.id as definition_id, d.name, d.description, d.color, "
        "coalesce(n.events, 0) as events from event_definitions d "
        f"left join (select key, sum(value) as events from {of.table} c group by key) n "
        "on n.key = d.id where d.project_id = :project_id and d.deleted_at_ms is null "
        "order by events desc, d.name",
        {"project_id": project_id, **of.params},
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

"""Hourly roll-ups: counts that no page has to scan for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from phospho_server.clock import DAY_MS, HOUR_MS
from phospho_server.store import Connection
from phospho_server.store.rows import EventCount, Series, Totals

_ADD = """
insert into counters (project_id, metric, key, hour_ms, value)
values (:project_id, :metric, :key, :hour_ms, :value)
on conflict (project_id, metric, key, hour_ms) do update set value = counters.value + excluded.value
"""


def add(db: Connection, project_id: str, changes: Mapping[tuple[str, str, int], int]) -> None:
    """Add to counters.

    Args:
        db: A connection in a write transaction.
        project_id: The project.
        changes: `(metric, key, hour_ms)` to the difference, which may be negative.
    """
    db.execute_many(
        _ADD,
        [
            {"project_id": project_id, "metric": m, "key": k, "hour_ms": h, "value": difference}
            for (m, k, h), difference in changes.items()
            if difference
        ],
    )


def get_totals(db: Connection, project_id: str, *, since_ms: int, until_ms: int) -> Totals:
    """Return the numbers of a period that begins and ends on an hour."""
    period = {"project_id": project_id, "since": since_ms, "until": until_ms}
    rows = db.rows(
        "select metric, sum(value) as value from counters where project_id = :project_id "
        "and metric in ('sessions', 'interactions', 'events') "
        "and hour_ms >= :since and hour_ms < :until group by metric",
        period,
    )
    users = db.row(
        "select count(distinct user_id) as value from user_days where project_id = :project_id "
        "and day_ms >= :since - :since % :day and day_ms < :until",
        {**period, "day": DAY_MS},
    )
    counts = {row["metric"]: row["value"] for row in rows}
    return Totals(**counts, users=users["value"] if users else 0)


def get_series(
    db: Connection, project_id: str, *, since_ms: int, until_ms: int, step_ms: int
) -> Series:
    """Return counts over time of sessions, interactions, users and events.

    Args:
        db: A connection.
        project_id: The project.
        since_ms: Start of the first step, on an hour.
        until_ms: End of the last step.
        step_ms: Length of a step: a multiple of an hour; `users` are counted by whole UTC days,
            so they are left out of shorter steps.
    """
    rows = db.rows(
        "select metric, (hour_ms - :since) / :step as step, sum(value) as value from counters "
        "where project_id = :project_id "
        "and metric in ('sessions', 'interactions', 'events', 'active_users') "
        "and hour_ms >= :since and hour_ms < :until group by metric, step",
        {"project_id": project_id, "since": since_ms, "until": until_ms, "step": step_ms},
    )
    starts = range(since_ms, until_ms, step_ms)
    values = {name: [0] * len(starts) for name in ("sessions", "interactions", "users", "events")}
    for row in rows:
        name = "users" if row["metric"] == "active_users" else row["metric"]
        values[name][row["step"]] = row["value"]
    if step_ms % DAY_MS:
        del values["users"]
    return Series(list(starts), values)


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
    rows = db.rows(
        "select metric, (hour_ms - :since) / :step as step, sum(value) as value from counters "
        "where project_id = :project_id and metric in ('events', 'interactions') "
        "and key in (:definition_id, '') "
        "and hour_ms >= :since and hour_ms < :until group by metric, step",
        {
            "project_id": project_id,
            "definition_id": definition_id,
            "since": since_ms,
            "until": until_ms,
            "step": step_ms,
        },
    )
    starts = range(since_ms, until_ms, step_ms)
    values = {name: [0] * len(starts) for name in ("events", "interactions")}
    for row in rows:
        values[row["metric"]][row["step"]] = row["value"]
    return Series(list(starts), values)


def count_events(
    db: Connection, project_id: str, *, since_ms: int, until_ms: int
) -> Sequence[EventCount]:
    """Return how often each event occurred in a period, the most frequent first.

    Every definition that is not deleted is listed, also with 0.
    """
    rows = db.rows(
        "select d.id as definition_id, d.name, d.description, d.color, "
        "coalesce(sum(c.value), 0) as events "
        "from event_definitions d left join counters c on c.project_id = d.project_id "
        "and c.metric = 'events' and c.key = d.id and c.hour_ms >= :since and c.hour_ms < :until "
        "where d.project_id = :project_id and d.deleted_at_ms is null "
        "group by d.id, d.name, d.description, d.color order by events desc, d.name",
        {"project_id": project_id, "since": since_ms, "until": until_ms},
    )
    return [EventCount(**dict(row)) for row in rows]


def count_interactions(db: Connection, project_id: str) -> int:
    """Return how many interactions a project has."""
    row = db.row(
        "select coalesce(sum(value), 0) as n from counters where project_id = :project_id "
        "and metric = 'interactions' and key = ''",
        {"project_id": project_id},
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
        "select metric, sum(value) as value from counters where project_id = :project_id "
        "and metric in ('interactions', 'events') group by metric",
        {"project_id": project_id},
    )
    return Totals(**{row["metric"]: row["value"] for row in rows})

"""What the roll-ups of a dashboard must equal, counted again from what they sum up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from phospho.detectors.sentiment import feeling_of
from phospho_server.clock import HOUR_MS, day_of, hour_of, now_ms
from phospho_server.store import Connection, counters, facts, user_days

Counts = Counter[tuple[Any, ...]]

_BY_MINUTE = ("interactions", "events")


def check_roll_ups(db: Connection) -> None:
    """Fail where a roll-up differs from a recount; one that is 0 may be there or not."""
    hours = _rows(db, "select project_id, metric, key, hour_ms, value from counters")
    days: Counts = Counter()
    for (project_id, metric, key, hour_ms), value in hours.items():
        days[project_id, metric, key, day_of(hour_ms)] += value
    assert _rows(db, "select project_id, metric, key, day_ms, value from day_counters") == days
    minutes: Counts = Counter()
    rows = "select project_id, metric, key, minute_ms, value from minute_counters"
    for (project_id, metric, key, minute_ms), value in _rows(db, rows).items():
        minutes[project_id, metric, key, hour_of(minute_ms)] += value
    # Of what is older there are no minutes any more, but for some of the hour where that begins.
    edge_ms = now_ms() - counters.MINUTES_KEPT_MS
    recent = {p: n for p, n in hours.items() if p[1] in _BY_MINUTE and p[3] >= edge_ms + HOUR_MS}
    by_minute = {place: n for place, n in minutes.items() if n}
    assert {p: n for p, n in by_minute.items() if p[3] >= edge_ms + HOUR_MS} == recent
    assert all(place[3] >= edge_ms - HOUR_MS for place in by_minute)
    # Numbers over time stay when interactions are removed: then they are at least what is left.
    has_all = not any(metric == "removed" for _, metric, _, _ in hours)

    def check(kept: Counts, counted: Counts) -> None:
        assert kept == counted if has_all else not counted - kept

    flags: Counts = Counter()
    for place, n in hours.items():
        if place[1] == "feedback":
            flags[place[2:]] += n
    check(flags, _count_flags(db))
    kept = _rows(db, "select version_id, day_ms, 'all', interactions from version_days")
    kept |= _rows(db, "select version_id, day_ms, 'success', successes from version_days")
    kept |= _rows(db, "select version_id, day_ms, 'failure', failures from version_days")
    check(kept, _count_versions(db))
    events = "select version_id, day_ms, definition_id, events from version_events"
    kept_events = _rows(db, events)
    check(kept_events, _count_events(db))
    by_day: Counts = Counter()
    for (version_id, day_ms, _), n in kept_events.items():
        by_day[version_id, day_ms] += n
    assert by_day == _rows(db, "select version_id, day_ms, events from version_days")
    _check_users(db, has_all=has_all)


def _rows(db: Connection, sql: str) -> Counts:
    """Return the last column of a query by the others, without zeros."""
    found: Counts = Counter()
    for row in db.rows(sql):
        *place, value = (row[name] for name in row.keys())  # noqa: SIM118 - a row is no dict
        if value:
            found[tuple(place)] += value
    return found


def _count_flags(db: Connection) -> Counts:
    rows = db.rows("select flag, created_at_ms from interactions where flag is not null")
    return Counter((row["flag"], hour_of(row["created_at_ms"])) for row in rows)


def _count_versions(db: Connection) -> Counts:
    counted: Counts = Counter()
    for row in db.rows("select * from interactions where version_id <> ''"):
        for what in filter(None, ("all", row["flag"])):
            counted[row["version_id"], day_of(row["created_at_ms"]), what] += 1
    return counted


def _count_events(db: Connection) -> Counts:
    rows = db.rows(
        "select i.version_id, i.created_at_ms, d.definition_id from detections d "
        "join interactions i on i.id = d.interaction_id "
        "join event_definitions e on e.id = d.definition_id and e.deleted_at_ms is null "
        "where d.detected = 1 and i.version_id <> ''"
    )
    return Counter(
        (row["version_id"], day_of(row["created_at_ms"]), row["definition_id"]) for row in rows
    )


def _check_users(db: Connection, *, has_all: bool) -> None:
    """Compare the users of every stretch of days with those who were there."""
    there: dict[tuple[str, int], set[str]] = {}
    for row in db.rows("select * from interactions where user_id <> ''"):
        place = row["project_id"], day_of(row["created_at_ms"])
        there.setdefault(place, set()).add(row["user_id"])
    for project_id in {project_id for project_id, _ in there}:
        days = sorted(day for owner, day in there if owner == project_id)
        for since_ms in days:
            for until_ms in days:
                users = {
                    user
                    for (owner, day), each in there.items()
                    if owner == project_id and since_ms <= day < until_ms
                    for user in each
                }
                count = user_days.count_users(db, project_id, since_ms=since_ms, until_ms=until_ms)
                assert count == len(users) if has_all else count >= len(users)


def check_facts(db: Connection) -> None:
    """Fail where facts, besides events, or what users and sessions sum up, are not as counted."""
    _check_tokens(db)
    _check_told(db)
    of_interactions: Counts = Counter()
    of_sessions: Counts = Counter()
    for row in db.rows("select id, project_id, session_id from interactions"):
        true = facts.list_of_interactions(db, row["project_id"], [row["id"]])[row["id"]]
        for fact in true:
            place = (row["project_id"], fact.name, fact.value)
            of_interactions.update([(*place, row["id"])])
            of_sessions.update([(*place, row["session_id"])])
    of_fact = "from facts f join {0} o on o.fact_id = f.id {1} where f.fact <> 'event'"
    assert of_interactions == _rows(
        db,
        "select f.project_id, f.fact, f.value, o.interaction_id, 1 "
        + of_fact.format("interaction_facts", ""),
    )
    assert of_sessions == _rows(
        db,
        "select f.project_id, f.fact, f.value, s.session_id, o.interactions "
        + of_fact.format("session_facts", "join sessions s on s.id = o.session_row"),
    )
    totals: Counts = Counter()
    totals.update((*where[:3], "interactions") for where in of_interactions)
    totals.update((*where[:3], "sessions") for where in of_sessions)
    kept = _rows(db, "select project_id, fact, value, 'interactions', interactions from facts")
    kept |= _rows(db, "select project_id, fact, value, 'sessions', sessions from facts")
    assert totals == {where: n for where, n in kept.items() if where[1] != "event"}


def _check_told(db: Connection) -> None:
    """Compare what sessions say of language and sentiment with what is told of their messages."""
    columns = "project_id, session_id, language, sentiment"
    told: dict[tuple[str, str], list[tuple[str | None, float | None]]] = {}
    for *place, language, sentiment in db.tuples(f"select {columns} from interactions"):
        told.setdefault((place[0], place[1]), []).append((language, sentiment))
    summed_up = "language, feeling, sentiments, sentiment_sum, sentiment_size"
    kept = {
        row[:2]: row[2:]
        for row in db.tuples(f"select project_id, session_id, {summed_up} from sessions")
    }
    assert kept == {place: _sum_up(each) for place, each in told.items()}


def _sum_up(told: list[tuple[str | None, float | None]]) -> tuple[object, ...]:
    known = [sentiment for _, sentiment in told if sentiment is not None]
    millionths = [round(sentiment * 1_000_000) for sentiment in known]
    return (
        _most_common(language for language, _ in told if language is not None),
        _most_common(map(feeling_of, known)),
        len(known),
        sum(millionths),
        sum(map(abs, millionths)),
    )


def _most_common(values: Iterable[str]) -> str | None:
    """Return the most frequent value; of two, the first by name."""
    there = sorted(values)
    return max(there, key=there.count, default=None)


def _check_tokens(db: Connection) -> None:
    counted = _rows(db, "select project_id, user_id, tokens from interactions where user_id <> ''")
    assert _rows(db, "select project_id, user_id, tokens from users") == counted

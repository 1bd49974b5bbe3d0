"""No page reads all of a table that grows: the plan of every statement that pages run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from phospho_server.alerts.worker import AlertWorker
from phospho_server.store import Connection, alerts, detections, message_facts
from phospho_server.store.alert_rules import AlertRule, Terms, add_rule
from phospho_server.store.definitions import list_defined
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import NOON_MS, add, define, interaction, verdict
from tests.server.views.conftest import Visitor

# What grows with the traffic. Everything else grows with what people define.
GROWING = (
    *("interactions", "sessions", "users", "user_days", "detections", "reviews", "feedback"),
    *("facts", "interaction_facts", "session_facts", "counters", "minute_counters", "jobs"),
    *("vectors", "alerts"),
)

_FILTERS = (
    *("", "sort=oldest", "event=booking", "without=booking", "event=booking&version=v1"),
    *("user=u1", "version=v1&metadata=plan%3Dpro", "flag=failure&notes=yes", "language=fr"),
    *("since=2026-11-20&until=2026-11-21", "period=30d&model=m", "q=flight", "q=flight&user=u1"),
)
PAGES = (
    *(f"sessions?{query}" for query in (*_FILTERS, "sort=longest", "length=2-3", "cursor=1.1")),
    *(f"interactions?{query}" for query in (*_FILTERS, "cursor=0.2", "event=booking&cursor=0.2")),
    *("interactions?position=2", "interactions?position=3-&event=booking", "search?q=a&position=1"),
    *(f"search?{query}" for query in ("q=flight", "q=flight&cursor=0.3", "q=s1")),
    *(f"users?{query}" for query in (*_FILTERS, "sort=most", "q=u", "q=u&version=v1", "period=7d")),
    *("users/u1", "sessions/s1", "sessions/s1?user=u1", "sessions/s1?note=1", "pulse"),
    *(f"export/{page}" for page in ("sessions", "interactions", "users")),
)

# The same as JSON, and what has no page.
ANSWERS = (
    *(f"{page}?{q}&limit=5" for page in ("sessions", "interactions") for q in _FILTERS if q),
    *("users", "users?sort=most", "users?q=u", "users/u1", "user?id=u1", "export/interactions"),
    *("sessions/s1", "interactions/t1", "interaction?id=t1", "search?q=flight&cursor=0.3"),
    *("events", "events?event=booking&limit=5", "events?cursor=9.event_0", "definitions"),
    *("stats", "stats?period=all", "stats/series?period=all", "stats/series?event=booking"),
)

# What each shows alerts of.
_ALERTS = ("dashboard", "events/{event_id}", "alerts/{rule_id}", "settings")


@pytest.fixture
def filled(store: SqliteStore, project: Project) -> None:
    """Enough for every branch of a page: a user, facts, an event."""
    new = [
        interaction(
            f"t{n}",
            session_id=f"s{n // 3}",
            created_at_ms=NOON_MS + n,
            user_id=f"u{n % 3}",
            version_id="v1",
            flag="failure",
            metadata=json.dumps({"plan": "pro", "model": "m"}),
        )
        for n in range(30)
    ]
    add(store, project, *new)
    event = define(store, project)
    said = [verdict(store, project, each, detected=True) for each in new]
    store.write(lambda db: detections.record(db, project.id, event, said))
    store.write(
        lambda db: message_facts.record(
            db, project.id, {"language": [replace(each, value='"fr"') for each in said]}
        )
    )


@contextmanager
def watched(store: SqliteStore) -> Iterator[set[str]]:
    """Collect the statements that are read with."""
    statements: set[str] = set()
    read = store.read

    @contextmanager
    def reading() -> Iterator[object]:
        with read() as db:
            db.raw.set_trace_callback(statements.add)
            yield db
            db.raw.set_trace_callback(None)

    store.read = reading  # type: ignore[method-assign,assignment]
    yield statements
    store.read = read  # type: ignore[method-assign]


_TABLE = re.compile(
    r"\b(?:from|join)\s+(\w+)(?:\s+(?:as\s+)?(?!on\b|where\b|join\b|left\b)(\w+))?", re.IGNORECASE
)
_SCAN = re.compile(r"SCAN (\w+)\b(?! VIRTUAL)")


def scans(store: SqliteStore, statement: str) -> list[str]:
    """Return the growing tables that a statement reads from end to end."""
    names = {alias or table: table for table, alias in _TABLE.findall(statement)}
    with store.read() as db:
        plan = [row["detail"] for row in db.rows(f"explain query plan {statement}")]
    found = [match.group(1) for step in plan if (match := _SCAN.match(step))]
    return [names[each] for each in found if names.get(each) in GROWING]


@pytest.mark.usefixtures("filled")
def test_no_list_reads_a_growing_table_from_end_to_end(
    visitor: Visitor, store: SqliteStore, home: str, api_key: str
) -> None:
    key = {"Authorization": f"Bearer {api_key}"}
    for page in (*(f"{home}/{page}" for page in PAGES), *(f"/api{home}/{a}" for a in ANSWERS)):
        with watched(store) as statements:
            response = visitor.get(page, headers=key if page.startswith("/api") else {})
            assert response.status_code == 200, page
            response.get_data()
        assert statements, page
        for statement in statements:
            if statement.lower().startswith(("select", "with")):
                assert scans(store, statement) == [], f"{page}: {statement}"


@pytest.mark.usefixtures("filled")
def test_no_alert_is_looked_for_by_reading_a_growing_table(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    def add_alert(db: Connection) -> AlertRule:
        (event,) = list_defined(db, project.id)
        rule = add_rule(db, project.id, event.id, Terms(1_440, 1, 3))
        alerts.fire(db, rule, count=1, usual=0, at_ms=NOON_MS)
        return rule

    rule = store.write(add_alert)
    with watched(store) as statements:
        AlertWorker(store).run_once()
        for page in _ALERTS:
            path = page.format(event_id=rule.definition_id, rule_id=rule.id)
            assert visitor.get(f"{home}/{path}").status_code == 200
    asked = [each for each in statements if re.search(r"minute_counters|\balerts\b", each)]
    assert len(asked) > 5
    for statement in asked:
        assert scans(store, statement) == [], statement


def test_a_statement_that_reads_everything_is_noticed(store: SqliteStore) -> None:
    assert scans(store, "select * from interactions i where i.input = 'x'") == ["interactions"]
    assert scans(store, "select * from sessions where project_id = 'x'") == []

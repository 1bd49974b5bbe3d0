"""No page reads all of a table that grows: the plan of every statement that pages run."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from phospho_server.alerts.worker import AlertWorker
from phospho_server.store import Connection, alerts, detections, message_facts
from phospho_server.store.alert_rules import AlertRule, Terms, add_rule
from phospho_server.store.definitions import list_defined
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import NOON_MS, add, define, interaction, verdict
from tests.server.databases import on_sqlite
from tests.server.plans import Watch, find_scans
from tests.server.views.conftest import Visitor

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


@pytest.mark.usefixtures("filled")
def test_no_list_reads_a_growing_table_from_end_to_end(
    visitor: Visitor, statements: Watch, home: str, api_key: str
) -> None:
    key = {"Authorization": f"Bearer {api_key}"}
    for page in (*(f"{home}/{page}" for page in PAGES), *(f"/api{home}/{a}" for a in ANSWERS)):
        response = visitor.get(page, headers=key if page.startswith("/api") else {})
        assert response.status_code == 200, page
        response.get_data()
        assert statements.problems == [], page


@on_sqlite
@pytest.mark.usefixtures("filled")
def test_no_alert_is_looked_for_by_reading_a_growing_table(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, statements: Watch
) -> None:
    def add_alert(db: Connection) -> AlertRule:
        (event,) = list_defined(db, project.id)
        rule = add_rule(db, project.id, event.id, Terms(1_440, 1, 3))
        alerts.fire(db, rule, count=1, usual=0, at_ms=NOON_MS)
        return rule

    rule = store.write(add_alert)
    AlertWorker(store).run_once()
    for page in _ALERTS:
        path = page.format(event_id=rule.definition_id, rule_id=rule.id)
        assert visitor.get(f"{home}/{path}").status_code == 200
    assert {"phospho_server.store.alerts", "phospho_server.store.windows"} <= statements.modules
    assert statements.problems == []


@on_sqlite
def test_a_statement_that_reads_everything_is_noticed(
    store: SqliteStore, statements: Watch
) -> None:
    with store.read() as db:
        for_all = "select * from interactions i where i.input = :said"
        assert find_scans(db.raw, for_all) == ["interactions"]
        assert find_scans(db.raw, "select * from sessions where project_id = 'x'") == []
        # What a test asks itself is its own affair; a module of the server has to say where.
        db.rows(for_all, {"said": "x"})
        assert statements.problems == []
        module: dict[str, Any] = {"__name__": "phospho_server.store.made_up"}
        exec("def ask(db, sql): return db.rows(sql, {'said': 'x'})", module)
        module["ask"](db, for_all)
    (problem,) = statements.problems
    statements.problems.clear()
    assert problem.startswith("phospho_server.store.made_up reads all of interactions")

"""Looking at the past again survives `kill -9`: each interaction has one verdict, counted once."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from phospho_server.store.definitions import create_definition, edit_definition
from phospho_server.store.interactions import add_interactions
from phospho_server.store.projects import create_project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import HOUR_MS, NOON_MS, definition, interaction
from tests.server.processes import serving
from tests.waiting import wait_until

COUNT = 6_000
KILLS = 3
WORDS = ("refund", "money", "hello")


def said(number: int) -> str:
    return WORDS[number * 7 % 3]


def session_of(number: int) -> str:
    return f"s{number * 31 % 900}"


def ask(database: Path, sql: str) -> list[Any]:
    connection = sqlite3.connect(database)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def judged_by(database: Path, version: int) -> int:
    sql = f"select count(*) from detections where definition_version = {version}"
    return int(ask(database, sql)[0][0])


def wait_for_more(database: Path, known: int) -> None:
    wait_until(lambda: judged_by(database, 2) > known, what="some verdicts of version 2")


@pytest.mark.slow
def test_a_server_that_is_killed_looks_at_the_rest_when_it_is_back(tmp_path: Path) -> None:
    database = tmp_path / "phospho.db"
    store = SqliteStore(database)
    project = store.write(lambda db: create_project(db, "Support"))
    news = [
        interaction(
            f"t{n}",
            session_id=session_of(n),
            created_at_ms=NOON_MS + n * HOUR_MS // 500,
            input=said(n),
        )
        for n in range(COUNT)
    ]
    store.write(lambda db: add_interactions(db, project.id, news))
    first = definition(description="The user says 'refund'")
    event = store.write(lambda db: create_definition(db, project.id, first))
    store.close()
    with serving(database):
        wait_until(lambda: not ask(database, "select 1 from jobs"), what="the first detection")
    assert judged_by(database, 1) == COUNT

    store = SqliteStore(database)
    changed = event.model_copy(update={"description": "The user says 'money'", "scope": "session"})
    store.write(lambda db: edit_definition(db, project.id, changed))
    store.close()
    reached = 0
    for _ in range(KILLS):
        with serving(database) as server:
            wait_for_more(database, reached)
            server.kill()
        reached = judged_by(database, 2)
        assert judged_by(database, 1) + reached == COUNT
    assert 0 < reached < COUNT, "it was killed on the way"
    with serving(database):
        wait_until(lambda: not ask(database, "select 1 from jobs"), what="the second detection")
    check_each_once(database)


def check_each_once(database: Path) -> None:
    verdicts = ask(
        database, "select interaction_id, definition_version, detected from detections order by 1"
    )
    assert [row[0] for row in verdicts] == list(range(1, COUNT + 1))
    assert {row[1] for row in verdicts} == {2}
    expected: dict[str, int] = {}
    for n in range(COUNT):
        if said(n) == "money":
            expected.setdefault(session_of(n), n + 1)
    assert [row[0] for row in verdicts if row[2]] == sorted(expected.values())
    recounts = {
        "select sum(value) from counters where metric = 'events'": len(expected),
        "select sum(g.interactions) from session_facts g "
        "join facts f on f.id = g.fact_id where f.fact = 'event'": len(expected),
        "select count(*) from session_facts g join facts f on f.id = g.fact_id "
        "where f.fact = 'event' and g.interactions <> 1": 0,
        f"select count(*) from verdict_counts where verdicts = {COUNT}": 1,
        "select count(*) from verdict_counts": 1,
        "select sum(from_id) from event_definition_versions where version = 2": 0,
    }
    assert {sql: ask(database, sql)[0][0] for sql in recounts} == recounts
    by_hour = ask(
        database,
        "select i.created_at_ms / 3600000 * 3600000 as hour, count(*) from detections d "
        "join interactions i on i.id = d.interaction_id where d.detected = 1 group by 1 order by 1",
    )
    counted = ask(
        database,
        "select hour_ms, value from counters where metric = 'events' and value <> 0 order by 1",
    )
    assert counted == by_hour

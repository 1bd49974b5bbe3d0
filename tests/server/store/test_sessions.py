"""The sessions list, its filters and pages, and the transcript."""

from __future__ import annotations

import json
from typing import Any

import pytest

from phospho_server.errors import InvalidError, NotFoundError
from phospho_server.store import Store, detections
from phospho_server.store.definitions import list_definitions
from phospho_server.store.facts import Fact
from phospho_server.store.filters import Filter
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.sessions import (
    find_neighbours,
    get_session,
    list_sessions,
)
from phospho_server.store.transcripts import list_transcript
from tests.server.builders import HOUR_MS, NOON_MS, add, define, interaction, verdict
from tests.server.databases import on_each_database

pytestmark = on_each_database


@pytest.fixture
def three_sessions(store: Store, project: Project) -> None:
    """`a` is the oldest, `c` the newest; the event occurred in `b`, twice."""
    add(
        store,
        project,
        interaction("t1", session_id="a", created_at_ms=NOON_MS, user_id="u1", flag="success"),
        interaction("t2", session_id="b", created_at_ms=NOON_MS + HOUR_MS, version_id="v2"),
        interaction(
            "t3",
            session_id="b",
            created_at_ms=NOON_MS + HOUR_MS + 1,
            input="Refund it",
            output=None,
        ),
        interaction(
            "t4",
            session_id="c",
            created_at_ms=NOON_MS + 2 * HOUR_MS,
            input='Cancel, "please" (now)!',
            output="Done: AND NOT OR *",
            flag="failure",
        ),
    )
    event = define(store, project)
    verdicts = [
        verdict(store, project, interaction(task, session_id="b"), detected=True)
        for task in ("t2", "t3")
    ]
    store.write(lambda db: detections.record(db, project.id, event, verdicts))


def ids(store: Store, project: Project, **wanted: Any) -> list[str]:
    """Return the sessions that match: `has`, and other parts of a filter."""
    with store.read() as db:
        definitions = {
            row.definition.name: row.definition.id for row in list_definitions(db, project.id)
        }
        has, lacks = (
            [
                Fact(name, definitions.get(value, "none") if name == "event" else value)
                for name, value in wanted.pop(part, {}).items()
            ]
            for part in ("has", "lacks")
        )
        page = list_sessions(db, project.id, Filter(has=has, lacks=lacks, **wanted))
    return [session.session_id for session in page.sessions]


@pytest.mark.usefixtures("three_sessions")
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param({}, ["c", "b", "a"], id="all-newest-first"),
        pytest.param({"has": {"event": "booking"}}, ["b"], id="event"),
        pytest.param({"has": {"event": "no such event"}}, [], id="unknown-event"),
        pytest.param({"has": {"flag": "success"}}, ["a"], id="success"),
        pytest.param({"has": {"flag": "failure"}}, ["c"], id="failure"),
        pytest.param({"has": {"user": "u1"}}, ["a"], id="user"),
        pytest.param({"has": {"version": "v2"}}, ["b"], id="version"),
        pytest.param({"since_ms": NOON_MS + HOUR_MS}, ["c", "b"], id="since"),
        pytest.param({"until_ms": NOON_MS + HOUR_MS}, ["a"], id="until"),
        pytest.param({"text": "refund"}, ["b"], id="word-of-the-user"),
        pytest.param({"text": "done"}, ["c"], id="word-of-the-assistant"),
        pytest.param({"text": "refund done"}, [], id="words-of-two-sessions"),
        pytest.param({"text": 'cancel "please" (now)!'}, ["c"], id="punctuation"),
        pytest.param({"text": "AND NOT OR *"}, ["c"], id="query-syntax-is-text"),
        pytest.param({"text": 'x" OR "refund'}, [], id="quotes-do-not-break-out"),
        pytest.param({"text": "*** ()"}, [], id="no-word-at-all"),
        pytest.param({"lacks": {"event": "booking"}}, ["c", "a"], id="without-an-event"),
        pytest.param({"lacks": {"flag": "failure"}}, ["b", "a"], id="without-feedback"),
        pytest.param({"shortest": 2}, ["b"], id="long-ones"),
        pytest.param({"longest": 1}, ["c", "a"], id="short-ones"),
        pytest.param({"text": "  "}, [], id="blank-text-matches-nothing"),
        pytest.param({"text": "refund", "has": {"event": "booking"}}, ["b"], id="two-filters"),
        pytest.param({"text": "refund", "has": {"user": "u1"}}, [], id="two-filters-that-exclude"),
    ],
)
def test_filters_choose_sessions(
    store: Store, project: Project, wanted: dict[str, object], expected: list[str]
) -> None:
    assert ids(store, project, **wanted) == expected


@pytest.mark.usefixtures("three_sessions")
def test_the_list_shows_the_events_of_each_session(store: Store, project: Project) -> None:
    with store.read() as db:
        page = list_sessions(db, project.id)
    found = {s.session_id: [(e.name, e.events) for e in s.events] for s in page.sessions}
    assert found == {"a": [], "b": [("booking", 2)], "c": []}


def test_pages_follow_each_other_without_gap_or_repeat(store: Store, project: Project) -> None:
    # Many share a millisecond, so the id has to decide.
    many = [
        interaction(f"t{n}", session_id=f"s{n:03}", created_at_ms=NOON_MS + n // 10)
        for n in range(95)
    ]
    add(store, project, *many)
    seen: list[str] = []
    cursor = None
    while True:
        with store.read() as db:
            page = list_sessions(db, project.id, cursor=cursor, limit=20)
        seen += [s.session_id for s in page.sessions]
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    assert seen == [f"s{n:03}" for n in reversed(range(95))]


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "12", "1.", ".a", "-1.a", "9" * 40 + ".a", "9" * 5000 + ".a", "१.a"],
    ids=lambda cursor: cursor[:10] or "empty",
)
def test_a_bad_cursor_is_refused_or_finds_nothing(
    store: Store, project: Project, cursor: str
) -> None:
    with store.read() as db:
        try:
            assert list_sessions(db, project.id, cursor=cursor).sessions == []
        except InvalidError as exc:
            assert "first page" in str(exc)


def test_a_transcript_is_in_the_order_of_time(store: Store, project: Project) -> None:
    add(store, project, interaction("t2", created_at_ms=NOON_MS + 5, metadata='{"plan":"pro"}'))
    add(store, project, interaction("t1", raw_input=json.dumps({"messages": []})))
    with store.read() as db:
        lines = list_transcript(db, project.id, "s1")
        rest = list_transcript(db, project.id, "s1", offset=1)
    assert [line.task_id for line in lines] == ["t1", "t2"]
    assert lines[1].metadata == {"plan": "pro"}
    assert lines[0].raw_input == {"messages": []}
    assert [line.task_id for line in rest] == ["t2"]


@pytest.mark.usefixtures("three_sessions")
def test_a_session_knows_its_neighbours(store: Store, project: Project) -> None:
    with store.read() as db:
        found = {name: find_neighbours(db, project.id, name) for name in ("a", "b", "c")}
    assert found == {"a": ("b", None), "b": ("c", "a"), "c": (None, "b")}


def test_a_session_of_another_project_is_not_found(store: Store, project: Project) -> None:
    add(store, project, interaction("t1"))
    other = store.write(lambda db: create_project(db, "other"))
    with store.read() as db, pytest.raises(NotFoundError):
        get_session(db, other.id, "s1")
    with store.read() as db:
        assert list_transcript(db, other.id, "s1") == []

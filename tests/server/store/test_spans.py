"""Spans over many requests, in any order: what they become in the end is always the same."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phospho_server.assembling import Assembler
from phospho_server.clock import DAY_MS, now_ms
from phospho_server.housekeeping import Housekeeping
from phospho_server.otlp import interactions
from phospho_server.otlp.interactions import read_trace
from phospho_server.otlp.wire import LogRecord, Span, SpanEvent
from phospho_server.store import Store, feedback, spans
from phospho_server.store.deleting import delete_project
from phospho_server.store.erasing import remove_interactions
from phospho_server.store.interactions import find_ids
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from tests.server.builders import add, interaction
from tests.server.databases import new_store, on_each_database
from tests.server.otlp.spans import TRACE, agent, call, messages, span, span_id, tool
from tests.server.roll_ups import check_facts, check_roll_ups

pytestmark = on_each_database


def send(store: Store, project: Project, *sent: Span, records: Sequence[LogRecord] = ()) -> None:
    store.write(lambda db: spans.add_spans(db, project.id, sent, records))


def assemble(store: Store) -> None:
    Assembler(store).run_until_done()


def rows(store: Store, sql: str) -> list[dict[str, Any]]:
    with store.read() as db:
        return [dict(row) for row in db.rows(sql)]


def said(store: Store) -> list[tuple[str, str | None]]:
    kept = rows(store, "select input, output from interactions order by created_at_ms, id")
    return [(row["input"], row["output"]) for row in kept]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let time go by."""
    now = [now_ms()]
    monkeypatch.setattr(spans, "now_ms", lambda: now[0])
    monkeypatch.setattr("phospho_server.housekeeping.now_ms", lambda: now[0])
    return now


def test_a_trace_becomes_an_interaction_when_its_root_has_ended(
    store: Store, project: Project
) -> None:
    send(store, project, call(2, 1))
    assemble(store)
    assert said(store) == []
    send(store, project, span(1))
    assemble(store)
    assert said(store) == [("Hello", "Hi")]


def test_a_trace_whose_parent_is_elsewhere_is_complete_with_its_entry(
    store: Store, project: Project
) -> None:
    send(store, project, call(2, 1, is_entry=True))
    assemble(store)
    assert said(store) == [("Hello", "Hi")]


def test_a_trace_without_root_becomes_an_interaction_after_a_while(
    store: Store, project: Project, clock: list[int]
) -> None:
    send(store, project, call(2, 1))
    clock[0] += spans.QUIET_MS - 1
    assemble(store)
    assert said(store) == []
    clock[0] += 1
    assemble(store)
    assert said(store) == [("Hello", "Hi")]


def test_late_spans_change_the_interaction_and_its_feedback_stays(
    store: Store, project: Project
) -> None:
    send(store, project, call(2, 1, is_entry=True))
    assemble(store)
    store.write(
        lambda db: feedback.add_feedback(
            db, project.id, TRACE, flag="success", notes="good", source="user"
        )
    )
    before = rows(store, "select id from interactions")
    whole = agent(1, asked="Rain?", answer="No.", at=2, attributes={"user.id": "u"})
    send(store, project, whole, tool(3, 1))
    assemble(store)
    (kept,) = rows(store, "select * from interactions")
    assert (kept["input"], kept["output"], kept["user_id"]) == ("Rain?", "No.", "u")
    assert (kept["flag"], kept["notes"]) == ("success", "good")
    assert [step["kind"] for step in json.loads(kept["steps"])] == ["llm", "tool"]
    assert [{"id": kept["id"]}] == before
    waiting = rows(store, "select payload from jobs where kind = 'detect'")
    assert len(waiting) == 2
    with store.read() as db:
        check_roll_ups(db)
        check_facts(db)


def test_spans_that_come_again_change_nothing(store: Store, project: Project) -> None:
    sent = [span(1), call(2, 1)]
    send(store, project, *sent)
    assemble(store)
    before = rows(store, "select * from interactions"), rows(store, "select * from spans")
    send(store, project, *sent, *sent)
    assemble(store)
    assert (rows(store, "select * from interactions"), rows(store, "select * from spans")) == before


def test_messages_may_come_as_log_records_before_or_after_their_span(
    store: Store, project: Project
) -> None:
    asked = SpanEvent("gen_ai.user.message", 1, {}, {"content": "Hello"})
    answered = SpanEvent("gen_ai.choice", 2, {}, {"message": {"content": "Hi"}, "index": 0})
    records = [LogRecord(TRACE, span_id(1), event) for event in (asked, answered)]
    told = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-x"}
    send(store, project, records=records[:1])
    send(store, project, span(1, attributes=told))
    assemble(store)
    assert said(store) == [("Hello", None)]
    send(store, project, records=records)
    assemble(store)
    assert said(store) == [("Hello", "Hi")]


def test_an_interaction_that_was_logged_under_the_same_id_stays(
    store: Store, project: Project
) -> None:
    add(store, project, interaction("t1"))
    send(store, project, call(1, attributes={"phospho.task_id": "t1"}))
    assemble(store)
    assert said(store) == [("Book me a flight", "Which date?")]


def test_a_trace_that_cannot_be_read_keeps_no_other_waiting(
    store: Store, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:

    def fail(known: Sequence[Span], *, received_at_ms: int) -> Any:
        if known[0].trace_id == TRACE:
            raise RuntimeError("unforeseen")
        return read_trace(known, received_at_ms=received_at_ms)

    monkeypatch.setattr(interactions, "read_trace", fail)
    send(store, project, call(1), replace(call(1), trace_id="b" * 32))
    assemble(store)
    assert said(store) == [("Hello", "Hi")]


def test_what_is_erased_does_not_come_back_with_late_spans(store: Store, project: Project) -> None:
    send(store, project, span(1), call(2, 1))
    assemble(store)
    store.write(
        lambda db: remove_interactions(
            db, project.id, list(find_ids(db, project.id, [TRACE]).values())
        )
    )
    assert rows(store, "select * from spans") == []
    send(store, project, call(2, 1), tool(3, 1))
    assemble(store)
    assert said(store) == []
    assert rows(store, "select * from spans") == []


def test_spans_are_forgotten_after_a_day_and_their_interactions_stay(
    store: Store, project: Project, clock: list[int]
) -> None:
    send(store, project, span(1), call(2, 1))
    assemble(store)
    clock[0] += DAY_MS + 1
    Housekeeping(store).run_until_done()
    assert rows(store, "select * from spans") == rows(store, "select * from trace_turns") == []
    send(store, project, tool(3, 1))
    assemble(store)
    assert said(store) == [("Hello", "Hi")]
    clock[0] += 8 * DAY_MS
    Housekeeping(store).run_until_done()
    assert rows(store, "select * from traces") == []


def test_a_deleted_project_leaves_no_spans(store: Store, project: Project) -> None:
    send(store, project, span(1), call(2, 1))
    store.write(lambda db: delete_project(db, project.id, typed_name=project.name))
    assemble(store)
    Housekeeping(store).run_until_done()
    for table in ("spans", "traces", "trace_turns", "interactions"):
        assert rows(store, f"select * from {table}") == []


def test_projects_share_no_traces(store: Store, project: Project) -> None:
    other = store.write(lambda db: create_project(db, "other"))
    send(store, project, call(2, 1), span(1))
    send(store, other, agent(1, asked="Rain?", answer="No."), call(2, 1))
    assemble(store)
    kept = rows(store, "select project_id, input from interactions")
    assert {(row["project_id"], row["input"]) for row in kept} == {
        (project.id, "Hello"),
        (other.id, "Rain?"),
    }


_CONVERSATION = [
    span(1, attributes={"session.id": "s"}, at=0, took=99),
    call(2, 1, asked=("Hello",), answer="Hi", attributes={"user.id": "u"}),
    call(3, 1, asked=("Hello", "Hi", "Bye?"), answer="Bye"),
    call(4, 1, asked=("Hello", "Hi", "Bye?", "Bye", "Still there?"), answer=None, error="gone"),
]
_AGENTS = [
    span(1, at=0, took=99),
    agent(2, 1, asked="Rain?", answer="No.", attributes={"session.id": "s"}, at=1, took=30),
    call(3, 2, asked=("Rain tomorrow?",), answer="no"),
    tool(4, 2),
    agent(5, 1, asked="Snow?", answer="Yes.", attributes={"user.id": "u"}, took=30),
    call(6, 5, asked=("Snow?",), answer="yes", attributes={"phospho.version_id": "v"}),
]
# The same span, told twice, differs: which one stands must not depend on which came first.
_TWICE = [*_AGENTS, agent(2, 1, asked="Rain?", answer="Never.", at=1, took=30)]

_ALL = (
    "select task_id, session_id, user_id, version_id, created_at_ms, input, output, metadata, "
    "raw_input, raw_output, steps, tokens from interactions order by task_id"
)


@given(
    trace=st.sampled_from([_CONVERSATION, _AGENTS, _TWICE]),
    seed=st.integers(0, 2**32),
    cuts=st.lists(st.integers(0, 7), max_size=4),
)
@settings(max_examples=40, deadline=None)
def test_neither_order_nor_requests_nor_repetition_change_the_outcome(
    trace: list[Span], seed: int, cuts: list[int]
) -> None:
    with TemporaryDirectory() as folder:
        store = new_store(Path(folder) / "phospho.db")
        project = store.write(lambda db: create_project(db, "p"))
        try:
            send(store, project, *trace)
            assemble(store)
            at_once = rows(store, _ALL)
            other = store.write(lambda db: create_project(db, "other"))
            shuffled = random.Random(seed).sample([*trace, *trace[:2]], len(trace) + 2)
            places = [0, *sorted(cuts), len(shuffled)]
            for start, end in itertools.pairwise(places):
                send(store, other, *shuffled[start:end])
                # Each part becomes what it can, as if nothing had come for long.
                store.write(lambda db: db.execute("update traces set due_at_ms = 0"))
                assemble(store)
            mine = rows(store, _ALL.replace("order", f"where project_id = '{other.id}' order"))
            assert mine == at_once
            with store.read() as db:
                check_roll_ups(db)
                check_facts(db)
        finally:
            store.close()


def test_a_long_message_is_kept_within_limits(store: Store, project: Project) -> None:
    send(store, project, call(1, asked=("long " * 2_000_000,), answer="Hi"))
    assemble(store)
    (kept,) = rows(store, "select length(input) as n, output from interactions")
    assert kept["n"] <= 1_000_000
    assert kept["output"] == "Hi"
    assert len(messages("x")) < 100

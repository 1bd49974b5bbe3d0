"""What a client reads of a real application."""

from __future__ import annotations

import inspect
import io
import json
import threading
import time
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import BinaryIO

import pytest
from flask import Flask
from pydantic import BaseModel

import phospho
from phospho.api import files
from phospho.api.fields import DefinitionChanges, DefinitionFields, DraftFields, ExampleFields
from phospho.api.filters import to_query
from phospho.api.listing import Listing
from phospho.errors import (
    AccessRefusedError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
)
from phospho_server.api.resources import definition_bodies as bodies
from phospho_server.api.resources.parameters import of_export, of_list
from phospho_server.store import detections
from phospho_server.store.feedback import add_feedback
from phospho_server.store.rows import NewInteraction, Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.views.exports import FORMATS
from phospho_server.views.filters import INTERACTIONS, SEARCH, SESSIONS, USERS, ListKind
from tests.server.builders import HOUR_MS, NOON_MS, add, define, interaction, verdict
from tests.server.reading.conftest import reader_of

NOON = datetime.fromtimestamp(NOON_MS / 1000, timezone.utc)


def talks(count: int, **changes: object) -> list[NewInteraction]:
    """Return interactions a minute apart, two in each session."""
    return [
        interaction(
            f"t{n}",
            session_id=f"s{n // 2}",
            created_at_ms=NOON_MS + n * 60_000,
            user_id=f"u{n % 3}",
            input=f"Question {n}",
            metadata=json.dumps({"plan": "pro" if n % 2 else "free", "trial": n < 2}),
            **changes,
        )
        for n in range(count)
    ]


@pytest.fixture
def booked(store: SqliteStore, project: Project) -> list[NewInteraction]:
    """Six interactions in three sessions; in the second, somebody books."""
    new = talks(6)
    add(store, project, *new)
    event = define(store, project)
    said = [verdict(store, project, each, detected=each.task_id == "t2") for each in new]
    store.write(lambda db: detections.record(db, project.id, event, said))
    word = {"flag": "failure", "notes": "Wrong day", "source": "user"}
    store.write(lambda db: add_feedback(db, project.id, "t2", **word))
    return new


@pytest.mark.usefixtures("booked")
def test_sessions_are_listed_newest_first_with_their_events(client: phospho.Client) -> None:
    sessions = list(client.sessions())
    assert [each.session_id for each in sessions] == ["s2", "s1", "s0"]
    assert [each.events for each in sessions] == [{}, {"booking": 1}, {}]
    assert sessions[-1].first_at == NOON


@pytest.mark.usefixtures("booked")
@pytest.mark.parametrize(
    ("filters", "tasks"),
    [
        pytest.param({"event": "booking"}, ["t2"], id="event"),
        pytest.param({"event": ["booking"], "flag": "success"}, [], id="two-that-must-hold"),
        pytest.param({"without": "booking", "user": "u2"}, ["t5"], id="without"),
        pytest.param({"flag": "failure", "notes": True}, ["t2"], id="feedback"),
        pytest.param({"metadata": {"plan": "pro", "trial": True}}, ["t1"], id="metadata"),
        pytest.param({"since": NOON + timedelta(minutes=5)}, ["t5"], id="since-a-time"),
        pytest.param({"until": NOON.date() - timedelta(days=1)}, [], id="until-a-day"),
        pytest.param({"until": NOON.date(), "limit": 1}, ["t5"], id="limit"),
        pytest.param({"q": "question 3"}, ["t3"], id="words"),
        pytest.param({"position": 2, "sort": "oldest", "limit": 2}, ["t1", "t3"], id="position"),
        pytest.param({"limit": 0}, [], id="none"),
    ],
)
def test_filters_are_those_of_the_pages(
    client: phospho.Client, filters: dict[str, object], tasks: list[str]
) -> None:
    assert [each.task_id for each in client.interactions(**filters)] == tasks  # type: ignore[arg-type]


@pytest.mark.usefixtures("booked")
def test_a_session_is_read_with_all_that_was_said(client: phospho.Client) -> None:
    session = client.session("s1")
    assert (session.session_id, session.interactions) == ("s1", 2)
    first, second = session.transcript
    assert (first.input, second.input) == ("Question 2", "Question 3")
    assert [event.name for event in first.events] == ["booking"]
    assert [said.notes for said in first.feedback] == ["Wrong day"]


def test_a_long_transcript_is_read_to_its_end_part_by_part(
    client: phospho.Client, store: SqliteStore, project: Project
) -> None:
    new = [interaction(f"t{n}", created_at_ms=NOON_MS + n) for n in range(450)]
    add(store, project, *new)
    transcript = client.session("s1").transcript
    assert [len(page) for page in transcript.pages()] == [200, 200, 50]
    assert [each.task_id for each in transcript] == [each.task_id for each in new]


@pytest.mark.usefixtures("booked")
def test_one_interaction_and_one_user_are_read(client: phospho.Client) -> None:
    assert client.interaction("t2").flag == "failure"
    assert client.user("u1").interactions == 2
    assert [each.user_id for each in client.users(sort="oldest")] == ["u0", "u1", "u2"]
    assert client.project().interactions == 6


@pytest.mark.usefixtures("booked")
def test_events_say_where_they_occurred(client: phospho.Client) -> None:
    (found,) = client.events("booking")
    assert (found.event.name, found.task_id, found.session_id) == ("booking", "t2", "s1")
    assert list(client.events(limit=0)) == []


@pytest.mark.usefixtures("booked")
def test_a_search_says_where_the_words_are(client: phospho.Client) -> None:
    (found,) = client.search("question 3", user="u0")
    assert found.interaction.task_id == "t3"
    assert [part.text for part in found.input if part.is_match] == ["Question", "3"]


@pytest.mark.usefixtures("booked")
def test_numbers_of_a_period_and_their_course(client: phospho.Client) -> None:
    stats = client.project_stats(since=NOON, until=NOON + timedelta(hours=2))
    assert (stats.totals.interactions, stats.totals.sessions) == (6, 3)
    assert [(each.name, each.count) for each in stats.events] == [("booking", 1)]
    series = client.series(
        event="booking", step="hour", since=NOON, until=NOON + timedelta(hours=2)
    )
    assert (series.step, series.values["events"]) == ("hour", [1, 0])
    assert series.starts[1].timestamp() * 1000 == NOON_MS + HOUR_MS


def test_an_event_is_defined_edited_previewed_and_deleted(client: phospho.Client) -> None:
    made = client.define("refund", "The user wants a refund", keywords=["refund", "money back"])
    assert (made.version, made.keywords) == (1, ["refund", "money back"])
    changed = client.edit_definition(made.id, keywords=["refund"], version=1)
    assert (changed.version, changed.description) == (2, made.description)
    with pytest.raises(ConflictError, match="version 2 is the newest"):
        client.edit_definition(made.id, keywords=[], version=1)
    assert client.preview_definition(event_id=made.id, pattern="refund").is_new is False
    assert [each.id for each in client.definitions()] == [made.id]
    assert client.definition(made.id).version == 2
    client.delete_definition(made.id)
    assert client.definitions().first() is None


@pytest.mark.usefixtures("booked")
def test_a_persons_word_stands_until_it_is_taken_back(client: phospho.Client) -> None:
    (booking,) = client.definitions()
    rejected = client.review("t2", booking.id, occurred=False)
    assert [event.name for event in (*rejected.events, *rejected.rejected)] == ["booking"]
    assert rejected.rejected[0].reviewed is False
    (event,) = client.review("t5", booking.id, occurred=True).events
    assert (event.name, event.reviewed) == ("booking", True)
    assert client.undo_review("t2", booking.id).events[0].reviewed is None
    with pytest.raises(NotFoundError):
        client.review("nobody", booking.id, occurred=True)


@pytest.mark.usefixtures("booked")
def test_an_export_is_written_to_a_path_or_a_file(client: phospho.Client, tmp_path: Path) -> None:
    path = tmp_path / "talks.jsonl"
    size = client.export("interactions", path, format="jsonl", event="booking")
    assert path.stat().st_size == size
    assert json.loads(path.read_text(encoding="utf-8"))["task_id"] == "t2"
    file = io.BytesIO()
    client.export("users", file)
    assert file.getvalue().decode("utf-8-sig").startswith("user_id,")
    assert list(tmp_path.glob("*.part")) == []


def test_two_exports_to_one_path_leave_one_whole_file(
    client: phospho.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "users.csv"
    copy = files._copy

    def export_meanwhile(parts: Iterable[bytes], file: BinaryIO) -> int:
        monkeypatch.setattr(files, "_copy", copy)
        client.export("users", path)
        return copy(parts, file)

    monkeypatch.setattr(files, "_copy", export_meanwhile)
    assert client.export("users", path) == path.stat().st_size
    assert list(tmp_path.glob("users*")) == [path]


def test_a_refused_export_leaves_what_was_there(client: phospho.Client, tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_text("before")
    with pytest.raises(InvalidRequestError, match="length"):
        client.export("users", path, length=3)
    assert [file.name for file in tmp_path.iterdir() if "users" in file.name] == ["users.csv"]
    assert path.read_text() == "before"


def test_a_time_without_a_zone_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        naive = datetime(2026, 11, 20, 9)  # noqa: DTZ001 - that is what it is about
        assert to_query(since=naive) == [("since", "2026-11-20T00:00:00.000Z")]
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "filters",
    [
        *({"user": ""}, {"q": " "}, {"event": [""]}, {"event": []}, {"event": [None]}),
        *({"metadata": {"": 1}}, {"metadata": {"a=b": 1}}, {"metadata": {"a": None}}),
    ],
)
def test_a_filter_that_would_ask_for_nothing_is_refused(
    client: phospho.Client, filters: dict[str, object]
) -> None:
    with pytest.raises(InvalidRequestError):
        client.interactions(**filters)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        pytest.param("sessions", SESSIONS, id="sessions"),
        pytest.param("interactions", INTERACTIONS, id="interactions"),
        pytest.param("users", USERS, id="users"),
        pytest.param("search", SEARCH, id="search"),
    ],
)
def test_a_list_takes_every_filter_that_the_server_has(method: str, kind: ListKind) -> None:
    taken = set(inspect.signature(getattr(phospho.Client, method)).parameters) - {"self", "limit"}
    # A search has one order.
    there = {each.name for each in of_list(kind)} - {"limit", "cursor"}
    assert taken == (there - {"sort"} if kind is SEARCH else there)


def test_an_export_takes_every_filter_of_its_lists() -> None:
    taken = set(inspect.signature(phospho.Client.export).parameters) - {"self", "what", "to"}
    kinds = (SESSIONS, INTERACTIONS, USERS)
    assert taken == {each.name for kind in kinds for each in of_export(kind, FORMATS)}


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        pytest.param(DefinitionFields, bodies.DefinitionFields, id="new"),
        pytest.param(DefinitionChanges, bodies.DefinitionChange, id="change"),
        pytest.param(DraftFields, bodies.Draft, id="draft"),
        pytest.param(ExampleFields, bodies.ExampleGiven, id="example"),
    ],
)
def test_what_may_be_said_of_a_definition_is_what_the_server_takes(
    fields: type, body: type[BaseModel]
) -> None:
    assert set(fields.__annotations__) == set(body.model_fields)


def test_refusals_are_the_words_of_the_server(
    client: phospho.Client, app: Flask, project: Project
) -> None:
    with pytest.raises(InvalidRequestError, match="Choose one of") as refused:
        list(client.sessions(event="nobody_defined_this"))
    assert (refused.value.status, refused.value.code) == (422, "invalid")
    with pytest.raises(NotFoundError):
        client.session("nobody")
    with pytest.raises(NotFoundError):
        client.definition("../sessions")
    with pytest.raises(NotFoundError):
        client.definition("preview")
    with pytest.raises(AccessRefusedError, match="key"):
        reader_of(app, project.id, "wrong").project()


def test_nothing_is_read_before_it_is_used_and_no_thread_is_started(project: Project) -> None:
    before = threading.active_count()
    client = phospho.Client("key", project.id, base_url="http://127.0.0.1:9")
    listing = client.sessions(period="7d", limit=3)
    assert isinstance(listing, Listing)
    assert repr(listing) == "<Listing of Session, at most 3>"
    assert client.close()
    assert threading.active_count() == before

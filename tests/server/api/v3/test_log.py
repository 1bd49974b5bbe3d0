"""`POST /v3/log`: conversations from any language, sent again, longer or changed."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from phospho_server import create_app
from phospho_server.store import Connection
from phospho_server.store.definitions import create_definition
from phospho_server.store.projects import create_key, create_project
from phospho_server.store.rows import Project
from phospho_server.store.sessions import get_session
from phospho_server.store.sqlite import SqliteStore
from phospho_server.store.transcripts import list_transcript
from tests.server.builders import NOON_MS, definition, totals
from tests.server.databases import new_store
from tests.server.roll_ups import check_facts, check_roll_ups

Said = list[tuple[str, str | None]]


def messages(*texts: str) -> list[dict[str, Any]]:
    """Return messages; those of the assistant begin with a dash."""
    return [
        {"role": "assistant", "content": text[1:]}
        if text.startswith("-")
        else {"role": "user", "content": text}
        for text in texts
    ]


class Home:
    """A project of its own, and a program that logs conversations to it."""

    def __init__(self, app: Flask, store: SqliteStore) -> None:
        def make(db: Connection) -> tuple[Project, str]:
            project = create_project(db, "Conversations")
            create_definition(db, project.id, definition())
            return project, create_key(db, project.id, "a key")[1]

        self.store, self.client = store, app.test_client()
        self.project, self.key = store.write(make)

    def log(self, *events: object) -> Any:
        answer = self.client.post(
            "/v3/log",
            json={"project_id": self.project.id, "batched_log_events": list(events)},
            headers={"Authorization": f"Bearer {self.key}"},
        )
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.get_json()["logged_events"]

    def say(self, mode: str | None, *texts: str, **more: Any) -> None:
        event = {"session_id": "s", "messages": messages(*texts), "merge_mode": mode, **more}
        assert self.log(event) == [{"session_id": "s"}]

    def said(self) -> Said:
        with self.store.read() as db:
            return [(t.input, t.output) for t in list_transcript(db, self.project.id, "s")]


@pytest.fixture
def home(app: Flask, store: SqliteStore) -> Home:
    return Home(app, store)


def test_messages_become_interactions_in_their_order(home: Home) -> None:
    home.say(None, "Hi", "-Hello!", "Two", "more", "-One", "-and two", "Bye")
    assert home.said() == [("Hi", "Hello!"), ("Two\nmore", "One\nand two"), ("Bye", None)]


def test_what_is_said_of_a_conversation_is_said_of_its_interactions(home: Home) -> None:
    home.say(
        None,
        *("Hi", "-Hello!", "Bye", "-Bye!"),
        created_at=NOON_MS // 1000,
        user_id="ana",
        version_id="v1",
        metadata={"plan": "pro"},
        flag="success",
    )
    with home.store.read() as db:
        first, last = list_transcript(db, home.project.id, "s")
        session = get_session(db, home.project.id, "s")
    for line in (first, last):
        assert (line.user_id, line.version_id, line.metadata) == ("ana", "v1", {"plan": "pro"})
        assert line.created_at_ms == NOON_MS
    assert (first.flag, last.flag) == (None, "success")
    assert (session.user_id, session.successes) == ("ana", 1)


def test_what_is_no_plain_text_is_kept_beside_it(home: Home) -> None:
    call = {"id": "c", "function": {"name": "search", "arguments": "{}"}}
    spoken = [
        {"role": "system", "content": "You sell flights."},
        {"role": "user", "content": [{"type": "text", "text": "Find one"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "three flights"},
        {"role": "assistant", "content": "There are three."},
    ]
    home.log({"session_id": "s", "messages": spoken})
    with home.store.read() as db:
        (line,) = list_transcript(db, home.project.id, "s")
    assert (line.input, line.output) == ("Find one", "search({})\nThere are three.")
    assert line.metadata["system_prompt"] == "You sell flights."
    assert line.raw_input == {"messages": spoken[1:]}


@pytest.mark.parametrize(
    ("mode", "texts", "after"),
    [
        pytest.param("resolve", ("A", "-a", "B", "-b"), [("A", "a"), ("B", "b")], id="again"),
        pytest.param("resolve", ("B", "-b", "C"), [("A", "a"), ("B", "b"), ("C", None)], id="end"),
        pytest.param("resolve", ("A", "-a"), [("A", "a"), ("B", "b")], id="begin"),
        pytest.param(
            "resolve", ("A", "-a", "C", "-c"), [("A", "a"), ("B", "b"), ("C", "c")], id="branch"
        ),
        pytest.param("append", ("C", "-c"), [("A", "a"), ("B", "b"), ("C", "c")], id="append"),
        pytest.param(
            "append", ("A", "-a"), [("A", "a"), ("B", "b"), ("A", "a")], id="append-the-same"
        ),
        pytest.param("append", ("B", "-b"), [("A", "a"), ("B", "b")], id="append-again"),
        pytest.param("replace", ("A", "-a"), [("A", "a")], id="replace-shorter"),
        pytest.param("replace", ("X", "-x", "B", "-b"), [("X", "x"), ("B", "b")], id="replace"),
        pytest.param("replace", ("A", "-other"), [("A", "other")], id="replace-answer"),
        pytest.param("replace", (), [], id="replace-by-nothing"),
    ],
)
def test_a_conversation_that_comes_again_is_merged(
    home: Home, mode: str, texts: tuple[str, ...], after: Said
) -> None:
    home.say(None, "A", "-a", "B", "-b")
    home.say(mode, *texts)
    assert home.said() == after


@pytest.mark.parametrize("mode", ["resolve", "append", "replace"])
def test_an_answer_that_was_missing_comes_in_its_place(home: Home, mode: str) -> None:
    home.say(None, "A", "-a", "B")
    whole = ("A", "-a", "B", "-b")
    home.say(mode, *(whole[2:] if mode == "append" else whole))
    assert home.said() == [("A", "a"), ("B", "b")]
    # The interaction is the same one, and is looked at again.
    assert totals(home.store, home.project).interactions == 2
    with home.store.read() as db:
        jobs = db.rows("select size from jobs where kind = 'detect' order by id")
    assert [row["size"] for row in jobs] == [2, 1]


def test_an_answer_alone_answers_what_was_said_last(home: Home) -> None:
    home.say("append", "A")
    home.say("append", "-a")
    assert home.said() == [("A", "a")]


@pytest.mark.parametrize(
    ("before", "sent"),
    [
        pytest.param([["-a"], ["-b"]], ["-a", "A"], id="an-answer-first"),
        pytest.param([["A", "B"], ["C"]], ["A", "D"], id="questions"),
    ],
)
def test_what_followed_on_a_beginning_is_not_added_again(
    home: Home, before: list[list[str]], sent: list[str]
) -> None:
    for texts in before:
        home.say("resolve", *texts)
    home.say("resolve", *sent)
    once = home.said()
    home.say("resolve", *sent)
    assert home.said() == once


def test_one_conversation_that_cannot_be_kept_hurts_no_other(home: Home) -> None:
    first, *bad, last = home.log(
        {"session_id": "s", "messages": messages("A")},
        "no object",
        {"session_id": "s"},
        {"messages": [{"content": "no role"}]},
        {"messages": messages("A"), "merge_mode": "guess"},
        {"messages": messages("A"), "session_id": ["no id"]},
        {"messages": messages("A")},
    )
    assert first == {"session_id": "s"}
    assert all(each["error_in_log"].endswith(".") for each in bad)
    assert last["session_id"].startswith("session_")


def test_metadata_that_grows_without_end_refuses_no_conversation(home: Home) -> None:
    for number in range(4):
        texts = ("A", "-a", "B", "-b", "C")[: number + 2]
        home.say(None, *texts, metadata={f"k{number}": "x" * 100_000})
    assert home.said() == [("A", "a"), ("B", "b"), ("C", None)]
    with home.store.read() as db:
        first = list_transcript(db, home.project.id, "s")[0]
    assert sorted(first.metadata) == ["k0", "k1"]


_texts = st.lists(st.sampled_from(["A", "B", "-a", "-b"]), max_size=6)
_sent = st.lists(
    st.tuples(
        st.sampled_from(["resolve", "append", "replace"]),
        _texts,
        st.fixed_dictionaries(
            {},
            optional={
                "user_id": st.sampled_from(["ana", "ben"]),
                "version_id": st.sampled_from(["v1", "v2"]),
                "flag": st.sampled_from(["success", "failure"]),
                "metadata": st.sampled_from([{"plan": "pro"}, {"user_id": "cy", "plan": "free"}]),
                "created_at": st.sampled_from([NOON_MS // 1000, NOON_MS // 1000 + 90_000]),
            },
        ),
    ),
    max_size=6,
)


@settings(max_examples=50)
@given(sent=_sent)
def test_whatever_is_sent_every_count_equals_a_recount(
    sent: list[tuple[str, list[str], dict[str, Any]]],
) -> None:
    with TemporaryDirectory() as folder:
        store = new_store(Path(folder, "phospho.db"))
        app = create_app(store, detectors={})
        home = Home(app, store)
        for mode, texts, more in sent:
            home.say(mode, *texts, **more)
            once = home.said()
            if mode == "replace":
                alone = Home(app, store)
                alone.say("append", *texts, **more)
                assert once == alone.said()
            home.say(mode, *texts, **more)
            # Whoever has no answer sends again, and nothing is there twice.
            assert home.said() == once
        with store.read() as db:
            check_roll_ups(db)
            check_facts(db)
        store.close()

"""Lists of the JSON API: what is in them, the filters of the pages, page after page."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from flask.testing import FlaskClient

from phospho.api import answers
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.api.resources.conftest import Program
from tests.server.builders import add, interaction

pytestmark = pytest.mark.usefixtures("filled")

LISTS = ("/sessions", "/interactions", "/users", "/events", "/definitions")


@pytest.mark.parametrize("path", LISTS[:-1])
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_page_after_page_is_the_whole_list(program: Program, path: str, limit: int) -> None:
    whole = program.read(path)
    assert whole["next_cursor"] is None
    assert program.read_all(path, limit=limit) == whole["data"]
    assert len(program.read(path, limit=limit)["data"]) == limit


@pytest.mark.parametrize("path", ["/sessions", "/interactions", "/users"])
@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"event": "booking"},
        {"event": ["booking", "anger"]},
        {"without": "anger"},
        {"flag": "failure"},
        {"notes": "yes"},
        {"version": "v2", "metadata": "plan=pro"},
        {"since": "2026-11-20T15:00:00Z"},
        {"until": "2026-11-20T15:00:00Z"},
        {"sort": "oldest"},
        {"user": "u1"},
        {"q": "number 3"},
        {"q": "u1"},
    ],
    ids=str,
)
def test_a_list_has_what_its_file_has(
    program: Program, path: str, asked: dict[str, str | list[str]]
) -> None:
    if path == "/users" and "user" in asked:
        asked = {"q": "u1"}
    name = {"/sessions": "session_id", "/interactions": "task_id", "/users": "user_id"}[path]
    listed = [row[name] for row in program.read_all(path, limit=2, **asked)]
    file = program.call("GET", f"/export{path}", query_string={**asked, "format": "jsonl"})
    rows = [json.loads(line) for line in file.get_data(as_text=True).splitlines()]
    assert listed == [row[name] for row in rows]


def test_filters_leave_what_they_say(program: Program) -> None:
    def tasks(**asked: object) -> list[str]:
        return [row["task_id"] for row in program.read_all("/interactions", **asked)]

    assert tasks() == [f"t{n}" for n in range(8, -1, -1)]
    assert tasks(event=["booking", "anger"]) == ["t4"]
    assert tasks(event="anger", without="booking") == ["t5"]
    assert tasks(flag="failure") == ["t0"]
    assert tasks(user="u2", version="v1") == ["t2"]
    assert tasks(position="2", sort="oldest") == ["t1", "t3", "t5", "t7"]
    sessions = program.read_all("/sessions", length="1")
    assert [(row["session_id"], row["interactions"]) for row in sessions] == [("s4", 1)]


@pytest.mark.parametrize("asked", [{"language": "fr"}, {"sentiment": "negative"}])
def test_a_language_nobody_has_spoken_yet_finds_nothing(
    program: Program, asked: dict[str, str]
) -> None:
    assert program.read("/sessions", **asked)["data"] == []
    file = program.call("GET", "/export/sessions", query_string={**asked, "format": "jsonl"})
    assert (file.status_code, file.get_data()) == (200, b"")


def test_an_interaction_says_what_was_found_in_it(program: Program) -> None:
    row = program.read("/interactions", event="anger", limit=1)["data"][0]
    assert [(e["name"], e["score"], e["detector"]) for e in row["events"]] == [
        ("anger", 0.9, "rules")
    ]
    assert (row["task_id"], row["created_at"]) == ("t5", "2026-11-20T17:00:00.000Z")
    assert row["metadata"] == {"plan": "pro"}
    answers.Interaction.model_validate(row)


def test_events_are_listed_by_arrival_each_with_its_interaction(program: Program) -> None:
    rows = program.read_all("/events", limit=1)
    assert [(row["task_id"], row["event"]["name"]) for row in rows[:3]] == [
        ("t5", "anger"),
        ("t4", rows[1]["event"]["name"]),
        ("t4", rows[2]["event"]["name"]),
    ]
    assert {row["event"]["name"] for row in rows[1:3]} == {"booking", "anger"}
    assert len(rows) == 7
    for names in ("anger", ["anger", "anger"]):
        assert [r["task_id"] for r in program.read_all("/events", event=names)] == ["t5", "t4"]
    assert "no event with this name" in program.refused("/events", event="angr")


def test_an_interaction_is_read_with_all_that_was_said_of_it(program: Program) -> None:
    row = program.read("/interactions/t0")
    assert [(said["flag"], said["notes"]) for said in row["feedback"]] == [
        ("success", "success!"),
        ("failure", "failure!"),
    ]
    assert row == program.read("/interaction", id="t0")
    assert program.call("GET", "/interactions/none").status_code == 404


def test_a_transcript_is_read_in_parts(
    program: Program, store: SqliteStore, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phospho_server.store.transcripts.PART_SIZE", 2)
    new = [interaction(f"l{n}", session_id="long", created_at_ms=n) for n in range(5)]
    add(store, project, *new)
    parts = [program.read("/sessions/long")]
    while cursor := parts[-1]["next_cursor"]:
        parts.append(program.read("/sessions/long", cursor=cursor))
    assert [[row["task_id"] for row in part["transcript"]] for part in parts] == [
        ["l0", "l1"],
        ["l2", "l3"],
        ["l4"],
    ]
    assert {part["interactions"] for part in parts} == {5}


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a//b", "?x=1", "ü ", " ", "%2F", "preview"])
def test_whatever_the_id_is_it_is_read(
    program: Program, store: SqliteStore, project: Project, name: str
) -> None:
    add(store, project, interaction(name, session_id=name, user_id=name))
    assert program.read("/session", id=name)["session_id"] == name
    assert program.read("/interaction", id=name)["task_id"] == name
    assert program.read("/user", id=name)["user_id"] == name


@pytest.mark.parametrize(
    ("path", "read"), [("a%2Fb", "a/b"), ("a%2F%2Fb", "a//b"), ("%2Fb", None), ("/b", None)]
)
def test_an_id_in_a_path_is_never_taken_for_another(
    program: Program, store: SqliteStore, project: Project, path: str, read: str | None
) -> None:
    for name in ("b", "a/b", "a//b"):
        add(store, project, interaction(name, session_id=name, user_id=name))
    for kind, id_name in (("sessions", "session_id"), ("interactions", "task_id")):
        answer = program.call("GET", f"/{kind}/{path}")
        assert (answer.status_code, answer.get_json().get(id_name)) == (200 if read else 404, read)


def test_search_marks_the_words(program: Program) -> None:
    found = program.read("/search", q="NUMBER 3")["data"]
    assert [row["interaction"]["task_id"] for row in found] == ["t3"]
    assert found[0]["input"] == [
        {"text": "flight ", "is_match": False},
        {"text": "number", "is_match": True},
        {"text": " ", "is_match": False},
        {"text": "3", "is_match": True},
    ]
    assert "'q' is missing" in program.refused("/search")
    whole = program.read("/search", q="flight")["data"]
    assert len(whole) == 9
    assert program.read_all("/search", q="flight", limit=2) == whole


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        pytest.param({"evnt": "x"}, "'evnt' means nothing", id="misspelt"),
        pytest.param({"event": "x"}, "not a choice", id="no-such-event"),
        pytest.param({"user": ""}, "'user' is empty", id="empty"),
        pytest.param({"user": " "}, "'user' is empty", id="space"),
        pytest.param({"user": ["a", "b"]}, "given 2 times", id="twice"),
        pytest.param({"limit": "201"}, "from 1 to 200", id="limit"),
        pytest.param({"limit": "\u0661"}, "from 1 to 200", id="arabic-digit"),
        pytest.param({"cursor": "x"}, "not complete", id="cursor"),
        pytest.param({"since": "yesterday"}, "is no day", id="day"),
        pytest.param({"until": "20261120"}, "is no day", id="compact-day"),
        pytest.param({"metadata": "plan"}, "a key and a value", id="metadata"),
        pytest.param({"position": "2"}, "'position' means nothing", id="no-filter-of-sessions"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(
    program: Program, asked: dict[str, object], says: str
) -> None:
    assert says in program.refused("/sessions", **asked)


@pytest.mark.parametrize("path", ["/sessions", "/export/users", "/stats", "/stats/series"])
@pytest.mark.parametrize(
    "asked", [{"period": "custom"}, {"period": "24h", "since": "2020-01-01"}], ids=["form", "two"]
)
def test_a_period_is_refused_where_another_would_be_read(
    program: Program, path: str, asked: dict[str, str]
) -> None:
    assert "'period'" in program.refused(path, **asked)


def test_days_that_a_page_asks_for_are_read(program: Program) -> None:
    days = {"since": "2026-11-20", "until": "2026-11-20"}
    assert program.read("/sessions", period="custom", **days) == program.read("/sessions", **days)


@pytest.mark.parametrize("path", [*LISTS, "/sessions/s1", "/users/u1", "/stats", "/search?q=3"])
def test_what_has_not_changed_is_not_sent_again(program: Program, path: str) -> None:
    first = program.call("GET", path)
    tag = first.headers["ETag"]
    again = program.call("GET", path, headers={"If-None-Match": tag})
    assert (again.status_code, again.get_data(), again.headers["ETag"]) == (304, b"", tag)
    head = program.call("HEAD", path)
    assert (head.headers["ETag"], head.headers["Cache-Control"]) == (tag, "private, no-cache")


def test_what_has_changed_is_sent(program: Program, store: SqliteStore, project: Project) -> None:
    tag = program.call("GET", "/interactions").headers["ETag"]
    add(store, project, interaction("new"))
    again = program.call("GET", "/interactions", headers={"If-None-Match": tag})
    assert (again.status_code, again.get_json()["data"][0]["task_id"]) == (200, "new")


def test_a_key_sees_its_own_project(program: Program, client: FlaskClient) -> None:
    headers = {"Authorization": f"Bearer {program.key}"}
    listed = client.get("/api/projects", headers=headers).get_json()
    assert [(row["id"], row["interactions"]) for row in listed["data"]] == [(program.project_id, 9)]
    assert program.read("") == listed["data"][0]


@pytest.fixture
def client(program: Program) -> FlaskClient:
    return program.client


def test_users_are_listed_with_what_they_did(program: Program) -> None:
    rows = program.read_all("/users", sort="most")
    assert [(row["user_id"], row["interactions"]) for row in rows] == [
        ("u2", 3),
        ("u1", 3),
        ("u0", 3),
    ]
    times = [row["last_at"] for row in program.read_all("/users")]
    assert all(newer >= older for newer, older in pairwise(times))
    assert [row["user_id"] for row in program.read_all("/users", q="u1")] == ["u1"]

"""Tasks, sessions and projects as existing clients ask for them, where the old client does not go.

What it does is in `tests/old_client/`.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from phospho_server.store import detections, reviews
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.api.v2.conftest import Program
from tests.server.builders import add, define, interaction, verdict
from tests.server.roll_ups import check_facts, check_roll_ups


def test_the_browser_s_name_for_feedback_is_understood(program: Program) -> None:
    program.post(
        f"/log/{program.project_id}", {"batched_log_events": [{"input": "Hi", "task_id": "t"}]}
    )
    task = program.post(
        "/tasks/t/flag",
        {"flag": "failure", "source": "owner", "notes": None, "project_id": program.project_id},
    )
    assert (task["flag"], task["last_eval"]["source"], task["input"]) == ("failure", "owner", "Hi")


def test_ids_with_slashes_are_ids(program: Program) -> None:
    program.post("/tasks", {"input": "Hi", "task_id": "a/b/flag", "session_id": "x/tasks/y"})
    assert program.get("/tasks/a/b/flag")["session_id"] == "x/tasks/y"
    assert program.get("/sessions/x/tasks/y")["session_length"] == 1
    assert len(program.get("/sessions/x/tasks/y/tasks")["tasks"]) == 1


def test_a_task_that_is_not_there_is_not_found(program: Program) -> None:
    for path in ("/tasks/t", "/sessions/s", "/sessions/s/tasks", "/sessions/s/transcript"):
        assert program.get(path, status=404)["error"]["code"] == "not_found"
    for path in ("/tasks/t", "/sessions/s"):
        body = {"metadata": {"a": 1}, "notes": "n", "flag": "success"}
        assert program.post(path, body, status=404)["error"]["code"] == "not_found"


def test_a_task_has_its_events_with_who_found_them(
    program: Program, store: SqliteStore, project: Project
) -> None:
    new = interaction("t1", metadata=json.dumps({"test_id": "x", "environment": "prod"}))
    add(store, project, new)
    found, denied = define(store, project, name="Booking"), define(store, project, name="Refund")
    said = verdict(store, project, new, detected=True, score=0.8)
    for event in (found, denied):
        store.write(
            partial(detections.record, project_id=project.id, definition=event, verdicts=[said])
        )
    store.write(
        lambda db: reviews.review(
            db, project.id, denied.id, said.interaction_id, occurred=False, source="audit"
        )
    )
    task = program.get("/tasks/t1")
    (event,) = task["events"]
    assert (event["event_name"], event["source"], event["confirmed"]) == (
        "Booking",
        "phospho-rules",
        False,
    )
    assert event["score_range"] == {
        "score_type": "confidence",
        "value": 0.8,
        "min": 0.0,
        "max": 1.0,
        "label": None,
    }
    assert (task["test_id"], task["environment"]) == ("x", "prod")
    flat = program.post(
        f"/projects/{project.id}/tasks/flat", {"with_removed_events": True, "limit": 5}
    )["flattened_tasks"]
    assert [(row["event_name"], row["event_removed"]) for row in flat] == [
        ("Booking", False),
        ("Refund", True),
    ]
    (row,) = program.post(f"/projects/{project.id}/tasks/flat", {"with_events": False})[
        "flattened_tasks"
    ]
    assert "event_name" not in row
    session = program.get("/sessions/s1")
    assert [each["event_name"] for each in session["events"]] == ["Booking"]


def test_a_transcript_is_one_text(program: Program) -> None:
    for number, (said, answer) in enumerate((("Hi", "Hello!"), ("Bye", None))):
        event = {"input": said, "output": answer, "session_id": "s", "task_id": f"t{number}"}
        program.post(f"/log/{program.project_id}", {"batched_log_events": [event]})
    text = "User: Hi\nAssistant: Hello!\nUser: Bye"
    assert program.get("/sessions/s/transcript") == {"transcript": text}


def test_a_user_named_later_has_the_task_in_every_list(
    program: Program, store: SqliteStore, project: Project
) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    event = {"input": "Hi", "task_id": "t", "session_id": "s", "user_id": "ana", **usage}
    program.post(f"/log/{project.id}", {"batched_log_events": [event]})
    program.post("/tasks/t", {"metadata": {"user_id": "ben"}})
    with store.read() as db:
        rows = db.rows("select user_id, interactions, tokens from users")
    assert [dict(row) for row in rows] == [{"user_id": "ben", "interactions": 1, "tokens": 7}]
    assert program.get("/sessions/s")["metadata"] == {"user_id": "ben"}


def test_metadata_without_end_is_refused_and_nothing_is_kept(program: Program) -> None:
    program.post("/tasks", {"input": "Hi", "task_id": "t"})
    for number in range(3):
        status = 422 if number == 2 else 200
        program.post("/tasks/t", {"metadata": {f"k{number}": "x" * 100_000}}, status=status)
    assert sorted(program.get("/tasks/t")["metadata"]) == ["k0", "k1"]


def test_a_limit_is_kept_and_a_wrong_one_refused(program: Program) -> None:
    for number in range(3):
        program.post("/tasks", {"input": "Hi", "task_id": f"t{number}"})
    path = f"/projects/{program.project_id}/tasks"
    assert [t["id"] for t in program.post(path, {"limit": 2})["tasks"]] == ["t2", "t1"]
    assert program.post(path, {"limit": 0})["tasks"] == []
    assert len(program.post(path, {"limit": 10**30})["tasks"]) == 3
    for wrong in (-1, "2", 1.5, True):
        program.post(path, {"limit": wrong}, status=422)


def test_a_key_says_whose_it_is_and_not_what_it_is(program: Program) -> None:
    me = program.get("/me")
    assert (me["project_id"], me["key_name"]) == (program.project_id, "a key")
    assert program.headers["Authorization"].split()[1] not in json.dumps(me)


def test_a_table_sent_back_changes_what_it_says_and_nothing_else(
    program: Program, store: SqliteStore, project: Project
) -> None:
    for name in ("t1", "t2"):
        body = {"input": "Hi", "task_id": name, "session_id": "s", "metadata": {"plan": "pro"}}
        program.post("/tasks", body)
    path = f"/projects/{project.id}/tasks/flat-update"
    rows = [
        {"task_id": "t1", "task_metadata.plan": None, "task_metadata.user_id": "ana"},
        {"task_id": "t2", "task_metadata": {"plan": "free"}, "task_eval": "failure"},
        {"task_id": "unknown", "task_eval": "success"},
    ]
    for _ in range(2):
        assert program.post(path, {"flattened_tasks": rows}) == {"updated": 2}
    first, second = program.get("/tasks/t1"), program.get("/tasks/t2")
    assert first["metadata"] == {"plan": "pro", "user_id": "ana"}
    assert (second["metadata"], second["flag"]) == ({"plan": "free"}, "failure")
    assert second["last_eval"]["source"] == "owner"
    with store.read() as db:
        # The same word, sent twice, is one.
        assert len(db.rows("select 1 from feedback")) == 1
        check_roll_ups(db)
        check_facts(db)


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        pytest.param({}, 400, "needs a list", id="nothing"),
        pytest.param({"flattened_tasks": [3]}, 422, "Row 1: A row must", id="number"),
        pytest.param({"flattened_tasks": [{}]}, 422, "needs a task_id", id="no-id"),
        pytest.param(
            {"flattened_tasks": [{"task_id": "t"}, {"task_id": "t", "task_eval": "maybe"}]},
            422,
            "Row 2: The feedback",
            id="feedback",
        ),
        pytest.param({"flattened_tasks": [{}] * 10_001}, 413, "10,001 rows", id="many"),
    ],
)
def test_a_table_that_is_none_says_which_row(
    program: Program, body: dict[str, Any], status: int, says: str
) -> None:
    path = f"/projects/{program.project_id}/tasks/flat-update"
    assert says in program.post(path, body, status=status)["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"metadata": [1]}, id="list"),
        pytest.param({"data": "text"}, id="text"),
        pytest.param({"notes": 3}, id="notes"),
        pytest.param({"flag": "good"}, id="flag"),
        pytest.param({"metadata": {"user_id": {"no": "id"}}}, id="user"),
    ],
)
def test_a_change_of_a_wrong_type_is_refused_and_nothing_changes(
    program: Program, body: dict[str, Any]
) -> None:
    program.post("/tasks", {"input": "Hi", "task_id": "t"})
    before = program.get("/tasks/t")
    error = program.post("/tasks/t", body, status=422)["error"]
    assert error["message"].endswith(".")
    assert program.get("/tasks/t") == before


def test_what_is_said_of_a_session_is_kept(program: Program) -> None:
    made = program.post("/sessions", {"project_id": program.project_id, "data": {"table": 4}})
    body = {"metadata": {"a": 1}, "notes": "a note", "preview": "Hello", "data": None}
    changed = program.post(f"/sessions/{made['id']}", body)
    assert (changed["metadata"], changed["notes"], changed["preview"]) == (
        {"a": 1},
        "a note",
        "Hello",
    )
    assert changed["data"] == {"table": 4}
    assert program.get(f"/sessions/{made['id']}") == changed
    listed = program.get(f"/projects/{program.project_id}/sessions")["sessions"]
    assert listed == [changed]

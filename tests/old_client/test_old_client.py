"""The published old client, unmodified, against a real server: all that it offers works."""

from __future__ import annotations

import sqlite3
import subprocess
from functools import partial
from pathlib import Path

import pytest

from phospho_server.store.definitions import create_definition
from phospho_server.store.rows import Project
from tests.old_client.conftest import Home, make_home
from tests.server.builders import definition, totals
from tests.server.processes import serving
from tests.waiting import PATIENCE_S


def test_strings_are_logged_with_all_that_is_sent_beside_them(home: Home) -> None:
    found = home.run("strings")
    task = found["task"]
    assert (task["input"], task["output"]) == ("Book me a flight", "Which date?")
    assert task["metadata"] == {
        "plan": "pro",
        "channel": "web",
        "rating": 4.5,
        "user_id": "ana",
        "version_id": "v2",
    }
    assert task["flag"] == task["human_eval"]["flag"] == "success"
    assert (task["session_id"], task["task_position"]) == (found["session"], 1)
    # As the old client's own model reads it.
    assert (found["second"]["input"], found["second"]["is_last_task"]) == ("Tomorrow", True)


def test_objects_of_openai_are_logged_with_their_tokens(home: Home) -> None:
    found = home.run("openai_objects", more=True)
    for task in found.values():
        assert (task["input"], task["output"]) == ("Book me a flight", "Which date?")
        assert task["metadata"]["total_tokens"] == 27
        assert task["metadata"]["system_prompt"] == "You sell flights."
        assert task["additional_input"]["model"] == "gpt-x"
        assert task["additional_output"]["id"] == "chatcmpl-1"
    with home.store.read() as db:
        rows = db.rows(
            "select tokens from interactions where project_id = :id", {"id": home.project_id}
        )
    assert [row["tokens"] for row in rows] == [27, 27]


def test_streams_are_logged_once_they_are_read(home: Home) -> None:
    found = home.run("streams")
    assert (found["said"], found["said_too"]) == ("Which date?", ["To", "morrow", None])
    outputs = {task["output"] for task in found["tasks"]}
    assert outputs == {"Which date?", "Tomorrow"}


def test_a_wrapped_function_is_logged_with_its_arguments(home: Home) -> None:
    found = home.run("wrap")
    (task,) = found["tasks"]
    assert task["output"] == found["returned"] == "You asked: How much?"
    assert task["metadata"]["plan"] == "pro"


def test_feedback_is_kept_before_its_log_and_after(home: Home) -> None:
    found = home.run("feedback")
    early = found["early"]
    assert (early["flag"], early["notes"], early["input"]) == ("success", "came first", "")
    kept = found["with_early"]
    assert (kept["flag"], kept["notes"], kept["input"]) == ("success", "came first", "Hello")
    later = found["later"]
    # Feedback without notes leaves those there were.
    assert (later["flag"], later["notes"]) == ("failure", "came first")
    assert (found["flagged"]["flag"], found["flagged"]["notes"]) == ("success", "another note")


def test_tasks_are_made_read_and_changed(home: Home) -> None:
    found = home.run("tasks")
    created = found["created"]
    assert (created["input"], created["output"], created["data"]) == (
        "Is it open?",
        "Yes.",
        {"shop": 7},
    )
    assert created["metadata"] == {"user_id": "ana"}
    for task in (found["updated"], found["refreshed"], found["left"]):
        assert task["metadata"] == {"user_id": "ben", "plan": "pro"}
        assert (task["data"], task["notes"], task["flag"]) == ({"shop": 8}, "a note", "failure")
        assert task["last_eval"]["source"] == "owner"
    assert found["all"] == [created["id"]]


def test_sessions_are_made_read_and_listed(home: Home) -> None:
    found = home.run("sessions")
    assert (found["empty"]["data"], found["empty"]["session_length"]) == ({"table": 4}, 0)
    assert (found["found"]["session_length"], found["found"]["preview"]) == (2, "One")
    assert found["listed"] == [found["found"]["id"]]
    assert found["tasks"] == [["one", "One"], ["two", "Two"]]


def test_tasks_are_found_by_filters(home: Home) -> None:
    assert home.run("filters") == {
        "none": ["c", "b", "a"],
        "user": ["c", "a"],
        "flag": ["b"],
        "both": [],
        "ids": ["c", "a"],
        "sessions": ["b"],
        "version": ["c", "b"],
        "excluded": ["b"],
        "first": ["c", "b", "a"],
        "search": ["c"],
        "event": [],
        "past": [],
        "recent": ["c", "b", "a"],
    }


def test_tasks_are_a_table_that_can_be_sent_back(home: Home) -> None:
    found = home.run("flat")
    two, one = found["rows"]
    assert (one["task_id"], one["task_input"], one["task_metadata.plan"]) == ("one", "One", "pro")
    assert (two["task_position"], two["session_length"]) == (2, 2)
    after = found["after"]
    assert after["flag"] == "failure"
    assert after["metadata"]["checked"] is True
    assert after["metadata"]["plan"] == "pro"


def test_tasks_are_a_data_frame(home: Home) -> None:
    found = home.run("frames", more=True)
    assert [row["task_id"] for row in found["rows"]] == ["two", "one"]
    assert found["rows"][1]["task_metadata.plan"] == "pro"
    assert found["evals"] == ["success", "success"]


def test_a_back_test_runs_past_inputs_through_a_new_version(home: Home) -> None:
    assert home.run("backtest", more=True) == [f"New: Question {n}" for n in range(3)]


def test_a_project_is_read_with_its_events(home: Home) -> None:
    for event in (
        definition("Booking"),
        definition("Refund", keywords=("refund", "money back"), scope="user_message"),
        definition("Mood", answer="score", score_range=(1.0, 5.0)),
    ):
        home.store.write(partial(create_definition, project_id=home.project_id, definition=event))
    found = home.run("project")
    events = found["settings"]["events"]
    assert (found["project_name"], len(events)) == ("Old client", 3)
    assert events["Booking"]["detection_engine"] == "llm_detection"
    assert events["Refund"]["detection_engine"] == "keyword_detection"
    assert events["Refund"]["keywords"] == "refund, money back"
    assert events["Refund"]["detection_scope"] == "task_input_only"
    assert events["Mood"]["score_range_settings"]["score_type"] == "range"


def test_a_thousand_events_with_odd_texts_go_in_one_body(home: Home) -> None:
    found = home.run("many")
    assert (found["sent"], found["left"]) == (1_000, 0)
    assert found["lengths"]["long"] == 300_000
    assert found["texts"] == "a\ufffdb"
    project = Project(home.project_id, "", 0)
    assert totals(home.store, project).interactions == 1_000


def test_one_bad_event_costs_nothing_else(home: Home) -> None:
    found = home.run("bad_event")
    assert found == {"kept": ["after", "before", "later"], "alive": True}


def test_what_eight_threads_log_arrives_once(home: Home) -> None:
    assert home.run("threads") == {"kept": 400}


@pytest.mark.slow
def test_a_server_that_is_busy_loses_nothing_and_kills_no_thread(tmp_path: Path) -> None:
    """Another program holds the database for longer than the server waits: it answers 503."""
    database = tmp_path / "phospho.db"
    with serving(database) as server:
        store, home = make_home(server, database)
        store.close()
        other = sqlite3.connect(database, isolation_level=None)
        other.execute("begin immediate")
        with subprocess.Popen(
            home.command("overload"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=home.environment(),
        ) as client:
            assert client.stdout
            assert client.stdout.readline() == "refused\n"
            other.execute("rollback")
            printed, problems = client.communicate("\n", timeout=PATIENCE_S)
        other.close()
    assert client.returncode == 0, problems
    assert printed.splitlines()[-1] == '{"alive": true}'

"""Files of interactions and conversations."""

from __future__ import annotations

import contextlib
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phospho_server.errors import InvalidError
from phospho_server.files.importing import ImportReport, import_file
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.store.transcripts import list_transcript
from tests.server.builders import NOON_MS, totals


def write(tmp_path: Path, *lines: object) -> Path:
    path = tmp_path / "file.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts), encoding="utf-8")
    return path


def run(store: SqliteStore, project: Project, path: Path, **more: Any) -> ImportReport:
    return import_file(store, project.id, path, now_ms=NOON_MS, **more)


def pairs(store: SqliteStore, project: Project, session_id: str) -> list[tuple[str, str | None]]:
    with store.read() as db:
        lines = list_transcript(db, project.id, session_id)
    return [(line.input, line.output) for line in lines]


def turns(*found: str) -> list[dict[str, str]]:
    roles = {"u": "user", "a": "assistant"}
    return [{"role": roles[turn[0]], "content": turn} for turn in found]


@pytest.mark.parametrize(
    ("given_turns", "expected"),
    [
        pytest.param(["u1", "a1", "u2", "a2"], [("u1", "a1"), ("u2", "a2")], id="in-turn"),
        pytest.param(["a1", "u1", "a2"], [("", "a1"), ("u1", "a2")], id="assistant-first"),
        pytest.param(["u1", "u2", "a1"], [("u1\nu2", "a1")], id="user-twice"),
        pytest.param(["u1", "a1", "a2"], [("u1", "a1\na2")], id="assistant-twice"),
        pytest.param(["u1"], [("u1", None)], id="no-answer"),
        pytest.param([], [], id="empty"),
    ],
)
def test_turns_become_interactions(
    store: SqliteStore,
    project: Project,
    tmp_path: Path,
    given_turns: list[str],
    expected: list[tuple[str, str | None]],
) -> None:
    path = write(tmp_path, {"session_id": "s1", "turns": turns(*given_turns), "topics": ["x"]})
    assert run(store, project, path).added == len(expected)
    assert pairs(store, project, "s1") == expected


def test_conversations_of_chat_apis_are_read(
    store: SqliteStore, project: Project, tmp_path: Path
) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Look"}, {"type": "image_url"}]},
        {"role": "assistant", "content": None, "tool_calls": [{}]},
        {"role": "tool", "content": "42"},
        {"role": "assistant", "content": "It is 42."},
    ]
    path = write(tmp_path, {"session_id": "s1", "messages": messages})
    assert run(store, project, path).problems == []
    with store.read() as db:
        (line,) = list_transcript(db, project.id, "s1")
    assert (line.input, line.output) == ("Look", "It is 42.")
    assert line.metadata == {"system_prompt": "Be brief."}


def test_interactions_are_read_as_log_sends_them(
    store: SqliteStore, project: Project, tmp_path: Path
) -> None:
    path = write(
        tmp_path,
        {"input": "one", "output": "1", "session_id": "s1", "plan": "pro", "created_at": 1},
        {"input": "two", "output": "2", "session_id": "s1", "task_id": "mine", "created_at": 2},
    )
    run(store, project, path)
    with store.read() as db:
        first, second = list_transcript(db, project.id, "s1")
    assert (first.metadata, second.task_id) == ({"plan": "pro"}, "mine")


def test_steps_are_kept_with_their_interaction_and_not_with_each_of_a_conversation(
    store: SqliteStore, project: Project, tmp_path: Path
) -> None:
    steps = [{"kind": "tool", "name": "search"}]
    path = write(
        tmp_path,
        {"input": "one", "session_id": "s1", "steps": steps},
        {"session_id": "s2", "turns": turns("u1", "a1"), "steps": steps, "metadata": {"a": 1}},
    )
    assert run(store, project, path).problems == []
    with store.read() as db:
        [alone] = list_transcript(db, project.id, "s1")
        [turn] = list_transcript(db, project.id, "s2")
    assert [step.name for step in alone.steps] == ["search"]
    assert (turn.steps, turn.metadata) == ([], {"steps": steps, "a": 1})


def test_importing_again_adds_nothing_twice(
    store: SqliteStore, project: Project, tmp_path: Path
) -> None:
    same = {"input": "hello", "output": "hi"}
    without_ids = {"input": "hello", "task_id": None, "session_id": ""}
    talk = {"session_id": "s", "turns": turns("u1", "a1")}
    path = write(tmp_path, same, same, without_ids, talk)
    assert run(store, project, path) == ImportReport(4, 4, [])
    assert run(store, project, path) == ImportReport(4, 0, [])
    assert totals(store, project).interactions == 4


def test_a_bad_line_is_named_and_left_out(
    store: SqliteStore, project: Project, tmp_path: Path
) -> None:
    path = write(
        tmp_path,
        {"input": "good"},
        "not json",
        "",
        [1],
        {"output": "no input"},
        {"turns": "no list"},
        {"turns": [{"role": "weather", "content": "x"}]},
        {"turns": [{"role": "user", "content": 5}]},
        {"input": "good", "user_id": "u" * 600},
        "[" * 100_000,
        {"messages": turns("u1")},
    )
    report = run(store, project, path)
    assert report.added == 2
    assert [problem.number for problem in report.problems] == [2, 4, 5, 6, 7, 8, 9, 10]
    assert all(problem.reason for problem in report.problems)
    assert report.rows_left_out == 8


def test_gzip_is_read_and_progress_ends_at_the_size_of_the_file(
    store: SqliteStore, project: Project, tmp_path: Path
) -> None:
    path = tmp_path / "file.jsonl.gz"
    lines = "\n".join(json.dumps({"input": f"number {n}"}) for n in range(2500))
    path.write_bytes(gzip.compress(lines.encode()))
    progress: list[int] = []
    assert run(store, project, path, on_progress=progress.append).added == 2500
    assert sum(progress) == path.stat().st_size


def test_what_stands_before_the_damage_of_a_file_is_kept(
    store: SqliteStore, project: Project, tmp_path: Path
) -> None:
    path = tmp_path / "cut.jsonl.gz"
    lines = "\n".join(json.dumps({"input": f"{n} {'é' * n}"}) for n in range(3000))
    path.write_bytes(gzip.compress(lines.encode())[:-200])
    report = run(store, project, path)
    assert report.added > 1000
    assert "damaged" in report.problems[-1].reason
    assert totals(store, project).interactions == report.added


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=300) | st.binary(max_size=100).map(b"\x1f\x8b".__add__))
def test_any_file_is_read_or_named(
    store: SqliteStore, project: Project, tmp_path: Path, data: bytes
) -> None:
    path = tmp_path / "any.jsonl"
    path.write_bytes(data)
    with contextlib.suppress(InvalidError):
        report = run(store, project, path)
        assert report.added <= report.read

"""`phospho import` and `phospho export`: what they print, write and refuse."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from phospho_server.commands import phospho
from phospho_server.files import exporting
from phospho_server.store.detections import record
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import NOON_MS, add, define, interaction, verdict


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "phospho.db"
    monkeypatch.setenv("PHOSPHO_DATABASE_URL", str(path))
    return path


@pytest.fixture
def project(database: Path) -> Project:
    """A project with three interactions, and an event in one of them."""
    store = SqliteStore(database)
    made = store.write(lambda db: create_project(db, "Support bot"))
    first = interaction("t1", input="=1+1", user_id="ana", version_id="2")
    add(store, made, first, interaction("t2", user_id="bo"))
    add(store, made, interaction("t3", session_id="s2", created_at_ms=NOON_MS - 10 * 86_400_000))
    event = define(store, made, name="refund")
    found = verdict(store, made, first, detected=True)
    store.write(lambda db: record(db, made.id, event, [found]))
    store.close()
    return made


def run(*arguments: str) -> Result:
    return CliRunner().invoke(phospho, arguments)


def export(project: Project, *arguments: str) -> list[dict[str, Any]]:
    result = run("export", "--project", project.id, *arguments)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_an_import_says_what_it_guessed_and_what_was_left_out(
    project: Project, tmp_path: Path
) -> None:
    file = tmp_path / "talk.csv"
    bad = "a,b,c\n" * 25
    file.write_text(f"question,answer,plan\nHi,Hello,pro\n{bad.replace('c', 'c,d')}")
    result = run("import", str(file), "--project", project.id)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "Column “question” is read as input.",
        "Column “answer” is read as output.",
        "All others become metadata: plan.",
        "1 interaction added; 25 rows were left out.",
    ]
    assert result.stderr.count("was left out. It has 4 cells") == 20
    assert "Line 3 was left out." in result.stderr
    assert "5 more were left out." in result.stderr


def test_an_import_takes_the_names_of_columns(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "fragen.csv"
    file.write_text("Frage;Antwort\nWo?;Hier\n", encoding="utf-8-sig")
    refused = run("import", str(file), "--project", project.id)
    assert refused.exit_code == 1
    assert "for example: --map input=Frage --map output=Antwort" in refused.output
    words = ("--map", "input=Frage", "--map", "output=Antwort")
    assert run("import", str(file), "--project", project.id, *words).exit_code == 0
    (row,) = [row for row in export(project) if row["input"] == "Wo?"]
    assert row["output"] == "Hier"


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ([], ["t1", "t2", "t3"]),
        (["--filter", "user=ana"], ["t1"]),
        (["--filter", "event=refund"], ["t1"]),
        (["--filter", "without=refund", "--filter", "user=bo"], ["t2"]),
        (["--since", "2026-11-20"], ["t1", "t2"]),
        (["--until", "2026-11-19"], ["t3"]),
    ],
)
def test_an_export_has_what_matches_in_the_order_of_arrival(
    project: Project, options: list[str], kept: list[str]
) -> None:
    assert [row["task_id"] for row in export(project, *options)] == kept


def test_sessions_and_users_are_exported_as_the_pages_list_them(project: Project) -> None:
    rows = export(project, "--what", "sessions")
    assert {row["session_id"]: row["interactions"] for row in rows} == {"s1": 2, "s2": 1}
    assert rows[0]["events"] == {"refund": 1}
    assert {row["user_id"] for row in export(project, "--what", "users")} >= {"ana", "bo"}


def test_csv_computes_nothing_and_says_which_cells_it_guards(project: Project) -> None:
    result = run("export", "--project", project.id, "--format", "csv")
    text = result.stdout_bytes.decode("utf-8-sig")
    first = next(csv.DictReader(io.StringIO(text, newline="")))
    assert (first["input"], first["phospho_guarded"]) == ("'=1+1", "input")


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "csv.gz", "parquet"])
def test_a_file_is_named_by_its_format_and_only_its_owner_reads_it(
    project: Project, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"out.{ending}"
    result = run("export", "--project", project.id, "-o", str(path))
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"3 interactions written to {path}." in result.stderr
    assert path.stat().st_mode & 0o777 == 0o600
    report = run("import", str(path), "--project", project.id, "--json")
    assert json.loads(report.stdout) == {
        "read": 3,
        "added": 0,
        "rows_left_out": 0,
        "runs_left_out": 0,
        "problems": [],
        "recognised": [] if ending.startswith("jsonl") else ["The file was exported by phospho."],
    }


def test_an_export_that_fails_leaves_what_was_there(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("yesterday")

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(exporting, "list_whole", fail)
    assert run("export", "--project", project.id, "-o", str(path)).exit_code != 0
    assert path.read_text() == "yesterday"
    assert sorted(each.name for each in tmp_path.iterdir() if "out" in each.name) == ["out.jsonl"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--format", "parquet"], "-o FILE.parquet"),
        (["-o", "out.txt"], "--format csv or jsonl or parquet"),
        (["--filter", "evnt=refund"], "“evnt” is no filter"),
        (["--filter", "event"], "Write --filter NAME=VALUE"),
        (["--filter", "event=unknown"], "is not a choice of “event”"),
        (["--since", "yesterday"], "is no day"),
        (["--what", "users", "--filter", "user=ana"], "is no filter of users"),
    ],
)
def test_what_cannot_be_meant_is_refused(project: Project, words: list[str], says: str) -> None:
    result = run("export", "--project", project.id, *words)
    assert result.exit_code == 1
    assert says in result.output


def test_an_export_of_a_project_that_is_not_there_says_so(project: Project) -> None:
    assert "projects list" in run("export", "--project", "nobody").output

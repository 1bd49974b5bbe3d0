"""Real processes: an import that is killed goes on, and two at once add nothing twice."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.files.conftest import lines
from tests.waiting import PATIENCE_S, wait_until

ROWS = 4_000


def start(database: Path, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "phospho_server", *words, "--database", str(database)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[bytes]) -> None:
    said = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0, said


def count(database: Path, what: str) -> int:
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return int(db.execute(f"select count({what}) from interactions").fetchone()[0])
    finally:
        db.close()


def make_project(database: Path) -> Project:
    store = SqliteStore(database)
    project = store.write(lambda db: create_project(db, "files"))
    store.close()
    return project


def kill_on_the_way(database: Path, *words: str) -> None:
    """Kill an import after a quarter of it."""
    killed = start(database, *words)
    wait_until(lambda: count(database, "*") >= 1_000, what="some rows are there")
    killed.kill()
    killed.communicate()


def test_an_import_that_is_killed_goes_on_also_by_two_at_once(tmp_path: Path) -> None:
    source = tmp_path / "source.jsonl"
    source.write_text(lines(*({"question": f"number {n % 50}"} for n in range(ROWS))))
    for attempt in range(10):
        database = tmp_path / f"{attempt}.db"
        project = make_project(database)
        command = ("import", str(source), "--project", project.id)
        kill_on_the_way(database, *command)
        # One that ran on while this process stood still proves nothing.
        if count(database, "*") < ROWS:
            break
    assert 1_000 <= count(database, "*") < ROWS

    for each in [start(database, *command), start(database, *command)]:
        # Both were started before the first is waited for.
        finish(each)
    assert count(database, "*") == count(database, "distinct task_id") == ROWS
    export = tmp_path / "again.jsonl"
    finish(start(database, "export", "--project", project.id, "-o", str(export)))
    kept = [json.loads(line)["input"] for line in export.read_text().splitlines()]
    assert sorted(kept) == sorted(f"number {n % 50}" for n in range(ROWS))

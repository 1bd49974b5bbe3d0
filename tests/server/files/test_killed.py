"""Real processes: an import that is killed goes on, and two at once add nothing twice."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from phospho_server.store.projects import create_project
from phospho_server.store.sqlite import SqliteStore
from tests.server.files.conftest import lines

ROWS = 4_000


def start(database: Path, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "phospho_server", *words, "--database", str(database)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[bytes]) -> None:
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 0, said


def count(database: Path, what: str) -> int:
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return int(db.execute(f"select count({what}) from interactions").fetchone()[0])
    finally:
        db.close()


def test_an_import_that_is_killed_goes_on_also_by_two_at_once(tmp_path: Path) -> None:
    database, source = tmp_path / "phospho.db", tmp_path / "source.jsonl"
    store = SqliteStore(database)
    project = store.write(lambda db: create_project(db, "files"))
    store.close()
    source.write_text(lines(*({"question": f"number {n % 50}"} for n in range(ROWS))))
    command = ("import", str(source), "--project", project.id)

    killed = start(database, *command)
    deadline = time.monotonic() + 60
    while count(database, "*") < 1_000 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert 1_000 <= count(database, "*") < ROWS

    for each in [start(database, *command), start(database, *command)]:
        # Both were started before the first is waited for.
        finish(each)
    assert count(database, "*") == count(database, "distinct task_id") == ROWS
    export = tmp_path / "again.jsonl"
    finish(start(database, "export", "--project", project.id, "-o", str(export)))
    kept = [json.loads(line)["input"] for line in export.read_text().splitlines()]
    assert sorted(kept) == sorted(f"number {n % 50}" for n in range(ROWS))

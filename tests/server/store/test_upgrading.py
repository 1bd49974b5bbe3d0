"""An upgrade of the schema: a copy is kept, and what ends in between has changed nothing."""

from __future__ import annotations

import logging
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from phospho_server.errors import StorageFullError
from phospho_server.migrations import STEPS
from phospho_server.store.copies import list_copies
from phospho_server.store.sqlite import SqliteStore
from tests.server.store.test_migrations import make_first_schema

_NEWEST = [step.__name__.rpartition(".")[2] for step in STEPS]


def steps_of(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as raw:
        return [name for (name,) in raw.execute("select name from _sqlite_migrations order by 1")]


def inputs(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as raw:
        return [text for (text,) in raw.execute("select input from interactions")]


def test_a_copy_from_before_is_kept_for_its_owner_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "phospho.db"
    make_first_schema(path)
    (tmp_path / "phospho.db.before-m001").write_text("of an older upgrade")
    with caplog.at_level(logging.WARNING, "phospho_server"):
        SqliteStore(path).close()
    before, after = caplog.messages
    assert f"gets the schema of {_NEWEST[-1]}" in before
    assert f"has the schema of {_NEWEST[-1]} now" in after
    (copy,) = list_copies(path)
    assert copy.name == "phospho.db.before-m002"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert (steps_of(copy), inputs(copy)) == (["m001_first_schema"], ["before"])
    assert steps_of(path) == _NEWEST
    assert str(copy) in caplog.text
    # It is a database like any other, which can be upgraded once more.
    SqliteStore(copy).close()
    assert inputs(copy) == ["before"]


def test_no_copy_is_made_where_nothing_is_upgraded_or_nothing_is_there(tmp_path: Path) -> None:
    for _ in range(2):
        SqliteStore(tmp_path / "phospho.db").close()
    assert list_copies(tmp_path / "phospho.db") == []


def test_without_room_for_the_copy_nothing_is_upgraded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "phospho.db"
    make_first_schema(path)
    with monkeypatch.context() as patch:
        full = SimpleNamespace(free=0)
        patch.setattr("phospho_server.store.copying.shutil.disk_usage", lambda _: full)
        with pytest.raises(StorageFullError, match="Make room"):
            SqliteStore(path)
    assert steps_of(path) == ["m001_first_schema"]
    assert list_copies(path) == []
    SqliteStore(path).close()
    assert (steps_of(path), inputs(path)) == (_NEWEST, ["before"])


# Ends like a process that is killed: nothing is rolled back, flushed or closed.
_KILLED = """
import os, signal, sys
from pathlib import Path
from phospho_server.migrations import steps, {step} as step
from phospho_server.store.sqlite import SqliteStore

def killed(db, script, run=steps.run):
    run(db, script)
    os.kill(os.getpid(), signal.SIGKILL)

step.run = killed
SqliteStore(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("step", ["m004_llm", "m011_facts", _NEWEST[-1]])
def test_an_upgrade_that_is_killed_has_changed_nothing_and_is_made_up_for(
    tmp_path: Path, step: str
) -> None:
    path = tmp_path / "phospho.db"
    make_first_schema(path)
    code = _KILLED.format(step=step)
    ended = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert ended.returncode == -9
    assert steps_of(path) == ["m001_first_schema"]
    SqliteStore(path).close()
    assert (steps_of(path), inputs(path)) == (_NEWEST, ["before"])
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("pragma integrity_check").fetchall() == [("ok",)]
    assert [copy.name for copy in list_copies(path)] == ["phospho.db.before-m002"]

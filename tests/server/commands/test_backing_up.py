"""`phospho backup` and `phospho restore`: whole copies, also while others write."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from phospho_server.commands import phospho
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, interaction


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(phospho, [str(each) for each in arguments])
    return result.exit_code, result.output


def read(*arguments: object) -> dict[str, Any]:
    code, output = run(*arguments, "--json")
    assert code == 0, output
    found: dict[str, Any] = json.loads(output)
    return found


def tasks(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as raw:
        return [task for (task,) in raw.execute("select task_id from interactions order by id")]


@contextmanager
def filled(path: Path, *task_ids: str) -> Iterator[tuple[SqliteStore, Project]]:
    store = SqliteStore(path)
    project = store.write(lambda db: create_project(db, "p"))
    add(store, project, *(interaction(task_id, session_id=task_id) for task_id in task_ids))
    try:
        yield store, project
    finally:
        store.close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_backup_is_restored_and_what_was_there_stays_beside_it(tmp_path: Path) -> None:
    database, backup = tmp_path / "phospho.db", tmp_path / "b.db"
    with filled(database, "t1", "t2") as (store, project):
        said = read("backup", backup, "--database", database)
        assert (said["interactions"], said["key"]) == (2, None)
        add(store, project, interaction("t3", session_id="s3"))
    assert (mode(backup), tasks(backup)) == (0o600, ["t1", "t2"])
    restored = read("restore", backup, "--database", database)
    assert (mode(database), tasks(database)) == (0o600, ["t1", "t2"])
    replaced = Path(restored["replaced"])
    assert (mode(replaced), tasks(replaced)) == (0o600, ["t1", "t2", "t3"])
    SqliteStore(database).close()
    assert not list(tmp_path.glob("*.part"))


def test_a_backup_is_consistent_while_many_write(tmp_path: Path) -> None:
    database, end = tmp_path / "phospho.db", threading.Event()
    with filled(database, "t1") as (store, project):

        def write(name: str) -> None:
            n = 0
            while not end.is_set():
                n += 1
                add(store, project, interaction(f"{name}{n}", session_id=f"{name}{n}"))

        writers = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
        for writer in writers:
            writer.start()
        for n in range(3):
            said = read("backup", tmp_path / f"{n}.db", "--database", database)
            # Each interaction began a session of its own, in the same transaction.
            assert said["interactions"] == said["sessions"]
            assert len(tasks(tmp_path / f"{n}.db")) == said["interactions"]
        end.set()
        for writer in writers:
            writer.join()


def test_nothing_is_restored_while_the_database_is_in_use(tmp_path: Path) -> None:
    database, backup = tmp_path / "phospho.db", tmp_path / "b.db"
    with filled(database, "t1") as (store, project):
        read("backup", backup, "--database", database)
        add(store, project, interaction("t2"))
        code, output = run("restore", backup, "--database", database)
        assert code == 1
        assert "Stop the server" in output
        add(store, project, interaction("t3"))
    assert tasks(database) == ["t1", "t2", "t3"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["b.db", "phospho.db"]


@pytest.mark.parametrize("damage", ["text", "cut", "foreign", "newer", "log"])
def test_a_backup_that_is_none_replaces_nothing(tmp_path: Path, damage: str) -> None:
    database, backup = tmp_path / "phospho.db", tmp_path / "b.db"
    with filled(database, *(f"t{n}" for n in range(300))):
        read("backup", backup, "--database", database)
    if damage == "text":
        backup.write_text("no database")
    elif damage == "cut":
        whole = backup.read_bytes()
        backup.write_bytes(whole[: len(whole) // 2])
    elif damage == "log":
        (tmp_path / "b.db-wal").write_bytes(b"x")
    else:
        with closing(sqlite3.connect(backup)) as raw:
            raw.execute(
                "drop table _sqlite_migrations"
                if damage == "foreign"
                else "insert into _sqlite_migrations (migration_set, name) values ('phospho', 'm9')"
            )
            raw.commit()
    code, output = run("restore", backup, "--database", database)
    assert (code, str(backup) in output) == (1, True), output
    assert len(tasks(database)) == 300
    assert not list(tmp_path.glob("phospho.db.*"))


def test_a_database_that_is_damaged_makes_way_for_its_backup(tmp_path: Path) -> None:
    database, backup = tmp_path / "phospho.db", tmp_path / "b.db"
    with filled(database, "t1"):
        read("backup", backup, "--database", database)
    database.write_bytes(b"broken" * 1_000)
    (tmp_path / "phospho.db-wal").write_bytes(b"of the broken one")
    read("restore", backup, "--database", database)
    assert tasks(database) == ["t1"]


def test_no_file_is_overwritten_by_mistake(tmp_path: Path) -> None:
    database, backup = tmp_path / "phospho.db", tmp_path / "b.db"
    backup.write_text("precious")
    with filled(database, "t1"):
        assert "exists" in run("backup", backup, "--database", database)[1]
        assert "itself" in run("backup", database, "--force", "--database", database)[1]
        assert backup.read_text() == "precious"
        read("backup", backup, "--force", "--database", database)
    assert tasks(backup) == ["t1"]


def test_a_backup_takes_the_place_of_files_only(tmp_path: Path) -> None:
    database, pipe = tmp_path / "phospho.db", tmp_path / "pipe"
    os.mkfifo(pipe)
    with filled(database, "t1"):
        code, output = run("backup", pipe, "--force", "--database", database)
    assert (code, pipe.is_fifo()) == (1, True)
    assert "is no file" in output


def test_a_database_that_cannot_be_backed_up_is_named(tmp_path: Path) -> None:
    database = tmp_path / "phospho.db"
    with filled(database, "t1"), closing(sqlite3.connect(database)) as raw, raw:
        raw.execute("update _sqlite_migrations set name = 'later' where rowid = 1")
    code, output = run("backup", tmp_path / "b.db", "--database", database)
    assert code == 1
    assert f"The database {database} was made by a newer phospho" in output


def test_no_room_for_a_backup_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "phospho.db"
    with filled(database, "t1"):
        full = SimpleNamespace(free=0)
        monkeypatch.setattr("phospho_server.store.copying.shutil.disk_usage", lambda _: full)
        code, output = run("backup", tmp_path / "b.db", "--database", database)
    assert code == 1
    assert "Make room" in output
    assert [file.name for file in tmp_path.iterdir()] == ["phospho.db"]


def test_the_key_of_sealed_secrets_goes_along_only_where_it_is_asked_for(tmp_path: Path) -> None:
    database, backup = tmp_path / "phospho.db", tmp_path / "b.db"
    key = tmp_path / "phospho.db.key"
    with filled(database, "t1") as (store, _):
        key.write_text("secret")
        store.write(
            lambda db: db.execute(
                "insert into llm_settings (project_id, is_off, base_url, model, api_key, currency, "
                "updated_at_ms) values ('p', 0, '', '', 'sealed:x', '', 0)"
            )
        )
        assert str(key) in run("backup", backup, "--database", database)[1]
        assert not (tmp_path / "b.db.key").exists()
        read("backup", backup, "--force", "--with-key", "--database", database)
    assert mode(tmp_path / "b.db.key") == 0o600
    other = tmp_path / "other"
    other.mkdir()
    read("restore", backup, "--database", other / "x.db")
    assert (other / "x.db.key").read_text() == "secret"
    (tmp_path / "b.db.key").unlink()
    (other / "x.db.key").unlink()
    assert "typed again" in run("restore", backup, "--database", other / "x.db")[1]


@pytest.mark.parametrize(("command", "tool"), [("backup", "pg_dump"), ("restore", "pg_restore")])
def test_postgresql_has_tools_of_its_own(tmp_path: Path, command: str, tool: str) -> None:
    file = tmp_path / "b.db"
    file.write_text("")
    code, output = run(command, file, "--database", "postgresql://host/phospho")
    assert (code, tool in output) == (1, True)

"""`phospho migrate --to`: everything that a file holds is in PostgreSQL afterwards."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from phospho.errors import ConfigurationError
from phospho_server.commands import phospho
from phospho_server.store import Store, processes
from phospho_server.store.interactions import add_interactions
from phospho_server.store.postgresql import moving
from phospho_server.store.postgresql.dialect import Raw
from phospho_server.store.postgresql.store import PostgresStore, connect
from phospho_server.store.processes import Process
from phospho_server.store.search import list_matches
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import interaction
from tests.server.postgresql import Databases
from tests.server.worlds import World, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    made = make_world(tmp_path_factory.mktemp("world"))
    store = SqliteStore(made.file)
    odd = interaction("odd", session_id="ñ'\\\t\n", input="a NUL \x00 and ünïcode \\ ' \"\t\n\\N")
    store.write(lambda db: add_interactions(db, made.a.project_id, [odd]))
    store.close()
    return made


@pytest.fixture
def file(world: World, tmp_path: Path) -> Path:
    copy = tmp_path / "phospho.db"
    shutil.copy(world.file, copy)
    return copy


@pytest.fixture
def url(postgresql: Databases) -> Iterator[str]:
    made = postgresql.make_empty()
    yield made
    postgresql.drop(made)


def migrate(file: Path, url: str) -> Result:
    return CliRunner().invoke(phospho, ["migrate", "--database", str(file), "--to", url])


def rows_of(store: Store, table: str) -> list[dict[str, object]]:
    with store.read() as db:
        found = [dict(row) for row in db.rows(f"select * from {table}")]
    return sorted(found, key=str)


def test_all_there_is_is_moved_and_goes_on(world: World, file: Path, url: str) -> None:
    moved = migrate(file, url)
    assert moved.exit_code == 0, moved.output
    assert "each the same" in moved.output
    old, new = SqliteStore(file), PostgresStore(url)
    with sqlite3.connect(file) as raw:
        tables = [table.name for table in moving.list_tables(raw)]
    raw.close()
    for table in tables:
        theirs = [{k: _as_moved(v) for k, v in row.items()} for row in rows_of(old, table)]
        assert rows_of(new, table) == sorted(theirs, key=str), table
    project_id = world.a.project_id
    new.write(lambda db: add_interactions(db, project_id, [interaction("later", session_id="s")]))
    with new.read() as db:
        (highest,) = db.rows("select id, task_id from interactions order by id desc limit 1")
        assert highest["task_id"] == "later"
        assert len(list_matches(db, project_id, "unicode").found) == 1
    old.close()
    new.close()


def _as_moved(value: object) -> object:
    return value.replace("\x00", "\ufffd") if isinstance(value, str) else value


def test_no_statement_of_a_move_takes_too_long(
    file: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    finish = moving.finish

    def look(target: Raw) -> None:
        (row,) = target.execute("select current_setting('statement_timeout') as limit").fetchall()
        seen.append(row["limit"])
        finish(target)

    monkeypatch.setattr(moving, "finish", look)
    assert migrate(file, url).exit_code == 0
    assert seen == ["0"]


def test_a_move_that_was_stopped_goes_on_where_it_was(
    file: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "_BATCH", 3)
    PostgresStore(url).close()
    copied: list[int] = []

    def stop_after_some(rows: int) -> None:
        copied.append(rows)
        if sum(copied) > 20:
            raise KeyboardInterrupt

    with moving.held(file) as source, connect(url) as target:
        moving.claim(target)
        with pytest.raises(KeyboardInterrupt):
            moving.copy_all(source, target, moving.list_tables(source), stop_after_some)
    # A server would show, and add to, what is not all there.
    with pytest.raises(ConfigurationError, match="Go on with that first"):
        PostgresStore(url)
    moved = migrate(file, url)
    assert moved.exit_code == 0, moved.output


def test_what_changed_in_the_file_between_two_tries_is_found(
    file: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    PostgresStore(url).close()
    with moving.held(file) as source, connect(url) as target:
        moving.claim(target)
        moving.copy_all(source, target, moving.list_tables(source), lambda _: None)
    with sqlite3.connect(file) as raw:
        raw.execute("update projects set name = 'another' where rowid = 1")
    raw.close()
    moved = migrate(file, url)
    assert moved.exit_code == 1
    assert "The table projects" in moved.output
    assert "move again" in moved.output


def test_a_database_in_use_is_not_moved_into(file: Path, url: str) -> None:
    assert migrate(file, url).exit_code == 0
    again = migrate(file, url)
    assert again.exit_code == 1
    assert "createdb phospho" in again.output


def test_a_database_that_a_worker_works_on_is_not_moved_into(file: Path, url: str) -> None:
    store = PostgresStore(url)
    store.write(lambda db: processes.announce(db, Process("process_1", "here", 1)))
    moved = migrate(file, url)
    assert (moved.exit_code, "createdb phospho" in moved.output) == (1, True)
    store.write(lambda db: processes.leave(db, "process_1"))
    store.close()
    assert migrate(file, url).exit_code == 0


def test_nothing_starts_while_the_file_is_waited_for(
    file: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_held(path: Path) -> None:
        with pytest.raises(ConfigurationError, match="Go on with that first"):
            PostgresStore(url)
        raise ConfigurationError(f"Another program writes to {path} all the time.")

    with monkeypatch.context() as patched:
        patched.setattr(moving, "held", is_held)
        assert "all the time" in migrate(file, url).output
    assert migrate(file, url).exit_code == 0


def test_a_file_that_is_not_there_is_not_made_and_moved(tmp_path: Path, url: str) -> None:
    moved = migrate(tmp_path / "phospho.db", url)
    assert moved.exit_code == 1
    assert "There is no database" in moved.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("to", ["other.db", "mysql://h/d"])
def test_a_move_goes_to_postgresql_only(file: Path, to: str) -> None:
    moved = migrate(file, to)
    assert moved.exit_code == 1
    assert "postgresql:// URL with --to" in moved.output


def test_a_move_comes_from_a_file_only(url: str) -> None:
    moved = CliRunner().invoke(phospho, ["migrate", "--database", "mysql://h/d", "--to", url])
    assert moved.exit_code == 1
    assert "names mysql. Name a file with --database." in moved.output


def test_nobody_changes_the_file_meanwhile(file: Path) -> None:
    with moving.held(file):
        other = sqlite3.connect(file, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("update projects set name = 'x'")
        other.close()


def test_a_file_that_is_written_to_all_the_time_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "WAIT_S", 0)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(ConfigurationError, match="Stop it"), moving.held(file):
        pass
    other.close()


def test_without_a_place_to_go_the_schema_is_brought_up_to_date(file: Path) -> None:
    done = CliRunner().invoke(phospho, ["migrate", "--database", str(file)])
    assert done.exit_code == 0
    assert "newest schema" in done.output

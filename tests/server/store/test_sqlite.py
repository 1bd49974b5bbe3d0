"""The SQLite store: durable changes, one writer, consistent readers."""

from __future__ import annotations

import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from phospho.errors import ConfigurationError
from phospho_server.errors import BusyError, InvalidError, StorageFullError
from phospho_server.store import Connection
from phospho_server.store.projects import create_project, list_projects
from phospho_server.store.sqlite import SqliteStore, translated_errors
from tests.server.databases import on_sqlite
from tests.waiting import HELD_S, wait_until

pytestmark = on_sqlite


def names(store: SqliteStore) -> list[str]:
    with store.read() as db:
        return [project.name for project in list_projects(db)]


def test_a_change_is_on_disk_when_write_returns(store: SqliteStore) -> None:
    store.write(lambda db: create_project(db, "kept"))
    with sqlite3.connect(store.path) as other:
        assert other.execute("select name from projects").fetchall() == [("kept",)]
    other.close()


def test_a_change_that_fails_leaves_nothing_behind_and_hurts_no_other(store: SqliteStore) -> None:
    blocked = threading.Event()

    def block(db: Connection) -> None:
        blocked.wait(HELD_S)

    def fail_half_way(db: Connection) -> None:
        create_project(db, "half")
        raise InvalidError("no")

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(store.write, block)
        # These three wait for the first and so share the next transaction.
        before = pool.submit(store.write, lambda db: create_project(db, "before"))
        failing = pool.submit(store.write, fail_half_way)
        after = pool.submit(store.write, lambda db: create_project(db, "after"))
        wait_until(lambda: store.changes_waiting == 3)
        blocked.set()
        first.result()
        before.result()
        after.result()
        with pytest.raises(InvalidError):
            failing.result()
    assert sorted(names(store)) == ["after", "before"]


def test_sixteen_writers_at_once_are_all_kept(store: SqliteStore) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(
            pool.map(
                lambda n: store.write(lambda db: create_project(db, f"project {n}")), range(200)
            )
        )
    assert len(names(store)) == 200


def test_a_reader_sees_one_state_and_cannot_change_it(store: SqliteStore) -> None:
    with store.read() as db:
        assert list_projects(db) == []
        store.write(lambda other: create_project(other, "later"))
        assert list_projects(db) == []
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            create_project(db, "by a reader")
    assert names(store) == ["later"]


def test_a_closed_store_refuses_changes(store: SqliteStore) -> None:
    store.close()
    store.close()
    with pytest.raises(BusyError):
        store.write(lambda db: create_project(db, "too late"))


def test_a_file_that_was_removed_is_not_made_anew(store: SqliteStore) -> None:
    with store.read():
        store.path.rename(store.path.with_suffix(".elsewhere"))
        # The reader that there is is in use, so another one is opened.
        with pytest.raises(BusyError, match="Put it back"):
            names(store)
    assert not store.path.exists()


def test_the_file_is_readable_by_its_owner_alone(store: SqliteStore) -> None:
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_everything_is_there_after_opening_again(tmp_path: Path) -> None:
    path = tmp_path / "again.db"
    for name in ("first", "second"):
        store = SqliteStore(path)
        store.write(lambda db, name=name: create_project(db, name))  # type: ignore[misc]
        store.close()
    store = SqliteStore(path)
    assert names(store) == ["first", "second"]
    store.close()


def test_many_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    for attempt in range(5):
        path = tmp_path / f"{attempt}.db"
        with ThreadPoolExecutor(8) as pool:
            stores = list(pool.map(lambda _, path=path: SqliteStore(path), range(8)))
        stores[0].write(lambda db: create_project(db, "one"))
        for store in stores:
            assert names(store) == ["one"]
            store.close()


def test_a_folder_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere does not exist"):
        SqliteStore(tmp_path / "nowhere" / "phospho.db")


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, and they are long enough to be no empty file\n" * 50)
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        SqliteStore(path)
    assert path.read_text().startswith("these are my notes")


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("create table recipes (name text)")
    other.close()
    with pytest.raises(ConfigurationError, match="another program"):
        SqliteStore(path)


def test_a_database_from_a_newer_phospho_is_refused(store: SqliteStore) -> None:
    store.close()
    with sqlite3.connect(store.path) as other:
        other.execute(
            "insert into _sqlite_migrations (migration_set, name, applied_at) "
            "values ('phospho', 'm999_future', '2030-01-01')"
        )
    other.close()
    with pytest.raises(ConfigurationError, match="newer phospho"):
        SqliteStore(store.path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("database or disk is full", StorageFullError, id="full"),
        pytest.param("disk I/O error", StorageFullError, id="io-error"),
        pytest.param("database is locked", BusyError, id="locked"),
        pytest.param("no such table: x", sqlite3.OperationalError, id="a-mistake-of-ours"),
    ],
)
def test_errors_of_sqlite_say_what_to_do(text: str, expected: type[Exception]) -> None:
    with pytest.raises(expected), translated_errors():
        raise sqlite3.OperationalError(text)


def test_a_full_disk_fails_every_change_of_the_group_and_the_next_works(
    store: SqliteStore,
) -> None:
    def limit_pages(db: Connection) -> int:
        row = db.row("pragma page_count")
        assert row is not None
        db.rows(f"pragma max_page_count = {row['page_count'] + 2}")
        return int(row["page_count"])

    store.write(limit_pages)
    with pytest.raises(StorageFullError, match="Free some space"):
        store.write(lambda db: [create_project(db, f"{n} " + "x" * 90) for n in range(500)])
    assert names(store) == []
    store.write(lambda db: db.rows("pragma max_page_count = 1000000"))
    store.write(lambda db: create_project(db, "after"))
    assert names(store) == ["after"]


def test_what_another_program_has_counted_changes_no_plan(tmp_path: Path) -> None:
    path = tmp_path / "phospho.db"
    SqliteStore(path).close()
    with sqlite3.connect(path) as other:
        other.execute("analyze")
        assert other.execute("select count(*) from sqlite_stat1").fetchone() > (0,)
    other.close()
    store = SqliteStore(path)
    with store.read() as db:
        assert db.rows("select * from sqlite_stat1") == []
    store.close()


def test_the_words_of_a_database_of_any_age_are_merged_alike(tmp_path: Path) -> None:
    merged = "select v from interactions_fts_config where k = 'automerge'"
    path = tmp_path / "phospho.db"
    SqliteStore(path).close()
    older = sqlite3.connect(path)
    assert older.execute(merged).fetchone() == (8,)
    older.execute("insert into interactions_fts (interactions_fts, rank) values ('automerge', 4)")
    older.commit()
    SqliteStore(path).close()
    assert older.execute(merged).fetchone() == (8,)
    older.close()

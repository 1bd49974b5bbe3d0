"""A project that is deleted: gone at once for everybody, and from every table soon after."""

from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path

import pytest

from phospho_server.errors import InvalidError, NotFoundError
from phospho_server.housekeeping import Housekeeping
from phospho_server.store import deleting, llm_usage, reviews
from phospho_server.store.deleting import OF_NO_PROJECT, OWNED, delete_project, plan_strays
from phospho_server.store.feedback import add_feedback
from phospho_server.store.projects import create_key, create_project, find_key, list_projects
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, define, interaction


def tables_of(path: Path) -> dict[str, dict[str, tuple[str, bool]]]:
    """Return the tables of a database, each with its columns: their type, and whether needed."""
    with sqlite3.connect(path) as raw:
        names = [
            name
            for (name,) in raw.execute("select name from sqlite_master where type = 'table'")
            if not name.startswith(("interactions_fts_", "sqlite_"))
        ]
        return {
            name: {
                row[1]: (row[2].lower(), bool(row[3] or row[5]))
                for row in raw.execute(f"pragma table_info({name})")
            }
            for name in names
        }


def put_a_row_into_every_table(path: Path, project_id: str, number: int) -> None:
    """Fill all tables of a project, also those that a later schema brings."""
    values = {"integer": number, "text": f"x{number}", "real": 0.5, "blob": b"x"}
    raw = sqlite3.connect(path)
    raw.execute("pragma foreign_keys = off")
    for table, columns in tables_of(path).items():
        if table in OF_NO_PROJECT:
            continue
        row = {
            name: project_id if name == "project_id" else values[kind]
            for name, (kind, is_needed) in columns.items()
            if is_needed or name == "project_id"
        }
        marks = ", ".join("?" * len(row))
        raw.execute(f"insert into {table} ({', '.join(row)}) values ({marks})", [*row.values()])
    raw.execute(
        "insert into interactions_fts (rowid, input, output, project) "
        "select id, input, output, project from interactions_words where id = ?",
        [number],
    )
    raw.commit()
    raw.close()


def count_rows(path: Path) -> dict[str, int]:
    with sqlite3.connect(path) as raw:
        return {
            table: raw.execute(f"select count(*) from {table}").fetchone()[0]
            for table in tables_of(path)
        }


def erase(store: SqliteStore) -> None:
    """Erase what is deleted, a row at a time; rows of other projects may be too old to be kept."""
    while True:
        with store.read() as db:
            project_id = deleting.find_next(db)
        if project_id is None:
            return
        store.write(partial(deleting.erase_part, project_id=project_id, most=1))


def is_whole(store: SqliteStore) -> None:
    """Assert that the search index has exactly the interactions."""
    store.write(
        lambda db: db.execute(
            "insert into interactions_fts (interactions_fts, rank) values ('integrity-check', 1)"
        )
    )


def test_every_table_is_known_to_belong_to_projects_or_not(store: SqliteStore) -> None:
    known = {owned.table for owned in OWNED} | OF_NO_PROJECT.keys()
    assert tables_of(store.path).keys() == known
    for owned in OWNED:
        assert ("project_id" in tables_of(store.path)[owned.table]) == owned.has_project


def test_nothing_of_a_deleted_project_is_left_and_all_of_others(
    store: SqliteStore, project: Project
) -> None:
    other = store.write(lambda db: create_project(db, "Other"))
    for number, each in ((1, other), (2, project)):
        put_a_row_into_every_table(store.path, each.id, number)
    before = count_rows(store.path)
    store.write(lambda db: delete_project(db, project.id, typed_name="Support bot"))
    erase(store)
    after = count_rows(store.path)
    owned = {owned.table for owned in OWNED}
    assert {before[table] - after[table] for table in owned} == {1}
    with store.read() as db:
        for table, columns in tables_of(store.path).items():
            if "project_id" in columns:
                assert {r["project_id"] for r in db.rows(f"select * from {table}")} <= {other.id}
    is_whole(store)


def test_a_key_and_the_project_are_gone_at_once(store: SqliteStore, project: Project) -> None:
    _, secret = store.write(lambda db: create_key(db, project.id, "k"))
    add(store, project, interaction())
    store.write(lambda db: delete_project(db, project.id, typed_name=" Support  bot"))
    with store.read() as db:
        assert find_key(db, secret) is None
        assert list_projects(db) == []
        assert [row["kind"] for row in db.rows("select kind from jobs")] == ["erase"]


@pytest.mark.parametrize("typed", ["", "support bot", "Support bot!"])
def test_the_name_has_to_be_typed(store: SqliteStore, project: Project, typed: str) -> None:
    with pytest.raises(InvalidError, match="nothing was deleted"):
        store.write(lambda db: delete_project(db, project.id, typed_name=typed))
    with store.read() as db:
        assert list_projects(db) == [project]


def test_what_a_crash_interrupts_goes_on_at_the_next_start(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "phospho.db")
    project = store.write(lambda db: create_project(db, "p"))
    add(store, project, *(interaction(f"t{n}", session_id=f"s{n}") for n in range(120)))
    store.write(lambda db: delete_project(db, project.id, typed_name="p"))
    worker = Housekeeping(store)
    worker.run_once()
    left = count_rows(store.path)["interactions"]
    assert 0 < left < 120
    store.close()
    store = SqliteStore(tmp_path / "phospho.db")
    Housekeeping(store).run_until_done()
    assert {count_rows(store.path)[owned.table] for owned in OWNED} == {0}
    is_whole(store)
    store.close()


def test_nothing_can_be_added_to_a_deleted_project(store: SqliteStore, project: Project) -> None:
    event = define(store, project)
    add(store, project, interaction())
    store.write(lambda db: delete_project(db, project.id, typed_name=project.name))
    for change in (
        lambda: add(store, project, interaction("t2")),
        lambda: define(store, project, name="other"),
        lambda: store.write(lambda db: create_key(db, project.id, "k")),
        lambda: store.write(
            lambda db: add_feedback(db, project.id, "t1", flag="success", notes=None, source=None)
        ),
        lambda: store.write(
            lambda db: reviews.review(db, project.id, event.id, 1, occurred=True, source="audit")
        ),
    ):
        erase(store)
        with pytest.raises(NotFoundError):
            change()


def test_a_change_of_a_deleted_project_is_left_out(store: SqliteStore, project: Project) -> None:
    book = deleting.unless_gone(
        project.id, lambda db: llm_usage.count_verdicts(db, project.id, "event_1", 2)
    )
    store.write(book)
    store.write(lambda db: delete_project(db, project.id, typed_name=project.name))
    erase(store)
    store.write(book)
    assert count_rows(store.path)["llm_usage"] == 0


def test_what_came_back_is_erased_at_the_next_look(store: SqliteStore, project: Project) -> None:
    put_a_row_into_every_table(store.path, "proj_gone", 7)
    put_a_row_into_every_table(store.path, project.id, 8)
    with sqlite3.connect(store.path) as raw:
        raw.execute("delete from jobs where project_id = 'proj_gone'")
    store.write(plan_strays)
    store.write(plan_strays)
    assert count_rows(store.path)["jobs"] == 2
    erase(store)
    assert count_rows(store.path)["interactions"] == 1
    with store.read() as db:
        assert [each.id for each in list_projects(db)] == [project.id]

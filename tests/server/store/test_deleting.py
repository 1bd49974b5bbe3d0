"""A project that is deleted: gone at once for everybody, and from every table soon after."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from phospho_server.errors import InvalidError, NotFoundError
from phospho_server.housekeeping import Housekeeping
from phospho_server.store import Store, deleting, llm_usage, reviews
from phospho_server.store.deleting import OF_NO_PROJECT, OWNED, delete_project, plan_strays
from phospho_server.store.feedback import add_feedback
from phospho_server.store.projects import create_key, create_project, find_key, list_projects
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, define, interaction
from tests.server.databases import on_each_database
from tests.server.tables import check_words, count_rows, put_a_row_into_every_table, tables_of


def erase(store: Store) -> None:
    """Erase what is deleted, a row at a time; rows of other projects may be too old to be kept."""
    while True:
        with store.read() as db:
            project_id = deleting.find_next(db)
        if project_id is None:
            return
        store.write(partial(deleting.erase_part, project_id=project_id, most=1))


@on_each_database
def test_every_table_is_known_to_belong_to_projects_or_not(store: Store) -> None:
    known = {owned.table for owned in OWNED} | OF_NO_PROJECT.keys() - {"_sqlite_migrations"}
    assert tables_of(store).keys() == known
    for owned in OWNED:
        assert ("project_id" in tables_of(store)[owned.table]) == owned.has_project


@on_each_database
def test_nothing_of_a_deleted_project_is_left_and_all_of_others(
    store: Store, project: Project
) -> None:
    other = store.write(lambda db: create_project(db, "Other"))
    for number, each in ((1, other), (2, project)):
        put_a_row_into_every_table(store, each.id, number)
    before = count_rows(store)
    store.write(lambda db: delete_project(db, project.id, typed_name="Support bot"))
    erase(store)
    after = count_rows(store)
    owned = {owned.table for owned in OWNED}
    assert {before[table] - after[table] for table in owned} == {1}
    with store.read() as db:
        for table, columns in tables_of(store).items():
            if "project_id" in columns:
                assert {r["project_id"] for r in db.rows(f"select * from {table}")} <= {other.id}
    check_words(store)


def test_a_key_and_the_project_are_gone_at_once(store: Store, project: Project) -> None:
    _, secret = store.write(lambda db: create_key(db, project.id, "k"))
    add(store, project, interaction())
    store.write(lambda db: delete_project(db, project.id, typed_name=" Support  bot"))
    with store.read() as db:
        assert find_key(db, secret) is None
        assert list_projects(db) == []
        assert [row["kind"] for row in db.rows("select kind from jobs")] == ["erase"]


@pytest.mark.parametrize("typed", ["", "support bot", "Support bot!"])
def test_the_name_has_to_be_typed(store: Store, project: Project, typed: str) -> None:
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
    left = count_rows(store)["interactions"]
    assert 0 < left < 120
    store.close()
    store = SqliteStore(tmp_path / "phospho.db")
    Housekeeping(store).run_until_done()
    assert {count_rows(store)[owned.table] for owned in OWNED} == {0}
    check_words(store)
    store.close()


def test_nothing_can_be_added_to_a_deleted_project(store: Store, project: Project) -> None:
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


def test_a_change_of_a_deleted_project_is_left_out(store: Store, project: Project) -> None:
    book = deleting.unless_gone(
        project.id, lambda db: llm_usage.count_verdicts(db, project.id, "event_1", 2)
    )
    store.write(book)
    store.write(lambda db: delete_project(db, project.id, typed_name=project.name))
    erase(store)
    store.write(book)
    assert count_rows(store)["llm_usage"] == 0


@on_each_database
def test_what_came_back_is_erased_at_the_next_look(store: Store, project: Project) -> None:
    put_a_row_into_every_table(store, "proj_gone", 7)
    put_a_row_into_every_table(store, project.id, 8)
    store.write(lambda db: db.execute("delete from jobs where project_id = 'proj_gone'"))
    store.write(plan_strays)
    store.write(plan_strays)
    assert count_rows(store)["jobs"] == 2
    erase(store)
    assert count_rows(store)["interactions"] == 1
    with store.read() as db:
        assert [each.id for each in list_projects(db)] == [project.id]

"""What is older than a project keeps goes, a little at a time, whatever session it is of."""

from __future__ import annotations

from pathlib import Path

import pytest

from phospho_server.clock import DAY_MS, now_ms
from phospho_server.errors import NotFoundError
from phospho_server.housekeeping import Housekeeping
from phospho_server.portions import Portion
from phospho_server.store import Connection, counters, llm, retention
from phospho_server.store.feedback import add_feedback
from phospho_server.store.projects import create_project
from phospho_server.store.retention import get_retention, set_retention
from phospho_server.store.rows import NewInteraction, Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, interaction


def ago(task_id: str, days: float, **fields: object) -> NewInteraction:
    """Return an interaction of so many days ago."""
    at = now_ms() - int(days * DAY_MS) - 3_600_000
    return interaction(task_id, created_at_ms=at, **fields)


def keep_for(store: SqliteStore, project: Project, days: int | None) -> None:
    store.write(lambda db: set_retention(db, project.id, days))


def tasks(store: SqliteStore, project: Project) -> list[str]:
    with store.read() as db:
        rows = db.rows(
            "select task_id from interactions where project_id = :id order by task_id",
            {"id": project.id},
        )
    return [row["task_id"] for row in rows]


def test_what_is_old_goes_also_from_sessions_that_go_on(
    store: SqliteStore, project: Project
) -> None:
    other = store.write(lambda db: create_project(db, "Keeps all"))
    add(store, other, ago("o1", 400))
    add(
        store,
        project,
        ago("a1", 40, session_id="gone"),
        ago("a2", 31, session_id="gone"),
        ago("b1", 60, session_id="goes on"),
        ago("b2", 1, session_id="goes on"),
        ago("c1", 29, session_id="new"),
        # What was logged late is as old as it says.
        ago("c2", 90, session_id="new"),
    )
    keep_for(store, project, 30)
    with store.read() as db:
        assert retention.count_older(db, project.id, 30) == 4
    Housekeeping(store).run_until_done()
    assert tasks(store, project) == ["b2", "c1"]
    assert tasks(store, other) == ["o1"]
    with store.read() as db:
        kept = get_retention(db, project.id)
        assert (kept.last_removed, kept.removing) == (4, 0)
        assert kept.last_run_at_ms is not None
        assert retention.count_older(db, project.id, 30) == 0
        assert counters.count_stored(db, project.id) == 2


def test_a_run_comes_again_after_an_hour_or_when_the_days_change(
    store: SqliteStore, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Housekeeping(store)
    keep_for(store, project, 30)
    worker.run_until_done()
    add(store, project, ago("t1", 40), ago("t2", 20, session_id="s2"))
    worker.run_until_done()
    assert tasks(store, project) == ["t1", "t2"]
    later = now_ms() + 3_700_000
    monkeypatch.setattr(retention, "now_ms", lambda: later)
    worker.run_until_done()
    assert tasks(store, project) == ["t2"]
    keep_for(store, project, 30)
    worker.run_until_done()
    assert tasks(store, project) == ["t2"]
    keep_for(store, project, 10)
    worker.run_until_done()
    assert tasks(store, project) == []


def test_choosing_to_keep_more_stops_a_run(store: SqliteStore, project: Project) -> None:
    add(store, project, *(ago(f"t{n:03}", 40, session_id=f"s{n:03}") for n in range(200)))
    keep_for(store, project, 30)
    worker = Housekeeping(store)
    worker.run_once()
    assert 0 < len(tasks(store, project)) < 200
    left = tasks(store, project)
    keep_for(store, project, None)
    worker.run_until_done()
    assert tasks(store, project) == left


def test_a_run_that_a_crash_ends_goes_on(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "phospho.db")
    project = store.write(lambda db: create_project(db, "p"))
    add(store, project, *(ago(f"t{n:03}", 40, session_id=f"s{n % 7}") for n in range(200)))
    keep_for(store, project, 30)
    Housekeeping(store).run_once()
    store.close()
    store = SqliteStore(tmp_path / "phospho.db")
    assert 0 < len(tasks(store, project)) < 200
    Housekeeping(store).run_until_done()
    with store.read() as db:
        assert get_retention(db, project.id).last_removed == 200
    store.close()


def test_texts_that_belong_to_no_interaction_go_too(store: SqliteStore, project: Project) -> None:
    add(store, project, ago("new", 1))

    def tell(db: Connection) -> None:
        for task_id in ("never came", "new"):
            add_feedback(db, project.id, task_id, flag="failure", notes="my secret", source=None)
        llm.keep_answers(db, project.id, {"key": "a quote"})
        db.execute("update feedback set created_at_ms = 0")
        db.execute("update llm_answers set created_at_ms = 0")

    store.write(tell)
    keep_for(store, project, 30)
    Housekeeping(store).run_until_done()
    with store.read() as db:
        assert [row["task_id"] for row in db.rows("select task_id from feedback")] == ["new"]
        assert llm.find_answers(db, project.id, ["key"]) == {}


def test_long_texts_go_few_at_a_time(store: SqliteStore, project: Project) -> None:
    add(
        store,
        project,
        *(ago(f"t{n}", 40, session_id=f"s{n}", input="x" * 300_000) for n in range(4)),
    )
    with store.read() as db:
        old = retention.list_old(db, project.id, before_ms=now_ms(), most=100)
    assert len(old.ids) == 1


def test_a_part_grows_while_it_is_quick_and_shrinks_when_it_is_slow() -> None:
    portion = Portion(50)
    portion.note(0.001)
    assert portion.size == 100
    portion.note(0.007)
    assert portion.size == 100
    for _ in range(10):
        portion.note(0.2)
    assert portion.size == 10


def test_a_project_that_is_gone_keeps_nothing(store: SqliteStore) -> None:
    with pytest.raises(NotFoundError):
        store.write(lambda db: set_retention(db, "proj_none", 30))

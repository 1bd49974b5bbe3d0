"""Interactions of several requests that wait at the same time are kept by one set of statements."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest

from phospho_server.errors import NotFoundError, UnauthorizedError
from phospho_server.store import Connection, Store, additions, writing
from phospho_server.store.additions import Addition
from phospho_server.store.interactions import add_new
from phospho_server.store.projects import create_key, create_project, revoke_key
from phospho_server.store.rows import NewInteraction, Project
from tests.server.builders import interaction
from tests.server.databases import on_each_database
from tests.server.roll_ups import check_facts, check_roll_ups
from tests.waiting import HELD_S, PATIENCE_S, wait_until

Calls = list[tuple[str, list[str]]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What is added at once: the project, and the ids."""
    seen: Calls = []

    def add(db: Connection, project_id: str, new: Sequence[NewInteraction]) -> list[str]:
        seen.append((project_id, [each.task_id for each in new]))
        if any(each.notes == "refused" for each in new):
            raise ValueError("a row that the database refuses")
        return add_new(db, project_id, new)

    monkeypatch.setattr(additions, "add_new", add)
    return seen


@contextmanager
def waiting_together(store: Store) -> Iterator[Callable[[Addition], Future[int]]]:
    """Give a function that hands in an addition; all of them wait until the end of the block."""
    held, going_on = threading.Event(), threading.Event()

    def hold(db: Connection) -> None:
        held.set()
        going_on.wait(HELD_S)

    with ThreadPoolExecutor(8) as pool:
        pool.submit(store.write, hold)
        held.wait(PATIENCE_S)
        handed_in: list[Future[int]] = []

        def hand_in(addition: Addition) -> Future[int]:
            handed_in.append(pool.submit(store.write, addition))
            return handed_in[-1]

        yield hand_in
        wait_until(lambda: store.changes_waiting == len(handed_in), what="all of them wait")
        going_on.set()


def test_additions_to_a_project_that_wait_together_are_one(
    store: Store, project: Project, calls: Calls
) -> None:
    other = store.write(lambda db: create_project(db, "other"))
    with waiting_together(store) as add:
        # The same interaction comes twice, as from a client that had no answer in time.
        counts = [
            add(Addition(project.id, [interaction(name, user_id="u1", session_id=f"s-{name}")]))
            for name in ("t1", "t2", "t1")
        ]
        add(Addition(other.id, [interaction("t1")]))
    assert sorted(each.result() for each in counts) == [0, 1, 1]
    assert {place: sorted(ids) for place, ids in calls} == {
        project.id: ["t1", "t1", "t2"],
        other.id: ["t1"],
    }
    with store.read() as db:
        (stored,) = db.rows("select count(*) as n from interactions")
        assert stored["n"] == 3
        check_roll_ups(db)
        check_facts(db)


def test_additions_that_wait_together_are_kept_in_groups_that_are_soon_full(
    store: Store, project: Project, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_FULL_ROWS", 4)
    with waiting_together(store) as add:
        counts = [
            add(Addition(project.id, [interaction(f"t{n}-{which}") for which in "abc"]))
            for n in range(5)
        ]
    assert [each.result() for each in counts] == [3] * 5
    assert [len(ids) for _, ids in calls] == [6, 6, 3]


def test_an_addition_that_fails_hurts_none_of_those_it_was_joined_with(
    store: Store, project: Project, calls: Calls
) -> None:
    bad = replace(interaction("bad"), notes="refused")
    with waiting_together(store) as add:
        good = [add(Addition(project.id, [interaction(name)])) for name in ("t1", "t2")]
        failing = add(Addition(project.id, [bad]))
        gone = [add(Addition("proj_gone", [interaction(name)])) for name in ("t3", "t4")]
    with pytest.raises(ValueError, match="refuses"):
        failing.result()
    for each in gone:
        with pytest.raises(NotFoundError):
            each.result()
    assert [each.result() for each in good] == [1, 1]
    with store.read() as db:
        rows = db.rows("select task_id from interactions order by task_id")
        assert [row["task_id"] for row in rows] == ["t1", "t2"]
        check_roll_ups(db)


@on_each_database
def test_a_key_that_was_revoked_meanwhile_stops_its_own_addition_alone(
    store: Store, project: Project
) -> None:
    good, revoked = (store.write(lambda db: create_key(db, project.id, "k"))[0] for _ in "ab")
    store.write(lambda db: revoke_key(db, revoked.id))
    with waiting_together(store) as add:
        kept = [
            add(Addition(project.id, [interaction(f"t{n}")], key_id))
            for n, key_id in enumerate((good.id, good.id, None))
        ]
        late = add(Addition(project.id, [interaction("late")], revoked.id))
    assert [each.result() for each in kept] == [1, 1, 1]
    with pytest.raises(UnauthorizedError):
        late.result()
    with store.read() as db:
        assert len(db.rows("select id from interactions")) == 3


@on_each_database
def test_ids_with_a_nul_are_kept_once(store: Store, project: Project) -> None:
    batch = [
        interaction("a\x00", session_id="s\x00", user_id="u\x00"),
        interaction("b", session_id="s\x00", user_id="u\x00"),
    ]

    assert [store.write(Addition(project.id, batch)) for _ in range(2)] == [2, 0]
    more = [interaction("c\x00", session_id="s\x00", user_id="u\x00")]
    assert store.write(Addition(project.id, more)) == 1
    with store.read() as db:
        (session,) = db.rows("select interactions from sessions")
        (user,) = db.rows("select interactions from users")
        assert session["interactions"] == user["interactions"] == 3
        check_roll_ups(db)
        check_facts(db)

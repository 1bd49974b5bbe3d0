"""Users of any stretch of days, from a small sum."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phospho_server.clock import DAY_MS, day_of
from phospho_server.store import Store, user_days
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.time_steps import TimeSteps
from tests.server.builders import NOON_MS, add, interaction
from tests.server.databases import new_store, on_each_database

pytestmark = on_each_database

TODAY_MS = day_of(NOON_MS)


def add_days(store: Store, project: Project, *days: tuple[str, int]) -> None:
    """Let users be there, each so many days ago."""
    start = len(_all_ids(store))
    add(
        store,
        project,
        *(
            interaction(f"t{start + n}", user_id=user, created_at_ms=NOON_MS - ago * DAY_MS)
            for n, (user, ago) in enumerate(days)
        ),
    )


def _all_ids(store: Store) -> list[str]:
    with store.read() as db:
        return [row["task_id"] for row in db.rows("select task_id from interactions")]


def count(store: Store, project: Project, first_ago: int, last_ago: int) -> int:
    since_ms, until_ms = TODAY_MS - first_ago * DAY_MS, TODAY_MS - (last_ago - 1) * DAY_MS
    with store.read() as db:
        return user_days.count_users(db, project.id, since_ms=since_ms, until_ms=until_ms)


def test_a_user_counts_once_however_many_days_they_are_there(
    store: Store, project: Project
) -> None:
    add_days(store, project, ("ann", 0), ("ann", 1), ("ann", 9), ("ben", 1))
    assert count(store, project, 9, 0) == 2
    assert count(store, project, 1, 1) == 2
    assert count(store, project, 8, 2) == 0
    assert count(store, project, 9, 9) == 1


def test_a_day_that_arrives_late_is_put_between_the_others(store: Store, project: Project) -> None:
    add_days(store, project, ("ann", 0), ("ann", 20))
    add_days(store, project, ("ann", 10))
    assert [count(store, project, ago + 5, ago) for ago in (0, 8, 18)] == [1, 1, 1]
    assert count(store, project, 12, 0) == 1
    assert count(store, project, 25, 5) == 1


def test_users_of_another_project_do_not_count(store: Store, project: Project) -> None:
    other = store.write(lambda db: create_project(db, "Other"))
    add_days(store, project, ("ann", 0))
    assert count(store, other, 3, 0) == 0


def test_a_chart_by_weeks_counts_each_user_once_a_week(store: Store, project: Project) -> None:
    add_days(
        store, project, ("ann", 0), ("ann", 3), ("ann", 8), ("ben", 8), ("ben", 9), ("cid", 14)
    )
    steps = TimeSteps(TODAY_MS - 14 * DAY_MS, TODAY_MS + DAY_MS, 7 * DAY_MS)
    with store.read() as db:
        assert user_days.get_user_series(db, project.id, steps) == [1, 2, 1]


@settings(max_examples=60, deadline=None)
@given(
    arrivals=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 20)), max_size=25),
    step_days=st.integers(1, 8),
    length=st.integers(1, 21),
)
def test_a_series_of_users_equals_a_recount(
    arrivals: list[tuple[str, int]], step_days: int, length: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = new_store(Path(folder, "phospho.db"))
        project = store.write(lambda db: create_project(db, "p"))
        for each in arrivals:
            add_days(store, project, each)
        steps = TimeSteps(TODAY_MS - (length - 1) * DAY_MS, TODAY_MS + DAY_MS, step_days * DAY_MS)
        there = {(user, TODAY_MS - ago * DAY_MS) for user, ago in arrivals}
        ends = [*steps.starts_ms[1:], steps.until_ms]
        with store.read() as db:
            assert user_days.get_user_series(db, project.id, steps) == [
                len({user for user, day in there if start <= day < end})
                for start, end in zip(steps.starts_ms, ends, strict=True)
            ]
        store.close()


@pytest.mark.parametrize(
    ("length", "step", "starts"),
    [(4, 2, [0, 2]), (5, 2, [0, 1, 3]), (1, 7, [0])],
    ids=["whole", "first shorter", "one"],
)
def test_steps_end_with_the_period(length: int, step: int, starts: list[int]) -> None:
    assert TimeSteps(0, length, step).starts_ms == starts

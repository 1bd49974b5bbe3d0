"""Jobs: claimed for a time, tried again with growing pauses, parked with their reason."""

from __future__ import annotations

import pytest

from phospho_server.store import Store, backfills, jobs, leases, queues
from phospho_server.store.definitions import list_definitions
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Job, Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import Time, add, define, interaction
from tests.server.databases import on_each_database, on_sqlite

pytestmark = on_each_database


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch, jobs, leases)


def is_due(store: Store, now_ms: int) -> bool:
    with store.read() as db:
        return bool(db.rows("select 1 from jobs where run_at_ms <= :now", {"now": now_ms}))


def claim(store: Store, most: int = 100) -> list[Job]:
    return store.write(lambda db: leases.claim(db, most=most))


def test_small_jobs_are_claimed_together_up_to_a_size(store: Store, project: Project) -> None:
    for n in range(5):
        add(store, project, interaction(f"t{n}"))
    assert [len(claim(store, most=2)) for _ in range(4)] == [2, 2, 1, 0]


def test_jobs_of_two_projects_are_not_mixed(store: Store, project: Project) -> None:
    other = store.write(lambda db: create_project(db, "other"))
    add(store, project, interaction("t1"))
    add(store, other, interaction("t1"))
    assert {len(claim(store)), len(claim(store))} == {1}


def test_a_claimed_job_comes_back_when_its_worker_died(
    store: Store, project: Project, time: Time
) -> None:
    add(store, project, interaction("t1"))
    (first,) = claim(store)
    assert claim(store) == []
    time.now_ms += leases.LEASE_MS + 1
    (again,) = claim(store)
    assert again.id == first.id


def test_what_takes_the_process_down_each_time_is_parked_alone(
    store: Store, project: Project, time: Time
) -> None:
    event = define(store, project)
    for n in range(3):
        add(store, project, interaction(f"t{n}"))
    assert len(claim(store)) == 3  # together, at first
    for _ in range(3 * jobs.MAX_ATTEMPTS["detect"]):
        store.write(lambda db: leases.take_from_dead(db, ""))
        time.now_ms += 60_000
        assert len(claim(store)) <= 1
    store.write(lambda db: leases.take_from_dead(db, ""))
    time.now_ms += 60_000
    assert claim(store) == []
    with store.read() as db:
        (row,) = list_definitions(db, project.id)
    assert "ended each time" in (row.problem or "")
    store.write(lambda db: jobs.retry_parked(db, project.id, event.id))
    assert len(claim(store)) == 3


def test_what_was_claimed_by_a_process_that_died_is_taken_up_at_once(
    store: Store, project: Project
) -> None:
    add(store, project, interaction("t1"))
    claim(store)
    store.write(lambda db: leases.take_from_dead(db, ""))
    assert len(claim(store)) == 1


def test_processes_that_die_every_few_seconds_park_nothing_and_others_come_first(
    store: Store, project: Project, time: Time
) -> None:
    for n in range(20):
        add(store, project, interaction(f"t{n}"))
    seen: set[str] = set()
    for _ in range(50):
        for job in claim(store):
            seen.add(job.id)
            assert job.attempts < jobs.MAX_ATTEMPTS["detect"]
        store.write(lambda db: leases.take_from_dead(db, ""))
        time.now_ms += 3_000
    assert len(seen) == 20
    with store.read() as db:
        assert queues.count_parked(db) == {}


def test_what_is_given_back_in_order_was_not_tried(store: Store, project: Project) -> None:
    add(store, project, interaction("t1"))
    for _ in range(jobs.MAX_ATTEMPTS["detect"] + 1):
        (job,) = claim(store)
        assert job.attempts == 1
        store.write(lambda db: leases.release(db, ""))


def test_a_failing_job_waits_longer_each_time_and_is_parked(
    store: Store, project: Project, time: Time
) -> None:
    event = define(store, project)
    add(store, project, interaction("t1"))
    pauses = []
    limit = jobs.MAX_ATTEMPTS["detect"]
    for attempt in range(1, limit + 1):
        (job,) = claim(store)
        assert job.attempts == attempt
        store.write(lambda db, job=job: jobs.fail(db, job, "the model is away"))  # type: ignore[misc]
        if attempt < limit:
            before = time.now_ms
            while not is_due(store, time.now_ms):
                time.now_ms += 500
            pauses.append(time.now_ms - before)
    assert pauses == sorted(pauses)
    assert pauses[0] >= 2000
    time.now_ms += 10**9
    assert claim(store) == []
    with store.read() as db:
        (row,) = list_definitions(db, project.id)
    assert (row.problem, row.pending) == ("the model is away", 1)

    assert store.write(lambda db: jobs.retry_parked(db, project.id, event.id)) == 1
    assert len(claim(store)) == 1


def test_a_job_that_advances_keeps_its_place(store: Store, project: Project, time: Time) -> None:
    add(store, project, interaction("t1"), interaction("t2"))
    (job,) = claim(store)
    store.write(lambda db: jobs.finish(db, job))
    define(store, project)
    (backfill,) = claim(store)
    store.write(lambda db: jobs.advance(db, backfill, before_id=2, done=1))
    (again,) = claim(store)
    assert (again.id, again.size, again.before_id) == (backfill.id, 1, 2)


def test_backfills_meet_and_go_on_together(store: Store, project: Project) -> None:
    add(store, project, *[interaction(f"t{n}") for n in range(10)])
    for job in claim(store):
        store.write(lambda db, job=job: jobs.finish(db, job))  # type: ignore[misc]
    define(store, project, name="first")
    (first,) = claim(store)
    store.write(lambda db: jobs.advance(db, first, before_id=6, done=5))
    define(store, project, name="second")

    (second,) = claim(store)
    assert second.id != first.id
    with store.read() as db:
        assert backfills.list_next_ids(db, second, limit=100) == ([10, 9, 8, 7, 6], 6)
    store.write(lambda db: jobs.advance(db, second, before_id=6, done=5))

    both = claim(store)
    assert {job.id for job in both} == {first.id, second.id}
    with store.read() as db:
        assert backfills.list_next_ids(db, both[0], limit=3) == ([5, 4, 3], 3)
        assert backfills.list_next_ids(db, both[0], limit=9) == ([5, 4, 3, 2, 1], 0)


def test_new_interactions_come_before_those_of_the_past(store: Store, project: Project) -> None:
    add(store, project, interaction("t1"))
    (job,) = claim(store)
    store.write(lambda db: jobs.finish(db, job))
    define(store, project)
    add(store, project, interaction("t2"))
    assert [job.kind for job in claim(store)] == ["detect"]


@on_sqlite
def test_the_next_interactions_are_found_without_sorting_all_of_them(store: SqliteStore) -> None:
    with store.read() as db:
        plan = db.rows(
            "explain query plan select id from interactions where project_id = :p "
            "and id < :before and id >= :place order by id desc limit 200",
            {"p": "p", "before": 9, "place": 1},
        )
    (only,) = [row["detail"] for row in plan]
    assert "interactions_by_project" in only
    assert "TEMP" not in only

"""How much waits in the database, and whether it can be written."""

from __future__ import annotations

import pytest

from phospho_server.store import Store, jobs, leases, queues
from phospho_server.store.projects import create_project
from phospho_server.store.queues import Backlog, Queue
from phospho_server.store.rows import Project
from tests.server.builders import Time, add, interaction
from tests.server.databases import on_each_database

pytestmark = on_each_database


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch, queues, leases, jobs)


def backlog_of(store: Store, project: Project) -> Backlog:
    with store.read() as db:
        return queues.find_backlog(db, project.id)


def queue_of(store: Store, kind: str) -> Queue:
    with store.read() as db:
        (found,) = [each for each in queues.list_queues(db) if each.kind == kind]
    return found


def change(store: Store, what: str, job_id: str) -> None:
    store.write(lambda db: db.execute(f"update jobs set {what} where id = :id", {"id": job_id}))


def test_jobs_wait_rest_are_worked_at_or_are_parked(
    store: Store, project: Project, time: Time
) -> None:
    ids = [store.write(lambda db: jobs.add_detect(db, project.id, [1, 2])) for _ in range(4)]
    assert len(store.write(lambda db: leases.claim(db, most=2))) == 1
    change(store, "run_at_ms = run_at_ms + 100000", ids[-1])
    change(store, "parked_at_ms = 1", ids[-2])
    time.now_ms += 90_000
    found = queue_of(store, "detect")
    assert (found.waiting, found.working, found.resting, found.interactions) == (1, 1, 1, 6)
    assert found.oldest_ms == 90_000
    assert queue_of(store, "notify") == Queue("notify", 0, 0, 0, 0, 0)
    with store.read() as db:
        assert queues.count_parked(db) == {"detect": 1}
        assert queues.count_deliveries(db) == {}


def test_the_backlog_of_a_project_is_its_own_and_new(
    store: Store, project: Project, time: Time
) -> None:
    assert backlog_of(store, project) == Backlog(0, is_more=False, oldest_ms=0)
    other = store.write(lambda db: create_project(db, "Other"))
    add(store, project, interaction("t1"), interaction("t2"))
    add(store, other, interaction("t1"))
    store.write(lambda db: jobs.add_detect(db, project.id, [1], definition_id="event_1"))
    time.now_ms += 5_000
    assert backlog_of(store, project) == Backlog(2, is_more=False, oldest_ms=5_000)


def test_a_store_tells_how_it_is(store: Store) -> None:
    store.write(queues.prove_writable)
    assert store.changes_waiting == 0
    assert store.is_writing
    assert store.sizes()["database"] > 0

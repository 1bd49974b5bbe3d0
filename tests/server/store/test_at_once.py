"""Servers and workers that write about the same sessions and users at once lose nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from phospho_server.store import Connection, detections
from phospho_server.store.additions import Addition
from phospho_server.store.feedback import add_feedback
from phospho_server.store.interactions import find_ids
from phospho_server.store.postgresql.store import PostgresStore
from phospho_server.store.projects import create_project
from phospho_server.store.rows import NewInteraction, Project
from tests.server.builders import HOUR_MS, NOON_MS, define, interaction, verdict
from tests.server.postgresql import Databases
from tests.server.roll_ups import check_facts, check_roll_ups

_BATCHES = 12


@pytest.fixture
def stores(postgresql: Databases) -> Iterator[tuple[PostgresStore, PostgresStore]]:
    url = postgresql.make()
    both = PostgresStore(url), PostgresStore(url)
    yield both
    for store in both:
        store.close()
    postgresql.drop(url)


def make_batch(drawn: random.Random) -> list[NewInteraction]:
    """Return interactions of few sessions, users and ids, which other batches have as well."""
    return [
        interaction(
            f"t{drawn.randrange(300)}",
            session_id=f"s{drawn.randrange(9)}",
            user_id=drawn.choice([None, "ana", "ben", "cleo"]),
            version_id=drawn.choice([None, "1", "2"]),
            created_at_ms=NOON_MS + drawn.randrange(72) * HOUR_MS,
            flag=drawn.choice([None, "success", "failure"]),
            metadata=json.dumps({"plan": drawn.choice("abc"), "total_tokens": drawn.randrange(9)}),
        )
        for _ in range(drawn.randrange(1, 40))
    ]


def test_two_processes_that_write_of_the_same_at_once_agree_with_a_recount(
    stores: tuple[PostgresStore, PostgresStore],
) -> None:
    project = stores[0].write(lambda db: create_project(db, "Bot"))
    event = define(stores[0], project)

    def log(store: PostgresStore, seed: int) -> set[str]:
        drawn = random.Random(seed)
        sent: set[str] = set()
        for _ in range(_BATCHES):
            batch = make_batch(drawn)
            store.write(Addition(project.id, batch))
            sent.update(each.task_id for each in batch)
        return sent

    def judge(store: PostgresStore, seed: int) -> set[str]:
        drawn = random.Random(seed)
        for _ in range(_BATCHES):
            found = [
                verdict(store, project, one, detected=drawn.random() < 0.5)
                for one in kept_now(store, project, drawn)
            ]
            store.write(lambda db, found=found: detections.record(db, project.id, event, found))  # type: ignore[misc]
        return set()

    def tell(store: PostgresStore, seed: int) -> set[str]:
        drawn = random.Random(seed)
        for _ in range(_BATCHES):
            task_id, flag = f"t{drawn.randrange(300)}", drawn.choice(["success", "failure"])

            def change(db: Connection, task_id: str = task_id, flag: str = flag) -> None:
                add_feedback(db, project.id, task_id, flag=flag, notes=None, source=None)

            store.write(change)
        return set()

    work = [log, log, judge, tell] * 2
    with ThreadPoolExecutor(len(work)) as pool:
        done = [pool.submit(do, stores[n % 2], n) for n, do in enumerate(work)]
        sent = set().union(*(each.result() for each in done))
    with stores[1].read() as db:
        ids = find_ids(db, project.id, sorted(sent))
        (counted,) = db.rows("select count(*) as n from interactions")
        assert ids.keys() == sent
        assert counted["n"] == len(sent)
        check_roll_ups(db)
        check_facts(db)


def kept_now(store: PostgresStore, project: Project, drawn: random.Random) -> list[NewInteraction]:
    """Return some of the interactions that are there at this moment."""
    with store.read() as db:
        rows = db.rows(
            "select task_id, session_id, created_at_ms from interactions "
            "where project_id = :project_id",
            {"project_id": project.id},
        )
    some = drawn.sample(list(rows), min(5, len(rows)))
    return [interaction(**dict(row)) for row in some]

"""A real server under load that is told to stop, has no more room, or is killed at work.

`benchmarks/faults.py` does the same, many times over.
"""

from __future__ import annotations

import contextlib
import re
import resource
import sqlite3
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.server.processes import PhosphoProcess, ServerProcess, log, phospho, serving
from tests.server.producers import Producer, wait_for
from tests.waiting import PATIENCE_S, wait_until


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "phospho.db"


@pytest.fixture
def producers() -> Iterator[list[Producer]]:
    found: list[Producer] = []
    yield found
    for producer in found:
        producer.stopping.set()
    for producer in found:
        producer.join()


def start(server: ServerProcess, producers: list[Producer], number: int) -> None:
    project_id, key = server.setting("PHOSPHO_PROJECT_ID"), server.setting("PHOSPHO_API_KEY")
    producers += [Producer(f"p{n}", key, project_id) for n in range(number)]
    for producer in producers:
        producer.server = server
        producer.start()


def list_missing(database: Path, producers: list[Producer]) -> set[str]:
    """Return what was acknowledged and is not there, or is there twice."""
    with contextlib.closing(sqlite3.connect(database)) as stored:
        rows = [row[0] for row in stored.execute("select task_id from interactions")]
        assert stored.execute("pragma integrity_check").fetchone() == ("ok",)
    assert len(rows) == len(set(rows))
    return {task_id for producer in producers for task_id in producer.acknowledged} - set(rows)


@pytest.mark.slow
def test_sigterm_under_load_ends_within_five_seconds_and_loses_nothing(
    database: Path, producers: list[Producer]
) -> None:
    with serving(database) as server:
        start(server, producers, 4)
        wait_for(producers, 100)
        began_s = time.monotonic()
        assert server.stop() == 0
        # Five are promised, on a machine that does not run other tests at the same time.
        assert time.monotonic() - began_s < 15
        assert "Traceback" not in server.problems
    for producer in producers:
        producer.stopping.set()
        producer.join()
    assert list_missing(database, producers) == set()


@pytest.mark.slow
def test_a_disk_that_is_full_for_a_while_loses_nothing_and_reads_go_on(
    database: Path, producers: list[Producer]
) -> None:
    with serving(database) as server:
        start(server, producers, 2)
        wait_for(producers, 50)
        key, project_id = producers[0].key, producers[0].project_id
        pid, everything = server.process.pid, (resource.RLIM_INFINITY,) * 2
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (32 * 1024, resource.RLIM_INFINITY))
        wait_until(lambda: producers[0].refused >= {507}, what="it is told that the disk is full")
        read = httpx.get(
            f"{server.url}/api/projects/{project_id}/interactions",
            headers={"Authorization": f"Bearer {key}"},
            timeout=PATIENCE_S,
        )
        assert read.status_code == 200
        assert httpx.get(f"{server.url}/healthz", timeout=PATIENCE_S).status_code == 200
        ready = httpx.get(f"{server.url}/readyz", timeout=PATIENCE_S)
        assert (ready.status_code, ready.json()["status"]) == (503, "failing")
        assert "Free some space" in ready.json()["checks"]["database"]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, everything)
        wait_for(producers, sum(len(p.acknowledged) for p in producers) + 50)
        # The answer of a moment ago is given for a second.
        wait_until(
            lambda: httpx.get(f"{server.url}/readyz", timeout=PATIENCE_S).status_code == 200,
            what="it is ready again",
        )
        assert set.union(*(producer.refused for producer in producers)) <= {503, 507}
        for producer in producers:
            producer.stopping.set()
            producer.join()
    assert list_missing(database, producers) == set()


def kill_at_work(worker: PhosphoProcess, count_jobs: Callable[[], int]) -> None:
    before = count_jobs()
    wait_until(lambda: count_jobs() < before, what="it is at work")
    worker.kill()


@pytest.mark.slow
def test_a_worker_that_is_killed_at_work_leaves_each_interaction_judged_once(
    database: Path,
) -> None:
    with serving(database, "--no-worker") as server:
        project_id, key = server.setting("PHOSPHO_PROJECT_ID"), server.setting("PHOSPHO_API_KEY")
        create = ["events", "create", project_id]
        phospho(*create, "refund", "The user said 'refund'", "--database", str(database))
        for batch in range(40):
            events = [
                {"input": "A refund please. " * 50, "task_id": f"t{batch}-{n}"} for n in range(50)
            ]
            assert log(server, key, project_id, *events).status_code == 200

        def count(sql: str) -> int:
            with contextlib.closing(sqlite3.connect(database, timeout=PATIENCE_S)) as stored:
                return int(stored.execute(sql).fetchone()[0])

        left = "select count(*) from jobs"
        for _ in range(2):
            worker = PhosphoProcess("worker", "--database", str(database))
            kill_at_work(worker, partial(count, left))
        worker = PhosphoProcess("worker", "--database", str(database), "--port", "0")
        wait_until(lambda: count(left) == 0, what="all is judged")
        (url,) = re.findall(r"^(http://\S+) tells", worker.output, re.MULTILINE)
        wait_until(
            lambda: (
                httpx.get(f"{url}/readyz", timeout=PATIENCE_S).json()["checks"]["detection worker"]
                == "ok"
            ),
            what="its worker is well",
        )
        assert worker.stop() == 0
        assert count("select count(*) from detections where detected = 1") == 2000
        assert count("select sum(value) from counters where metric = 'events'") == 2000

"""A project that is deleted while workers are busy with it: nothing of it comes back."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from phospho.detectors import Detector
from phospho.detectors.llm import connecting
from phospho.detectors.llm.calling import Caller
from phospho.detectors.llm.detector import LlmDetector
from phospho.detectors.llm.judge import Judge
from phospho.detectors.llm.ledger import Flights
from phospho.detectors.llm.limits import Pace
from phospho.plugins import Plugins
from phospho_server.detection import DetectionWorker
from phospho_server.housekeeping import Housekeeping
from phospho_server.llm.sealing import Sealer
from phospho_server.llm.setup import Setups
from phospho_server.llm.worker import LlmWorker
from phospho_server.store import Store
from phospho_server.store.deleting import OWNED, delete_project
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server import tables
from tests.server.builders import add, define, interaction
from tests.server.databases import on_each_database
from tests.server.processes import serving
from tests.server.test_recounting import Client, Scored
from tests.waiting import wait_until


def count_rows(path: Path) -> dict[str, int]:
    with sqlite3.connect(path) as raw:
        rows = {
            owned.table: raw.execute(f"select count(*) from {owned.table}").fetchone()[0]
            for owned in OWNED
        }
    return {table: n for table, n in rows.items() if n}


def left_in(store: Store) -> dict[str, int]:
    """Return the tables of projects that have rows, with how many."""
    owned = {each.table for each in OWNED}
    return {table: n for table, n in tables.count_rows(store).items() if n and table in owned}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    client = Client()

    def make_judge(endpoint: Any, *, budget: Any, ledger: Any, **_: Any) -> Judge:
        caller = Caller(client, budget=budget, ledger=ledger, pace=Pace(most=1))
        return Judge(caller, Flights(), base_url=endpoint.base_url, model=endpoint.model)

    monkeypatch.setattr(connecting, "make_judge", make_judge)
    return client


ENVIRONMENT = {"PHOSPHO_LLM_BASE_URL": "http://127.0.0.1:1/v1", "PHOSPHO_LLM_MODEL": "m"}


@on_each_database
@pytest.mark.parametrize("by", ["detector", "llm"])
def test_a_worker_brings_nothing_back(
    store: Store, project: Project, client: Client, by: str
) -> None:
    scored, plugins = Scored(), Plugins(entry_points=False)
    setups = Setups(Sealer(None), ENVIRONMENT)
    detectors: Mapping[str, Detector] = {"semantic": scored, "llm": LlmDetector(None)}
    local = DetectionWorker(store, detectors, plugins, llm_is_ready=setups.is_ready)
    llm = LlmWorker(store, plugins, setups)
    define(store, project, name="fruit", description="The user mentions a banana")
    define(store, project, name="judged", description="The user mentions a cherry", detector="llm")
    add(store, project, *(interaction(f"t{n}", input=f"0.5 banana {n}") for n in range(20)))

    def delete() -> None:
        scored.before = client.before = lambda: None
        store.write(lambda db: delete_project(db, project.id, typed_name=project.name))
        Housekeeping(store).run_until_done()

    if by == "detector":
        scored.before = delete
        local.run_once()
    else:
        local.run_once()
        client.before = delete
        llm.run_once()
    assert left_in(store) == {}
    local.run_until_done()
    llm.run_once()
    llm.stop()
    assert left_in(store) == {}


@pytest.mark.slow
def test_a_server_that_is_killed_while_it_erases_goes_on(tmp_path: Path) -> None:
    database = tmp_path / "phospho.db"
    store = SqliteStore(database)
    gone = store.write(lambda db: create_project(db, "gone"))
    for start in range(0, 10_000, 500):
        new = (interaction(f"t{n}", session_id=f"s{n}") for n in range(start, start + 500))
        add(store, gone, *new)
    store.write(lambda db: delete_project(db, gone.id, typed_name="gone"))
    kept = store.write(lambda db: create_project(db, "kept"))
    add(store, kept, interaction())
    store.close()

    def left() -> int:
        return count_rows(database).get("interactions", 0)

    with serving(database) as server:
        wait_until(lambda: left() < 10_001, what="erasing begins")
        server.kill()
    assert "jobs" in count_rows(database)
    with serving(database):
        wait_until(lambda: "jobs" not in count_rows(database), what="all is erased")
        assert left() == 1
        assert count_rows(database)["sessions"] == 1

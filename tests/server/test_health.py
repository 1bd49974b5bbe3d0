"""Whether the server lives, and whether it can store: it says so, and says what is wrong."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable

import pytest

from phospho_server import create_app, running
from phospho_server.errors import BusyError, StorageFullError
from phospho_server.lanes import Lanes
from phospho_server.running import Running
from phospho_server.store import Connection
from phospho_server.store.queues import prove_writable
from phospho_server.store.sqlite import SqliteStore
from phospho_server.working import Worker
from tests.server.databases import on_sqlite
from tests.waiting import PATIENCE_S


class Idle(Worker):
    name = "idle"

    def run_once(self) -> int:
        return 0


class Ended(Idle):
    name = "ended"


Ask = Callable[[str], tuple[int, dict[str, str]]]


@pytest.fixture
def ask(store: SqliteStore) -> Ask:
    return ask_of(Running(store))


def ask_of(found: Running) -> Ask:
    client = create_app(found.store, detectors={}, running=found).test_client()

    def call(path: str) -> tuple[int, dict[str, str]]:
        answer = client.get(path)
        said = answer.get_json()
        assert said["status"] == ("ok" if answer.status_code == 200 else "failing")
        return answer.status_code, said["checks"]

    return call


def test_a_server_that_is_well_lives_and_is_ready(ask: Ask) -> None:
    assert ask("/healthz") == (200, {"database": "ok", "writer": "ok"})
    assert ask("/readyz") == (200, {"database": "ok", "writer": "ok"})


@on_sqlite
def test_a_database_that_another_program_holds_is_not_ready_and_is_again(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_KEEP_S", 0.0)
    monkeypatch.setattr(running, "_STORING_PATIENCE_S", 0.05)
    found = Running(store)
    ask = ask_of(found)
    with contextlib.closing(sqlite3.connect(store.path)) as other:
        other.execute("begin immediate")
        status, checks = ask("/readyz")
        assert (status, checks["writer"]) == (503, "ok")
        assert checks["database"].startswith("has stored nothing for")
        assert ask("/healthz")[0] == 200
        other.rollback()
    found._proof._patience_s = PATIENCE_S
    assert ask("/readyz")[0] == 200


def test_a_database_that_says_nothing_is_told_of_without_waiting_for_it(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, read = threading.Event(), store.read

    def hang() -> contextlib.AbstractContextManager[Connection]:
        held.wait()
        return read()

    found = Running(store)
    ask = ask_of(found)
    found._reading._patience_s = 0.05
    with monkeypatch.context() as hanging:
        hanging.setattr(store, "read", hang)
        for path in ("/healthz", "/readyz", "/healthz"):
            status, checks = ask(path)
            assert (status, checks["writer"]) == (503, "ok")
            assert checks["database"].startswith("has answered nothing for")
    held.set()
    found._reading._patience_s = PATIENCE_S
    assert ask("/readyz")[0] == 200


def test_a_full_disk_is_not_ready_and_says_so(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_db: object) -> None:
        raise StorageFullError("The disk is full. Free some space.")

    monkeypatch.setattr(running, "prove_writable", fail)
    ask = ask_of(Running(store))
    assert ask("/readyz") == (
        503,
        {"database": "The disk is full. Free some space.", "writer": "ok"},
    )
    assert ask("/healthz")[0] == 200


@on_sqlite
def test_room_for_less_than_an_interaction_is_not_ready(store: SqliteStore, ask: Ask) -> None:
    def leave_room(db: Connection) -> None:
        raw = db.raw  # type: ignore[attr-defined]
        (pages,) = raw.execute("pragma page_count").fetchone()
        raw.execute(f"pragma max_page_count = {pages + 5}")

    store.write(leave_room)
    status, checks = ask("/readyz")
    assert status == 503
    assert "Free some space" in checks["database"]


@on_sqlite
def test_a_file_that_was_removed_or_replaced_is_not_ready(store: SqliteStore, ask: Ask) -> None:
    assert ask("/readyz")[0] == 200
    aside = store.path.with_name("aside")
    store.path.rename(aside)
    status, checks = ask("/readyz")
    assert status == 503
    assert "was removed or replaced" in checks["database"]
    aside.rename(store.path)
    assert ask("/readyz")[0] == 200


def test_a_database_that_cannot_be_read_is_said_as_everything_is(
    store: SqliteStore, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> contextlib.AbstractContextManager[object]:
        raise BusyError("The database cannot be had.")

    monkeypatch.setattr(store, "read", fail)
    for path in ("/healthz", "/readyz"):
        assert ask(path) == (503, {"database": "The database cannot be had.", "writer": "ok"})


def test_many_who_ask_share_one_proof(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    proofs: list[object] = []
    monkeypatch.setattr(running, "prove_writable", proofs.append)
    ask = ask_of(Running(store))
    assert {ask("/readyz")[0] for _ in range(20)} == {200}
    assert len(proofs) < 20


def test_the_proof_leaves_nothing_behind(store: SqliteStore) -> None:
    store.write(prove_writable)
    with store.read() as db:
        assert db.rows("select 1 from secrets where name like 'whether%'") == []


def test_a_server_that_stops_lives_and_is_not_ready(store: SqliteStore) -> None:
    lanes = Lanes()
    ask = ask_of(Running(store, lanes=lanes))
    assert ask("/readyz")[0] == 200
    lanes.is_stopping = True
    assert ask("/readyz")[0] == 503
    assert ask("/readyz")[1]["server"] == "is stopping"
    assert ask("/healthz")[0] == 200
    lanes.shutdown()


def test_a_worker_whose_thread_has_ended_needs_a_restart(store: SqliteStore) -> None:
    idle, ended = Idle(), Ended()
    for worker in (idle, ended):
        worker.start()
    ended.stop()
    ask = ask_of(Running(store, [idle, ended]))
    assert ask("/healthz") == (
        503,
        {
            "database": "ok",
            "writer": "ok",
            "idle worker": "ok",
            "ended worker": "has ended",
        },
    )
    assert ask("/readyz")[0] == 503
    idle.stop()


def test_a_writer_whose_thread_has_ended_needs_a_restart(store: SqliteStore) -> None:
    ask = ask_of(Running(store))
    store._writer._changes.put(None)  # as its end does
    store._writer._thread.join()
    with pytest.raises(BusyError, match="started again"):
        store.write(prove_writable)
    assert ask("/healthz")[1]["writer"] == "has ended"
    assert ask("/readyz")[0] == 503

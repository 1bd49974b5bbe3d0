"""A process that was told to stop ends, whatever its workers and its database are at."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from phospho.plugins import Plugins
from phospho_server import stopping, workers
from phospho_server.llm.sealing import Sealer
from phospho_server.llm.setup import Setups
from phospho_server.stopping import Deadline
from phospho_server.store.sqlite import SqliteStore
from phospho_server.workers import Workers
from phospho_server.working import Worker
from tests.server.databases import on_sqlite
from tests.waiting import HELD_S, PATIENCE_S


@dataclass
class Busy(Worker):
    """Is at one batch until it may end."""

    name = "busy"
    released: threading.Event = field(default_factory=threading.Event)
    began: threading.Event = field(default_factory=threading.Event)

    def run_once(self) -> int:
        self.began.set()
        self.released.wait(HELD_S)
        return 0


def test_workers_are_told_at_once_and_who_takes_long_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stopping, "_PATIENCE_S", 0.1)
    slow, quick = Busy(), Busy()
    for worker in (slow, quick):
        worker.start()
        worker.began.wait(PATIENCE_S)
    deadline = Deadline([slow, quick])
    deadline.begin()
    quick.released.set()
    deadline.wait()
    assert slow.is_running
    slow.released.set()
    assert slow._thread is not None
    assert quick._thread is not None
    for thread in (slow._thread, quick._thread):
        thread.join(PATIENCE_S)
    assert not slow.is_running
    assert not quick.is_running


def test_all_that_is_waited_for_at_an_end_is_within_the_five_seconds_promised() -> None:
    assert stopping._PATIENCE_S + stopping._CLOSE_S + workers._LEAVE_S <= 5


@on_sqlite
def test_a_database_that_another_program_holds_keeps_no_process_from_ending(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, is_over = store.write, threading.Event()

    def note(change: Any) -> Any:
        try:
            return write(change)
        finally:
            is_over.set()

    setups = Setups(Sealer(None), {})
    at_work = Workers(store, detectors={}, plugins=Plugins(), setups=setups)
    with contextlib.closing(sqlite3.connect(store.path)) as other:
        other.execute("begin immediate")
        monkeypatch.setattr(store, "write", note)
        at_work.stop()
        # What it has to say is still waiting.
        assert not is_over.is_set()
        other.rollback()
    assert is_over.wait(PATIENCE_S)

"""SQLite's write-ahead log stays short under load, whoever reads meanwhile."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from phospho_server.store import write_ahead_log
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.store.write_ahead_log import WriteAheadLog
from phospho_server.views.exports import list_as_asked, read_all
from phospho_server.views.filters import INTERACTIONS, Asked
from tests.server.builders import add, interaction
from tests.server.databases import on_sqlite

pytestmark = on_sqlite

# Long messages fill the log quickly: a batch of them takes some 400 KB.
_LONG = "many words of a long message " * 700


def keep_writing(store: SqliteStore, project: Project, name: str, end: threading.Event) -> None:
    n = 0
    while not end.is_set():
        n += 1
        new = (
            interaction(f"{name}{n}-{k}", session_id=f"{name}{n}", input=_LONG) for k in range(9)
        )
        add(store, project, *new)


@contextmanager
def all_at_once(works: list[Callable[[threading.Event], None]]) -> Iterator[None]:
    end = threading.Event()
    threads = [threading.Thread(target=work, args=(end,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        end.set()
        for thread in threads:
            thread.join()


def test_the_log_stays_short_under_eight_writers_and_an_export_that_takes_long(
    store: SqliteStore, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, project, *(interaction(f"t{n}", session_id=f"s{n}") for n in range(300)))
    monkeypatch.setattr(write_ahead_log, "_LONG_BYTES", 2 * 1024 * 1024)
    monkeypatch.setattr(write_ahead_log, "_REST_S", 0.05)
    log, longest = WriteAheadLog(store.path), 0

    def export(end: threading.Event) -> None:
        """Read as somebody with a slow line does, while others read without a pause."""
        asked = Asked(INTERACTIONS)
        for _ in read_all(store, list_as_asked(project.id, asked)):
            if end.wait(0.005):
                return

    def read(end: threading.Event) -> None:
        while not end.is_set():
            with store.read() as db:
                db.rows("select count(*) from interactions")
                time.sleep(0.01)

    writers = [
        lambda end, name=name: keep_writing(store, project, name, end) for name in "abcdefgh"
    ]
    written = store.path.stat().st_size
    with all_at_once([*writers, export, read, read, read]):
        until_s = time.monotonic() + 3
        while time.monotonic() < until_s:
            longest = max(longest, log.size())
            time.sleep(0.01)
    written = store.path.stat().st_size - written
    # Readers that follow one on the other would let it grow by all that was written.
    assert written > 2 * longest
    assert longest < 16 * 1024 * 1024


def test_a_reader_that_never_ends_is_told_of_and_stops_nobody(
    store: SqliteStore,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(write_ahead_log, "_LONG_BYTES", 1)
    monkeypatch.setattr(write_ahead_log, "MOST_BYTES", 1)
    monkeypatch.setattr(write_ahead_log, "_REST_S", 0)
    monkeypatch.setattr(write_ahead_log, "_LOOK_S", 0)
    monkeypatch.setattr(write_ahead_log, "_READERS_MS", 1)
    with store.read() as db, caplog.at_level(logging.WARNING, "phospho_server"):
        db.rows("select * from interactions")
        for n in range(3):
            add(store, project, interaction(f"t{n}"))
    assert caplog.text.count("End what else has") == 1
    add(store, project, interaction("t9"))
    with store.quiet():  # what the writer does after it has answered is done
        pass
    assert WriteAheadLog(store.path).size() == 0


def holds(store: SqliteStore, text: str) -> bool:
    """Tell whether the file itself has a text, and not just its log."""
    return text.encode() in os.pread(store.descriptor(), store.path.stat().st_size, 0)


def copiers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "phospho-log"]


def test_another_thread_copies_what_is_stored_out_of_the_log(
    store: SqliteStore, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, project, interaction("t1", input="still in the log"))
    assert not holds(store, "still in the log")
    monkeypatch.setattr(write_ahead_log, "_COPY_CHANGES", 1)
    add(store, project, interaction("t2", input="copied soon"))
    until_s = time.monotonic() + 10
    while not holds(store, "copied soon") and time.monotonic() < until_s:
        time.sleep(0.01)
    assert holds(store, "copied soon")
    assert holds(store, "still in the log")


def test_the_thread_that_copies_ends_with_the_store(
    store: SqliteStore, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_ahead_log, "_COPY_CHANGES", 1)
    add(store, project, interaction("t1"))
    add(store, project, interaction("t2"))
    assert copiers()
    store.close()
    assert not copiers()


def test_without_readers_the_log_begins_anew_however_much_is_stored(
    store: SqliteStore, project: Project
) -> None:
    log, longest = WriteAheadLog(store.path), 0
    for n in range(60):
        add(store, project, *(interaction(f"t{n}-{k}", input=_LONG) for k in range(20)))
        longest = max(longest, log.size())
    written = store.path.stat().st_size
    assert written > 2 * longest
    assert longest < 16 * 1024 * 1024

"""SQLite's write-ahead log stays short under load, whoever reads meanwhile."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest

from phospho_server.store import write_ahead_log
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.store.write_ahead_log import Copier, WriteAheadLog
from phospho_server.views.exports import list_as_asked, read_all
from phospho_server.views.filters import INTERACTIONS, Asked
from tests.server.builders import add, interaction
from tests.server.databases import on_sqlite
from tests.waiting import PATIENCE_S, wait_until

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
    before = store.path.stat().st_size
    with all_at_once([*writers, export, read, read, read]):

        def is_much_shorter() -> bool:
            nonlocal longest
            longest = max(longest, log.size())
            assert longest < 64 * 1024 * 1024
            written = store.path.stat().st_size - before
            return written > 3 * max(longest, 8 * 1024 * 1024)

        # Readers that follow one on the other would let it grow by all that is written.
        wait_until(is_much_shorter, what="much more is written than the log has ever held")


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


def holds(file: int, text: str) -> bool:
    """Tell whether an open file itself has a text, and not just its log."""
    return text.encode() in os.pread(file, os.fstat(file).st_size, 0)


def wait_until_it_holds(file: int, text: str) -> None:
    wait_until(lambda: holds(file, text), what=f"{text} is copied")


def copiers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "phospho-log"}


def test_another_thread_copies_what_is_stored_out_of_the_log(
    store: SqliteStore, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, project, interaction("t1", input="still in the log"))
    assert not holds(store.descriptor(), "still in the log")
    monkeypatch.setattr(write_ahead_log, "_COPY_CHANGES", 1)
    add(store, project, interaction("t2", input="copied soon"))
    wait_until_it_holds(store.descriptor(), "copied soon")
    assert holds(store.descriptor(), "still in the log")


def test_the_thread_that_copies_ends_with_the_store(
    store: SqliteStore, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = copiers()
    monkeypatch.setattr(write_ahead_log, "_COPY_CHANGES", 1)
    add(store, project, interaction("t1"))
    add(store, project, interaction("t2"))
    (mine,) = copiers() - others
    store.close()
    assert not mine.is_alive()


def test_a_copy_that_failed_is_made_when_the_next_is_due(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("pragma journal_mode = wal")
    writer.execute("create table t (x)")
    failed = threading.Event()

    def connect() -> sqlite3.Connection:
        if not failed.is_set():
            failed.set()
            raise sqlite3.OperationalError("unable to open database file")
        return sqlite3.connect(path)

    copier = Copier(connect, threading.Lock())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError("no more")))
        copier.note(5_000)
    copier.note(10_000)
    assert failed.wait(PATIENCE_S)
    # Closed at the end: that gives up the locks of SQLite.
    file = os.open(path, os.O_RDONLY)
    # Beyond what SQLite counts, it goes on from below.
    for number, changes in enumerate((2**31 - 10, 10 - 2**31, 5_000 - 2**31)):
        writer.execute("insert into t values (?)", [f"text {number}"])
        copier.note(changes)
        wait_until_it_holds(file, f"text {number}")
    copier.close()
    writer.close()
    os.close(file)


def test_without_readers_the_log_begins_anew_however_much_is_stored(
    store: SqliteStore, project: Project
) -> None:
    log, longest = WriteAheadLog(store.path), 0
    for n in range(120):
        add(store, project, *(interaction(f"t{n}-{k}", input=_LONG) for k in range(20)))
        longest = max(longest, log.size())
    assert store.path.stat().st_size > 2 * longest

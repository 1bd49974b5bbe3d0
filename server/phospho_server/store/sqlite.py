"""The store on one SQLite file: one writer thread with group commit, readers apart.

Every change waits in a queue; the writer takes all that wait, runs each in a savepoint of one
transaction, and answers them after one COMMIT. So a sync to disk is shared by all who wait, the
queue is fair, and a change that fails hurts nobody else.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from phospho.errors import ConfigurationError
from phospho_server.errors import BusyError, StorageFullError
from phospho_server.migrations import migrations
from phospho_server.store import NO_PARAMS, Connection, Params, Result, Row, Store

# Changes that share one COMMIT at the most: bounds how long the first of them waits.
MAX_GROUP = 64

# How long a statement waits for another program that writes to the file.
BUSY_TIMEOUT_MS = 10_000

# A reader's cache in KiB; there are as many readers as requests at once, so it stays small.
_READER_CACHE_KIB = 8_192
WRITER_CACHE_KIB = 65_536

# The log is cut back to this after a checkpoint, whatever it had grown to.
_WAL_BYTES = 64 * 1024 * 1024

_Change = Callable[[Connection], Any]


class SqliteConnection:
    """`Connection` over `sqlite3`."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw = raw

    def rows(self, sql: str, params: Params = NO_PARAMS) -> Sequence[Row]:
        """Return all rows of a query."""
        return self.raw.execute(sql, params).fetchall()

    def row(self, sql: str, params: Params = NO_PARAMS) -> Row | None:
        """Return the first row of a query, or None."""
        found: Row | None = self.raw.execute(sql, params).fetchone()
        return found

    def execute(self, sql: str, params: Params = NO_PARAMS) -> int:
        """Run a statement and return the number of rows it changed."""
        return self.raw.execute(sql, params).rowcount

    def execute_many(self, sql: str, params: Iterable[Params]) -> None:
        """Run a statement once for each set of parameters."""
        self.raw.executemany(sql, params)


class SqliteStore:
    """`Store` on one SQLite file, made or brought to the newest schema when opened.

    Args:
        path: The file; its folder must exist.
        writer_cache_kib: What the writer keeps of the file in memory.

    Raises:
        ConfigurationError: The file cannot be opened, is no database, or is from a newer phospho.
        StorageFullError: Its disk has no room for the files beside it, which SQLite needs.
    """

    def __init__(self, path: Path, *, writer_cache_kib: int = WRITER_CACHE_KIB) -> None:
        self.path = path
        _prepare(path)
        self._readers: queue.LifoQueue[SqliteConnection] = queue.LifoQueue()
        self._changes: queue.SimpleQueue[tuple[_Change, Future[Any]] | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        # Nothing may be put behind the end of the changes: nobody would answer it.
        self._put_lock = threading.Lock()
        self._writer = threading.Thread(
            target=self._run_writer,
            args=(_open(path, cache_kib=writer_cache_kib),),
            name="phospho-writer",
            daemon=True,
        )
        self._writer.start()

    @contextlib.contextmanager
    def read(self) -> Iterator[SqliteConnection]:
        """Give a connection that sees one consistent state and cannot change it."""
        try:
            connection = self._readers.get_nowait()
        except queue.Empty:
            connection = _open(self.path, cache_kib=_READER_CACHE_KIB, read_only=True)
        try:
            with translated_errors():
                connection.raw.execute("begin")
                yield connection
        finally:
            connection.raw.rollback()
            if self._closed.is_set():
                connection.raw.close()
            else:
                self._readers.put(connection)

    def write(self, change: Callable[[Connection], Result]) -> Result:
        """Run `change` in a transaction and return its result once it is durable."""
        answer: Future[Result] = Future()
        with self._put_lock:
            if self._closed.is_set():
                raise BusyError("The server is stopping. Send this again in a moment.")
            self._changes.put((change, answer))
        return answer.result()

    def close(self) -> None:
        """Finish the changes under way and close every connection."""
        with self._put_lock:
            if self._closed.is_set():
                return
            self._closed.set()
            self._changes.put(None)
        self._writer.join()
        while not self._readers.empty():
            self._readers.get_nowait().raw.close()

    def _run_writer(self, connection: SqliteConnection) -> None:
        stopping = False
        while not stopping:
            group, stopping = self._next_group()
            if group:
                _commit_group(connection, group)
        # Only advice to the planner: another program that holds the file may keep us from it.
        with contextlib.suppress(sqlite3.Error):
            connection.raw.execute("pragma optimize")
        connection.raw.close()

    def _next_group(self) -> tuple[list[tuple[_Change, Future[Any]]], bool]:
        """Wait for a change, then take all that wait with it, and tell whether to stop after."""
        group: list[tuple[_Change, Future[Any]]] = []
        item = self._changes.get()
        while item is not None:
            group.append(item)
            if len(group) == MAX_GROUP:
                return group, False
            try:
                item = self._changes.get_nowait()
            except queue.Empty:
                return group, False
        return group, True


def database_file(store: Store) -> Path | None:
    """Return the file of a store, where it is one."""
    return store.path if isinstance(store, SqliteStore) else None


def _commit_group(
    connection: SqliteConnection, group: Sequence[tuple[_Change, Future[Any]]]
) -> None:
    """Run each change in its savepoint, commit once, then answer every caller."""
    answers: list[tuple[Future[Any], Any, BaseException | None]] = []
    try:
        with translated_errors():
            connection.raw.execute("begin immediate")
            answers.extend((answer, *_run_change(connection, change)) for change, answer in group)
            connection.raw.execute("commit")
    except BaseException as exc:  # noqa: BLE001 - whatever it was, every caller must hear of it
        if connection.raw.in_transaction:
            connection.raw.rollback()
        answers = [(answer, None, exc) for _, answer in group]
    for answer, result, problem in answers:
        if problem is None:
            answer.set_result(result)
        else:
            answer.set_exception(problem)


def _run_change(connection: SqliteConnection, change: _Change) -> tuple[Any, BaseException | None]:
    """Return a change's result, or what it raised after taking back what it had done.

    Raises:
        ServerError: SQLite has ended the whole transaction, as it does on a full disk.
    """
    connection.raw.execute("savepoint change")
    try:
        with translated_errors():
            result, problem = change(connection), None
    except Exception as exc:  # it is handed to the caller who sent the change
        if not connection.raw.in_transaction or isinstance(exc, StorageFullError):
            raise
        connection.raw.execute("rollback to change")
        result, problem = None, exc
    connection.raw.execute("release change")
    return result, problem


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Turn SQLite's errors of a full disk and a locked file into ours."""
    try:
        yield
    except sqlite3.OperationalError as exc:
        text = str(exc)
        if "disk is full" in text or "disk I/O error" in text:
            raise StorageFullError(
                f"The disk that holds the database takes no more: {text}. Free some space, or "
                "check the disk, and do this again: nothing of it was stored."
            ) from exc
        if "locked" in text or "busy" in text:
            raise BusyError(
                "Another program holds the database. Send this again in a moment."
            ) from exc
        raise


def _open(path: Path, *, cache_kib: int, read_only: bool = False) -> SqliteConnection:
    raw = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_MS / 1000
    )
    try:
        _configure(raw, cache_kib=cache_kib, read_only=read_only)
    except sqlite3.Error:
        raw.close()
        raise
    return SqliteConnection(raw)


def _configure(raw: sqlite3.Connection, *, cache_kib: int, read_only: bool) -> None:
    raw.row_factory = sqlite3.Row
    raw.execute("pragma journal_mode = wal")
    # A 2xx is a promise: FULL syncs each commit to disk, so it survives a power cut.
    raw.execute("pragma synchronous = full")
    raw.execute("pragma foreign_keys = on")
    raw.execute("pragma temp_store = memory")
    raw.execute(f"pragma cache_size = -{cache_kib}")
    raw.execute(f"pragma journal_size_limit = {_WAL_BYTES}")
    if read_only:
        raw.execute("pragma query_only = on")


def _prepare(path: Path) -> None:
    """Make the file, readable by its owner alone, and bring its schema up to date."""
    if not path.parent.is_dir():
        raise ConfigurationError(
            f"The folder {path.parent} does not exist. Make it, or name another file with "
            "--database."
        )
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        with translated_errors():
            connection = _open_when_free(path)
    except (OSError, sqlite3.Error) as exc:
        raise ConfigurationError(
            f"The database {path} cannot be opened: {exc}. Name another file with --database."
        ) from exc
    try:
        with translated_errors():
            # Two that start at once must not both make the schema.
            connection.raw.execute("begin immediate")
            _migrate(connection, path)
            connection.raw.execute("commit")
    finally:
        connection.raw.close()


def _open_when_free(path: Path) -> SqliteConnection:
    """Open a file that another process may be making into a database at this moment.

    SQLite refuses to switch to WAL then, without waiting as it does for everything else.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            return _open(path, cache_kib=WRITER_CACHE_KIB)
        except sqlite3.OperationalError as exc:
            if "locked" not in str(exc) or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def _migrate(connection: SqliteConnection, path: Path) -> None:
    database = Database(connection.raw)
    known = {step.name for step in migrations._migrations}  # noqa: SLF001 - no public list
    applied = {step.name for step in migrations.applied(database)}
    if applied - known:
        raise ConfigurationError(
            f"The database {path} was made by a newer phospho. Upgrade with: "
            "pip install --upgrade 'phospho[server]'"
        )
    if not applied and database.table_names():
        raise ConfigurationError(
            f"The file {path} is a database of another program. Name another file with --database."
        )
    migrations.apply(database)

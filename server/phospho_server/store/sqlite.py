"""The store on one SQLite file: one writer with group commit, readers apart."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from phospho.errors import ConfigurationError
from phospho_server.errors import BusyError, StorageFullError
from phospho_server.store import NO_PARAMS, Connection, Params, Result, Row, Store
from phospho_server.store.schema import applied_steps, is_empty, known_steps, make_newest
from phospho_server.store.sqlite_params import place
from phospho_server.store.sqlite_texts import Fts5Index, prepare
from phospho_server.store.write_ahead_log import (
    BUSY_TIMEOUT_MS,
    MOST_BYTES,
    WRITER_PAGES,
    Copier,
    WriteAheadLog,
)
from phospho_server.store.writing import Writer

# What the writer keeps of the file in KiB. More costs it more than it saves: SQLite 3.40 walks
# through all of it at most commits.
_WRITER_CACHE_KIB = 8_192

# There are as many readers as requests at once, so each keeps little.
_READER_CACHE_KIB = 2_048


class SqliteConnection:
    """`Connection` over `sqlite3`."""

    keeps_nul = True

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw = raw
        self.texts = Fts5Index(self)

    def rows(self, sql: str, params: Params = NO_PARAMS) -> Sequence[Row]:
        """Return all rows of a query."""
        return self._run(sql, params).fetchall()

    def tuples(self, sql: str, params: Params = NO_PARAMS) -> Sequence[tuple[Any, ...]]:
        """Return all rows of a query without the names of their columns, where there are many."""
        cursor = self._run(sql, params)
        cursor.row_factory = None
        return cursor.fetchall()

    def row(self, sql: str, params: Params = NO_PARAMS) -> Row | None:
        """Return the first row of a query, or None."""
        found: Row | None = self._run(sql, params).fetchone()
        return found

    def execute(self, sql: str, params: Params = NO_PARAMS) -> int:
        """Run a statement and return the number of rows it changed."""
        return self._run(sql, params).rowcount

    def execute_many(self, sql: str, params: Iterable[Params]) -> None:
        """Run a statement once for each set of parameters."""
        placed = place(sql)
        self.raw.executemany(placed.sql, map(placed.values, params))

    def take_ids(self, table: str, count: int) -> Sequence[int]:
        """Return ids for new rows of a table: ascending, above all there are and all there were."""
        row = self.row(
            f"select max(coalesce((select max(id) from {table}), 0), coalesce("
            "(select highest_id from removed_ids where table_name = :table), 0)) + 1 as first",
            {"table": table},
        )
        first = row["first"] if row else 1
        return range(first, first + count)

    def _run(self, sql: str, params: Params) -> sqlite3.Cursor:
        placed = place(sql)
        return self.raw.execute(placed.sql, placed.values(params))


class SqliteStore:
    """`Store` on one SQLite file, made or brought to the newest schema when opened.

    Args:
        path: The file; its folder must exist.

    Raises:
        ConfigurationError: The file cannot be opened, is no database, or is from a newer phospho.
        StorageFullError: Its disk has no room for the files beside it, which SQLite needs.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _prepare(path)
        # A list, whose `append` and `pop` need no lock: the one that was used last is taken first.
        self._readers: list[SqliteConnection] = []
        # Held while changes are carried out.
        self._writing = threading.Lock()
        # A descriptor for `sweeping`; closing it any earlier would give up SQLite's locks.
        self._file: int | None = None
        log = WriteAheadLog(path)
        # Held while its log is copied into the file.
        self._copying = log.copying
        copier = Copier(lambda: _open(path).raw, log.copying)
        connection = _open(path)
        connection.raw.execute(f"pragma wal_autocheckpoint = {WRITER_PAGES}")
        self._writer = Writer(_SqliteTransactions(connection, self._writing, log, copier))

    @contextlib.contextmanager
    def read(self) -> Iterator[SqliteConnection]:
        """Give a connection that sees one consistent state and cannot change it."""
        with self.glance() as connection:
            connection.raw.execute("begin")
            yield connection

    @contextlib.contextmanager
    def glance(self) -> Iterator[SqliteConnection]:
        """Give a connection for a single query, which sees one consistent state by itself."""
        with translated_errors():
            try:
                connection = self._readers.pop()
            except IndexError:
                connection = _open(self.path, read_only=True)
            try:
                yield connection
            finally:
                if connection.raw.in_transaction:
                    connection.raw.rollback()
                if self._writer.is_closed:
                    connection.raw.close()
                else:
                    self._readers.append(connection)

    def write(self, change: Callable[[Connection], Result]) -> Result:
        """Run `change` in a transaction and return its result once it is durable."""
        return self._writer.write(change)

    @property
    def changes_waiting(self) -> int:
        """How many changes wait to be carried out."""
        return self._writer.waiting

    @property
    def is_writing(self) -> bool:
        """Whether the thread that carries out changes lives."""
        return self._writer.is_alive

    def sizes(self) -> Mapping[str, int]:
        """Return the bytes of the file, and of what was written since its last checkpoint."""
        log = self.path.with_name(f"{self.path.name}-wal")
        return {
            "database": self.path.stat().st_size,
            "wal": log.stat().st_size if log.exists() else 0,
        }

    @contextlib.contextmanager
    def quiet(self) -> Iterator[sqlite3.Connection]:
        """Give a connection, in no transaction, while this process writes nothing else.

        Whoever stores something waits: be brief.
        """
        with self._writing, self._copying, translated_errors():
            connection = _open(self.path)
            try:
                yield connection.raw
            finally:
                connection.raw.close()

    def descriptor(self) -> int:
        """Return a descriptor of the file, to be read and written as bytes; do not close it."""
        if self._file is None:
            self._file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        return self._file

    def close(self) -> None:
        """Finish the changes under way and close every connection."""
        self._writer.close()
        while self._readers:
            self._readers.pop().raw.close()
        if self._file is not None:
            os.close(self._file)


class _SqliteTransactions:
    """`Transactions` of the connection that writes.

    Args:
        connection: It.
        writing: Held in a transaction.
        log: Kept short after each.
        copier: Copies it meanwhile.
    """

    def __init__(
        self,
        connection: SqliteConnection,
        writing: threading.Lock,
        log: WriteAheadLog,
        copier: Copier,
    ) -> None:
        self._connection = connection
        self._raw = connection.raw
        self._writing = writing
        self._is_writing = False
        self._log = log
        self._copier = copier

    def translated_errors(self) -> AbstractContextManager[None]:
        return translated_errors()

    def begin(self) -> Connection:
        self._is_writing = self._writing.acquire()
        self._raw.execute("begin immediate")
        return self._connection

    def commit(self) -> None:
        self._raw.execute("commit")
        self._let_others()

    def rollback(self) -> None:
        if self._raw.in_transaction:
            self._raw.rollback()
        self._let_others()

    def rest(self) -> None:
        with self._writing:
            self._log.keep_short(self._raw)
        self._copier.note(self._raw.total_changes)

    def _let_others(self) -> None:
        if self._is_writing:
            self._is_writing = False
            self._writing.release()

    def save(self) -> None:
        self._raw.execute("savepoint change")

    def take_back(self) -> bool:
        # A full disk, for one, ends the whole transaction.
        if self._raw.in_transaction:
            self._raw.execute("rollback to change")
        return self._raw.in_transaction

    def keep(self) -> None:
        self._raw.execute("release change")

    def close(self) -> None:
        self._copier.close()
        self._raw.close()


def database_file(store: Store) -> Path | None:
    """Return the file of a store, where it is one."""
    return store.path if isinstance(store, SqliteStore) else None


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Turn SQLite's errors of a full disk, and of a file that is locked or gone, into ours."""
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
        if "unable to open" in text:
            raise BusyError(
                "The file of the database cannot be opened. Put it back where it is gone, or allow "
                "the process more open files where it has too many, and start the server again."
            ) from exc
        raise


def _open(path: Path, *, read_only: bool = False) -> SqliteConnection:
    raw = sqlite3.connect(
        # Where the file is gone meanwhile, no empty one is made in its place.
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_TIMEOUT_MS / 1000,
    )
    try:
        _configure(raw, read_only=read_only)
    except sqlite3.Error:
        raw.close()
        raise
    return SqliteConnection(raw)


def _configure(raw: sqlite3.Connection, *, read_only: bool) -> None:
    raw.row_factory = sqlite3.Row
    raw.execute("pragma journal_mode = wal")
    # A 2xx is a promise: FULL syncs each commit to disk, so it survives a power cut.
    raw.execute("pragma synchronous = full")
    raw.execute("pragma foreign_keys = on")
    raw.execute("pragma temp_store = memory")
    cache_kib = _READER_CACHE_KIB if read_only else _WRITER_CACHE_KIB
    raw.execute(f"pragma cache_size = -{cache_kib}")
    raw.execute(f"pragma journal_size_limit = {MOST_BYTES}")
    # What is deleted is overwritten with zeros, on builds of SQLite that do not do so by themselves
    # as well: what was erased must not be found in the file (`sweeping` does the rest).
    raw.execute("pragma secure_delete = on")
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
            if is_empty(connection.raw):
                make_newest(connection.raw)
            elif applied_steps(connection.raw) != known_steps():
                _upgrade(connection.raw, path)
            _forget_statistics(connection)
            prepare(connection)
            connection.raw.execute("commit")
    finally:
        connection.raw.close()


def _forget_statistics(connection: SqliteConnection) -> None:
    """Forget what SQLite has counted of its tables, where another program had it count them.

    Without, a statement goes the same way in every database: the one that was tested. An index of
    facts, most of which are of one session, has it believe that all are, and read a common one from
    end to end.
    """
    for table in ("sqlite_stat1", "sqlite_stat4"):
        if connection.row("select 1 from sqlite_master where name = :name", {"name": table}):
            connection.execute(f"delete from {table}")


def _open_when_free(path: Path) -> SqliteConnection:
    """Open a file that another process may be making into a database at this moment.

    SQLite refuses to switch to WAL then, without waiting as it does for everything else.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            return _open(path)
        except sqlite3.OperationalError as exc:
            if "locked" not in str(exc) or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def _upgrade(raw: sqlite3.Connection, path: Path) -> None:
    # With sqlite-utils, which nothing else needs.
    from phospho_server.store.upgrading import upgrade

    upgrade(raw, path)

"""The store on PostgreSQL: one writer with group commit in each process, and a pool of readers.

All writers of a database, in whatever process, write one after the other: each begins its
transaction with one advisory lock. So a change reads what it is about to write over, as in SQLite,
and nothing has to be done again; a group shares the lock and the sync to disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, cast

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row, tuple_row
from psycopg_pool import ConnectionPool

from phospho.errors import ConfigurationError
from phospho_server.errors import BusyError, StorageFullError
from phospho_server.store import NO_PARAMS, Connection, Params, Result, Row, may_be_late
from phospho_server.store.postgresql import many, schema
from phospho_server.store.postgresql.dialect import Raw, adapt, is_typed, translate
from phospho_server.store.postgresql.replica import Replica
from phospho_server.store.postgresql.texts import GinIndex
from phospho_server.store.postgresql.urls import refuse_malformed, shown
from phospho_server.store.writing import Writer

# As many as requests at once, and the workers.
MOST_READERS = 32

_WAIT_S = 10

# A process that stops in the middle, or whose machine is gone, must not keep others from writing.
_SETTINGS = (
    "-c lock_timeout=30s -c idle_in_transaction_session_timeout=60s -c statement_timeout=120s "
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 "
    # A plan for all values would be a bad one for a common word, or a user who said most.
    "-c plan_cache_mode=force_custom_plan -c client_encoding=UTF8 -c timezone=UTC"
)

_NO_LIMITS = "-c statement_timeout=0 -c lock_timeout=0"

_BEGIN_TO_READ = "begin isolation level repeatable read, read only"
_BEGIN_TO_WRITE = (
    "begin isolation level read committed; select pg_advisory_xact_lock(7463, 2); savepoint change"
)


class PostgresConnection:
    """`Connection` over psycopg."""

    keeps_nul = False

    def __init__(self, raw: Raw) -> None:
        self.raw = raw
        self.texts = GinIndex(self)

    def rows(self, sql: str, params: Params = NO_PARAMS) -> Sequence[Row]:
        """Return all rows of a query."""
        return self._run(sql, params).fetchall()

    def tuples(self, sql: str, params: Params = NO_PARAMS) -> Sequence[tuple[Any, ...]]:
        """Return all rows of a query without the names of their columns, where there are many."""
        kind = self.raw.cursor if is_typed(sql) else partial(psycopg.ClientCursor, self.raw)
        return kind(row_factory=tuple_row).execute(translate(sql), params).fetchall()

    def row(self, sql: str, params: Params = NO_PARAMS) -> Row | None:
        """Return the first row of a query, or None."""
        return self._run(sql, params).fetchone()

    def execute(self, sql: str, params: Params = NO_PARAMS) -> int:
        """Run a statement and return the number of rows it changed."""
        return self._run(sql, params).rowcount

    def execute_many(self, sql: str, params: Iterable[Params]) -> None:
        """Run a statement once for each set of parameters, or one that does the same as all."""
        sets = list(params)
        insert = many.read(sql) if len(sets) > 1 else None
        for together in insert.rounds(sets) if insert else [sets]:
            bound = insert.bind(together) if insert else None
            if bound:
                self.raw.execute(*bound)
            else:
                self._execute_each(sql, together)

    def _execute_each(self, sql: str, sets: Sequence[Params]) -> None:
        if len(sets) == 1:
            self.execute(sql, sets[0])
        elif sets:
            with self.raw.cursor() as cursor:
                cursor.executemany(translate(sql), sets)

    def take_ids(self, table: str, count: int) -> Sequence[int]:
        """Return ids for new rows of a table: ascending, above all there are and all there were."""
        rows = self.rows(
            f"select nextval('{table}_ids') as id from generate_series(1, :count)",
            {"count": count},
        )
        return [row["id"] for row in rows]

    def _run(self, sql: str, params: Params) -> psycopg.Cursor[dict[str, Any]]:
        cursor = self.raw.cursor() if is_typed(sql) else psycopg.ClientCursor(self.raw)
        return cursor.execute(translate(sql), params)


class PostgresStore:
    """`Store` on a PostgreSQL database, brought to the newest schema when opened.

    Args:
        url: As libpq takes it, `postgresql://user:password@host:port/database?option=value`.
        replica: The same of a replica, where what `may_be_late` is read; it may be away.

    Raises:
        ConfigurationError: A URL cannot be read; the database cannot be reached, or holds something
            else.
    """

    def __init__(self, url: str, *, replica: str | None = None) -> None:
        refuse_malformed(url, "--database")
        if replica:
            refuse_malformed(replica, "--replica")
        self.url = url
        if prepare(url):
            raise ConfigurationError(
                f"A file is being moved to the database {shown(url)}, and not all of it is there. "
                "Go on with that first: phospho migrate --database FILE --to URL"
            )
        self._readers: ConnectionPool[Raw] = ConnectionPool(
            url,
            kwargs=_arguments(url),
            min_size=1,
            max_size=MOST_READERS,
            timeout=_WAIT_S,
            # It doubles the pause between its tries, and who comes after the last of them has it
            # begin anew: so the end of an outage, however long it was, is found within seconds.
            reconnect_timeout=_WAIT_S,
            configure=adapt,
            check=ConnectionPool.check_connection,
            name="phospho-readers",
            open=True,
        )
        self._replica = Replica(replica, _arguments(replica), MOST_READERS) if replica else None
        self._writer = Writer(_PostgresTransactions(url))

    @contextlib.contextmanager
    def read(self) -> Iterator[PostgresConnection]:
        """Give a connection that sees one consistent state and cannot change it."""
        with translated_errors(), self._reader() as raw:
            raw.execute(_BEGIN_TO_READ)
            try:
                yield PostgresConnection(raw)
            finally:
                if not raw.closed:
                    raw.rollback()

    @contextlib.contextmanager
    def glance(self) -> Iterator[PostgresConnection]:
        """Give a connection for a single query, which sees one consistent state by itself."""
        with translated_errors(), self._reader() as raw:
            yield PostgresConnection(raw)

    @contextlib.contextmanager
    def _reader(self) -> Iterator[Raw]:
        late = self._replica.take() if self._replica and may_be_late.get() else None
        if self._replica is None or late is None:
            with self._readers.connection() as raw:
                yield raw
            return
        try:
            yield late
        finally:
            self._replica.give_back(late)

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
        """Return the bytes of the database."""
        with self.read() as db:
            row = db.row("select pg_database_size(current_database()) as bytes")
        return {"database": row["bytes"] if row else 0}

    def close(self) -> None:
        """Finish the changes under way and close every connection."""
        self._writer.close()
        self._readers.close()
        if self._replica is not None:
            self._replica.close()


class _PostgresTransactions:
    """`Transactions` of the connection that writes, which is made again when it is lost.

    Each statement is a way to PostgreSQL and back: a transaction begins with the first savepoint.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._raw = connect(url)
        # Whether the savepoint of the next change is there.
        self._is_saved = False

    @contextlib.contextmanager
    def translated_errors(self) -> Iterator[None]:
        with translated_errors():
            try:
                yield
            except errors.ReadOnlySqlTransaction:
                # It stays so for this connection, also when the database takes changes again, or
                # another machine does.
                self._raw.close()
                raise

    def begin(self) -> Connection:
        self._is_saved = True
        try:
            self._raw.execute(_BEGIN_TO_WRITE)
        except psycopg.OperationalError:
            if not self._raw.broken and not self._raw.closed:
                raise
            # PostgreSQL was started again since the last change, for one: nothing is lost yet.
            self._raw = connect(self._url)
            self._raw.execute(_BEGIN_TO_WRITE)
        return PostgresConnection(self._raw)

    def commit(self) -> None:
        self._raw.execute("commit")

    def rollback(self) -> None:
        with contextlib.suppress(psycopg.Error):
            self._raw.rollback()

    def save(self) -> None:
        if not self._is_saved:
            self._raw.execute("release change; savepoint change")
        self._is_saved = False

    def take_back(self) -> bool:
        if self._raw.broken or self._raw.closed:
            return False
        self._raw.execute("rollback to change")
        return True

    def keep(self) -> None:
        """Nothing is due: the next savepoint, or the commit, ends the one there is."""

    def rest(self) -> None:
        """Nothing is due."""

    def close(self) -> None:
        self._raw.close()


_ARGUMENTS: dict[str, Any] = {
    "autocommit": True,
    "row_factory": dict_row,
    "connect_timeout": _WAIT_S,
    # A machine that is gone says nothing, and the system would wait a quarter of an hour for it.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "application_name": "phospho",
}


def _arguments(url: str, *, limits: str = "") -> dict[str, Any]:
    # What the URL says itself, such as a search_path or how long to wait, is kept.
    own = conninfo_to_dict(url)
    usual = {name: value for name, value in _ARGUMENTS.items() if name not in own}
    return {**usual, "options": f"{own.get('options') or ''} {_SETTINGS} {limits}"}


def prepare(url: str) -> bool:
    """Bring a database to the newest schema; tell whether a move to it has begun and not ended.

    Raises:
        ConfigurationError: It cannot be reached, or holds something else.
    """
    try:
        with connect(url, may_take_long=True) as connection:
            schema.upgrade(connection)
            row = connection.execute(
                "select to_regclass('_moved') is not null as moving"
            ).fetchone()
            return bool(row and row["moving"])
    except psycopg.Error as exc:
        raise ConfigurationError(
            f"The database {shown(url)} cannot be used: {_first_line(exc)}. Check that "
            "PostgreSQL runs there, and the name, user and password in its URL."
        ) from exc


def connect(url: str, *, may_take_long: bool = False) -> Raw:
    """Open a connection that takes and gives values as SQLite does, outside of any transaction.

    Args:
        url: As of `PostgresStore`.
        may_take_long: Whether a statement may, also by waiting for another process: an index of
            many rows takes longer than any request.
    """
    arguments = _arguments(url, limits=_NO_LIMITS if may_take_long else "")
    raw = cast("Raw", psycopg.connect(url, **arguments))
    adapt(raw)
    return raw


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Turn PostgreSQL's errors into ours: of a full disk, and of a database that is not there."""
    try:
        yield
    except errors.DiskFull as exc:
        raise StorageFullError(
            f"The disk that holds the database takes no more: {_first_line(exc)}. Free some space "
            "and do this again: nothing of it was stored."
        ) from exc
    except errors.ReadOnlySqlTransaction as exc:
        raise BusyError(
            "The database can be read and takes no changes: it is a replica, or was made "
            "read-only, as some providers do where a disk is full. Send this again in a moment."
        ) from exc
    except psycopg.OperationalError as exc:
        raise BusyError(
            f"The database cannot be had: {_first_line(exc)}. Send this again in a moment."
        ) from exc


def _first_line(exc: Exception) -> str:
    return str(exc).partition("\n")[0].rstrip(".")

"""Move everything from a file of SQLite to PostgreSQL: resumable, and compared at the end.

Tables are copied one after the other, by the order of their keys, a batch in a transaction that
also notes how far it came. Meanwhile the file takes no changes: who logs is told to come again, and
nothing is lost. Words of the text index are made anew.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg.rows import tuple_row

from phospho.errors import ConfigurationError
from phospho_server.store.postgresql.dialect import Raw
from phospho_server.store.postgresql.store import PostgresConnection

_BATCH = 2_000

# For who writes to the file at this moment.
WAIT_S = 10.0

# What others refer to comes first.
_FIRST = ("projects", "accounts", "event_definitions", "webhooks")

_PLACES = """
create table if not exists _moved (
    table_name text primary key,
    place text not null,                -- JSON: the key of the last row that was copied
    is_done bigint not null             -- 1: all of it was
)
"""


@dataclass(frozen=True)
class Table:
    """A table of the file.

    Args:
        name: As in both databases.
        columns: In the order of the file.
        key: Those that tell rows apart.
    """

    name: str
    columns: Sequence[str]
    key: Sequence[str]

    @property
    def listed(self) -> str:
        """The columns, as a statement names them."""
        return ", ".join(f'"{column}"' for column in self.columns)


@contextmanager
def held(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a file so that nobody changes it until the end.

    Raises:
        ConfigurationError: Somebody else writes to it for longer than ten seconds.
    """
    source = sqlite3.connect(path, isolation_level=None, timeout=WAIT_S)
    try:
        source.execute("begin immediate")
        yield source
    except sqlite3.OperationalError as exc:
        if "locked" not in str(exc):
            raise
        raise ConfigurationError(
            f"Another program writes to {path} all the time. Stop it, and try again."
        ) from exc
    finally:
        source.close()


def claim(target: Raw) -> None:
    """Note that a move to a database has begun: until it ends, nothing else starts on it.

    Raises:
        ConfigurationError: It has data of its own, or something works on it.
    """
    found = target.execute(
        "select to_regclass('_moved') is null and (exists (select 1 from projects) "
        "or exists (select 1 from processes)) as is_used"
    ).fetchone()
    if found and found["is_used"]:
        raise ConfigurationError(
            "The PostgreSQL database has projects already, or a process that works on it. Make an "
            "empty one, as in createdb phospho, and name it with --to."
        )
    target.execute(_PLACES)


def list_tables(source: sqlite3.Connection) -> list[Table]:
    """Return the tables to move, in an order in which each can be filled."""
    names = [
        name
        for (name,) in source.execute(
            "select name from sqlite_master where type = 'table' order by rowid"
        )
        if not name.startswith(("_", "sqlite_", "interactions_fts"))
    ]
    tables = []
    for name in sorted(names, key=lambda name: (name not in _FIRST, names.index(name))):
        columns = source.execute(f"pragma table_info({name})").fetchall()
        key = sorted((column for column in columns if column[5]), key=lambda column: column[5])
        tables.append(Table(name, [c[1] for c in columns], [c[1] for c in key]))
    return tables


def count_rows(source: sqlite3.Connection, tables: Iterable[Table]) -> int:
    """Return the number of rows that all of them have."""
    return sum(
        source.execute(f"select count(*) from {table.name}").fetchone()[0] for table in tables
    )


def copy_all(
    source: sqlite3.Connection, target: Raw, tables: Sequence[Table], on_rows: Callable[[int], None]
) -> None:
    """Copy every table to a database that is claimed, from where an earlier move came to."""
    for table in tables:
        _copy_table(source, target, table, on_rows)
    _set_sequences(target)


def compare(source: sqlite3.Connection, target: Raw, tables: Iterable[Table]) -> dict[str, int]:
    """Return the number of rows of each table, the same in both.

    Raises:
        ConfigurationError: A table differs.
    """
    counts = {}
    for table in tables:
        here = _sum_up(source.execute(f"select {table.listed} from {table.name}"))
        with target.transaction(), target.cursor("compared", row_factory=tuple_row) as rows:
            rows.itersize = _BATCH
            rows.execute(f"select {table.listed} from {table.name}".encode())
            there = _sum_up(rows)
        if here != there:
            raise ConfigurationError(
                f"The table {table.name} has {here[0]} rows in the file and {there[0]} in "
                "PostgreSQL, or other values. Was the file used meanwhile? Empty the PostgreSQL "
                "database, as in dropdb and createdb, and move again. The file is as it was."
            )
        counts[table.name] = here[0]
    return counts


def finish(target: Raw) -> None:
    """Forget how far the move came: the database is in use from now on."""
    target.execute("analyze")
    target.execute("drop table _moved")


def _copy_table(
    source: sqlite3.Connection, target: Raw, table: Table, on_rows: Callable[[int], None]
) -> None:
    noted = target.execute("select * from _moved where table_name = %s", [table.name]).fetchone()
    place = json.loads(noted["place"]) if noted else []
    is_done = bool(noted and noted["is_done"])
    while not is_done:
        rows = _next_rows(source, table, place)
        is_done = len(rows) < _BATCH
        with target.transaction():
            _add_rows(target, table, rows)
            if rows:
                at = [table.columns.index(column) for column in table.key]
                place = [rows[-1][n] for n in at]
            target.execute(
                "insert into _moved values (%s, %s, %s) on conflict (table_name) do update set "
                "place = excluded.place, is_done = excluded.is_done",
                [table.name, json.dumps(place), is_done],
            )
        on_rows(len(rows))


def _next_rows(
    source: sqlite3.Connection, table: Table, place: Sequence[Any]
) -> list[tuple[Any, ...]]:
    key = ", ".join(f'"{column}"' for column in table.key)
    beyond = f"where ({key}) > ({', '.join('?' * len(place))})" if place else ""
    return source.execute(
        f"select {table.listed} from {table.name} {beyond} order by {key} limit {_BATCH}",
        place,
    ).fetchall()


def _add_rows(target: Raw, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    statement = f"copy {table.name} ({table.listed}) from stdin".encode()
    with target.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
    if table.name == "interactions":
        at = table.columns.index("id")
        PostgresConnection(target).texts.add([row[at] for row in rows])


def _set_sequences(target: Raw) -> None:
    """Have new rows get ids above all that there are, or were."""
    highest = (
        "select greatest((select max(id) from interactions), (select highest_id from removed_ids "
        "where table_name = 'interactions'))"
    )
    target.execute(f"select setval('interactions_ids', ({highest}))".encode())
    for table in ("facts", "sessions"):
        target.execute(
            f"select setval(pg_get_serial_sequence('{table}', 'id'), max(id)) from {table}".encode()
        )


def _sum_up(rows: Iterable[Sequence[Any]]) -> tuple[int, int]:
    """Return the number of rows, and a sum that differs where any value does."""
    count = total = 0
    for row in rows:
        values = [each.replace("\x00", "\ufffd") if isinstance(each, str) else each for each in row]
        digest = hashlib.blake2b(repr(values).encode(errors="surrogatepass"), digest_size=8)
        total = (total + int.from_bytes(digest.digest(), "big")) % 2**64
        count += 1
    return count, total

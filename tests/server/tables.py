"""Every table of a database, whichever it is: its columns, its rows, and a row in each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from phospho_server.store import Connection, Store
from phospho_server.store.deleting import OF_NO_PROJECT
from phospho_server.store.postgresql.store import PostgresConnection
from phospho_server.store.sqlite import SqliteConnection, SqliteStore

# As SQLite calls it.
_KINDS = {"bigint": "integer", "double precision": "real", "bytea": "blob"}

Columns = dict[str, tuple[str, bool]]


def tables_of(store: Store) -> dict[str, Columns]:
    """Return the tables of a database, each with its columns: their type, and whether needed."""
    with store.read() as db:
        if isinstance(db, PostgresConnection):
            return _tables_of_postgresql(db)
        return {
            table["name"]: {
                column["name"]: (column["type"].lower(), bool(column["notnull"] or column["pk"]))
                for column in db.rows(f"pragma table_info({table['name']})")
            }
            for table in db.rows("select name from sqlite_master where type = 'table'")
            if not table["name"].startswith(("interactions_fts_", "sqlite_", "_"))
        }


def _tables_of_postgresql(db: Connection) -> dict[str, Columns]:
    found: dict[str, Columns] = {}
    for row in db.rows(
        "select table_name, column_name, data_type, is_nullable from information_schema.columns "
        "where table_schema = 'public' and table_name <> '_migrations' order by ordinal_position"
    ):
        kind = _KINDS.get(row["data_type"], "text")
        column = (kind, row["is_nullable"] == "NO")
        found.setdefault(row["table_name"], {})[row["column_name"]] = column
    return found


def put_a_row_into_every_table(store: Store, project_id: str, number: int) -> None:
    """Fill all tables of a project, also those that a later schema brings."""
    rows = dict(_make_rows(tables_of(store), project_id, number))

    def put(db: Connection) -> None:
        for table, row in rows.items():
            marks = ", ".join(f":{name}" for name in row)
            db.execute(f"insert into {table} ({', '.join(row)}) values ({marks})", row)
        db.texts.add([number])

    def put_freely(db: Connection) -> None:
        db.execute("set local session_replication_role = replica")
        put(db)

    # What a row refers to need not be there.
    if isinstance(store, SqliteStore):
        with store.quiet() as raw:
            raw.execute("pragma foreign_keys = off")
            put(SqliteConnection(raw))
    else:
        store.write(put_freely)


def _make_rows(
    tables: Mapping[str, Columns], project_id: str, number: int
) -> Iterator[tuple[str, dict[str, object]]]:
    values: dict[str, object] = {"integer": number, "text": f"x{number}", "real": 0.5, "blob": b"x"}
    for table, columns in tables.items():
        if table not in OF_NO_PROJECT and table != "interactions_fts":
            yield (
                table,
                {
                    name: project_id if name == "project_id" else values[kind]
                    for name, (kind, is_needed) in columns.items()
                    if is_needed or name == "project_id"
                },
            )


def count_rows(store: Store) -> dict[str, int]:
    """Return how many rows each table has."""
    tables = tables_of(store)
    with store.read() as db:
        return {
            table: row["n"]
            for table in tables
            for row in db.rows(f"select count(*) as n from {table}")
        }


def check_words(store: Store) -> None:
    """Assert that the search index has exactly the interactions."""
    if isinstance(store, SqliteStore):
        check = "insert into interactions_fts (interactions_fts, rank) values "
        store.write(lambda db: db.execute(f"{check} ('integrity-check', 1)"))
        return
    with store.read() as db:
        indexed = db.rows("select id from interactions_fts order by id")
        kept = db.rows("select id from interactions order by id")
    assert [row["id"] for row in indexed] == [row["id"] for row in kept]

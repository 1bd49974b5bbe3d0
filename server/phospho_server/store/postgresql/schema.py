"""Bring the schema of a PostgreSQL database up to date: one file of SQL a step, in their order."""

from __future__ import annotations

from importlib.resources import files

import psycopg

from phospho.errors import ConfigurationError
from phospho_server.migrations import postgresql

# Two that start at once must not both make the schema.
_LOCK = "select pg_advisory_xact_lock(7463, 1)"


def steps() -> dict[str, str]:
    """Return the SQL of each step by its name, in their order."""
    found = sorted(
        (file for file in files(postgresql).iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    return {file.name.removesuffix(".sql"): file.read_text(encoding="utf-8") for file in found}


def upgrade(connection: psycopg.Connection[dict[str, object]]) -> None:
    """Carry out the steps that a database lacks, all in one transaction.

    Raises:
        ConfigurationError: The database is from a newer phospho, or of another program.
    """
    with connection.transaction():
        connection.execute(_LOCK)
        applied = _list_applied(connection)
        known = steps()
        if applied - known.keys():
            raise ConfigurationError(
                "The database was made by a newer phospho. Upgrade with: "
                "pip install --upgrade 'phospho[server,postgres]'"
            )
        for name, sql in known.items():
            if name not in applied:
                connection.execute(sql.encode())
                connection.execute(
                    "insert into _migrations (name, applied_at) values (%s, now())", [name]
                )


def is_newest(connection: psycopg.Connection[dict[str, object]]) -> bool:
    """Tell whether a database that may not be changed has all tables as they are now."""
    found = connection.execute(
        "select to_regclass('_migrations') is not null as is_ours"
    ).fetchone()
    return bool(found and found["is_ours"]) and _list_applied(connection) == steps().keys()


def _list_applied(connection: psycopg.Connection[dict[str, object]]) -> set[object]:
    found = connection.execute(
        "select to_regclass('_migrations') is not null as has_ours, exists "
        "(select 1 from pg_tables where schemaname = current_schema()) as has_any"
    ).fetchone()
    if found and found["has_ours"]:
        return {row["name"] for row in connection.execute("select name from _migrations")}
    if found and found["has_any"]:
        raise ConfigurationError(
            "The database holds tables of another program. Make one for phospho alone, as in "
            "createdb phospho, and name it with --database."
        )
    connection.execute(
        'create table _migrations (name text collate "C" primary key, '
        "applied_at timestamptz not null)"
    )
    return set()

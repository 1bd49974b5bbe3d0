"""`phospho migrate`."""

from __future__ import annotations

import click

from phospho.errors import ConfigurationError
from phospho_server import database as databases
from phospho_server.commands import database_option, json_option, opened, phospho, show_json
from phospho_server.commands.progress import showing
from phospho_server.store import Store
from phospho_server.store.sqlite import database_file


@phospho.command()
@click.option("--to", metavar="URL", help="Move everything there, to an empty PostgreSQL database.")
@json_option
@database_option
def migrate(database: str, to: str | None, *, as_json: bool) -> None:
    """Bring a database to the newest schema, or move it from a file to PostgreSQL.

    A move copies every table, and compares each with the file at the end. One that was stopped
    goes on where it was. Meanwhile the file takes no changes: apps are told to send again.
    """
    if to is not None and not databases.is_postgresql(database):
        # A file that is not there would be made, and its nothing be moved.
        source = databases.file_of(database, "Name a file with --database.")
        if not source.is_file():
            raise ConfigurationError(f"There is no database {source}. Name it with --database.")
    with opened(database) as store:
        if to is None:
            click.echo(f"{database} has the newest schema.")
            return
        counts = _move(store, to, hidden=as_json)
    if as_json:
        show_json(counts)
        return
    click.echo(
        f"{sum(counts.values()):,} rows of {len(counts)} tables are in PostgreSQL now, each the "
        f"same as in {database}.\nStart the server with --database and that URL. What was sealed, "
        "keys of LLMs and addresses of webhooks, is opened with the secret in "
        f"{database}.key: set PHOSPHO_SECRET_KEY to what that file holds."
    )


def _move(store: Store, to: str, *, hidden: bool) -> dict[str, int]:
    file = database_file(store)
    if file is None or not databases.is_postgresql(to):
        raise ConfigurationError(
            "A move goes from a file to PostgreSQL. Name the file with --database, and a "
            "postgresql:// URL with --to."
        )
    with databases.needing_psycopg():
        from phospho_server.store.postgresql import moving
        from phospho_server.store.postgresql.store import connect, prepare
        from phospho_server.store.postgresql.urls import refuse_malformed
    refuse_malformed(to, "--to")
    prepare(to)
    with connect(to, may_take_long=True) as target:
        moving.claim(target)
        with moving.held(file) as source:
            tables = moving.list_tables(source)
            rows = moving.count_rows(source, tables)
            with showing("Copying", rows, hidden=hidden) as on_rows:
                moving.copy_all(source, target, tables, on_rows)
            counts = moving.compare(source, target, tables)
            moving.finish(target)
    return counts

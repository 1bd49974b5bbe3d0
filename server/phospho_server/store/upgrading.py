"""Brings the schema of an SQLite database up to date."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

from sqlite_utils import Database

from phospho.errors import ConfigurationError
from phospho_server.migrations import migrations
from phospho_server.store import copies
from phospho_server.store.schema import applied_steps, known_steps

logger = logging.getLogger("phospho_server")


def upgrade(raw: sqlite3.Connection, path: Path) -> None:
    """Bring the schema up to date; a copy of what people have in it is kept before.

    All of it is one transaction, which the caller has begun: a process that is killed in between
    has changed nothing.

    Raises:
        ConfigurationError: The database is from a newer phospho, or from another program.
        StorageFullError: There is no room for the copy.
    """
    database, known, applied = Database(raw), known_steps(), applied_steps(raw)
    if applied - known:
        raise ConfigurationError(
            f"The database {path} was made by a newer phospho. Upgrade with: "
            "pip install --upgrade 'phospho[server]'"
        )
    if not applied and database.table_names():
        raise ConfigurationError(
            f"The file {path} is a database of another program. Name another file with --database."
        )
    waiting = sorted(known - applied)
    if waiting and applied:
        # Whoever waits for the server has to know why it does not answer yet.
        logger.warning(
            "The database %s gets the schema of %s. Let it run: a large one takes minutes.",
            *(path, waiting[-1]),
        )
    copy = None
    if waiting and applied and raw.execute("select 1 from projects limit 1").fetchone():
        copy = copies.keep_before(path, step=waiting[0].partition("_")[0])
    migrations.apply(database)
    if waiting and applied:
        kept = f" A copy from before is {copy}." if copy else ""
        logger.warning("The database %s has the schema of %s now.%s", path, waiting[-1], kept)

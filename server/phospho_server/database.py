"""Open the store that a `--database` setting names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from phospho.errors import ConfigurationError, MissingDependencyError
from phospho_server.store import Store
from phospho_server.store.sqlite import SqliteStore

DEFAULT = "phospho.db"
VARIABLE = "PHOSPHO_DATABASE_URL"

_POSTGRES = ("postgresql://", "postgres://")


def is_postgresql(database: str) -> bool:
    """Tell whether a setting names a PostgreSQL database."""
    return database.startswith(_POSTGRES)


def file_of(database: str, instead: str) -> Path:
    """Return the file that a `--database` setting names.

    Args:
        database: Path of a file, or a URL.
        instead: What to do where it names no file.

    Raises:
        ConfigurationError: It names no file.
    """
    path = database.removeprefix("sqlite:///")
    if not path or "://" in path:
        scheme = path.partition("://")[0] or "nothing"
        raise ConfigurationError(
            f"This is for SQLite files, and --database names {scheme}. {instead}"
        )
    return Path(path).expanduser()


def open_store(database: str, *, replica: str | None = None) -> Store:
    """Open a store, made if it does not exist.

    Args:
        database: Path of a file, or a `sqlite:///` or `postgresql://` URL.
        replica: URL of a replica of a PostgreSQL database, for pages to read.

    Raises:
        ConfigurationError: The setting names something that cannot be opened.
        MissingDependencyError: What speaks with PostgreSQL is not installed.
    """
    if is_postgresql(database):
        return _open_postgresql(database, replica)
    if replica:
        raise ConfigurationError(
            "Only a PostgreSQL database has a replica. Name one with --database, or leave "
            "--replica out."
        )
    path = database.removeprefix("sqlite:///")
    if not path:
        raise ConfigurationError(
            f"The database is not named. Give a file with --database or {VARIABLE}."
        )
    if "://" in path:
        scheme = path.partition("://")[0]
        raise ConfigurationError(
            f"phospho keeps its data in SQLite or PostgreSQL, and cannot use {scheme!r}. Give a "
            f"file or a postgresql:// URL with --database or {VARIABLE}, as in "
            "--database phospho.db."
        )
    return SqliteStore(Path(path).expanduser())


def _open_postgresql(url: str, replica: str | None) -> Store:
    with needing_psycopg():
        from phospho_server.store.postgresql.store import PostgresStore
    return PostgresStore(url, replica=replica)


@contextlib.contextmanager
def needing_psycopg() -> Iterator[None]:
    """Say what to install where an import within needs it and it is missing."""
    try:
        yield
    except ImportError as exc:
        raise MissingDependencyError("psycopg", extra="postgres") from exc

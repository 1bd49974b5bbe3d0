"""Open the store that a `--database` setting names."""

from __future__ import annotations

from pathlib import Path

from phospho.errors import ConfigurationError
from phospho_server.store.sqlite import WRITER_CACHE_KIB, SqliteStore

DEFAULT = "phospho.db"
VARIABLE = "PHOSPHO_DATABASE_URL"


def open_store(database: str, *, writer_cache_kib: int = WRITER_CACHE_KIB) -> SqliteStore:
    """Open a store, made if it does not exist.

    Args:
        database: Path of a file, or a `sqlite:///` URL.
        writer_cache_kib: What its writer keeps of it in memory.

    Raises:
        ConfigurationError: The setting names something this version cannot open.
    """
    path = database.removeprefix("sqlite:///")
    if not path:
        raise ConfigurationError(
            f"The database is not named. Give a file with --database or {VARIABLE}."
        )
    if "://" in path:
        scheme = path.partition("://")[0]
        raise ConfigurationError(
            f"This version keeps its data in SQLite, and cannot use {scheme!r}. "
            f"Give a file with --database or {VARIABLE}, as in --database phospho.db."
        )
    return SqliteStore(Path(path).expanduser(), writer_cache_kib=writer_cache_kib)

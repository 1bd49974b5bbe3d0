"""Which databases a test runs on, without a mark `PHOSPHO_TEST_STORE`; and files made quickly."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import pytest

from phospho_server.store import Store
from phospho_server.store.postgresql.store import PostgresStore
from phospho_server.store.sqlite import SqliteStore, database_file

on_each_database = pytest.mark.databases("sqlite", "postgresql")

# Of a module that runs on each, what only SQLite has.
on_sqlite = pytest.mark.databases("sqlite")


def address_of(store: Store) -> str:
    """Return what `--database` names a store with."""
    file = database_file(store)
    if file is not None:
        return str(file)
    assert isinstance(store, PostgresStore)
    return store.url


@cache
def _empty() -> bytes:
    """Return what a new file holds: making one takes ten times as long as writing that."""
    with tempfile.TemporaryDirectory() as folder:
        SqliteStore(Path(folder, "phospho.db")).close()
        return Path(folder, "phospho.db").read_bytes()


def new_store(file: Path) -> SqliteStore:
    """Return a store on a new file."""
    file.touch(mode=0o600)
    file.write_bytes(_empty())
    return SqliteStore(file)

"""Copies of a database that phospho keeps beside it: from before an upgrade, or a restore."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from phospho_server.store.copying import copy_database

# What follows the name of the database.
BEFORE_UPGRADE = ".before-"
BEFORE_RESTORE = ".replaced-"


def list_copies(database: Path) -> Sequence[Path]:
    """Return the copies beside a database, those of an upgrade first."""
    kinds = (f"{database.name}{BEFORE_UPGRADE}", f"{database.name}{BEFORE_RESTORE}")
    files = sorted(database.parent.iterdir())
    return [file for kind in kinds for file in files if file.name.startswith(kind)]


def keep_before(database: Path, *, step: str) -> Path:
    """Copy a database before a step of its schema; older copies of that kind go.

    Raises:
        ConfigurationError: It cannot be read.
        StorageFullError: There is no room for the copy.
    """
    copy = database.with_name(f"{database.name}{BEFORE_UPGRADE}{step}")
    copy_database(database, copy, is_checked=False)
    for older in list_copies(database):
        if older.name.startswith(f"{database.name}{BEFORE_UPGRADE}") and older != copy:
            older.unlink()
    return copy


def remove_all(database: Path) -> list[str]:
    """Remove the copies beside a database; return their names.

    Raises:
        OSError: One cannot be removed.
    """
    found = list_copies(database)
    for file in found:
        file.unlink()
    return [file.name for file in found]

"""Copies of a database that phospho keeps beside it: from before an upgrade, or a restore.

One that was killed in the middle of being made is a copy too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from phospho_server.store.copying import copy_database

# What follows the name of the database.
BEFORE_UPGRADE = ".before-"
BEFORE_RESTORE = ".replaced-"


def list_copies(database: Path) -> Sequence[Path]:
    """Return the copies beside a database, those of an upgrade first."""
    name = re.escape(database.name)
    # The last are what `drafted` makes of a backup that is restored.
    kinds = (f"{name}{re.escape(kind)}" for kind in (BEFORE_UPGRADE, BEFORE_RESTORE))
    patterns = (*kinds, rf"{name}\.[0-9a-f]{{8}}\.part(-|$)")
    files = sorted(database.parent.iterdir())
    return [file for pattern in patterns for file in files if re.match(pattern, file.name)]


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

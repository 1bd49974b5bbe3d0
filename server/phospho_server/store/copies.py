"""Copies of a database that phospho keeps beside it: from before an upgrade, or a restore."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

# What follows the name of the database.
BEFORE_UPGRADE = ".before-"
BEFORE_RESTORE = ".replaced-"


def list_copies(database: Path) -> Sequence[Path]:
    """Return the copies beside a database, those of an upgrade first."""
    kinds = (f"{database.name}{BEFORE_UPGRADE}", f"{database.name}{BEFORE_RESTORE}")
    files = sorted(database.parent.iterdir())
    return [file for kind in kinds for file in files if file.name.startswith(kind)]


def remove_all(database: Path) -> list[str]:
    """Remove the copies beside a database; return their names.

    Raises:
        OSError: One cannot be removed.
    """
    found = list_copies(database)
    for file in found:
        file.unlink()
    return [file.name for file in found]

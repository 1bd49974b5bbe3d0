"""A backup takes the place of a database, which stays beside it under another name."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from phospho.errors import ConfigurationError
from phospho_server.store.copies import BEFORE_RESTORE
from phospho_server.store.copying import check_database, drafted, sync


@dataclass(frozen=True)
class Restored:
    """What was restored.

    Args:
        counts: Rows of what is there now, by table.
        replaced: Where that is which was there before; None where nothing was.
    """

    counts: Mapping[str, int]
    replaced: Path | None


def restore(backup: Path, database: Path) -> Restored:
    """Put a copy of a backup, once it is checked, in the place of a database that nobody uses.

    Raises:
        ConfigurationError: The backup is damaged or of a newer phospho, or the database is in use.
        StorageFullError: There is no room for the copy; nothing was changed.
    """
    if backup.with_name(f"{backup.name}-wal").exists():
        raise ConfigurationError(
            f"{backup} is in use, or was copied while it was: what stands in {backup.name}-wal is "
            f"a part of it. Make a backup of it: phospho backup FILE --database {backup}"
        )
    if database.exists() and backup.exists() and database.samefile(backup):
        raise ConfigurationError(f"{backup} is the database itself. Name a backup of it.")
    with drafted(database) as draft:
        shutil.copyfile(backup, draft)
        counts = check_database(draft, name=backup)
        # Now, as it may take a while: from here on there is no database until this has its name.
        sync(draft)
        replaced = _put_aside(database)
    return Restored(counts, replaced)


def _put_aside(database: Path) -> Path | None:
    if not database.exists():
        return None
    _refuse_in_use(database)
    now = datetime.now(timezone.utc)
    aside = database.with_name(f"{database.name}{BEFORE_RESTORE}{now:%Y%m%dT%H%M%S%fZ}")
    # What a broken database has beside it would break the one that takes its place.
    for ending in ("-wal", "-shm"):
        beside = database.with_name(database.name + ending)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + ending))
    database.rename(aside)
    return aside


def _refuse_in_use(database: Path) -> None:
    """Take all of a database into its one file, which succeeds where nobody else has it open."""
    try:
        with closing(sqlite3.connect(database, isolation_level=None, timeout=1)) as raw:
            raw.execute("pragma journal_mode = delete")
    except sqlite3.OperationalError as exc:
        raise ConfigurationError(
            f"{database} is in use: {exc}. Stop the server, and whatever else has it open, and do "
            "this again: nothing was changed."
        ) from exc
    except sqlite3.DatabaseError:
        # So damaged that it is no database any more: nobody can use it.
        return

"""A copy of an SQLite database: consistent, complete and checked, also while it is in use."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

from phospho.errors import ConfigurationError
from phospho_server.errors import StorageFullError
from phospho_server.store.schema import applied_steps, known_steps

# Counted in the original and in its copy.
COUNTED = ("projects", "accounts", "event_definitions", "interactions", "sessions", "users")

# Pages copied between two words about how far it has come.
_PAGES = 4_096

# Other files on the disk grow as well.
_SPARE_BYTES = 16 * 1024 * 1024

OnProgress = Callable[[int], object]


def copy_database(
    source: Path,
    target: Path,
    *,
    is_checked: bool = True,
    on_progress: OnProgress = lambda _: None,
) -> Mapping[str, int]:
    """Copy a database as it is at one moment; whoever writes to it meanwhile does not wait.

    Args:
        source: The database.
        target: Where the copy gets its name once all of it is on the disk; replaced if it exists.
        is_checked: Whether to look through all of the copy for damage.
        on_progress: Told how many bytes were copied since it was last told.

    Returns:
        How many rows the copy has, by table.

    Raises:
        ConfigurationError: The source cannot be read, or the copy is not as the source was.
        StorageFullError: There is no room for the copy; nothing was changed.
    """
    _refuse_without_room(source, target.parent)
    with drafted(target) as draft:
        try:
            counts = _copy_pages(source, draft, on_progress)
        except sqlite3.Error as exc:
            raise ConfigurationError(
                f"{source} cannot be copied: {exc}. Look at the disk, and restore a backup if the "
                "file is damaged: phospho restore FILE"
            ) from exc
        if is_checked and check_database(draft, name=source) != counts:
            raise ConfigurationError(
                f"The copy of {source} has not the rows that the database has. Look at the disk, "
                "and do this again."
            )
    return counts


def check_database(file: Path, *, name: Path | None = None) -> Mapping[str, int]:
    """Look through a database that nobody uses for damage; return how many rows it has, by table.

    Args:
        file: The database.
        name: What people know it by, where that is another name.

    Raises:
        ConfigurationError: It is damaged, no database of phospho, or one of a newer phospho.
    """
    name = name or file
    try:
        with closing(_open_still(file)) as raw:
            problems = [row[0] for row in raw.execute("pragma integrity_check(3)")]
            if problems != ["ok"]:
                raise ConfigurationError(
                    f"{name} is damaged: {'; '.join(problems)}. Restore a backup that "
                    "is not: phospho restore FILE"
                )
            _refuse_foreign(raw, name)
            return _count(raw)
    except sqlite3.Error as exc:
        raise ConfigurationError(
            f"{name} is no database that can be read: {exc}. Restore a backup that is one: "
            "phospho restore FILE"
        ) from exc


def has_sealed(file: Path) -> bool:
    """Tell whether a database that nobody uses has secrets that are sealed with a key beside it."""
    with closing(_open_still(file)) as raw, contextlib.suppress(sqlite3.OperationalError):
        return any(
            raw.execute(f"select 1 from {table} where {column} like 'sealed:%'").fetchone()
            for table, column in (("llm_settings", "api_key"), ("webhooks", "secret"))
        )
    return False


def _open_still(file: Path) -> sqlite3.Connection:
    """Open a file so that nothing is made beside it."""
    return sqlite3.connect(f"{file.absolute().as_uri()}?immutable=1", uri=True)


@contextlib.contextmanager
def drafted(target: Path) -> Iterator[Path]:
    """Give a new file that only its owner may read, and the name of the target when it is whole.

    Raises:
        StorageFullError: The disk has no room.
        ConfigurationError: It cannot be written there.
    """
    draft = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        yield draft
        sync(draft)
        draft.replace(target)
        sync(target.parent)
    except OSError as exc:
        raise ConfigurationError(
            f"{target} cannot be written: {exc.strerror}. Make room, or choose another place."
        ) from exc
    finally:
        draft.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, outlast a power cut."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _refuse_without_room(source: Path, folder: Path) -> None:
    try:
        needed = source.stat().st_size + _SPARE_BYTES
        free = shutil.disk_usage(folder).free
    except OSError as exc:
        raise ConfigurationError(
            f"{source} cannot be copied to {folder}: {exc.strerror}. Choose another place."
        ) from exc
    if free < needed:
        raise StorageFullError(
            f"The copy of {source} needs {needed >> 20:,} MiB, and {folder} has "
            f"{free >> 20:,} MiB left. Make room, and do this again: nothing was changed."
        )


def _copy_pages(source: Path, draft: Path, on_progress: OnProgress) -> Mapping[str, int]:
    with (
        closing(sqlite3.connect(source, isolation_level=None, timeout=10)) as raw,
        closing(sqlite3.connect(draft, isolation_level=None)) as copy,
    ):
        raw.execute("pragma query_only = on")
        copy.execute("pragma synchronous = off")
        # All pages, and the counts, are of the moment in which this begins.
        raw.execute("begin")
        counts = _count(raw)
        (size,) = raw.execute("pragma page_size").fetchone()
        raw.backup(copy, pages=_PAGES, progress=lambda *_: on_progress(_PAGES * size))
        raw.execute("rollback")
    return counts


def _count(raw: sqlite3.Connection) -> Mapping[str, int]:
    known = {name for (name,) in raw.execute("select name from sqlite_master")}
    return {
        table: raw.execute(f"select count(*) from {table}").fetchone()[0]
        for table in COUNTED
        if table in known
    }


def _refuse_foreign(raw: sqlite3.Connection, file: Path) -> None:
    applied = applied_steps(raw)
    if not applied:
        raise ConfigurationError(f"{file} is no database of phospho. Name another file.")
    if applied - known_steps():
        raise ConfigurationError(
            f"The database {file} was made by a newer phospho. Upgrade with: "
            "pip install --upgrade 'phospho[server]'"
        )

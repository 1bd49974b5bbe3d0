"""SQLite's write-ahead log, kept short: it can only begin anew while nobody reads out of it.

SQLite copies the log into the database as it grows, and begins it anew when by chance no reader
holds on to it. With many readers that chance may never come, and the log would grow for as long as
they go on.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# How long a statement waits for another program that writes to the file.
BUSY_TIMEOUT_MS = 10_000

logger = logging.getLogger("phospho_server")

# What it must never be longer than while the readers are ours: a page of a list takes seconds at
# the most. It is cut back to this, whatever it had grown to.
MOST_BYTES = 64 * 1024 * 1024

# From here on the writer waits for readers, at most so long and so often: all who store something
# wait with it. Readers that come meanwhile need the log no more.
_LONG_BYTES = 16 * 1024 * 1024
_READERS_MS = 100
_REST_S = 0.5

# To ask the system for its size after each commit would have others go first each time.
_LOOK_S = 0.05


@dataclass
class WriteAheadLog:
    """The log of a database.

    Args:
        database: The file it belongs to.
    """

    database: Path
    _looked_s: float = 0.0
    _tried_s: float = 0.0
    _is_told: bool = False

    def size(self) -> int:
        """Return its bytes."""
        try:
            return os.stat(f"{self.database}-wal").st_size  # noqa: PTH116 - often
        except FileNotFoundError:
            return 0

    def keep_short(self, raw: sqlite3.Connection) -> None:
        """Begin it anew if it has become long, unless a reader holds on to it.

        Args:
            raw: The connection of the writer, in no transaction.
        """
        now_s = time.monotonic()
        if now_s - self._looked_s < _LOOK_S or now_s - self._tried_s < _REST_S:
            return
        self._looked_s = now_s
        size = self.size()
        if size <= _LONG_BYTES:
            return
        if self.begin_anew(raw):
            self._is_told = False
        elif size > MOST_BYTES and not self._is_told:
            self._is_told = True
            logger.warning(
                "The log of the database has grown to %s MiB, as something has been reading for "
                "long. End what else has %s open, such as another program.",
                size >> 20,
                self.database,
            )
        self._tried_s = time.monotonic()

    def begin_anew(self, raw: sqlite3.Connection) -> bool:
        """Copy it into the database and empty it; return False where a reader holds on to it."""
        with _waiting(raw, _READERS_MS):
            try:
                is_busy, _, _ = raw.execute("pragma wal_checkpoint(truncate)").fetchone()
            except sqlite3.OperationalError:
                # Locked by another writer, or there is no room: tried again soon.
                return False
        return not is_busy


@contextlib.contextmanager
def _waiting(raw: sqlite3.Connection, timeout_ms: int) -> Iterator[None]:
    """Let a connection wait for others so long and no longer."""
    raw.execute(f"pragma busy_timeout = {timeout_ms}")
    try:
        yield
    finally:
        raw.execute(f"pragma busy_timeout = {BUSY_TIMEOUT_MS}")

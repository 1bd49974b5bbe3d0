"""SQLite's write-ahead log, kept short: it can only begin anew while nobody reads out of it.

SQLite copies the log into the database as it grows, and begins it anew when by chance no reader
holds on to it. With many readers that chance may never come, and the log would grow for as long as
they go on.

It would be copied within a COMMIT, and whoever stores something would wait for the disk twice. So
another thread copies it meanwhile. It can only begin anew where all of it is copied, between two
transactions: the writer copies what little is left.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

# How long a statement waits for another program that writes to the file.
BUSY_TIMEOUT_MS = 10_000

logger = logging.getLogger("phospho_server")

# What it must never be longer than while the readers are ours: a page of a list takes seconds at
# the most. It is cut back to this, whatever it had grown to.
MOST_BYTES = 64 * 1024 * 1024

# Rows that are changed until it is copied. A batch of 100 interactions changes 1,500.
_COPY_CHANGES = 4_000

# Pages of it with which the writer copies what is left, at the end of a COMMIT. At SQLite's own
# 1,000 nothing would be left to the other thread.
WRITER_PAGES = 2_000

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
        copying: Held while it is copied by another thread.
    """

    database: Path
    copying: threading.Lock = field(default_factory=threading.Lock)
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
        with self.copying:
            is_empty = self.begin_anew(raw)
        if is_empty:
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
        """Copy it into the database and empty it; return False where a reader holds on to it.

        Nobody else may copy it meanwhile.
        """
        with _waiting(raw, _READERS_MS):
            try:
                is_busy, _, _ = raw.execute("pragma wal_checkpoint(truncate)").fetchone()
            except sqlite3.OperationalError:
                # Locked by another writer, or there is no room: tried again soon.
                return False
        return not is_busy


class Copier:
    """Copies a log into the database while the writer goes on, in a thread of its own.

    Where it cannot, for want of a thread or a file, it tries again when the next copy is due. What
    it has left, the writer copies.

    Args:
        connect: Opens a connection to the database.
        copying: Held while it copies.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], copying: threading.Lock) -> None:
        self._connect = connect
        self._copying = copying
        self._changes = 0
        self._is_due = threading.Event()
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def note(self, changes: int) -> None:
        """Have the log copied, if it is time to.

        Args:
            changes: How many rows the writer has changed so far. SQLite counts 2,147,483,647 of
                them, and begins below again.
        """
        if 0 <= changes - self._changes < _COPY_CHANGES:
            return
        self._changes = changes
        self._is_due.set()
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="phospho-log", daemon=True)
            with contextlib.suppress(RuntimeError):
                thread.start()
                self._thread = thread

    def close(self) -> None:
        """End, when the copy under way is done."""
        self._is_closed = True
        self._is_due.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        raw: sqlite3.Connection | None = None
        while self._is_due.wait() and not self._is_closed:
            self._is_due.clear()
            # What goes wrong is the writer's to see: it copies what is left.
            with self._copying, contextlib.suppress(sqlite3.Error):
                raw = raw or self._connect()
                raw.execute("pragma wal_checkpoint(passive)").fetchone()
        if raw is not None:
            raw.close()


@contextlib.contextmanager
def _waiting(raw: sqlite3.Connection, timeout_ms: int) -> Iterator[None]:
    """Let a connection wait for others so long and no longer."""
    raw.execute(f"pragma busy_timeout = {timeout_ms}")
    try:
        yield
    finally:
        raw.execute(f"pragma busy_timeout = {BUSY_TIMEOUT_MS}")

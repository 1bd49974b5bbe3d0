"""What was erased leaves the search index, the write-ahead log and every page of the file.

Rows that are deleted leave traces in an SQLite file: the search index keeps a word until its parts
are merged, the log keeps pages as they were, and pages keep bytes that no row owns. A `Cleaning`
goes through all three, in steps that are short for whoever stores something meanwhile. Data that is
in no file of ours needs none of this.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from phospho_server.clock import now_ms
from phospho_server.store import Connection, Store, copies, erasures, sqlite_texts
from phospho_server.store.erasures import Checked
from phospho_server.store.sqlite import SqliteConnection, SqliteStore
from phospho_server.store.sweeping import MOST_PAGES, clean_pages, find_dirty, page_size
from phospho_server.store.write_ahead_log import WriteAheadLog

logger = logging.getLogger("phospho_server")

# Pages that are overwritten while whoever stores something waits: some ten milliseconds.
_MOST_CLEANED = 500

# Carries out a change of a fitting size in a transaction, and returns what the change did.
Carry = Callable[[Callable[[Connection, int], int]], int]


@dataclass
class Cleaning:
    """One pass over a database, for all erasures whose rows are gone when it begins.

    Args:
        store: Where everything is kept.
        step: What comes next.
    """

    store: Store
    step: Literal["begin", "merge", "look", "clean", "done"] = "begin"
    _began_at_ms: int = 0
    _pages: int = 0
    _cleaned: int = 0
    _dirty: list[int] = field(default_factory=list)
    _look: Iterator[None] | None = None

    def run_once(self, carry: Carry) -> bool:
        """Do the next step; return False where something is in its way that has to end first."""
        if self.step == "begin":
            self._began_at_ms = now_ms()
        if not isinstance(self.store, SqliteStore):
            carry(lambda db, _: erasures.verify(db, Checked(), until_ms=self._began_at_ms))
            self.step = "done"
            return True
        if self.step == "begin":
            carry(_begin_merging)
            self.step = "merge"
        elif self.step == "merge":
            if not carry(sqlite_texts.merge_index):
                self.step = "look"
        elif self.step == "look":
            return self._look_on(self.store)
        elif self.step == "clean":
            return self._clean(self.store)
        return True

    def _look_on(self, store: SqliteStore) -> bool:
        """Find pages to clean, some at a time; the log holds nothing from before by then."""
        if self._look is None:
            with store.quiet() as raw:
                if not WriteAheadLog(store.path).begin_anew(raw):
                    return False
            file = store.descriptor()
            if os.fstat(file).st_size // page_size(file) > MOST_PAGES:
                logger.warning(
                    "%s is too large to be looked through for what was erased. Stop the server "
                    "and run: sqlite3 %s vacuum",
                    *(store.path, store.path),
                )
                return False
            self._look = self._find(file)
        if next(self._look, self) is self:
            self._look = None
            self.step = "clean"
        return True

    def _find(self, file: int) -> Iterator[None]:
        self._pages, self._dirty = 0, []
        for swept in find_dirty(file):
            self._pages += swept.pages
            self._dirty += swept.dirty
            yield None

    def _clean(self, store: SqliteStore) -> bool:
        """Overwrite what no row owns in some pages; after the last of them all is verified."""
        with store.quiet() as raw:
            log = WriteAheadLog(store.path)
            if not log.begin_anew(raw):
                return False
            raw.execute("begin immediate")
            try:
                if log.size():
                    # Another process has written something in between.
                    return False
                self._overwrite(store, raw)
                raw.execute("commit")
            finally:
                if raw.in_transaction:
                    raw.rollback()
        return True

    def _overwrite(self, store: SqliteStore, raw: sqlite3.Connection) -> None:
        now, left = self._dirty[:_MOST_CLEANED], self._dirty[_MOST_CLEANED:]
        self._cleaned += clean_pages(store.descriptor(), now)
        self._dirty = left
        gone = [] if left else copies.remove_all(store.path)
        checked = Checked(self._pages, self._cleaned, gone)
        # A change has every connection forget the pages that it remembers as they were.
        (number,) = raw.execute("pragma user_version").fetchone()
        raw.execute(f"pragma user_version = {(number + 1) % 2**31}")
        db = SqliteConnection(raw)
        erasures.note_checked(db, checked, until_ms=self._began_at_ms)
        if not left:
            erasures.verify(db, checked, until_ms=self._began_at_ms)
            self.step = "done"


def _begin_merging(db: Connection, most: int) -> int:
    # Samples of what stands in indexes, where SQLite was built to take them.
    if db.row("select 1 from sqlite_master where name = 'sqlite_stat4'"):
        db.execute("delete from sqlite_stat4")
    return sqlite_texts.begin_merging(db, most)

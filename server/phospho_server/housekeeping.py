"""Removes what is no longer kept: interactions that are too old, and what deleted projects held.

It has a thread of its own and removes a little at a time, so that nobody who stores something
waits for long. What is left after a crash is found again in the database.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from phospho_server.clock import HOUR_MS, now_ms
from phospho_server.store import Connection, Store, deleting, retention, spans, windows
from phospho_server.working import Worker

# Changes wait for each other: one of ours is to take this long, and is made smaller if it takes
# twice as long.
_WANTED_S = 0.01

_FEWEST, _MOST = 10, 2_000

# SQLite takes some thousands of parameters in a statement, and a part has one for each.
_MOST_INTERACTIONS = 500


# A trace may have thousands of spans.
_MOST_TRACES = 50


@dataclass
class Portion:
    """How much is done at once, by how long it took before."""

    size: int = 50

    def note(self, took_s: float) -> None:
        """Take more next time if it was quick, less if it was slow."""
        if took_s > 2 * _WANTED_S:
            self.size = max(_FEWEST, self.size // 2)
        elif took_s < _WANTED_S / 2:
            self.size = min(_MOST, self.size * 2)


@dataclass
class Housekeeping(Worker):
    """Works through what is to be removed.

    Args:
        store: Where everything is kept.
    """

    store: Store
    name: ClassVar[str] = "housekeeping"
    _portion: Portion = field(default_factory=Portion)
    _looked_at_ms: int = 0
    # Where the run of a project goes on among sessions that began long ago.
    _place: tuple[str, int, str] = ("", 0, "")

    def run_once(self) -> int:
        """Remove some rows; return how many, 0 if nothing is to be removed."""
        if now_ms() - self._looked_at_ms > HOUR_MS:
            self.store.write(deleting.plan_strays)
            self._looked_at_ms = now_ms()
        with self.store.read() as db:
            deleted = deleting.find_next(db)
            due = None if deleted else retention.find_due(db, every_ms=HOUR_MS)
            is_old = spans.has_old(db)
            has_old_counts = windows.has_old(db)
        if deleted:
            return self._remove(lambda db, most: deleting.erase_part(db, deleted, most=most))
        if due:
            return self._retain(*due)
        if has_old_counts:
            return self._remove(lambda db, most: windows.forget_old(db, most=most))
        return self._forget_spans() if is_old else 0

    def _forget_spans(self) -> int:
        return self._remove(lambda db, most: spans.forget_old(db, most=min(most, _MOST_TRACES)))

    def _retain(self, project_id: str, days: int) -> int:
        """Remove some interactions that are too old."""
        before_ms = retention.oldest_kept_ms(days, now_ms())
        if self._place[:2] != (project_id, days):
            self._place = (project_id, days, "")
        most = min(self._portion.size, _MOST_INTERACTIONS)
        with self.store.read() as db:
            old = retention.list_old(
                db, project_id, before_ms=before_ms, after=self._place[2], most=most
            )
        self._place = (project_id, days, old.after)

        def remove(db: Connection, most: int) -> int:
            # Somebody may just have chosen to keep more, or deleted the project.
            if retention.get_retention(db, project_id).days != days:
                return 0
            if old.ids:
                return retention.remove_old(db, project_id, old.ids)
            rest = retention.remove_rest(db, project_id, before_ms=before_ms, most=most)
            if not rest:
                retention.end_run(db, project_id)
                self._place = ("", 0, "")
            return rest

        return self._remove(remove)

    def _remove(self, change: Callable[[Connection, int], int]) -> int:
        """Carry out a part, and leave as much time to others as it took; return 1 at least."""
        took_s = 0.0

        def timed(db: Connection) -> int:
            nonlocal took_s
            started_s = time.perf_counter()
            removed = change(db, self._portion.size)
            took_s = time.perf_counter() - started_s
            return removed

        removed = self.store.write(timed)
        self._portion.note(took_s)
        self._stopping.wait(took_s)
        return max(removed, 1)

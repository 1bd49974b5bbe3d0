"""Removes what is no longer kept: who is to be erased, what is too old, and deleted projects.

It has a thread of its own and removes a little at a time, so that nobody who stores something
waits for long. What is left after a crash is found again in the database.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from phospho_server.clock import HOUR_MS, now_ms
from phospho_server.erasing import Erasing
from phospho_server.portions import Carrier
from phospho_server.store import Connection, Store, deleting, retention, spans, windows
from phospho_server.working import Worker

# SQLite takes some thousands of parameters in a statement, and a part has one for each.
_MOST_INTERACTIONS = 500


# A trace may have thousands of spans.
_MOST_TRACES = 50


@dataclass
class Housekeeping(Worker):
    """Works through what is to be removed.

    Args:
        store: Where everything is kept.
    """

    store: Store
    name: ClassVar[str] = "housekeeping"
    _looked_at_ms: int = 0
    # Where the run of a project goes on among sessions that began long ago.
    _place: tuple[str, int, str] = ("", 0, "")
    _carry: Carrier = field(init=False)
    _erasing: Erasing = field(init=False)

    def __post_init__(self) -> None:
        """Pause no longer than until the end."""
        self._carry = Carrier(self.store, self._stopping.wait)
        self._erasing = Erasing(self.store, self._carry)

    def run_once(self) -> int:
        """Remove some rows; return how many, 0 if nothing is to be removed."""
        if done := self._erasing.run_once():
            return done
        if now_ms() - self._looked_at_ms > HOUR_MS:
            self.store.write(deleting.plan_strays)
            self._looked_at_ms = now_ms()
        with self.store.read() as db:
            deleted = deleting.find_next(db)
            due = None if deleted else retention.find_due(db, every_ms=HOUR_MS)
            is_old = spans.has_old(db)
            has_old_counts = windows.has_old(db)
        if deleted:
            if not self._carry(lambda db, most: deleting.erase_part(db, deleted, most=most)):
                self._erasing.clean()
            return 1
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
        most = min(self._carry.portion.size, _MOST_INTERACTIONS)
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
        """Carry out a part; return 1 at least."""
        return max(self._carry(change), 1)

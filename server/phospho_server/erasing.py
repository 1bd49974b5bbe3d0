"""Carries out erasures, one step after the other, each short for whoever stores something.

What is under way stands in the database, so a process that ends in between goes on when it starts
again, and two that do it at once do no harm.
"""

from __future__ import annotations

from dataclasses import dataclass

from phospho_server.clock import now_ms
from phospho_server.store import Connection, Store, erasures, forgetting
from phospho_server.store.cleaning import Carry, Cleaning
from phospho_server.store.erasures import Erasure
from phospho_server.store.forgetting import SpanPlace

# Spans that are looked at in one transaction.
_SPANS = 500

# SQLite takes some thousands of parameters in a statement, and a part has one for each.
_MOST_INTERACTIONS = 500

# When something was in the way of cleaning, such as a reader, it is tried again after that time.
_AGAIN_MS = 1_000


@dataclass
class Erasing:
    """Works through what is to be erased.

    Args:
        store: Where everything is kept.
        carry: Carries out a change of the database of a fitting size.
    """

    store: Store
    carry: Carry
    _cleaning: Cleaning | None = None
    _again_at_ms: int = 0
    _is_clean: bool = True
    # Of the erasure with this id all spans were looked at up to the place; None: all.
    _place: tuple[str, SpanPlace | None] = ("", None)

    def run_once(self) -> int:
        """Do a step; return 1, or 0 where nothing is left that can be done now."""
        with self.store.read() as db:
            removing = erasures.find_removing(db)
            is_clean = self._is_clean and erasures.find_pending(db) is None
        if removing:
            self._remove(removing)
            return 1
        if is_clean or now_ms() < self._again_at_ms:
            return 0
        self._cleaning = self._cleaning or Cleaning(self.store)
        if not self._cleaning.run_once(self.carry):
            self._again_at_ms = now_ms() + _AGAIN_MS
            return 0
        if self._cleaning.step == "done":
            self._cleaning, self._is_clean = None, True
        return 1

    def clean(self) -> None:
        """Have traces removed of rows that are gone without an erasure, if nothing ends before."""
        self._cleaning, self._is_clean = None, False

    def _remove(self, erasure: Erasure) -> None:
        """Remove something of what an erasure is about: spans first, which may become more."""
        if self._place[0] != erasure.id:
            self._place = (erasure.id, SpanPlace())
        place = self._place[1]
        if place is not None:
            self._remove_spans(erasure, place)
            return

        def remove(db: Connection, most: int) -> int:
            removed = forgetting.remove_part(db, erasure, most=min(most, _MOST_INTERACTIONS))
            if not removed:
                erasures.end_removing(db, erasure)
            return removed

        self.carry(remove)

    def _remove_spans(self, erasure: Erasure, place: SpanPlace) -> None:
        with self.store.read() as db:
            traces, following = forgetting.find_traces(db, erasure, place, most=_SPANS)
        if traces:
            self.carry(lambda db, _: forgetting.close_traces(db, erasure, sorted(traces)))
        self._place = (erasure.id, following)

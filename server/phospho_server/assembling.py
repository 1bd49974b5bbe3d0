"""Lets traces become interactions once their root has ended, or nothing more has come for a while.

The spans are read and put together outside of any transaction, so that nobody who stores something
waits for it. Doing it twice, or in two processes at once, changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from phospho_server.errors import BusyError, StorageFullError
from phospho_server.metrics.instruments import INTERACTIONS
from phospho_server.store import Connection, Result, Store, spans
from phospho_server.store.assembled import keep_turns
from phospho_server.store.deleting import unless_gone
from phospho_server.store.spans import Trace
from phospho_server.working import Worker

logger = logging.getLogger("phospho_server")

# Traces put together at once: others write in between.
_BATCH = 20


@dataclass
class Assembler(Worker):
    """Works through the traces of which something came.

    Args:
        store: Where everything is kept.
        on_new_work: Called after interactions were stored.
    """

    store: Store
    on_new_work: Callable[[], None] = lambda: None
    name: ClassVar[str] = "assembling"

    def run_once(self) -> int:
        """Put some traces together; return how many, 0 if none is due."""
        with self.store.read() as db:
            due = spans.list_due(db, most=_BATCH)
        for trace in due:
            self._assemble(trace)
        if due:
            self.on_new_work()
        return len(due)

    def _assemble(self, trace: Trace) -> None:
        # The dialects of instrumentations are loaded for the first trace.
        from phospho_server.otlp.interactions import read_trace

        try:
            with self.store.read() as db:
                known = spans.load_spans(db, trace.project_id, trace.trace_id)
            found = read_trace(known, received_at_ms=trace.received_at_ms)
            added = self._keep(trace, lambda db: keep_turns(db, trace, found))
            if added:
                INTERACTIONS.add("traces", "stored", by=added)
        except (BusyError, StorageFullError):
            raise
        except Exception:
            # What strangers send must not keep the traces of others waiting.
            logger.exception("The trace %s cannot be read; it is left out", trace.trace_id)
            self._keep(trace, lambda db: spans.settle(db, trace))

    def _keep(self, trace: Trace, change: Callable[[Connection], Result]) -> Result | None:
        return self.store.write(unless_gone(trace.project_id, change))

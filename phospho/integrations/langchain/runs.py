"""Which runs of LangChain are not over, in this process.

By run id, and by nothing else: any number of threads and tasks share it, and all handlers. It is
bounded, and what a root has left behind is let go with it.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import UUID

from phospho.integrations.langchain.stack import running_ids
from phospho.underway import Outer

if TYPE_CHECKING:
    from phospho.integrations.langchain.turns import Run, Turn

# LangChain does not tell of each run that it is over; so many that go on at once are no app's.
MAX_ROOTS = 10_000

# So many of those that were over last are remembered.
_MAX_OVER = 10_000


class Runs:
    """The runs that are not over."""

    def __init__(self) -> None:
        self.start_afresh()

    def start_afresh(self) -> None:
        """Forget all of them: in a forked child they are the parent's to log."""
        # Reentrant: the garbage collector may find a stream here, whose run ends with it.
        self._lock = threading.RLock()
        self._runs: dict[UUID, Run] = {}
        self._roots: OrderedDict[UUID, Turn] = OrderedDict()
        # What a run has started may go on when it is over, and start more.
        self._over: OrderedDict[UUID, None] = OrderedDict()

    def __len__(self) -> int:
        """Count them."""
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        """Go through them."""
        return iter(tuple(self._runs.values()))

    def find(self, run_id: UUID | None) -> Run | None:
        """Return a run that is not over, or None."""
        return None if run_id is None else self._runs.get(run_id)

    def find_running(self) -> Run | None:
        """Return the run that the code now running is part of, or None."""
        if not self._runs:
            return None
        found = (self._runs.get(run_id) for run_id in running_ids())
        return next((run for run in found if run is not None), None)

    def is_of_the_past(self, run_id: UUID, parent_id: UUID | None) -> bool:
        """Tell whether what now starts is part of a run that is over, and so are its own."""
        with self._lock:
            if parent_id is None or parent_id not in self._over:
                return False
            self._note_over(run_id)
            return True

    def add(self, run_id: UUID, run: Run) -> None:
        """Take in a run that starts, unless another handler has done so."""
        oldest: Turn | None = None
        with self._lock:
            if run_id in self._runs:
                return
            if run.turn.is_over:
                self._note_over(run_id)
                return
            self._runs[run_id] = run
            run.turn.open_runs[run_id] = run
            if run.is_root:
                self._roots[run_id] = run.turn
            if len(self._roots) > MAX_ROOTS:
                oldest = next(iter(self._roots.values()))
        if oldest is not None:
            self.free(oldest)
            oldest.leave()

    def take(self, run_id: UUID, handler: object) -> Run | None:
        """Return a run that ends, the first time its own handler says so."""
        with self._lock:
            run = self._runs.get(run_id)
            if run is None or run.handler is not handler:
                return None
            self._forget(run_id)
            run.turn.open_runs.pop(run_id, None)
        if run.is_root:
            self.free(run.turn)
        return run

    def free(self, turn: Turn) -> None:
        """Let go of what is left of a turn, of whose end LangChain tells nothing."""
        with self._lock:
            turn.is_over = True
            left = dict(turn.open_runs)
            turn.open_runs.clear()
            for run_id in left:
                self._forget(run_id)
        for run in left.values():
            run.cut_off()

    def _forget(self, run_id: UUID) -> None:
        self._runs.pop(run_id, None)
        self._roots.pop(run_id, None)
        self._note_over(run_id)

    def _note_over(self, run_id: UUID) -> None:
        self._over[run_id] = None
        if len(self._over) > _MAX_OVER:
            self._over.popitem(last=False)


open_runs = Runs()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=open_runs.start_afresh)


def find_outer_run() -> Outer | None:
    """Tell other integrations what the code now running is part of; see `add_finder`."""
    run = open_runs.find_running()
    return None if run is None else Outer(run.turn.underway, is_model_call=run.kind == "llm")

"""The end of a process that was told to stop: in order, and within five seconds."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import NoReturn

from phospho_server.store import Store
from phospho_server.working import Worker

# What a worker has at hand may take so long from when it was told; with the answers that are under
# way, and the last changes, all is over within five seconds.
_PATIENCE_S = 3.5
_CLOSE_S = 0.5


class Deadline:
    """When workers have to have ended that were told to."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers
        self._told_s: float | None = None

    def begin(self) -> None:
        """Tell them, all at once."""
        if self._told_s is None:
            self._told_s = time.monotonic()
        for worker in self._workers:
            worker.begin_stop()

    def wait(self) -> None:
        """Wait for them; who takes longer than that is left."""
        self.begin()
        until_s = (self._told_s or 0.0) + _PATIENCE_S
        for worker in self._workers:
            worker.stop(max(0.0, until_s - time.monotonic()))


def within(patience_s: float, action: Callable[[], None]) -> None:
    """Do something, or leave it where it takes longer."""
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    thread.join(patience_s)


def leave(store: Store) -> NoReturn:
    """Close the store and end the process.

    Where another program holds the database, what waits for it is left: nobody was told that it is
    stored. To take down all that Python has loaded costs half a second, and threads that were left
    may trip over it.
    """
    within(_CLOSE_S, store.close)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


@contextlib.contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at SIGTERM and Ctrl-C, in the main thread; a second one ends the process."""
    numbers = (signal.SIGTERM, signal.SIGINT)

    def handle(_number: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
        stop()

    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

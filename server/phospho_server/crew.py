"""Threads that work at requests, each as soon as one of them is free.

Those of waitress share a lock with who hands in requests, and are woken while it is held, so that
they wait a second time.
"""

from __future__ import annotations

import logging
import threading
import time
from queue import SimpleQueue
from typing import Protocol

logger = logging.getLogger("phospho_server")


class Task(Protocol):
    """What there is to do, as waitress has it."""

    def service(self) -> None:
        """Do it."""

    def cancel(self) -> None:
        """Let it be."""


class Crew:
    """Some threads, and what waits for one.

    Args:
        name: What the threads are called.
        size: How many.
    """

    def __init__(self, name: str, size: int) -> None:
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._is_ending = False
        self._threads = [
            threading.Thread(target=self._run, name=f"phospho-{name}-{number}", daemon=True)
            for number in range(size)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """How many tasks wait for a thread."""
        return 0 if self._is_ending else self._tasks.qsize()

    def add(self, task: Task) -> None:
        """Have a task done."""
        self._tasks.put(task)

    def begin_end(self) -> None:
        """Have each thread end after what it does now, and let be what waits for one."""
        self._is_ending = True
        for _ in self._threads:
            self._tasks.put(None)

    def end(self, timeout_s: float) -> bool:
        """Wait for the threads, and tell whether all have ended."""
        until_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            if self._is_ending:
                task.cancel()
                continue
            try:
                task.service()
            except BaseException:  # a thread less would never be noticed
                logger.exception("A request ended in an unexpected way")

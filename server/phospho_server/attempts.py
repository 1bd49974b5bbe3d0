"""What is asked of a database that may not answer: in a thread of its own, once for everybody.

Whoever holds a database holds it for as long as they like, and a PostgreSQL that is stopped says
nothing at all. Who wants to know how things are waits for a moment, and is told so then.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Generic, TypeVar

Result = TypeVar("Result")

# A database that has not answered by then cannot be relied on.
PATIENCE_S = 2.0


class NotYetError(Exception):
    """An attempt is still under way.

    Args:
        since_s: For how many seconds.
    """

    def __init__(self, since_s: float) -> None:
        super().__init__(f"no answer for {since_s:.0f} seconds")
        self.since_s = since_s


class Attempt(Generic[Result]):
    """One thing to do, whose outcome is that of everybody who asks at about the same time.

    Args:
        action: What to do.
        name: Of the thread that does it.
        keep_s: How long an outcome is told to those who ask later.
    """

    def __init__(self, action: Callable[[], Result], name: str, keep_s: float = 0.0) -> None:
        self._action, self._name, self._keep_s = action, name, keep_s
        self._lock = threading.Lock()
        self._outcome: Future[Result] | None = None
        self._began_s = 0.0

    def result(self) -> Result:
        """Return what the action returned, or raise what it raised.

        Raises:
            NotYetError: It has been under way for longer than anybody should wait.
        """
        outcome = self._begin()
        try:
            return outcome.result(max(0.0, self._began_s + PATIENCE_S - time.monotonic()))
        except FutureTimeoutError as exc:
            raise NotYetError(time.monotonic() - self._began_s) from exc

    def _begin(self) -> Future[Result]:
        """Return the outcome that is awaited, or that is of a moment ago."""
        with self._lock:
            now_s = time.monotonic()
            if self._outcome is None or (
                self._outcome.done() and now_s - self._began_s >= self._keep_s
            ):
                self._outcome, self._began_s = Future(), now_s
                threading.Thread(
                    target=self._carry_out, args=(self._outcome,), name=self._name, daemon=True
                ).start()
            return self._outcome

    def _carry_out(self, outcome: Future[Result]) -> None:
        try:
            outcome.set_result(self._action())
        except Exception as exc:  # noqa: BLE001 - it is told to who has asked
            outcome.set_exception(exc)

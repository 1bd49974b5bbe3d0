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

from phospho_server.errors import BusyError

Result = TypeVar("Result")


class Attempt(Generic[Result]):
    """One thing to do, whose outcome is that of everybody who asks at about the same time.

    Args:
        action: What to do.
        name: Of the thread that does it.
        late: What is said where it takes too long: `<late> for 3 seconds`.
        patience_s: How long anybody waits, from when it was begun.
        keep_s: How long an outcome is told to those who ask later.
    """

    def __init__(
        self,
        action: Callable[[], Result],
        name: str,
        *,
        late: str,
        patience_s: float,
        keep_s: float = 0.0,
    ) -> None:
        self._action, self._name, self._late = action, name, late
        self._patience_s, self._keep_s = patience_s, keep_s
        self._lock = threading.Lock()
        self._outcome: Future[Result] | None = None
        self._began_s = self._ended_s = 0.0

    def result(self) -> Result:
        """Return what the action returned, or raise what it raised.

        Raises:
            BusyError: It is still under way, or no thread can be started for it.
        """
        outcome = self._begin()
        try:
            return outcome.result(max(0.0, self._began_s + self._patience_s - time.monotonic()))
        except FutureTimeoutError:
            if outcome.done():
                raise
            since_s = time.monotonic() - self._began_s
            raise BusyError(f"{self._late} for {since_s:.0f} seconds") from None

    def _begin(self) -> Future[Result]:
        """Return the outcome that is awaited, or that was there a moment ago."""
        with self._lock:
            now_s = time.monotonic()
            if self._outcome is None or (
                self._outcome.done() and now_s - self._ended_s >= self._keep_s
            ):
                self._outcome, self._began_s = Future(), now_s
                thread = threading.Thread(
                    target=self._carry_out, args=(self._outcome,), name=self._name, daemon=True
                )
                try:
                    thread.start()
                except RuntimeError as exc:
                    self._outcome.set_exception(
                        BusyError(f"The process cannot do this: {exc}. Allow it more threads.")
                    )
            return self._outcome

    def _carry_out(self, outcome: Future[Result]) -> None:
        try:
            result = self._action()
        except BaseException as exc:  # noqa: BLE001 - it is told to who has asked
            self._ended_s = time.monotonic()
            outcome.set_exception(exc)
        else:
            self._ended_s = time.monotonic()
            outcome.set_result(result)

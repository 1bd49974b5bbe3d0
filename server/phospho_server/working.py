"""A thread that does work as long as there is any, and waits where there is none."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from phospho_server.errors import ServerError

logger = logging.getLogger("phospho_server")

# How long a worker sleeps when nothing waits; other processes may add work without waking it.
IDLE_S = 1.0

# Who stores something wakes workers each time: they look at most so often, and find more at once.
LULL_S = 0.1

# Pause after the database refused a worker, for example on a full disk.
TROUBLE_S = 5.0


@dataclass(kw_only=True)
class Worker:
    """Works in a thread of its own or step by step; a subclass says what a step is."""

    name: ClassVar[str]
    _wake: threading.Event = field(default_factory=threading.Event)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    # Whether so little waited that more may gather before the next look.
    _is_ahead: bool = False

    def prepare(self) -> None:
        """Do what comes before the first batch in the thread; again if the database refuses."""

    def run_once(self) -> int:
        """Do one batch of work; return how much it was, 0 if nothing waits."""
        raise NotImplementedError

    def forget(self) -> None:
        """Drop what was begun, after an unexpected error; its lease runs out."""

    @property
    def is_running(self) -> bool:
        """Whether its thread lives."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name=f"phospho-{self.name}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Tell the worker that there is something to do."""
        if not self._wake.is_set():
            self._wake.set()

    def begin_stop(self) -> None:
        """Begin nothing after the batch at hand; what is not done stays in the database."""
        self._stopping.set()
        self._wake.set()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End after the batch at hand, or leave it where it takes longer."""
        self.begin_stop()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def run_until_done(self, on_progress: Callable[[int], None] = lambda _: None) -> None:
        """Work in this thread until nothing is left that can be done now.

        Args:
            on_progress: Told the size of each batch that is done.
        """
        while done := self.run_once():
            on_progress(done)

    def _run(self) -> None:
        is_prepared = False
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                if not is_prepared:
                    self.prepare()
                    is_prepared = True
                done = self.run_once()
                if (not done and self._wake.wait(IDLE_S)) or self._is_ahead:
                    self._stopping.wait(LULL_S)
            except ServerError as exc:
                logger.warning("The %s worker waits: %s", self.name, exc)
                self._stopping.wait(TROUBLE_S)
            except Exception:
                self.forget()
                logger.exception("The %s worker met an unexpected error; it goes on", self.name)
                self._stopping.wait(TROUBLE_S)

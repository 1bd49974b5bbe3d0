"""Calls one plugin's function for one hook under its own guard, and knows how it has behaved."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from phospho import guard

# A plugin that fails, or is slow, this often in a row is not asked again by this process.
MAX_FAILURES_IN_A_ROW = 5

# These run on the app's own thread; all others may take their time.
_ON_THE_APPS_THREAD = frozenset(
    {
        "phospho_extract_input",
        "phospho_extract_output",
        "phospho_before_send",
        "phospho_before_send_feedback",
    }
)

# A slower answer is a failure, though it is used. Together, such calls may cost the app this much:
# code on the app's own thread cannot be interrupted, but it need not be called again.
MAX_CALL_S = 0.25
MAX_SLOW_S = 2.0

# They decide what may leave the process, so they have to answer: they are asked each time.
NEVER_SWITCHED_OFF = frozenset({"phospho_before_send", "phospho_before_send_feedback"})

# The answer of an implementation that raised, or answered with something unusable.
FAILED = object()


@dataclass
class Implementation:
    """One plugin's function for one hook, and how it has behaved."""

    plugin: str
    hook: str
    call: Callable[..., Any]
    argument_names: tuple[str, ...]
    advice: str
    is_last: bool = False
    is_ours: bool = False
    failures: int = 0
    last_failure: str | None = None
    _failures_in_a_row: int = 0
    _slow_s_in_a_row: float = 0.0

    @property
    def is_switched_off(self) -> bool:
        """Whether it failed so often, or took so long, that it is not asked again.

        One of ours is not switched off: what it reads well is worth more than a report saved.
        """
        return not (self.is_ours or self.hook in NEVER_SWITCHED_OFF) and (
            self._failures_in_a_row >= MAX_FAILURES_IN_A_ROW or self._slow_s_in_a_row > MAX_SLOW_S
        )

    def ask(self, accept: Callable[[Any], Any], arguments: dict[str, Any]) -> Any:
        """Return the answer as `accept` returns it, None where there is none, or `FAILED`."""
        if self.is_switched_off:
            return None
        started = time.monotonic()
        try:
            answer = self.call(*(arguments[name] for name in self.argument_names))
            accepted = None if answer is None else accept(answer)
        except Exception as exc:  # noqa: BLE001 - a stranger's plugin may raise anything
            self._count_failure(exc)
            accepted = FAILED
        elapsed_s = time.monotonic() - started
        if elapsed_s > MAX_CALL_S and self.hook in _ON_THE_APPS_THREAD:
            self._count_slowness(elapsed_s)
        elif accepted is not FAILED:
            self._failures_in_a_row = 0
            self._slow_s_in_a_row = 0.0
        return accepted

    def _count(self, what: str) -> None:
        self.failures += 1
        self._failures_in_a_row += 1
        self.last_failure = what

    def _count_failure(self, exc: Exception) -> None:
        self._count(f"{guard.words_of(exc)} ({type(exc).__name__})")
        guard.report_once(
            f"plugin:{self.plugin}:{self.hook}",
            "The phospho plugin %r failed in %s: %s (%s). %s. Fix it, or %s.",
            self.plugin,
            self.hook,
            guard.words_of(exc),
            type(exc).__name__,
            "What it fails on is not sent"
            if self.hook in NEVER_SWITCHED_OFF
            else "The next one is asked"
            if self.is_ours
            else f"Its answer is ignored; after {MAX_FAILURES_IN_A_ROW} failures in a row it is "
            "not asked again",
            self.advice,
            exc=exc,
        )

    def _count_slowness(self, elapsed_s: float) -> None:
        self._count(f"took {elapsed_s:.1f} s")
        self._slow_s_in_a_row += elapsed_s
        guard.report_once(
            f"slow_plugin:{self.plugin}:{self.hook}",
            "The phospho plugin %r took %.1f s in %s, on your app's own thread.%s Make it faster, "
            "or %s.",
            self.plugin,
            elapsed_s,
            self.hook,
            ""
            if self.is_ours or self.hook in NEVER_SWITCHED_OFF
            else f" After {MAX_FAILURES_IN_A_ROW} such calls in a row, or {MAX_SLOW_S:.0f} s in "
            "them, it is not asked again.",
            self.advice,
        )

    def afresh(self) -> Implementation:
        """Return the same function, nothing counted against it."""
        return Implementation(
            self.plugin,
            self.hook,
            self.call,
            self.argument_names,
            self.advice,
            self.is_last,
            self.is_ours,
        )

"""An interaction that is under way: begun by a call, logged once when its answer is there.

Functions that are wrapped and integrations begin one. What happens meanwhile, in the code that they
call, is part of it: a call of a model inside of a wrapped function is a step of the function's
interaction, and no interaction of its own.
"""

from __future__ import annotations

import contextvars
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from phospho import guard
from phospho.reading import NO_ANSWER, Reading
from phospho.record import as_mapping
from phospho.steps import Steps, describe_error

if TYPE_CHECKING:
    from phospho.client import Client
    from phospho.streaming import Watch

# Fields that `phospho.log` names; all others are the app's own keywords.
_KNOWN_FIELDS = (
    "session_id", "task_id", "user_id", "version_id", "metadata", "flag", "created_at",
)  # fmt: skip


class Underway:
    """What is known of an interaction before its answer is.

    Args:
        client: Logs it.
        heard: What the user said, read when it was said; None where nothing can be logged.
        fields: What else `phospho.log` takes, for this interaction.
    """

    __slots__ = (
        "_context", "_once", "_process", "at_ms", "client", "fields", "heard", "started", "steps",
    )  # fmt: skip

    def __init__(
        self, client: Client | None, heard: Reading | None, fields: Mapping[str, Any]
    ) -> None:
        self.client = client
        self.heard = heard
        self.fields = fields
        self.at_ms = time.time_ns() // 1_000_000
        self.started = time.perf_counter()
        self.steps = Steps()
        self._once = threading.Lock()
        self._process = os.getpid()
        # What is logged late is logged as of the call: its session is that of the call.
        self._context: contextvars.Context | None = contextvars.copy_context()

    @property
    def is_over(self) -> bool:
        """Whether it is logged, or is the parent's of this process."""
        return self._once.locked() or self._process != os.getpid()

    def log(
        self,
        said: Reading,
        outcome: Mapping[str, Any] | None = None,
        times: Mapping[str, float] | None = None,
        *,
        is_late: bool = False,
    ) -> dict[str, Any] | None:
        """Log it, the first time this is called, and return the record.

        Args:
            said: What the app answered.
            outcome: Its `status` and `error`, and what else is known only now.
            times: `latency_ms` and `time_to_first_token_ms`; by default, the time until now.
            is_late: Whether it is logged later than the call that began it.
        """
        if not self._once.acquire(blocking=False):
            return None
        heard, steps, context, told = self.heard, self.steps, self._context, self.fields
        # What goes on for long after it has this in its own context.
        self.heard, self.steps, self._context, self.fields = None, Steps(), None, {}
        if self.client is None or heard is None or context is None:
            return None
        fields = {**_facts_of(steps, said), **told, **(outcome or {})}
        known = {name: fields.pop(name, None) for name in _KNOWN_FIELDS}
        given = known.pop("metadata")
        metadata = {**(as_mapping(given) if given else {}), **(times or self.elapsed())}
        if steps.left_out:
            metadata["steps_left_out"] = steps.left_out
        return context.run(
            self.client.log_readings,
            heard,
            said,
            self.at_ms,
            metadata=metadata,
            **known,
            anything=fields,
            steps=steps.as_list(),
            is_late=is_late,
        )

    def fail(self, exc: BaseException) -> None:
        """Log it with what was raised instead of an answer."""
        with guard.guarded("log a failed call"):
            status = "error" if isinstance(exc, Exception) else "cancelled"
            self.log(NO_ANSWER, {"status": status, "error": describe_error(exc)})

    def watch(
        self,
        to_text: Callable[[Any], Any] | None = None,
        stop: Callable[[Any], Any] | None = None,
    ) -> Watch:
        """Return what watches its answer go by, and logs it when that is over."""
        from phospho.streaming import Watch

        def log(
            said: Reading | None, outcome: Mapping[str, Any], times: Mapping[str, float]
        ) -> None:
            self.log(said or NO_ANSWER, outcome, times, is_late=True)

        return Watch(self.client, log, self.started, to_text, stop, self)

    def elapsed(self) -> dict[str, float]:
        """Return how long it took until now."""
        return {"latency_ms": round((time.perf_counter() - self.started) * 1000, 1)}


def _facts_of(steps: Steps, said: Reading) -> dict[str, Any]:
    """Return what the steps tell of the model, where the answer does not."""
    facts = steps.facts()
    read = said.facts
    if read is not None and read.model:
        facts.pop("model", None)
    # The answer's own count is one of those that add up, but for a stream that is not over.
    told = 0 if read is None else read.usage.get("total_tokens", 0)
    if read is not None and read.usage and facts.get("total_tokens", 0) <= told:
        facts = {name: facts[name] for name in facts if name == "model"}
    return facts


class Outer(NamedTuple):
    """What the code now running is part of.

    Args:
        underway: The interaction.
        is_model_call: Whether it is the call of a model, which is told of as a step already.
    """

    underway: Underway
    is_model_call: bool = False


current: contextvars.ContextVar[Underway | None] = contextvars.ContextVar(
    "phospho_underway", default=None
)

# Frameworks know by themselves which of their runs the code now running is part of.
_finders: list[Callable[[], Outer | None]] = []


def find_outer() -> Outer | None:
    """Return the interaction that the code now running is part of, if any.

    Of several, as where a chain calls a function that is wrapped, that is the last begun.
    """
    told = [Outer(underway)] if (underway := current.get()) is not None else []
    told += [outer for find in _finders if (outer := find()) is not None]
    going_on = [outer for outer in told if not outer.underway.is_over]
    # One framework inside of the other adds to the same one, and may be calling a model.
    return max(going_on, key=_place, default=None)


def _place(outer: Outer) -> tuple[float, bool]:
    return outer.underway.started, outer.is_model_call


def add_finder(find: Callable[[], Outer | None]) -> None:
    """Ask `find` as well, from now on."""
    if find not in _finders:
        _finders.append(find)


def remove_finder(find: Callable[[], Outer | None]) -> None:
    """Ask `find` no more."""
    if find in _finders:
        _finders.remove(find)


class inside:  # noqa: N801 - reads as a statement: `with inside(underway):`
    """Makes what runs in its block part of an interaction.

    Without a token to reset: a generator may be left in another context than it was entered in. One
    that is given up is left wherever the garbage collector runs, which then changes nothing.
    """

    __slots__ = ("_outer", "_underway")

    def __init__(self, underway: Underway) -> None:
        self._underway = underway
        self._outer: Underway | None = None

    def __enter__(self) -> None:
        """Enter the interaction."""
        self._outer = current.get()
        current.set(self._underway)

    def __exit__(self, *_: object) -> None:
        """Go back to the one before."""
        if current.get() is self._underway:
            current.set(self._outer)

"""What one user asked of LangChain, from its root run's start to its end.

A turn is logged as one interaction, with its own input and its own answer. Inside of a function
of `phospho.wrap`, or of another framework, it adds its steps to that interaction instead.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from phospho import guard, lifecycle
from phospho.collecting import Collector
from phospho.extractors.fields import get
from phospho.extractors.messages import content_text
from phospho.reading import NO_ANSWER, Reading
from phospho.record import read_plain

if TYPE_CHECKING:
    from phospho.client import Client
    from phospho.steps import Step
    from phospho.underway import Underway


class Keys(NamedTuple):
    """Which entries of a chain's dicts the user said and saw, where the app says so."""

    input: str | None = None
    output: str | None = None


class Run:
    """One run of LangChain that is not over.

    Args:
        turn: What it is part of.
        handler: Whose events of it count: several handlers may hear of it.
        kind: `llm`, `tool`, `retrieval`, `agent` or `chain`.
        is_root: Whether it is all of the turn.
    """

    __slots__ = ("answer", "handler", "is_root", "kind", "model", "said", "step", "turn")

    def __init__(self, turn: Turn, handler: object, kind: str, *, is_root: bool) -> None:
        self.turn = turn
        self.handler = handler
        self.kind = kind
        self.is_root = is_root
        self.step: Step | None = None
        self.model: str | None = None
        # What a model has streamed so far, and what it said at its end.
        self.said: Collector | None = None
        self.answer = ""

    @property
    def is_interaction(self) -> bool:
        """Whether it is logged by itself."""
        return self.is_root and self.turn.is_own

    def cut_off(self, error: BaseException | None = None) -> None:
        """End its step with what was said so far."""
        if self.step is not None:
            said = None if self.said is None else self.said.read("AIMessageChunk").text
            self.step.end(said, model=self.model, error=error)


class Turn:
    """One thing that a user asked.

    Args:
        underway: The interaction, of its own or the one it is part of.
        keys: Of its input and output.
        is_own: Whether it is an interaction of its own.
    """

    __slots__ = (
        "__weakref__", "_forget_call", "_keys", "_times", "interrupts", "is_over", "is_own",
        "is_unheard", "latest", "model", "open_runs", "underway",
    )  # fmt: skip

    def __init__(self, underway: Underway, keys: Keys, *, is_own: bool) -> None:
        self.underway = underway
        self.is_own = is_own
        # Whether its root run is.
        self.is_over = False
        # Whether the input is told at the end, as for streams.
        self.is_unheard = False
        # Those that are not over, whether or not LangChain will say that they are.
        self.open_runs: dict[UUID, Run] = {}
        # The run of a model that spoke last: that is the answer where there is no other.
        self.latest: Run | None = None
        # The model that was asked, where it says nothing of itself.
        self.model: str | None = None
        # What a graph asks a person.
        self.interrupts: list[Any] = []
        self._keys = keys
        self._times: dict[str, float] = {}
        self._forget_call: Callable[[], object] | None = None
        if is_own:
            lifecycle.open_streams.add(self)

    @property
    def client(self) -> Client | None:
        """Whose extractors read it; None where nothing of it is logged."""
        return self.underway.client

    def hear(self, value: Any) -> None:
        """Read what the user said."""
        if self.client is not None:
            self.underway.heard = self.client.read("input", _entry(value, self._keys.input))

    def hear_late(self, run: Run, told: Mapping[str, Any]) -> None:
        """Read what the user said from what is told at the end of a run."""
        if run.is_interaction and self.is_unheard and told.get("inputs") is not None:
            self.is_unheard = False
            self.hear(told["inputs"])

    def add(self, run: Run, token: Any, chunk: Any) -> None:
        """Take in a piece of what a model streams."""
        if self.client is None:
            return
        self.latest = run
        if token and not self._times:
            self._times = {"time_to_first_token_ms": self.underway.elapsed()["latency_ms"]}
        if run.said is None:
            run.said = Collector(self.client.plugins)
        message = get(chunk, "message")
        if message is None:
            message = token if isinstance(token, str) else content_text(token)
        run.said.add(message)

    def ask(self, interrupts: Iterable[Any]) -> None:
        """Take note of what a graph asks a person; the graphs around it tell so again."""
        known = [get(interrupt, "id") for interrupt in self.interrupts]
        self.interrupts += [one for one in interrupts if get(one, "id") not in known]

    def end_with(self, value: Any) -> None:
        """Log it with what the app was answered."""
        value = _entry(value, self._keys.output)
        if self.interrupts and (value is None or isinstance(value, Mapping)):
            value = {**(value or {}), "__interrupt__": self.interrupts}
        self._log(NO_ANSWER if self.client is None else self.client.read("output", value))

    def leave(self) -> None:
        """Log it with what was said so far: LangChain told no more, or the process ends."""
        with guard.guarded("log a run of LangChain that was left"):
            for run in tuple(self.open_runs.values()):
                run.cut_off()
            self.log_so_far({"status": "incomplete"})

    def log_so_far(self, outcome: Mapping[str, Any], *pieces: Any) -> None:
        """Log it with `pieces` of its answer, or else with what its latest model has said."""
        latest = self.latest
        collector = None if latest is None else latest.said
        if self.client is not None and any(piece is not None for piece in pieces):
            collector = Collector(self.client.plugins)
            for piece in pieces:
                collector.add(piece)
        said = NO_ANSWER
        if collector is not None:
            said = collector.read("AIMessageChunk")
        elif latest is not None and latest.answer and outcome.get("status") == "incomplete":
            # Who leaves a graph between two nodes has seen what the first one said.
            said = read_plain(latest.answer)
        self._log(said, outcome)

    def _log(self, said: Reading, outcome: Mapping[str, Any] | None = None) -> None:
        lifecycle.open_streams.discard(self)
        if self._forget_call is not None:
            self._forget_call()
        # They lead back here, and nobody should have to wait for the garbage collector.
        self.latest = self._forget_call = None
        if self.is_own:
            is_named = self.model is None or (said.facts is not None and said.facts.model)
            facts = {} if is_named else {"model": self.model}
            times = {**self.underway.elapsed(), **self._times}
            self.underway.log(said, {**facts, **(outcome or {})}, times, is_late=True)

    def cancel_with(self, call: object, free: Callable[[Turn], object]) -> None:
        """Log it as cancelled when a call is gone that has not told of its end."""

        def over() -> None:
            with guard.guarded("log a model's run that was cancelled"):
                free(self)
                self.log_so_far({"status": "cancelled"})

        finalizer = weakref.finalize(call, over)
        finalizer.atexit = False
        self._forget_call = finalizer.detach


def _entry(value: Any, key: str | None) -> Any:
    """Return the entry of a dict that the app has named, or the value where there is none."""
    if key is None or not isinstance(value, Mapping):
        return value
    found = get(value, key)
    return value if found is None else found

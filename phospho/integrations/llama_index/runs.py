"""What LlamaIndex is doing at the moment: runs, each with the calls in it that are open.

All is kept by the id of a span and let go with the run it belongs to, for a run may go on in other
threads and tasks, and many go on at once. There are no locks: each change is one operation of a
dict, since the garbage collector may come in between to tell of a stream that was dropped.
"""

from __future__ import annotations

import inspect
import os
import types
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phospho.integrations.llama_index.spans import Role
    from phospho.steps import Step
    from phospho.streaming import Watch
    from phospho.underway import Underway

# A run may never end, as of a workflow whose event loop is gone; so many are remembered.
MAX_RUNS = 10_000


class Run:
    """One thing that a person did, or what LlamaIndex does as a part of something else.

    Args:
        id_: Of its first span.
        role: What that is.
        underway: The interaction.
        is_own: Whether the interaction is this run, and logged when that is over.
        is_quiet: Whether nothing of it is told, not even as steps.
    """

    __slots__ = (
        "__weakref__", "awaited", "errors", "find_watch", "id", "is_over", "is_own", "is_quiet",
        "metadata", "role", "span_ids", "underway",
    )  # fmt: skip

    def __init__(
        self,
        id_: str,
        role: Role,
        underway: Underway,
        metadata: dict[str, Any],
        *,
        is_own: bool = False,
        is_quiet: bool = False,
    ) -> None:
        self.id = id_
        self.role = role
        self.underway = underway
        self.metadata = metadata
        self.is_own = is_own
        self.is_quiet = is_quiet
        self.is_over = False
        self.span_ids: set[str] = set()
        # Of the steps that failed, for those that LlamaIndex got over.
        self.errors: list[dict[str, str]] = []
        # What watches its answer go by. A generator that is dropped takes its watch along, so that
        # one is not held from here.
        self.find_watch: Callable[[], Watch | None] = _find_none
        # The response that the app has, whose text another call is about to say.
        self.awaited: weakref.ref[Any] | None = None


def _find_none() -> None:
    """Stand for the watch of a run whose answer is no stream."""


class Span:
    """One call in a run, until it has returned and what it streams is over.

    Args:
        id_: As LlamaIndex has it.
        run: What it is part of.
        role: What it is, or None.
        is_inside: Whether a model makes it, or nothing of it is told.
    """

    __slots__ = (
        "frame_id", "held_open", "id", "is_answer", "is_model_call", "model", "name", "role", "run",
        "step", "stream", "watch",
    )  # fmt: skip

    def __init__(self, id_: str, run: Run, role: Role | None, *, is_inside: bool) -> None:
        self.id = id_
        self.run = run
        self.role = role
        # Whether it is the call of a model, or is made by one.
        self.is_model_call = is_inside or self.kind == "llm"
        # Whether what it says is what the run answers.
        self.is_answer = id_ == run.id
        self.name = ""
        self.model: str | None = None
        self.step: Step | None = None
        self.watch: Watch | None = None
        # The generator that a model returned, or the response that is written into a memory.
        self.stream: weakref.ref[Any] | None = None
        self.frame_id = 0
        # The call of a chat engine that is open for as long as this one.
        self.held_open: Span | None = None

    @property
    def kind(self) -> str:
        """The kind of its role."""
        return self.role.kind if self.role is not None else "unknown"

    def expect(self) -> None:
        """Take what it is about to say for the answer of its run."""
        self.is_answer = True
        self.run.find_watch = lambda: self.watch


class OpenRuns:
    """The runs and spans that are open, found by ids, and by the code that is running.

    Args:
        give_up: Called with the oldest run, where there are too many.
    """

    def __init__(self, give_up: Callable[[Run], None]) -> None:
        self._give_up = give_up
        self._start_afresh()
        if hasattr(os, "register_at_fork"):
            # What a forked child inherits is its parent's to log.
            os.register_at_fork(after_in_child=self._start_afresh)

    def _start_afresh(self) -> None:
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._spans: dict[str, Span] = {}
        # Streams of models that the app has, by the id of the frame that they run in.
        self._streams: dict[int, Span] = {}

    def __len__(self) -> int:
        """Count all that is kept."""
        return len(self._runs) + len(self._spans) + len(self._streams)

    def list_runs(self) -> list[Run]:
        """Return the runs, the oldest first."""
        return list(self._runs.values())

    def add_run(self, run: Run) -> None:
        """Keep a run, and give up the oldest one where there are too many."""
        self._runs[run.id] = run
        if len(self._runs) > MAX_RUNS:
            self._give_up(self._runs.popitem(last=False)[1])

    def finish(self, run: Run) -> None:
        """Take note that a run is over; what still goes on in it stays part of it."""
        run.is_over = True
        run.find_watch, run.awaited = _find_none, None
        root = self._spans.get(run.id)
        if root is not None:
            self.remove(root)
        if not run.span_ids:
            self._runs.pop(run.id, None)

    def forget(self, run: Run) -> None:
        """Let go of a run with all its spans."""
        for span_id in list(run.span_ids):
            span = self._spans.get(span_id)
            if span is not None:
                self.remove(span)
        self._runs.pop(run.id, None)

    def add(self, span: Span) -> None:
        """Keep a span."""
        span.run.span_ids.add(span.id)
        self._spans[span.id] = span

    def remove(self, span: Span) -> None:
        """Let go of a span, and of its run if that is over and this is the last one."""
        run = span.run
        self._spans.pop(span.id, None)
        self._streams.pop(span.frame_id, None)
        run.span_ids.discard(span.id)
        if run.is_over and not run.span_ids:
            self._runs.pop(run.id, None)

    def get(self, id_: str) -> Span | None:
        """Return the span of an id, if it is open."""
        return self._spans.get(id_)

    def follow(self, span: Span, stream: Any, watch: Watch) -> None:
        """Find a span by the generator that it returned, and leave its watch when that is dropped.

        A model's request is made when the app asks the generator for its first piece: when the
        span is over, and LlamaIndex has no name for where the code is.
        """
        span.watch = watch
        span.stream = weakref.ref(stream, lambda _: watch.leave())
        frame = _frame_of(stream)
        if frame is not None:
            span.frame_id = id(frame)
            self._streams[id(frame)] = span

    def find_by_stream(self, stream: Any) -> Span | None:
        """Return the span that returned a generator, if that is open."""
        span = self._streams.get(id(_frame_of(stream)))
        return span if span is not None and _stream_of(span) is stream else None

    def find_writer(self, run: Run, response: Any) -> Span | None:
        """Return the span that writes a chat engine's stream into a memory, if it has begun."""
        for span_id in list(run.span_ids):
            span = self._spans.get(span_id)
            if span is not None and span.kind == "writer" and _stream_of(span) is response:
                return span
        return None

    def find(self, id_: str | None) -> Span | None:
        """Return the span that the code now running is in.

        Args:
            id_: Of the span that LlamaIndex says it is in, or None.
        """
        if self._streams and (span := self._find_on_stack()) is not None:
            return span
        return None if id_ is None else self._spans.get(id_)

    def _find_on_stack(self) -> Span | None:
        frame = inspect.currentframe()
        while frame is not None:
            span = self._streams.get(id(frame))
            # Another frame may have the id of one that is gone.
            if span is not None and _frame_of(_stream_of(span)) is frame:
                return span
            frame = frame.f_back
        return None


def _stream_of(span: Span) -> Any:
    return None if span.stream is None else span.stream()


def _frame_of(stream: Any) -> types.FrameType | None:
    """Return the frame in which a generator runs, sync or async, or None where it is over."""
    frame = getattr(stream, "gi_frame", None) or getattr(stream, "ag_frame", None)
    return frame if isinstance(frame, types.FrameType) else None

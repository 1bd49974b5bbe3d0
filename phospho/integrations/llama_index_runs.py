"""What LlamaIndex is doing at the moment: runs, each with the calls in it that are open.

All is kept by the id of a span and let go with the run it belongs to, for a run may go on in other
threads and tasks, and many go on at once. There are no locks: each change is one operation of a
dict, since the garbage collector may come in between to tell of a stream that was dropped.
"""

from __future__ import annotations

import inspect
import types
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phospho.integrations.llama_index_spans import Role
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
        "__weakref__", "errors", "find_watch", "held", "id", "is_own", "is_quiet", "metadata",
        "role", "span_ids", "underway",
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
        self.span_ids: set[str] = set()
        # Of the steps that failed, for those that LlamaIndex got over.
        self.errors: list[dict[str, str]] = []
        # What watches its answer go by. A generator that is dropped takes its watch along, so that
        # one is not held from here.
        self.find_watch: Callable[[], Watch | None] = _find_none
        # The response that the app holds, to learn when it is dropped.
        self.held: weakref.ref[Any] | None = None


def _find_none() -> None:
    """Stand for the watch of a run whose answer is no stream."""


class Span:
    """One call in a run, until it has returned and what it streams is over.

    Args:
        id_: As LlamaIndex has it.
        run: What it is part of.
        role: What it is, or None.
        is_model_call: Whether it is the call of a model, or is made by one.
    """

    __slots__ = (
        "frame_id", "id", "is_answer", "is_model_call", "model", "name", "role", "run",
        "step", "stream", "watch",
    )  # fmt: skip

    def __init__(self, id_: str, run: Run, role: Role | None, *, is_model_call: bool) -> None:
        self.id = id_
        self.run = run
        self.role = role
        self.is_model_call = is_model_call
        # Whether what it says is what the run answers.
        self.is_answer = id_ == run.id
        self.name = ""
        self.model: str | None = None
        self.step: Step | None = None
        self.watch: Watch | None = None
        self.stream: weakref.ref[Any] | None = None
        self.frame_id = 0

    @property
    def kind(self) -> str:
        """The kind of its role."""
        return self.role.kind if self.role is not None else "unknown"


class OpenRuns:
    """The runs and spans that are open, found by ids, and by the code that is running.

    Args:
        give_up: Called with the oldest run, where there are too many.
    """

    def __init__(self, give_up: Callable[[Run], None]) -> None:
        self._give_up = give_up
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

    def remove_run(self, run: Run) -> None:
        """Let go of a run with all its spans."""
        self._runs.pop(run.id, None)
        for span_id in list(run.span_ids):
            span = self._spans.get(span_id)
            if span is not None:
                self.remove(span)

    def add(self, span: Span) -> None:
        """Keep a span."""
        span.run.span_ids.add(span.id)
        self._spans[span.id] = span

    def remove(self, span: Span) -> None:
        """Let go of a span."""
        self._spans.pop(span.id, None)
        self._streams.pop(span.frame_id, None)
        span.run.span_ids.discard(span.id)

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

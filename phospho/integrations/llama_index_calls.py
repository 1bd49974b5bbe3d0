"""Makes interactions and steps of the calls that LlamaIndex tells of.

The outermost call that a person may have made is an interaction; a retrieval, a tool, an agent or
the call of a model inside of it is a step. Where the answer is a stream, the call has returned long
before there is one: then the interaction is logged when the stream has gone by.
"""

from __future__ import annotations

import types
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llama_index_instrumentation.span import active_span_id

from phospho import guard, underway
from phospho.attaching import attach, is_stream
from phospho.default import get_client
from phospho.extractors.fields import get
from phospho.integrations.llama_index_reading import (
    find_asked,
    find_model,
    find_name,
    read_asked_of_step,
    read_step,
    read_tags,
    with_model,
    without_usage,
)
from phospho.integrations.llama_index_runs import OpenRuns, Run, Span
from phospho.integrations.llama_index_spans import Alone, Role, find_role
from phospho.reading import NO_ANSWER, Reading
from phospho.steps import describe_error
from phospho.streaming import Watch
from phospho.underway import Outer, Underway

if TYPE_CHECKING:
    from phospho.client import Client

# Of an agent that goes in circles, the first errors tell enough.
_MAX_ERRORS = 10

# By raising this, a step of a workflow waits for a person: `ctx.wait_for_event`.
_NO_ERRORS = frozenset({"WaitingForEvent"})

_GENERATORS = (types.GeneratorType, types.AsyncGeneratorType)


class Calls:
    """Takes note of calls, from any thread and task."""

    def __init__(self) -> None:
        self.open = OpenRuns(self._give_up)

    def find_outer(self) -> Outer | None:
        """Return the interaction that the code now running is part of, as LlamaIndex tells."""
        span = self.open.find(active_span_id.get())
        return None if span is None else Outer(span.run.underway, span.is_model_call)

    def enter(
        self, id_: str, instance: Any, arguments: Mapping[str, Any], parent_id: str | None
    ) -> None:
        """Take note of a call that begins."""
        role = find_role(id_, instance, arguments)
        parent = self.open.find(parent_id)
        if parent is not None:
            run = parent.run
        elif role is None or (begun := self._begin(id_, role, arguments)) is None:
            return
        else:
            run = begun
        is_model = role is not None and role.kind == "llm"
        is_inside = run.is_quiet or (parent is not None and parent.is_model_call)
        span = Span(id_, run, role, is_model_call=is_model or is_inside)
        if is_model:
            span.model = find_model(instance)
        if span.kind == "writer" and parent is not None and parent.id == run.id:
            span.watch = run.find_watch()
        elif span.kind == "chat" and span.is_answer and "stream" in id_:
            # Its writer may be done before the call has returned.
            watch = self._watch(span)
            run.find_watch = lambda: watch
        self.open.add(span)
        # The adapter of a tool calls the tool.
        is_told = is_inside or (parent is None and run.is_own) or _are_one_tool(parent, span)
        if role is not None and role.step is not None and not is_told:
            span.name = find_name(id_, role, instance, arguments)
            plugins = _client_of(run).plugins
            asked = read_asked_of_step(role, find_asked(role, arguments), plugins)
            span.step = run.underway.steps.begin(role.step, span.name, asked)

    def exit(self, id_: str, result: Any) -> None:
        """Take note of what a call returned."""
        span = self.open.get(id_)
        if span is None:
            return
        with guard.guarded("read what LlamaIndex returned"):
            self._exit(span, result)
            return
        self._over(span, NO_ANSWER)

    def drop(self, id_: str, err: BaseException | None) -> None:
        """Take note of what a call raised."""
        span = self.open.get(id_)
        if span is None:
            return
        err = err or RuntimeError("no error was told")
        if span.kind == "writer":
            self.open.remove(span)
            if span.watch is not None:
                span.watch.fail(err)
        elif type(err).__name__ in _NO_ERRORS:
            self._over(span, NO_ANSWER)
        else:
            status = "error" if isinstance(err, Exception) else "cancelled"
            self._over(span, NO_ANSWER, {"status": status, "error": describe_error(err)})

    def add(self, id_: str, piece: Any) -> None:
        """Take note of a piece of a stream that went by."""
        span = self.open.get(id_)
        if span is not None and span.watch is not None:
            span.watch.add(piece)

    def end_stream(self, id_: str) -> None:
        """Take note of the end of a model's stream."""
        span = self.open.get(id_)
        if span is not None and span.watch is not None:
            span.watch.end()

    def fail_stream(self, id_: str, exc: BaseException) -> None:
        """Take note of what a model's stream raised, or that it was closed."""
        span = self.open.get(id_)
        if span is not None and span.watch is not None:
            span.watch.fail(exc)

    def leave_all(self) -> None:
        """Log all that is under way with what there is of it."""
        for run in self.open.list_runs():
            self._give_up(run)

    def _begin(self, id_: str, role: Role, arguments: Mapping[str, Any]) -> Run | None:
        """Begin a run, or return None where a call is no interaction and adds to none."""
        outer = underway.find_outer()
        if role.alone is Alone.NOTHING and (outer is None or role.step is None):
            return None
        if outer is None and role.alone is Alone.TURN:
            client = get_client()
            fields = read_tags()
            heard = client.read("input", find_asked(role, arguments))
            run = Run(id_, role, Underway(client, heard, fields), fields["metadata"], is_own=True)
        elif outer is None or outer.is_model_call:
            run = Run(id_, role, Underway(None, None, {}), {}, is_quiet=True)
        else:
            run = Run(id_, role, outer.underway, {})
        self.open.add_run(run)
        return run

    def _exit(self, span: Span, result: Any) -> None:
        if span.kind == "writer":
            self.open.remove(span)
            if span.watch is not None:
                span.watch.end()
        elif span.kind == "llm" and isinstance(result, _GENERATORS):
            self._follow_model(span, result)
        elif not span.is_answer:
            self._over(span, self._read(span, result))
        elif span.kind == "workflow" and result is None:
            self._over(span, NO_ANSWER, {"status": "cancelled"})
        else:
            answer = _held_by(span, result)
            if not self._follow(span, answer):
                self._over(span, self._read(span, answer))

    def _follow_model(self, span: Span, stream: Any) -> None:
        """Follow what a model streams; of one that is asked by another, the other is."""
        if span.step is None and not span.is_answer:
            self.open.remove(span)
            return
        watch = self._watch(span).is_of(stream)
        if span.is_answer:
            span.run.find_watch = lambda: watch
        self.open.follow(span, stream, watch)

    def _follow(self, span: Span, answer: Any) -> bool:
        """Follow an answer that is a stream; returns whether it is one."""
        run = span.run
        if type(answer).__name__ == "StreamingAgentChatResponse":
            return self._follow_chat(run, answer)
        if not is_stream(answer, declared=False):
            return False
        if isinstance(answer, _GENERATORS):
            # What a workflow passes on of a model.
            stream = self.open.find_by_stream(answer)
            if stream is None or stream.run is not run:
                return False
            stream.is_answer = True
            return True
        watch = self._watch(span)
        run.find_watch = weakref.ref(watch)
        attach(answer, watch)
        return True

    def _follow_chat(self, run: Run, response: Any) -> bool:
        """Follow a chat engine's stream: by the span that writes it to the memory, if any does."""
        watch = run.find_watch()
        if watch is None:
            return False
        if get(response, "is_writing_to_memory"):
            run.held = weakref.ref(response, lambda _: watch.leave())
            return True
        for name in ("chat_stream", "achat_stream"):
            stream = get(response, name)
            if isinstance(stream, _GENERATORS):
                run.find_watch = weakref.ref(watch)
                setattr(response, name, attach(stream, watch))
                return True
        return False

    def _watch(self, span: Span) -> Watch:
        """Return what watches the stream that a call returned."""

        def log(
            said: Reading | None, outcome: Mapping[str, Any], times: Mapping[str, float]
        ) -> None:
            self._over(span, said or NO_ANSWER, outcome, times)

        run = span.run
        is_told = run.is_own or span.step is not None
        return _SpanWatch(_client_of(run) if is_told else None, log, run.underway.started, span.id)

    def _read(self, span: Span, result: Any) -> Reading:
        """Read what a call returned, in full where that is the answer."""
        run = span.run
        if span.step is not None:
            return read_step(span.role, result, _client_of(run).plugins)
        if run.is_own and span.is_answer:
            return _client_of(run).read("output", result)
        return NO_ANSWER

    def _over(
        self,
        span: Span,
        said: Reading,
        outcome: Mapping[str, Any] | None = None,
        times: Mapping[str, float] | None = None,
    ) -> None:
        """End a span, and its run where that is its answer."""
        self.open.remove(span)
        outcome = outcome or {}
        said = with_model(said, span.model)
        if span.step is not None:
            span.step.end_with(said, outcome.get("error"))
            if outcome.get("status") == "error" and len(span.run.errors) < _MAX_ERRORS:
                span.run.errors.append({"step": span.name, **outcome["error"]})
        if span.is_answer:
            self._finish(span.run, said, outcome, times)

    def _finish(
        self,
        run: Run,
        said: Reading,
        outcome: Mapping[str, Any],
        times: Mapping[str, float] | None,
    ) -> None:
        """Log a run that is an interaction, and let go of it."""
        self.open.remove_run(run)
        if not run.is_own:
            return
        if run.errors and "status" not in outcome:
            # LlamaIndex has an answer all the same.
            run.metadata["step_errors"] = run.errors
        if run.role.kind == "workflow" and run.underway.steps.facts().keys() - {"model"}:
            # An agent tells the tokens of its last call; its steps have those of all.
            said = without_usage(said)
        run.underway.log(said, outcome, times, is_late=times is not None)

    def _give_up(self, run: Run) -> None:
        """Log a run with what there is of it."""
        watch = run.find_watch()
        if watch is not None:
            watch.leave()
        self._finish(run, NO_ANSWER, {"status": "incomplete"}, None)


class _SpanWatch(Watch):
    """Watches a stream; what LlamaIndex does for its next piece is part of the call it is of."""

    __slots__ = ("_outer_id", "_span_id")

    def __init__(self, client: Client | None, log: Any, started: float, span_id: str) -> None:
        super().__init__(client, log, started)
        self._span_id = span_id
        self._outer_id: str | None = None

    def resume(self) -> None:
        """Make what runs part of the call; there is no token, as the app may change contexts."""
        super().resume()
        self._outer_id = active_span_id.get()
        active_span_id.set(self._span_id)

    def pause(self) -> None:
        """Go back to what the app was in."""
        if self.is_inside:
            active_span_id.set(self._outer_id)
        super().pause()


def _client_of(run: Run) -> Client:
    return run.underway.client or get_client()


def _are_one_tool(parent: Span | None, span: Span) -> bool:
    return span.kind == "tool" and parent is not None and parent.kind == "tool"


def _held_by(span: Span, result: Any) -> Any:
    """Return what the event that stops a workflow holds; else the result itself."""
    held = get(result, "result") if span.kind == "workflow" else None
    return result if held is None else held

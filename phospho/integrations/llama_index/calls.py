"""Makes interactions and steps of the calls that LlamaIndex tells of.

The outermost call that a person may have made is an interaction; a retrieval, a tool, an agent or
the call of a model inside of it is a step. Where the answer is a stream, the call has returned long
before there is one: then the interaction is logged when the stream has gone by.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llama_index_instrumentation.span import active_span_id

from phospho import guard, underway
from phospho.attaching import is_stream
from phospho.default import get_client
from phospho.extractors.fields import get
from phospho.integrations.llama_index import streams
from phospho.integrations.llama_index.reading import (
    find_asked,
    find_model,
    find_name,
    read_answer,
    read_asked_of_step,
    read_step,
    read_tags,
    with_model,
    without_usage,
)
from phospho.integrations.llama_index.runs import OpenRuns, Run, Span
from phospho.integrations.llama_index.spans import Alone, Role, find_role
from phospho.reading import NO_ANSWER, Reading
from phospho.steps import describe_error
from phospho.underway import Outer, Underway

if TYPE_CHECKING:
    from phospho.client import Client
    from phospho.streaming import Watch

# Of an agent that goes in circles, the first errors tell enough.
_MAX_ERRORS = 10

# By raising this, a step of a workflow waits for a person: `ctx.wait_for_event`.
_NO_ERRORS = frozenset({"WaitingForEvent"})

_LEFT = {"status": "incomplete"}


class Calls:
    """Takes note of calls, from any thread and task."""

    def __init__(self) -> None:
        self.open = OpenRuns(self._give_up)

    def find_outer(self) -> Outer | None:
        """Return the interaction that the code now running is part of, as LlamaIndex tells."""
        span = self.open.find(streams.find_place(active_span_id.get()))
        if span is None:
            return None
        if span.run.underway.is_over:
            # What goes on after the answer, as tasks that nobody waits for, is nobody's.
            return Outer(_of_nobody(span.run.underway.started), is_model_call=True)
        return Outer(span.run.underway, span.is_model_call)

    def enter(
        self, id_: str, instance: Any, arguments: Mapping[str, Any], parent_id: str | None
    ) -> None:
        """Take note of a call that begins."""
        role = find_role(id_, instance, arguments)
        parent = self.open.find(streams.find_place(parent_id))
        if parent is not None:
            run: Run | None = parent.run
        else:
            run = None if role is None else self._begin(id_, role, arguments)
        if run is None:
            return
        is_inside = run.is_quiet or (parent is not None and parent.is_model_call)
        span = Span(id_, run, role, is_inside=is_inside)
        if span.kind == "llm":
            span.model = find_model(instance)
        self.open.add(span)
        if span.kind == "writer":
            self._follow_writer(span, instance, parent)
        if not is_inside and not (span.is_answer and run.is_own) and not _is_one_tool(parent, span):
            self._begin_step(span, instance, arguments)

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
            self.fail_stream(id_, err)
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
        """Take note of the end of a stream."""
        span = self.open.get(id_)
        if span is not None and span.watch is not None:
            span.watch.end()

    def fail_stream(self, id_: str, exc: BaseException) -> None:
        """Take note of what a stream raised, or that it was closed."""
        span = self.open.get(id_)
        if span is not None and span.watch is not None:
            span.watch.fail(exc)

    def leave_all(self) -> None:
        """Log all that is under way with what there is of it, and forget it."""
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
            run = Run(id_, role, _of_nobody(), {}, is_quiet=True)
        else:
            run = Run(id_, role, outer.underway, {})
        self.open.add_run(run)
        return run

    def _begin_step(self, span: Span, instance: Any, arguments: Mapping[str, Any]) -> None:
        role, run = span.role, span.run
        if role is None or role.step is None:
            return
        span.name = find_name(span.id, role, instance, arguments)
        asked = read_asked_of_step(role, find_asked(role, arguments), _client_of(run).plugins)
        span.step = run.underway.steps.begin(role.step, span.name, asked)

    def _exit(self, span: Span, result: Any) -> None:
        if span.kind == "writer":
            self.end_stream(span.id)
        elif span.kind == "llm" and streams.is_generator(result):
            self._follow_model(span, result)
        elif not span.is_answer:
            if not self._is_held_open(span, result):
                self._over(span, self._read(span, result))
        elif span.kind == "workflow" and result is None:
            self._over(span, NO_ANSWER, {"status": "cancelled"})
        else:
            answer = _held_by(span, result)
            if not self._follow(span, answer):
                self._over(span, self._read(span, answer))

    def _is_held_open(self, span: Span, response: Any) -> bool:
        """Keep a chat engine's call open for what writes its stream, which may begin later."""
        if not streams.is_chat_stream(response) or get(response, "is_done"):
            return False
        span.stream = weakref.ref(response, lambda _: self.open.remove(span))
        return True

    def _follow_model(self, span: Span, stream: Any) -> None:
        """Follow what a model streams; of one that is asked by another, the other is."""
        if span.step is None and not span.is_answer:
            self.open.remove(span)
            return
        watch = self._watch(span).is_of(stream)
        self.open.follow(span, stream, watch)
        if span.is_answer:
            span.expect()

    def _follow_writer(self, span: Span, response: Any, parent: Span | None) -> None:
        """Follow what a chat engine streams, by the call that writes it into its memory."""
        span.watch = self._watch(span)
        span.stream = weakref.ref(response)
        if parent is not None and parent.kind == "chat":
            span.held_open = parent
        awaited = span.run.awaited
        is_of_run = span.held_open is not None and span.held_open.is_answer
        if is_of_run or (awaited is not None and awaited() is response):
            span.expect()

    def _follow(self, span: Span, answer: Any) -> bool:
        """Follow an answer that is a stream; returns whether it is one that is still to come."""
        if streams.is_chat_stream(answer):
            return self._follow_chat(span, answer)
        if not is_stream(answer, declared=False):
            return False
        if not streams.is_generator(answer):
            streams.watch_response(span.run, answer, self._watch(span))
            return True
        passed_on = self.open.find_by_stream(answer)
        if passed_on is not None and passed_on.run is span.run:
            passed_on.expect()
        else:
            # A generator of the app's own, which has it already.
            self._over(span, NO_ANSWER, _LEFT)
        return True

    def _follow_chat(self, span: Span, response: Any) -> bool:
        run = span.run
        if not get(response, "is_writing_to_memory"):
            return streams.watch_chat(run, response, self._watch(span))
        # What writes it may have begun, may be about to, or be done.
        run.awaited = weakref.ref(response, lambda _: self._give_up(run))
        writer = self.open.find_writer(run, response)
        if writer is not None:
            writer.expect()
        return writer is not None or not get(response, "is_done")

    def _watch(self, span: Span) -> Watch:
        """Return what watches the stream that a call returned."""

        def log(
            said: Reading | None, outcome: Mapping[str, Any], times: Mapping[str, float]
        ) -> None:
            self._over(span, said or NO_ANSWER, outcome, times)

        is_told = span.run.is_own or span.step is not None
        return streams.SpanWatch(_client_of(span.run) if is_told else None, log, span)

    def _read(self, span: Span, result: Any) -> Reading:
        """Read what a call returned, in full where that is the answer."""
        run = span.run
        if span.step is not None:
            return read_step(span.role, result, _client_of(run).plugins)
        if run.is_own and span.is_answer:
            return read_answer(span.kind, result, _client_of(run))
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
        if span.held_open is not None:
            self.open.remove(span.held_open)
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
        times: Mapping[str, float] | None = None,
    ) -> None:
        """Log a run that is an interaction, and let go of it."""
        self.open.finish(run)
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
        """Log a run with what there is of it, and forget it."""
        watch = run.find_watch()
        if watch is not None:
            watch.leave()
        self._finish(run, NO_ANSWER, _LEFT)
        self.open.forget(run)


def _of_nobody(started: float | None = None) -> Underway:
    """Return what nothing is logged of; by default it begins now."""
    nobody = Underway(None, None, {})
    nobody.started = started or nobody.started
    return nobody


def _client_of(run: Run) -> Client:
    return run.underway.client or get_client()


def _is_one_tool(parent: Span | None, span: Span) -> bool:
    """Tell whether a tool is called by another one, which is its adapter."""
    return span.kind == "tool" and parent is not None and parent.kind == "tool"


def _held_by(span: Span, result: Any) -> Any:
    """Return what the event that stops a workflow holds; else the result itself."""
    held = get(result, "result") if span.kind == "workflow" else None
    return result if held is None else held

"""Read text out of runs of the OpenAI Agents SDK, and the events they stream.

Source: openai-agents 0.24, result.py, items.py, stream_events.py, usage.py, exceptions.py; what is
inside are items and events of the Responses API (openai 3.54, types/responses/). An answer is what
the last agent said; what came before was said to tools and other agents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from phospho.extraction import Extracted
from phospho.extractors import messages as by_role
from phospho.extractors import openai_responses
from phospho.extractors.chunks import ChunkReader, read_list
from phospho.extractors.fields import (
    first_text,
    get,
    get_count,
    get_list,
    get_text,
    json_text,
    last_items,
    token_counts,
)
from phospho.extractors.messages import calls_text, content_text
from phospho.hookspecs import hookimpl

_RUN = ("new_items", "raw_responses")
_CALLS = frozenset({"tool_call_item", "handoff_call_item"})
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})


@hookimpl
def phospho_extract_input(value: Any) -> Extracted | None:
    """Return the last thing a person said to a run, or in its items."""
    if (items := _raw_items(value)) is not None:
        return openai_responses.phospho_extract_input(items)
    if not _is_run(value):
        return None
    asked = get(value, "input")
    system = get_text(get(value, "last_agent"), "instructions")
    if isinstance(asked, str):
        return Extracted(text=asked, system_prompt=system)
    said = [item for item in last_items(asked) if get_text(item, "role")] if _is_list(asked) else []
    read = by_role.phospho_extract_input(said)
    if read is None:
        return Extracted(text="", system_prompt=system)
    return Extracted(text=read.text, system_prompt=read.system_prompt or system, extra=read.extra)


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | None:
    """Return the final output of a run; of one that is still streamed, what was said so far."""
    if (items := _raw_items(value)) is not None:
        return openai_responses.phospho_extract_output(items)
    if isinstance(value, (list, tuple)):
        return read_list(Chunks([]), last_items(value))
    if _is_run(value):
        return _read_run(value, _tripped(value))
    if isinstance(value, Exception) and _is_ours(value):
        return _read_run(get(value, "run_data"), _error_of(value))
    return _read_response(value) if _is_response(value) else None


def _raw_items(value: Any) -> list[Any] | None:
    """Return what the items of a run are in the Responses API; None for other values."""
    items = last_items(value) if isinstance(value, (list, tuple)) else [value]
    raw = [
        get(item, "raw_item") for item in items if (get_text(item, "type") or "").endswith("_item")
    ]
    return raw if raw and len(raw) == len(items) and None not in raw else None


def _is_run(value: Any) -> bool:
    return all(_is_list(get(value, name)) for name in _RUN)


def _is_response(value: Any) -> bool:
    """Know the SDK's `ModelResponse`, which has no field that says what it is."""
    has_usage = get_count(get(value, "usage"), "requests") is not None
    return has_usage and _is_list(get(value, "output"))


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _is_ours(value: Any) -> bool:
    return any(str(kind.__module__).partition(".")[0] == "agents" for kind in type(value).__mro__)


def _read_run(run: Any, error: dict[str, str] | None) -> Extracted:
    items = get_list(run, "new_items")
    calls = [
        call
        for item in items
        if get_text(item, "type") in _CALLS and (call := _call(get(item, "raw_item")))
    ]
    messages = [get(i, "raw_item") for i in items if get(i, "type") == "message_output_item"]
    final = get(run, "final_output")
    said = _said(messages[-1]) if messages else ""
    return Extracted(
        text=json_text(final) or said or calls_text(calls),
        model=get_text(get(run, "last_agent"), "model"),
        usage=_usage(get_list(run, "raw_responses")),
        tool_calls=calls,
        error=error,
        extra=_extra(run, items, messages),
    )


def _read_response(response: Any) -> Extracted | None:
    """Return what one model answered."""
    items = get_list(response, "output")
    called = [item for item in items if get(item, "type") == "function_call"]
    calls = [call for item in called if (call := _call(item))]
    texts = [text for item in items if (text := _said(item))]
    return Extracted(
        text="\n".join(texts) or calls_text(calls), usage=_usage([response]), tool_calls=calls
    )


def _said(message: Any) -> str:
    """Return the text, or refusal, in a message of the Responses API."""
    return content_text(get(message, "content")) if get(message, "type") == "message" else ""


def _call(item: Any) -> dict[str, str] | None:
    name = first_text(item, "name", "type")
    if name is None:
        return None
    given = get(item, "arguments")
    return {"name": name, "arguments": json_text(get(item, "input") if given is None else given)}


def _usage(responses: Sequence[Any]) -> dict[str, int]:
    """Return the tokens of all models of a run together."""
    counts: Counter[str] = Counter()
    for response in responses:
        counts.update(_counts(get(response, "usage")))
    return dict(counts)


def _counts(usage: Any) -> dict[str, int]:
    return token_counts(
        get_count(usage, "input_tokens"),
        get_count(usage, "output_tokens"),
        get_count(usage, "total_tokens"),
    )


def _details(usage: Any) -> dict[str, int]:
    found = {
        "reasoning_tokens": get_count(get(usage, "output_tokens_details"), "reasoning_tokens"),
        "cached_tokens": get_count(get(usage, "input_tokens_details"), "cached_tokens"),
    }
    return {name: count for name, count in found.items() if count}


def _extra(run: Any, items: Sequence[Any], messages: Sequence[Any]) -> dict[str, Any]:
    details: Counter[str] = Counter()
    for response in get_list(run, "raw_responses"):
        details.update(_details(get(response, "usage")))
    kinds = Counter(get_text(item, "type") for item in items)
    counts = {
        "tool_results": kinds["tool_call_output_item"],
        "handoffs": kinds["handoff_output_item"],
        "interrupts": len(get_list(run, "interruptions")),
    }
    extra: dict[str, Any] = {name: count for name, count in counts.items() if count}
    if agent := get_text(get(run, "last_agent"), "name"):
        extra["agent"] = agent
    if messages and _is_refusal(messages[-1]):
        extra["refusal"] = True
    return extra | dict(details)


def _is_refusal(message: Any) -> bool:
    return any(get(part, "type") == "refusal" for part in get_list(message, "content"))


def _tripped(run: Any) -> dict[str, str] | None:
    """Return which guardrail stopped a run."""
    for side in ("input", "output"):
        for result in get_list(run, f"{side}_guardrail_results"):
            if get(get(result, "output"), "tripwire_triggered") is True:
                name = get_text(get(result, "guardrail"), "name")
                return {
                    "type": f"{side.title()}GuardrailTripwireTriggered",
                    "message": name or "A guardrail stopped the run",
                }
    return None


def _error_of(failure: Exception) -> dict[str, str]:
    return {"type": type(failure).__name__, "message": str(failure)}


class Chunks(ChunkReader):
    """Reads the events of a streamed run; of the models' own events those that say something."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__(texts)
        self._is_message_over = False
        self._counts: Counter[str] = Counter()
        self._called: list[dict[str, str]] = []

    def add(self, chunk: Any) -> bool:
        """Read one event."""
        kind = get(chunk, "type")
        if kind == "raw_response_event":
            self._add_raw(get(chunk, "data"))
        elif kind == "run_item_stream_event":
            self._add_item(get_text(chunk, "name"), get(chunk, "item"))
        elif kind == "agent_updated_stream_event":
            self._note_agent(get(chunk, "new_agent"))
        else:
            return False
        return True

    def _add_raw(self, event: Any) -> None:
        kind = get_text(event, "type")
        if kind in {"response.output_text.delta", "response.refusal.delta"}:
            self._add_text(get_text(event, "delta"))
            if kind == "response.refusal.delta":
                self.extra["refusal"] = True
        elif kind == "response.output_item.added":
            self._is_message_over = True
        elif kind in _ENDS:
            self._add_end(get(event, "response"))
        elif kind == "error":
            message = get_text(event, "message") or ""
            self.error = {"type": get_text(event, "code") or "error", "message": message}

    def _add_text(self, delta: str | None) -> None:
        if not delta:
            return
        if self._is_message_over:
            self._is_message_over = False
            self.texts.clear()
        self.texts.append(delta)

    def _add_end(self, response: Any) -> None:
        """Read the facts of one model's answer; a run may have several."""
        usage = get(response, "usage")
        self._counts.update(_counts(usage))
        for name, count in _details(usage).items():
            self.extra[name] = self.extra.get(name, 0) + count
        self.model = get_text(response, "model") or self.model
        reason = get_text(get(response, "incomplete_details"), "reason")
        self.finish_reason = reason or get_text(response, "status") or self.finish_reason
        failure = get(response, "error")
        if failure is not None:
            message = get_text(failure, "message") or ""
            self.error = {"type": get_text(failure, "code") or "error", "message": message}

    def _add_item(self, name: str | None, item: Any) -> None:
        if name in {"tool_called", "handoff_requested"}:
            call = _call(get(item, "raw_item"))
            self._called += [call] if call else []
        elif name == "tool_output":
            self.extra["tool_results"] = self.extra.get("tool_results", 0) + 1
        elif name == "handoff_occured":
            self.extra["handoffs"] = self.extra.get("handoffs", 0) + 1
        elif name == "message_output_created" and not self.texts:
            self.texts.append(_said(get(item, "raw_item")))

    def _note_agent(self, agent: Any) -> None:
        if name := get_text(agent, "name"):
            self.extra["agent"] = name

    def text(self) -> str:
        """Return the last message, or the calls where nothing was said."""
        return "".join(self.texts) or calls_text(self._called)

    def read(self) -> Extracted:
        """Return what the events so far amount to."""
        return Extracted(
            text=self.text(),
            model=self.model,
            usage=dict(self._counts),
            finish_reason=self.finish_reason,
            tool_calls=list(self._called),
            error=self.error,
            extra=self.extra,
        )

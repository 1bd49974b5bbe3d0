"""Turns of a trace in the form of a logged event, and so within the limits of one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from phospho.snapshot import MAX_ID_CHARS, MAX_METADATA_CHARS, MAX_RAW_CHARS, clean_text, take
from phospho.steps import short_text
from phospho_server.incoming import read_interaction
from phospho_server.otlp.messages import USER as BY_USER
from phospho_server.otlp.messages import Message, last_text
from phospho_server.otlp.said import LLM, Told
from phospho_server.otlp.turns import Turn, read_turns
from phospho_server.otlp.wire import Span
from phospho_server.store.rows import NewInteraction

_NS_PER_MS = 1_000_000

# Of metadata, what an interaction is found by, where it is no list and not too long.
_IDS = ("user_id", "version_id")

# Attributes that nobody reads are kept, so that nothing has to be sent again when names change;
# texts in full are in the messages.
_MAX_ATTRIBUTE_CHARS = 1_000
_MAX_ATTRIBUTES_CHARS = 20_000

# What was said stands elsewhere in full.
_MESSAGES = re.compile(
    r"(gen_ai\.(input|output|prompt|completion|system_instructions)"
    r"|llm\.(input_messages|output_messages|prompts|choices)|(input|output)\.value"
    r"|ai\.(prompt|response\.text)|pydantic_ai\.all_messages|(request|response)_data"
    r"|all_messages_events|final_result|traceloop\.entity\.(input|output)|phospho\."
    r"|langfuse\.(observation|trace)\.(input|output|metadata)|retrieval\.documents"
    r"|logfire\.json_schema)"
)


def read_trace(spans: Sequence[Span], *, received_at_ms: int) -> list[NewInteraction]:
    """Return the interactions in a trace, in the order of time.

    The first has the trace's id as its `task_id`, unless the app gave it one; the second has `-2`
    behind it, and so on.

    Args:
        spans: All spans of one trace that are known, each once, in any order.
        received_at_ms: Taken as the time of spans that have an impossible one.
    """
    found: dict[str, NewInteraction] = {}
    for number, turn in enumerate(read_turns(spans), start=1):
        event = _to_event(turn, number)
        interaction = read_interaction(event, received_at_ms=received_at_ms)
        found.setdefault(interaction.task_id, interaction)
    return list(found.values())


def _to_event(turn: Turn, number: int) -> dict[str, Any]:
    told, last = turn.said, turn.anchors[-1]
    trace_id = last.span.trace_id
    own_id = trace_id if number == 1 else f"{trace_id}-{number}"
    return {
        "task_id": _short_id(told.task_id) or own_id,
        "session_id": _short_id(told.session) or trace_id,
        "user_id": _short_id(told.user),
        "version_id": _short_id(told.version),
        "created_at_ms": min(each.span.started_at_ns for each in turn.anchors) // _NS_PER_MS,
        "input": turn.question,
        "output": turn.answer,
        "raw_input": _raw_input(turn),
        "raw_output": _raw_output(turn),
        "steps": [_to_step(step) for step in turn.steps],
        "metadata": _metadata(turn),
    }


def _short_id(text: str | None) -> str | None:
    return clean_text(text)[:MAX_ID_CHARS] if text else None


def _raw_input(turn: Turn) -> Any:
    told = turn.said
    given = list(told.messages_in) or told.input
    only = _only_message(given)
    if only and last_text([only], BY_USER) == turn.question:
        return None
    return take(given, MAX_RAW_CHARS).value


def _raw_output(turn: Turn) -> Any:
    told = turn.said
    given = list(told.messages_out) or told.output
    only = _only_message(given)
    if only and only.get("content") == turn.answer and not only.get("tool_calls"):
        return None
    return take(given, MAX_RAW_CHARS).value


def _only_message(given: object) -> Message | None:
    """Return the message that something consists of, if it is a single one."""
    if isinstance(given, list) and len(given) == 1 and isinstance(given[0], dict):
        return given[0]
    return None


def _metadata(turn: Turn) -> dict[str, Any]:
    told = turn.said
    kept: dict[str, Any] = take(dict(told.metadata), MAX_METADATA_CHARS // 2).value
    known: dict[str, Any] = {
        "model": told.model,
        "provider": told.provider,
        "usage": dict(told.usage) or None,
        "trace_id": turn.anchors[-1].span.trace_id,
        **take(dict(told.facts), MAX_METADATA_CHARS // 4).value,
    }
    if told.error:
        known |= {"status": "error", "error": dict(told.error)}
    no_ids = {name: kept.pop(name) for name in _IDS if name in kept and not _is_id(kept[name])}
    known["attributes"] = {**_attributes(turn.anchors[-1].span), **no_ids} or None
    return {**kept, **{name: value for name, value in known.items() if value is not None}}


def _is_id(value: object) -> bool:
    is_one = isinstance(value, str | int) and not isinstance(value, bool)
    return is_one and len(str(value)) <= MAX_ID_CHARS


def _attributes(span: Span) -> dict[str, Any]:
    """Return the attributes of a span as they came, the long ones cut, and no more than a page."""
    kept: dict[str, Any] = {}
    left = _MAX_ATTRIBUTES_CHARS
    for name in sorted(span.attributes):
        if _MESSAGES.match(name):
            continue
        value = span.attributes[name]
        short = value if isinstance(value, bool | int | float) else None
        if short is None:
            if value is None or len(str(value)) > _MAX_ATTRIBUTE_CHARS:
                continue
            short = take(value, _MAX_ATTRIBUTE_CHARS).value
        left -= len(name) + len(str(short))
        if left < 0:
            break
        kept[clean_text(name)] = short
    return kept


def _to_step(step: Told) -> dict[str, Any]:
    told, span = step.said, step.span
    kind = told.kind if told.kind != "chain" else "other"
    facts: dict[str, Any] = {
        "kind": kind,
        "name": told.name or span.name or "step",
        "started_at_ms": span.started_at_ns // _NS_PER_MS,
        "duration_ms": _duration_ms(span),
        "model": told.model,
        "usage": dict(told.usage) or None,
        "error": _short_error(told.error),
        "input": _short(told.question if kind in {LLM, "agent"} else told.input),
        "output": _short(_output_of(step)),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _output_of(step: Told) -> object:
    told = step.said
    if told.kind not in {LLM, "agent"}:
        return told.output
    calls = [
        f"{call['function']['name']}({call['function']['arguments']})"
        for message in told.messages_out
        for call in message.get("tool_calls", ())
    ]
    return told.answer or "\n".join(calls)


def _duration_ms(span: Span) -> float | None:
    took_ns = span.ended_at_ns - span.started_at_ns
    return round(took_ns / _NS_PER_MS, 1) if span.ended_at_ns and took_ns >= 0 else None


def _short(value: object) -> str | None:
    return None if value in (None, "", [], {}) else short_text(value)


def _short_error(error: Mapping[str, str] | None) -> dict[str, str] | None:
    return {name: short_text(text) for name, text in error.items()} if error else None

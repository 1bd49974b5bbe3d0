"""Small spans: `call("q", "a")` is a call of a model, `span(...)` anything else."""

from __future__ import annotations

import json
from typing import Any

from phospho_server.otlp.wire import Span
from tests.server.builders import NOON_MS

TRACE = "a" * 32
_START_NS = NOON_MS * 1_000_000


def span_id(number: int) -> str:
    return f"{number:016x}"


def span(
    number: int, parent: int | None = None, *, at: int | None = None, took: int = 10, **fields: Any
) -> Span:
    """Make a span that begins `at` milliseconds after noon; by default, as many as its number."""
    started = _START_NS + (number if at is None else at) * 1_000_000
    return Span(
        TRACE,
        span_id(number),
        parent_id=None if parent is None else span_id(parent),
        started_at_ns=started,
        ended_at_ns=started + took * 1_000_000,
        **fields,
    )


def messages(*said: str) -> str:
    """Return messages by turns, beginning with the user's, in GenAI's form."""
    return json.dumps(
        [
            {
                "role": ("user", "assistant")[place % 2],
                "parts": [{"type": "text", "content": text}],
            }
            for place, text in enumerate(said)
        ]
    )


def call(
    number: int,
    parent: int | None = None,
    *,
    asked: tuple[str, ...] = ("Hello",),
    answer: str | None = "Hi",
    attributes: dict[str, Any] | None = None,
    **fields: Any,
) -> Span:
    """Make a call of a model, as GenAI's conventions tell of it."""
    said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-x",
        "gen_ai.usage.input_tokens": 2,
        "gen_ai.usage.output_tokens": 1,
        "gen_ai.input.messages": messages(*asked),
    }
    if answer is not None:
        part = {"type": "text", "content": answer}
        said["gen_ai.output.messages"] = json.dumps([{"role": "assistant", "parts": [part]}])
    return span(number, parent, attributes={**said, **(attributes or {})}, **fields)


def agent(
    number: int, parent: int | None = None, *, asked: str, answer: str | None, **fields: Any
) -> Span:
    """Make an agent, as OpenInference tells of it."""
    said = {"openinference.span.kind": "AGENT", "input.value": asked}
    if answer is not None:
        said["output.value"] = answer
    said |= fields.pop("attributes", {})
    return span(number, parent, attributes=said, **fields)


def tool(number: int, parent: int | None = None, **fields: Any) -> Span:
    """Make a call of a tool."""
    said = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "get_weather",
        "gen_ai.tool.call.arguments": '{"city":"Paris"}',
        "gen_ai.tool.call.result": "Sunny",
    }
    return span(number, parent, attributes=said, **fields)

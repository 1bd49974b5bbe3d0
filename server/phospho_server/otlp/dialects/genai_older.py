"""OpenTelemetry's GenAI conventions before 1.37, and what instrumentations made of them.

Messages were events or log records, one each (`gen_ai.user.message`, `gen_ai.choice`), or events
`gen_ai.content.prompt` and `.completion`, or attributes: `gen_ai.prompt` as JSON or flattened
(`gen_ai.prompt.0.content`). Source: semantic-conventions 1.26 to 1.36; Traceloop before 0.50.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phospho_server.otlp.dialects.reading import count, first, known, text, usage
from phospho_server.otlp.messages import Message, gather, read_messages
from phospho_server.otlp.said import LLM, Said
from phospho_server.otlp.wire import Span, SpanEvent

_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}


def read(span: Span) -> Said:
    """Read a span whose messages are events, or attributes of the older names."""
    attributes = span.attributes
    messages_in = read_messages(first(attributes, "gen_ai.prompt"), "user") or read_messages(
        gather(attributes, "gen_ai.prompt"), "user"
    )
    messages_out = read_messages(first(attributes, "gen_ai.completion"), "assistant")
    messages_out = messages_out or read_messages(
        gather(attributes, "gen_ai.completion"), "assistant"
    )
    told_in, told_out = _read_events(span)
    is_call = text(attributes, "gen_ai.system") is not None and (
        text(attributes, "gen_ai.operation.name") is None
    )
    return Said(
        kind=LLM if is_call or messages_out or told_out else None,
        messages_in=messages_in or told_in,
        messages_out=messages_out or told_out,
        model=text(attributes, "gen_ai.response.model", "gen_ai.request.model"),
        provider=text(attributes, "gen_ai.system"),
        usage=usage(
            count(attributes, "gen_ai.usage.prompt_tokens"),
            count(attributes, "gen_ai.usage.completion_tokens"),
            count(attributes, "gen_ai.usage.total_tokens", "llm.usage.total_tokens"),
        ),
        user=text(attributes, "gen_ai.user", "llm.user", "gen_ai.request.user"),
        facts=known({"cost": first(attributes, "gen_ai.usage.cost")}),
    )


def _read_events(span: Span) -> tuple[list[Message], list[Message]]:
    messages_in: list[Message] = []
    messages_out: list[Message] = []
    for event in sorted(span.events, key=lambda event: event.at_ns):
        if event.name in _ROLES:
            messages_in += read_messages(_content_of(event), _ROLES[event.name])
        elif event.name == "gen_ai.choice":
            messages_out += read_messages(_content_of(event), "assistant")
        elif event.name == "gen_ai.content.prompt":
            messages_in += read_messages(event.attributes.get("gen_ai.prompt"), "user")
        elif event.name == "gen_ai.content.completion":
            messages_out += read_messages(event.attributes.get("gen_ai.completion"), "assistant")
    return messages_in, messages_out


def _content_of(event: SpanEvent) -> Any:
    """Return the message: the body of a log record, or the attributes of an event."""
    if isinstance(event.body, Mapping):
        return event.body
    if event.body not in (None, ""):
        return {"content": event.body}
    kept = {name: value for name, value in event.attributes.items() if "." not in name}
    return kept or None

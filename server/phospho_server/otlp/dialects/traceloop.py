"""OpenLLMetry, of Traceloop: entities, and properties that an app associates with a trace.

Its calls of models follow the GenAI conventions. Source: opentelemetry-semantic-conventions-ai
0.5.1, traceloop-sdk.
"""

from __future__ import annotations

from phospho_server.incoming import parse_json
from phospho_server.otlp.dialects.reading import below, first, text
from phospho_server.otlp.messages import parse
from phospho_server.otlp.said import AGENT, CHAIN, LLM, TOOL, Said
from phospho_server.otlp.wire import Span

_KINDS = {"workflow": CHAIN, "task": CHAIN, "agent": AGENT, "tool": TOOL}

_PROPERTIES = "traceloop.association.properties."
_SESSION = ("session_id", "conversation_id", "chat_id", "thread_id")
_USER = ("user_id", "customer_id")


def read(span: Span) -> Said:
    """Read `traceloop.*`, and the older `llm.request.type`."""
    attributes = span.attributes
    kind = _KINDS.get(text(attributes, "traceloop.span.kind") or "")
    if kind is None and text(attributes, "llm.request.type") in {"chat", "completion"}:
        kind = LLM
    properties = below(attributes, _PROPERTIES)
    return Said(
        kind=kind,
        name=text(attributes, "traceloop.entity.name"),
        input=_arguments(first(attributes, "traceloop.entity.input")),
        output=_returned(first(attributes, "traceloop.entity.output")),
        session=text(properties, *_SESSION),
        user=text(properties, *_USER),
        version=text(attributes, "traceloop.entity.version", "traceloop.prompt.version"),
        metadata={
            name: value for name, value in properties.items() if name not in (*_SESSION, *_USER)
        },
    )


def _arguments(value: object) -> object:
    """Return what a decorated function was called with; of one argument, that alone."""
    value = parse(value)
    if not isinstance(value, dict) or not {"args", "kwargs"} >= value.keys():
        return value
    args, named = value.get("args"), value.get("kwargs")
    args = args if isinstance(args, list) else []
    named = named if isinstance(named, dict) else {}
    if len(args) == 1 and not named:
        return args[0]
    texts = [each for each in args if isinstance(each, str)]
    return named if not texts else {"input": texts[0], **named}


def _returned(value: object) -> object:
    """Return what a decorated function returned, of which even a text is written as JSON."""
    if isinstance(value, str) and value.startswith('"'):
        try:
            return parse_json(value.encode("utf-8", "replace"))
        except ValueError:
            return value
    return parse(value)

"""LangSmith's own attributes. Source: langsmith 0.15, `_internal/otel/_otel_exporter.py`."""

from __future__ import annotations

from phospho_server.otlp.dialects.reading import below, first, text
from phospho_server.otlp.messages import read_messages
from phospho_server.otlp.said import CHAIN, LLM, OTHER, RETRIEVAL, TOOL, Said
from phospho_server.otlp.wire import Span

_KINDS = {"llm": LLM, "chain": CHAIN, "tool": TOOL, "retriever": RETRIEVAL}


def read(span: Span) -> Said:
    """Read a span that says its `langsmith.span.kind`."""
    attributes = span.attributes
    given = text(attributes, "langsmith.span.kind")
    if given is None:
        return Said()
    kind = _KINDS.get(given.lower(), OTHER)
    asked, answered = (first(attributes, name) for name in ("gen_ai.prompt", "gen_ai.completion"))
    metadata = below(attributes, "langsmith.metadata.")
    return Said(
        kind=kind,
        name=text(attributes, "langsmith.trace.name"),
        messages_in=read_messages(asked, "user") if kind == LLM else (),
        messages_out=read_messages(answered, "assistant") if kind == LLM else (),
        input=asked,
        output=answered,
        model=text(metadata, "ls_model_name"),
        provider=text(metadata, "ls_provider"),
        session=text(metadata, "session_id", "thread_id", "conversation_id"),
        user=text(metadata, "user_id"),
        metadata=metadata,
    )

"""Langfuse's own attributes. Source: langfuse 5, `LangfuseOtelSpanAttributes`."""

from __future__ import annotations

from phospho_server.otlp.dialects.reading import below, count, first, text, usage
from phospho_server.otlp.messages import parse, read_messages
from phospho_server.otlp.said import AGENT, CHAIN, LLM, OTHER, RETRIEVAL, TOOL, Said
from phospho_server.otlp.wire import Span

_KINDS = {
    "generation": LLM,
    "agent": AGENT,
    "chain": CHAIN,
    "span": CHAIN,
    "tool": TOOL,
    "retriever": RETRIEVAL,
}


def read(span: Span) -> Said:
    """Read `langfuse.observation.*` and `langfuse.trace.*`."""
    attributes = span.attributes
    given = text(attributes, "langfuse.observation.type")
    kind = _KINDS.get(given.lower(), OTHER) if given else None
    asked = parse(first(attributes, "langfuse.observation.input", "langfuse.trace.input"))
    answered = parse(first(attributes, "langfuse.observation.output", "langfuse.trace.output"))
    if kind is None and asked is not None:
        kind = CHAIN
    counts = parse(attributes.get("langfuse.observation.usage_details"))
    counts = counts if isinstance(counts, dict) else {}
    tags = first(attributes, "langfuse.trace.tags")
    return Said(
        kind=kind,
        messages_in=read_messages(asked, "user") if kind == LLM else (),
        messages_out=read_messages(answered, "assistant") if kind == LLM else (),
        input=asked,
        output=answered,
        model=text(attributes, "langfuse.observation.model.name"),
        usage=usage(
            count(counts, "input", "prompt_tokens", "input_tokens"),
            count(counts, "output", "completion_tokens", "output_tokens"),
            count(counts, "total", "total_tokens"),
        ),
        session=text(attributes, "langfuse.session.id"),
        user=text(attributes, "langfuse.user.id"),
        version=text(attributes, "langfuse.release", "langfuse.version"),
        metadata={
            **below(attributes, "langfuse.observation.metadata."),
            **below(attributes, "langfuse.trace.metadata."),
            **({"tags": tags} if tags else {}),
        },
    )

"""OpenInference, of Arize Phoenix. Source: openinference-semantic-conventions 0.1.42."""

from __future__ import annotations

from phospho_server.otlp.dialects.reading import count, first, known, text, usage
from phospho_server.otlp.messages import Message, gather, parse, read_messages
from phospho_server.otlp.said import AGENT, CHAIN, LLM, OTHER, RETRIEVAL, TOOL, Said
from phospho_server.otlp.wire import Attributes, Span

_KINDS = {"LLM": LLM, "AGENT": AGENT, "CHAIN": CHAIN, "TOOL": TOOL, "RETRIEVER": RETRIEVAL}


def read(span: Span) -> Said:
    """Read a span that says its `openinference.span.kind`."""
    attributes = span.attributes
    given = text(attributes, "openinference.span.kind")
    if given is None:
        return Said()
    # Filling in a template is nothing that anybody waits for.
    kind = None if given.upper() == "PROMPT" else _KINDS.get(given.upper(), OTHER)
    metadata = parse(attributes.get("metadata"))
    tags = first(attributes, "tag.tags")
    return Said(
        kind=kind,
        name=text(attributes, "tool.name") if kind == TOOL else None,
        messages_in=_messages(attributes, "llm.input_messages", "llm.prompts", "user"),
        messages_out=_messages(attributes, "llm.output_messages", "llm.choices", "assistant"),
        input=first(attributes, "input.value"),
        output=first(attributes, "output.value") or gather(attributes, "retrieval.documents"),
        model=text(
            attributes,
            "llm.response.model_name",
            "llm.request.model_name",
            "llm.model_name",
            "embedding.model_name",
        )
        or _asked_model(attributes),
        provider=text(attributes, "llm.provider", "llm.system"),
        usage=usage(
            count(attributes, "llm.token_count.prompt"),
            count(attributes, "llm.token_count.completion"),
            count(attributes, "llm.token_count.total"),
        ),
        session=text(attributes, "session.id"),
        user=text(attributes, "user.id"),
        version=text(attributes, "llm.prompt_template.version"),
        facts=known(
            {
                "finish_reason": text(attributes, "llm.finish_reason"),
                "cost": first(attributes, "llm.cost.total"),
            }
        ),
        metadata={
            **(known(metadata) if isinstance(metadata, dict) else {}),
            **({"tags": tags} if tags else {}),
        },
    )


def _messages(attributes: Attributes, prefix: str, plain: str, role: str) -> list[Message]:
    found = gather(attributes, prefix)
    if found is None:
        found = gather(attributes, plain) or attributes.get(plain)
        found = _texts_of(found)
    return read_messages(found, role)


def _texts_of(value: object) -> object:
    """Return prompts and completions as texts: `[{"prompt": {"text": …}}]`, or a list of texts."""
    if not isinstance(value, list):
        return value
    inner = [
        each.get("prompt") or each.get("completion") or each if isinstance(each, dict) else each
        for each in value
    ]
    return [
        each["text"] if isinstance(each, dict) and isinstance(each.get("text"), str) else each
        for each in inner
    ]


def _asked_model(attributes: Attributes) -> str | None:
    """Return the model that was asked for, which is all there is where a call failed."""
    parameters = parse(attributes.get("llm.invocation_parameters"))
    return text(parameters, "model", "model_name") if isinstance(parameters, dict) else None

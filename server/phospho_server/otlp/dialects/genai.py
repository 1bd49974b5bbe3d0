"""OpenTelemetry's GenAI conventions as they are now.

Source: open-telemetry/semantic-conventions-genai, opentelemetry-util-genai 1.3b0. Messages stand in
attributes, or in the event `gen_ai.client.inference.operation.details`, or in a log record of it.
"""

from __future__ import annotations

from phospho_server.otlp.dialects.reading import count, first, known, text, usage
from phospho_server.otlp.messages import parse, read_messages
from phospho_server.otlp.said import AGENT, CHAIN, LLM, OTHER, RETRIEVAL, TOOL, Said
from phospho_server.otlp.wire import Attributes, Span

_KINDS = {
    "chat": LLM,
    "text_completion": LLM,
    "generate_content": LLM,
    "invoke_agent": AGENT,
    "invoke_workflow": CHAIN,
    "execute_tool": TOOL,
    "retrieval": RETRIEVAL,
}

_DETAILS = "gen_ai.client.inference.operation.details"

_REFERENCES = (
    "gen_ai.input.messages_ref",
    "gen_ai.output.messages_ref",
    "gen_ai.system_instructions_ref",
    "gen_ai.tool.definitions_ref",
)


def read(span: Span) -> Said:
    """Read `gen_ai.*` attributes of a span and its events."""
    attributes: dict[str, object] = {}
    for event in span.events:
        if event.name == _DETAILS:
            attributes |= event.attributes
            attributes |= event.body if isinstance(event.body, dict) else {}
    attributes |= span.attributes
    operation = text(attributes, "gen_ai.operation.name")
    messages_in = read_messages(first(attributes, "gen_ai.input.messages"), "user")
    system = read_messages(first(attributes, "gen_ai.system_instructions"), "system")
    kind = _KINDS.get(operation, OTHER) if operation else None
    return Said(
        kind=kind,
        name=_name_of(attributes, kind),
        messages_in=[*system, *messages_in],
        messages_out=read_messages(first(attributes, "gen_ai.output.messages"), "assistant"),
        input=first(attributes, "gen_ai.tool.call.arguments", "gen_ai.retrieval.query.text"),
        output=first(attributes, "gen_ai.tool.call.result", "gen_ai.retrieval.documents"),
        model=text(attributes, "gen_ai.response.model", "gen_ai.request.model"),
        provider=text(attributes, "gen_ai.provider.name"),
        usage=usage(
            count(attributes, "gen_ai.usage.input_tokens"),
            count(attributes, "gen_ai.usage.output_tokens"),
            None,
        ),
        session=text(attributes, "gen_ai.conversation.id"),
        version=text(attributes, "gen_ai.agent.version"),
        facts=known({"finish_reason": _finish_reason(attributes)}),
        metadata={name: attributes[name] for name in _REFERENCES if name in attributes},
    )


def _name_of(attributes: Attributes, kind: str | None) -> str | None:
    if kind == TOOL:
        return text(attributes, "gen_ai.tool.name")
    if kind == LLM:
        return text(attributes, "gen_ai.request.model", "gen_ai.response.model")
    return text(attributes, "gen_ai.agent.name", "gen_ai.workflow.name", "gen_ai.data_source.id")


def _finish_reason(attributes: Attributes) -> object:
    reasons = first(attributes, "gen_ai.response.finish_reasons", "gen_ai.response.finish_reason")
    reasons = parse(reasons)
    return reasons[0] if isinstance(reasons, list) and reasons else reasons

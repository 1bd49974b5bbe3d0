"""Vercel's AI SDK. Source: vercel/ai, docs "Telemetry", versions 3 to 5."""

from __future__ import annotations

from phospho_server.otlp.dialects.reading import below, count, first, known, text, usage
from phospho_server.otlp.messages import Message, parse, read_messages
from phospho_server.otlp.said import AGENT, LLM, OTHER, TOOL, Said
from phospho_server.otlp.wire import Attributes, Span

_METADATA = "ai.telemetry.metadata."
_IDS = ("userId", "sessionId")


def read(span: Span) -> Said:
    """Read a span whose `ai.operationId`, or `operation.name`, is one of the AI SDK."""
    attributes = span.attributes
    operation = text(attributes, "ai.operationId") or text(attributes, "operation.name") or ""
    if not operation.startswith("ai."):
        return Said()
    operation = operation.split(" ")[0]
    kind = _kind_of(operation)
    properties = below(attributes, _METADATA)
    prompt = parse(first(attributes, "ai.prompt.messages", "ai.prompt"))
    return Said(
        kind=kind,
        name=text(attributes, "ai.toolCall.name", "ai.telemetry.functionId"),
        messages_in=_prompt_messages(prompt) if kind != TOOL else (),
        messages_out=_answer(attributes),
        input=parse(first(attributes, "ai.toolCall.args")),
        output=parse(first(attributes, "ai.toolCall.result", "ai.response.object")),
        model=text(attributes, "ai.response.model", "ai.model.id"),
        provider=text(attributes, "ai.model.provider"),
        usage=usage(
            count(attributes, "ai.usage.promptTokens", "ai.usage.inputTokens"),
            count(attributes, "ai.usage.completionTokens", "ai.usage.outputTokens"),
            count(attributes, "ai.usage.totalTokens"),
        ),
        session=text(properties, "sessionId"),
        user=text(properties, "userId"),
        facts=known({"finish_reason": text(attributes, "ai.response.finishReason")}),
        metadata={name: value for name, value in properties.items() if name not in _IDS},
    )


def _kind_of(operation: str) -> str:
    if operation == "ai.toolCall":
        return TOOL
    if ".do" in operation:
        return OTHER if "doEmbed" in operation else LLM
    # The call as the app wrote it; the requests to the model stand within it.
    return OTHER if "embed" in operation else AGENT


def _prompt_messages(prompt: object) -> list[Message]:
    if not isinstance(prompt, dict):
        return list(read_messages(prompt, "user"))
    system = read_messages(prompt.get("system"), "system")
    said = prompt.get("messages") or prompt.get("prompt")
    return [*system, *read_messages(said, "user")]


def _answer(attributes: Attributes) -> list[Message]:
    said = first(attributes, "ai.response.text", "ai.result.text", "ai.response.object")
    calls = parse(first(attributes, "ai.response.toolCalls", "ai.result.toolCalls"))
    message: dict[str, object] = {"role": "assistant", "content": said or ""}
    if isinstance(calls, list):
        message["tool_calls"] = [
            {
                "function": {
                    "name": call.get("toolName"),
                    "arguments": call.get("args", call.get("input")),
                }
            }
            for call in calls
            if isinstance(call, dict)
        ]
    return [message] if said or message.get("tool_calls") else []

"""Pydantic AI and Logfire. Source: pydantic-ai 2.68 and 1, logfire 5.4.

Its calls of models and tools follow the GenAI conventions; a run of an agent has all its messages,
and what it gave back, under names of its own.
"""

from __future__ import annotations

from phospho_server.otlp.dialects.reading import first, text
from phospho_server.otlp.messages import USER, parse, read_messages, role_of
from phospho_server.otlp.said import AGENT, LLM, OTHER, TOOL, Said
from phospho_server.otlp.wire import Span


def read(span: Span) -> Said:
    """Read runs of agents, tools, and the calls that `logfire.instrument_openai` makes spans of."""
    attributes = span.attributes
    messages = read_messages(
        first(attributes, "pydantic_ai.all_messages", "all_messages_events"), "user"
    )
    if messages:
        asked = [place for place, each in enumerate(messages) if role_of(each) in USER]
        turn = asked[-1] + 1 if asked else 0
        return Said(
            kind=AGENT,
            name=text(attributes, "agent_name", "gen_ai.agent.name"),
            messages_in=messages[:turn],
            messages_out=messages[turn:],
            output=parse(first(attributes, "final_result")),
            model=text(attributes, "model_name"),
        )
    if (tool := text(attributes, "tool_name")) is not None and "tool_arguments" in attributes:
        return Said(
            kind=TOOL,
            name=tool,
            input=parse(attributes["tool_arguments"]),
            output=parse(first(attributes, "tool_response")),
        )
    request, answer = (parse(attributes.get(name)) for name in ("request_data", "response_data"))
    if isinstance(request, dict) and "logfire.span_type" in attributes and not _is_over(span):
        # A stream was opened: of the answer Logfire tells later, in a record of its own.
        return Said(kind=OTHER)
    if isinstance(request, dict) and ("messages" in request or "input" in request):
        response = answer if isinstance(answer, dict) else {}
        said = response.get("message") or response.get("combined_chunk_content")
        return Said(
            kind=LLM,
            messages_in=read_messages(request.get("messages") or request.get("input"), "user"),
            messages_out=read_messages(said, "assistant"),
            model=request["model"] if isinstance(request.get("model"), str) else None,
        )
    return Said()


def _is_over(span: Span) -> bool:
    return span.error is not None or any(
        name in span.attributes for name in ("response_data", "gen_ai.output.messages")
    )

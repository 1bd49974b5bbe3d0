"""The names of each convention, as they were recorded or as their sources give them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from phospho_server.otlp import dialects
from phospho_server.otlp.interactions import read_trace
from phospho_server.otlp.wire import SpanEvent
from tests.server.builders import NOON_MS
from tests.server.otlp.spans import call, span

CHAT = json.dumps([{"role": "user", "content": "Hello"}])

CONVENTIONS: dict[str, dict[str, Any]] = {
    "genai-flattened": {
        "gen_ai.system": "openai",
        "gen_ai.prompt.0.role": "system",
        "gen_ai.prompt.0.content": "Be kind.",
        "gen_ai.prompt.1.role": "user",
        "gen_ai.prompt.1.content": "Hello",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "Hi",
        "gen_ai.completion.0.finish_reason": "stop",
        "gen_ai.response.model": "m",
        "gen_ai.usage.prompt_tokens": 2,
        "gen_ai.usage.completion_tokens": 1,
        "session.id": "s",
        "gen_ai.user": "u",
    },
    "genai-json": {
        "gen_ai.system": "openai",
        "gen_ai.prompt": CHAT,
        "gen_ai.completion": json.dumps([{"role": "assistant", "content": "Hi"}]),
        "gen_ai.request.model": "m",
        "gen_ai.usage.prompt_tokens": 2,
        "gen_ai.usage.completion_tokens": 1,
        "gen_ai.conversation.id": "s",
        "enduser.id": "u",
    },
    "traceloop": {
        "llm.request.type": "chat",
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "Hello",
        "gen_ai.completion.0.content": "Hi",
        "gen_ai.response.model": "m",
        "gen_ai.usage.prompt_tokens": 2,
        "gen_ai.usage.completion_tokens": 1,
        "llm.usage.total_tokens": 3,
        "traceloop.association.properties.session_id": "s",
        "traceloop.association.properties.user_id": "u",
    },
    "openinference": {
        "openinference.span.kind": "LLM",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.contents.0.message_content.type": "text",
        "llm.input_messages.0.message.contents.0.message_content.text": "Hello",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": "Hi",
        "llm.model_name": "m",
        "llm.token_count.prompt": 2,
        "llm.token_count.completion": 1,
        "session.id": "s",
        "user.id": "u",
    },
    "vercel": {
        "operation.name": "ai.generateText.doGenerate support",
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.prompt.messages": json.dumps(
            [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
        ),
        "ai.response.text": "Hi",
        "ai.response.model": "m",
        "ai.model.provider": "openai.chat",
        "ai.usage.promptTokens": 2,
        "ai.usage.completionTokens": 1,
        "ai.telemetry.metadata.sessionId": "s",
        "ai.telemetry.metadata.userId": "u",
    },
    "langfuse": {
        "langfuse.observation.type": "generation",
        "langfuse.observation.input": CHAT,
        "langfuse.observation.output": json.dumps({"role": "assistant", "content": "Hi"}),
        "langfuse.observation.model.name": "m",
        "langfuse.observation.usage_details": '{"input": 2, "output": 1}',
        "session.id": "s",
        "user.id": "u",
    },
    "langsmith": {
        "langsmith.span.kind": "llm",
        "gen_ai.prompt": json.dumps({"messages": [{"role": "user", "content": "Hello"}]}),
        "gen_ai.completion": json.dumps({"role": "assistant", "content": "Hi"}),
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 2,
        "gen_ai.usage.output_tokens": 1,
        "langsmith.metadata.session_id": "s",
        "langsmith.metadata.user_id": "u",
    },
    "pydantic-ai": {
        "agent_name": "helper",
        "model_name": "m",
        "pydantic_ai.all_messages": json.dumps(
            [
                {"role": "user", "parts": [{"type": "text", "content": "Hello"}]},
                {"role": "assistant", "parts": [{"type": "text", "content": "Hi"}]},
            ]
        ),
        "final_result": "Hi",
        "gen_ai.usage.input_tokens": 2,
        "gen_ai.usage.output_tokens": 1,
        "session.id": "s",
        "user.id": "u",
    },
    "logfire": {
        "request_data": json.dumps(
            {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
        ),
        "response_data": json.dumps({"message": {"role": "assistant", "content": "Hi"}}),
        "logfire.span_type": "span",
        "gen_ai.system": "openai",
        "gen_ai.usage.input_tokens": 2,
        "gen_ai.usage.output_tokens": 1,
        "session.id": "s",
        "user.id": "u",
    },
    "phospho": {
        "phospho.input": "Hello",
        "phospho.output": "Hi",
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 2,
        "gen_ai.usage.output_tokens": 1,
        "phospho.session_id": "s",
        "phospho.user_id": "u",
    },
}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_a_convention_tells_the_same_as_any_other(name: str) -> None:
    (found,) = read_trace([span(1, attributes=CONVENTIONS[name])], received_at_ms=NOON_MS)
    assert (found.input, found.output) == ("Hello", "Hi")
    assert (found.session_id, found.user_id) == ("s", "u")
    told = json.loads(found.metadata or "")
    assert told["model"] == "m"
    assert told["usage"].items() >= {"prompt_tokens": 2, "completion_tokens": 1}.items()


def test_older_messages_are_events_in_the_order_of_time() -> None:
    told = {"gen_ai.system": "openai", "gen_ai.operation.name": "chat"}
    events = [
        SpanEvent("gen_ai.choice", 3, {"index": 0, "message": '{"content": "Hi"}'}),
        SpanEvent("gen_ai.user.message", 2, {"content": "Hello", "gen_ai.system": "openai"}),
        SpanEvent("gen_ai.system.message", 1, {"content": "Be kind."}),
    ]
    (found,) = read_trace([span(1, attributes=told, events=events)], received_at_ms=NOON_MS)
    assert (found.input, found.output) == ("Hello", "Hi")
    assert json.loads(found.metadata or "")["system_prompt"] == "Be kind."


def test_the_first_that_tells_something_is_believed_and_others_fill_its_gaps() -> None:
    other = {"session.id": "later", "gen_ai.conversation.id": "first", "user.id": "u"}
    said = dialects.read(call(1, attributes={**CONVENTIONS["openinference"], **other})).said
    assert (said.session, said.user, said.model) == ("first", "u", "gpt-x")


def test_what_was_blacked_out_is_no_session() -> None:
    told = {"session.id": "[Scrubbed due to 'session']"}
    assert dialects.read(call(1, attributes=told)).said.session is None


def test_what_a_decorated_function_was_given_is_what_was_asked() -> None:
    workflow = {
        "traceloop.span.kind": "workflow",
        "traceloop.entity.name": "support",
        "traceloop.entity.input": '{"args": ["Rain?"], "kwargs": {}}',
        "traceloop.entity.output": '"No."',
    }
    spans = [span(1, attributes=workflow), call(2, 1)]
    (found,) = read_trace(spans, received_at_ms=NOON_MS)
    assert (found.input, found.output) == ("Rain?", "No.")


def test_attributes_that_nobody_reads_are_kept_and_what_was_said_is_not_kept_twice() -> None:
    (found,) = read_trace([call(1, attributes={"app.shop": "north"})], received_at_ms=NOON_MS)
    kept = json.loads(found.metadata or "")["attributes"]
    assert kept["app.shop"] == "north"
    assert "gen_ai.input.messages" not in kept


def test_a_reference_to_messages_elsewhere_is_kept_and_not_followed() -> None:
    reference = {"gen_ai.input.messages_ref": "s3://bucket/messages.json"}
    (found,) = read_trace([call(1, attributes=reference)], received_at_ms=NOON_MS)
    kept = json.loads(found.metadata or "")
    assert kept["gen_ai.input.messages_ref"] == "s3://bucket/messages.json"

from __future__ import annotations

from typing import Any

import mcp_types as types
import pytest
from hypothesis import given
from mcp_types import jsonrpc

from phospho.extractors.mcp import phospho_extract_input, phospho_extract_output
from tests.extractors.mutations import mutated
from tests.extractors.recordings import load, survives, through_hooks

RECORDED = load("mcp")
READS = RECORDED["reads"]
USER = {"role": "user", "content": {"type": "text", "text": "Where is order 1042?"}}
ASSISTANT = {"role": "assistant", "content": {"type": "text", "text": "On its way."}}
CALL = {"type": "tool_use", "id": "1", "name": "book", "input": {"to": "Paris"}}
MADE = {**ASSISTANT, "model": "m", "stopReason": "endTurn"}
SAMPLING = {"messages": [USER, ASSISTANT], "systemPrompt": "be kind", "maxTokens": 9}


def forms(model: Any, value: dict[str, Any]) -> list[Any]:
    """Return JSON of the protocol, and the objects and dicts that the library makes of it."""
    made = model.model_validate(value)
    return [value, made, made.model_dump(), made.model_dump(mode="json", by_alias=True)]


def test_what_was_recorded_reads_as_written() -> None:
    for value in forms(types.CallToolRequest, RECORDED["input"]):
        assert through_hooks("mcp", value, "input") == READS["input"]
    for value in forms(types.CallToolRequestParams, RECORDED["input"]["params"]):
        assert through_hooks("mcp", value, "input") == READS["input"]
    for value in forms(types.CallToolResult, RECORDED["output"]):
        assert through_hooks("mcp", value, "output") == READS["output"]


def test_the_envelope_of_the_protocol_is_opened() -> None:
    request = {"jsonrpc": "2.0", "id": 1, **RECORDED["input"]}
    response = {"jsonrpc": "2.0", "id": 1, "result": RECORDED["output"]}
    for value in forms(jsonrpc.JSONRPCRequest, request):
        assert through_hooks("mcp", value, "input") == READS["input"]
    for value in forms(jsonrpc.JSONRPCResponse, response):
        assert through_hooks("mcp", value, "output") == READS["output"]
    failed = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "Unknown tool"}}
    for value in forms(jsonrpc.JSONRPCError, failed):
        assert through_hooks("mcp", value, "output") == {
            "error": {"type": "-32602", "message": "Unknown tool"}
        }


@pytest.mark.parametrize(
    ("result", "reads"),
    [
        pytest.param({"content": [], "structuredContent": [1]}, {"text": "[1]"}, id="json"),
        pytest.param(
            {"content": [{"type": "text", "text": "No order."}], "isError": True},
            {"text": "No order.", "error": {"type": "tool_error", "message": "No order."}},
            id="error",
        ),
        pytest.param(
            {"content": [{"type": "audio", "data": "QUJD", "mimeType": "audio/wav"}]},
            {"extra": {"attachments": {"audio": 1}}},
            id="audio",
        ),
    ],
)  # fmt: skip
def test_what_a_tool_returned_is_read(result: Any, reads: Any) -> None:
    for value in forms(types.CallToolResult, result):
        assert through_hooks("mcp", value, "output") == reads
    content = types.CallToolResult.model_validate(result).content
    if content:
        assert phospho_extract_output(content) is not None


def test_what_the_client_s_model_made_is_read() -> None:
    reads = {"text": "On its way.", "model": "m", "finish_reason": "endTurn"}
    for value in forms(types.CreateMessageResult, MADE):
        assert through_hooks("mcp", value, "output") == reads
    called = {"role": "assistant", "content": [CALL], "model": "m", "stopReason": "toolUse"}
    answer = types.CreateMessageResultWithTools.model_validate(called)
    assert through_hooks("mcp", answer, "output")["text"] == 'book({"to": "Paris"})'


def test_what_a_server_asks_the_client_s_model_is_read() -> None:
    reads = {"text": "Where is order 1042?", "system_prompt": "be kind"}
    for value in forms(types.CreateMessageRequestParams, SAMPLING):
        assert through_hooks("mcp", value, "input") == reads
    request = types.CreateMessageRequest.model_validate(
        {"method": "sampling/createMessage", "params": SAMPLING}
    )
    assert through_hooks("mcp", request, "input") == reads
    messages = [types.SamplingMessage.model_validate(message) for message in (USER, ASSISTANT)]
    assert through_hooks("mcp", messages, "input")["text"] == "Where is order 1042?"
    assert through_hooks("mcp", messages, "output")["text"] == "On its way."


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        pytest.param([USER], "Where is order 1042?", id="question"),
        pytest.param([USER, ASSISTANT], "On its way.", id="answered"),
    ],
)
def test_a_prompt_is_read(messages: Any, text: str) -> None:
    prompt = {"description": "Asks for an order.", "messages": messages}
    for value in forms(types.GetPromptResult, prompt):
        assert through_hooks("mcp", value, "output")["text"] == text
        assert through_hooks("mcp", value, "input")["text"] == "Where is order 1042?"
    message = types.PromptMessage.model_validate(USER)
    assert through_hooks("mcp", message, "input")["text"] == "Where is order 1042?"


def test_a_resource_is_read() -> None:
    contents = [{"uri": "note://1", "text": "a"}, {"uri": "note://2", "blob": "QUJD"}]
    value = types.ReadResourceResult.model_validate({"contents": contents})
    assert through_hooks("mcp", value, "output") == {
        "text": "a",
        "extra": {"attachments": {"resource": 1}},
    }


@pytest.mark.parametrize(
    "value",
    [
        None, 7, [], {}, [{}], {"content": "hi"}, {"content": []}, {"content": [{"type": "x"}]},
        {"role": "user", "content": "hi"}, {"name": "Ann", "arguments": "none"}, {"jsonrpc": "2.0"},
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {"contents": [{"text": "hi"}]}, {"method": "tools/list"}, types.ListToolsResult(tools=[]),
        types.Implementation(name="n", version="1"),
    ],
)  # fmt: skip
def test_other_values_are_left_to_others(value: Any) -> None:
    assert phospho_extract_input(value) is None
    assert phospho_extract_output(value) is None


@given(mutated([RECORDED["input"], RECORDED["output"], MADE, SAMPLING]))
def test_no_broken_value_raises(values: Any) -> None:
    for value in values if isinstance(values, list) else [values]:
        survives("mcp", value)

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from mistralai.client import Mistral
from mistralai.client.models import (
    ChatCompletionResponse,
    CompletionEvent,
    ConversationEvents,
    ConversationResponse,
    TextChunk,
    UserMessage,
)

from phospho.extraction import extract
from phospho.extractors.mistral import Chunks, phospho_extract_input, phospho_extract_output
from phospho.plugins import Plugins
from tests.costs import count_calls
from tests.extractors.mutations import mutated
from tests.extractors.recordings import load, survives, through_hooks

RECORDED = load("mistral")
READS = RECORDED["reads"]
CONVERSATION: dict[str, Any] = {
    "object": "conversation.response",
    "conversation_id": "conv_1",
    "usage": {"prompt_tokens": 60, "completion_tokens": 25, "total_tokens": 85},
    "outputs": [
        {"type": "tool.execution", "name": "web_search", "arguments": "{}"},
        {
            "type": "message.output",
            "role": "assistant",
            "model": "mistral-medium-2508",
            "content": [
                {"type": "text", "text": "It left our shop"},
                {"type": "tool_reference", "tool": "web_search", "title": "Orders"},
                {"type": "text", "text": " on Monday."},
            ],
        },
        {
            "type": "function.call",
            "tool_call_id": "t1",
            "name": "open_return",
            "arguments": {"order": 1042},
        },
    ],
}
CONVERSATION_READS = {
    **READS["output"],
    "model": "mistral-medium-2508",
}
del CONVERSATION_READS["finish_reason"]
MESSAGE = {"type": "message.output.delta", "id": "m", "model": "mistral-medium-2508"}
CALL = {"type": "function.call.delta", "id": "f", "name": "open_return", "tool_call_id": "t1"}
EVENTS: list[dict[str, Any]] = [
    {"type": "conversation.response.started", "conversation_id": "conv_1"},
    {**MESSAGE, "content": "It left our shop"},
    {**MESSAGE, "content": {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}},
    {**MESSAGE, "content": {"type": "text", "text": " on Monday."}},
    {**CALL, "arguments": '{"order"'},
    {**CALL, "arguments": ": 1042}"},
    {"type": "conversation.response.done", "usage": CONVERSATION["usage"]},
]
FRAMES = [{"event": event["type"], "data": event} for event in EVENTS]


def client(body: Any) -> Mistral:
    """Return the library's client; the API answers with this, or these events."""

    def answer(request: httpx.Request) -> httpx.Response:
        if isinstance(body, dict):
            return httpx.Response(200, json=body)
        lines = [
            f"event: {event.get('event', 'message')}\ndata: {json.dumps(event['data'])}\n\n"
            for event in body
        ]
        headers = {"content-type": "text/event-stream"}
        end = "" if "conversations" in request.url.path else "data: [DONE]\n\n"
        return httpx.Response(200, text="".join([*lines, end]), headers=headers)

    return Mistral(api_key="k", client=httpx.Client(transport=httpx.MockTransport(answer)))


def test_what_was_recorded_reads_as_written() -> None:
    assert through_hooks("mistral", RECORDED["input"], "input") == READS["input"]
    assert through_hooks("mistral", RECORDED["output"], "output") == READS["output"]
    assert through_hooks("mistral", RECORDED["chunks"], "output") == READS["chunks"]
    chunks = [event["data"] for event in RECORDED["chunks"]]
    assert through_hooks("mistral", chunks, "output") == READS["chunks"]


def test_the_client_s_values_read_the_same() -> None:
    messages: Any = [{"role": "user", "content": "hi"}]
    answer = client(RECORDED["output"]).chat.complete(model="m", messages=messages)
    assert isinstance(answer, ChatCompletionResponse)
    for value in (answer, answer.model_dump()):
        assert through_hooks("mistral", value, "output") == READS["output"]
    events = list(client(RECORDED["chunks"]).chat.stream(model="m", messages=messages))
    assert len(events) == len(RECORDED["chunks"])
    assert isinstance(events[0], CompletionEvent)
    for stream in (events, [event.data for event in events]):
        assert through_hooks("mistral", stream, "output") == READS["chunks"]


def test_a_conversation_is_read() -> None:
    answer = client(CONVERSATION).beta.conversations.start(inputs="hi", agent_id="a")
    assert isinstance(answer, ConversationResponse)
    for value in (answer, answer.model_dump(), CONVERSATION):
        assert through_hooks("mistral", value, "output") == CONVERSATION_READS
    events = list(client(FRAMES).beta.conversations.start_stream(inputs="hi", agent_id="a"))
    assert len(events) == len(FRAMES)
    assert isinstance(events[0], ConversationEvents)
    for stream in (events, FRAMES, EVENTS):
        assert through_hooks("mistral", stream, "output") == CONVERSATION_READS


def test_a_conversation_that_failed_says_so() -> None:
    event = {"type": "conversation.response.error", "code": 3100, "message": "no"}
    read = through_hooks("mistral", [FRAMES[0], {"event": "x", "data": event}], "output")
    assert read == {"error": {"type": "3100", "message": "no"}}


def test_messages_are_left_to_the_general_extractor() -> None:
    messages = [UserMessage(content="hello"), UserMessage(content=[TextChunk(text="hi")])]
    plugins = Plugins(entry_points=False, built_in=())
    for value in (messages, {"model": "m", "messages": messages}):
        answer = extract(value, "input", plugins)
        assert answer is not None
        assert answer.text == "hi"


@pytest.mark.parametrize(
    ("request_", "reads"),
    [
        pytest.param({"inputs": "hi", "agent_id": "a"}, {"text": "hi"}, id="text"),
        pytest.param(
            {"inputs": [{"type": "function.result", "result": "x"}], "conversation_id": "c"},
            {},
            id="results",
        ),
    ],
)
def test_a_request_for_a_conversation_is_read(request_: Any, reads: Any) -> None:
    assert through_hooks("mistral", request_, "input") == reads


@pytest.mark.parametrize(
    "value",
    [
        None, 7, [], {}, [{}], {"inputs": "hi"}, {"data": "hi"}, {"data": {"type": "x"}},
        {"type": []}, {"inputs": 7, "agent_id": "a"}, client({}),
    ],
)  # fmt: skip
def test_other_values_are_left_to_others(value: Any) -> None:
    assert phospho_extract_input(value) is None
    assert phospho_extract_output(value) is None


def test_a_chunk_is_read_at_little_cost() -> None:
    event = CompletionEvent.model_validate(RECORDED["chunks"][2])
    reader = Chunks([])
    reader.add(event)
    assert count_calls(lambda: reader.add(event)) < 12


@given(mutated([RECORDED["input"], RECORDED["output"], RECORDED["chunks"], CONVERSATION, FRAMES]))
def test_no_broken_value_raises(values: Any) -> None:
    for value in values if isinstance(values, list) else [values]:
        survives("mistral", value)


def test_a_choice_without_its_completion_is_read() -> None:
    whole = ChatCompletionResponse.model_validate(RECORDED["output"])
    assert whole.choices
    reads = {name: READS["output"][name] for name in ("text", "finish_reason", "tool_calls")}
    for value in (whole.choices, whole.choices[0]):
        assert through_hooks("mistral", value, "output") == reads

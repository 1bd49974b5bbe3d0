from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from cohere import (
    ChatbotMessage,
    Client,
    ClientV2,
    NonStreamedChatResponse,
    SystemMessage,
    UserChatMessageV2,
    UserMessage,
    V2ChatResponse,
)
from hypothesis import given

from phospho.extraction import extract
from phospho.extractors.cohere import phospho_extract_input, phospho_extract_output
from phospho.plugins import Plugins
from tests.extractors.mutations import mutated
from tests.extractors.recordings import load, survives, through_hooks

RECORDED = load("cohere")
READS = RECORDED["reads"]
OLD_REPLY = {
    "text": "It left our shop on Monday.",
    "generation_id": "g-1",
    "response_id": "r-1",
    "finish_reason": "COMPLETE",
    "chat_history": [{"role": "USER", "message": "Where is order 1042?"}],
    "tool_calls": [{"name": "open_return", "parameters": {"order": 1042}}],
    "meta": {
        "api_version": {"version": "1"},
        "billed_units": {"input_tokens": 3.0, "output_tokens": 4.0},
        "tokens": {"input_tokens": 60.0, "output_tokens": 25.0},
    },
}
OLD_READS = {
    **READS["chunks"],
    "finish_reason": "COMPLETE",
}
OLD_CHUNKS: list[dict[str, Any]] = [
    {"event_type": "stream-start", "generation_id": "g-1"},
    {"event_type": "text-generation", "text": "It left our shop"},
    {"event_type": "text-generation", "text": " on Monday."},
    {"event_type": "tool-calls-chunk", "tool_call_delta": {"index": 0, "name": "open_return"}},
    {"event_type": "tool-calls-chunk", "tool_call_delta": {"index": 0, "parameters": "{"}},
    {"event_type": "tool-calls-generation", "tool_calls": OLD_REPLY["tool_calls"]},
    {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": OLD_REPLY},
]


def text_part(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def http(body: Any) -> httpx.Client:
    """Return what the library's clients send with; the API answers with this, or these events."""

    def answer(request: httpx.Request) -> httpx.Response:
        if isinstance(body, dict):
            return httpx.Response(200, json=body)
        if "v2" in request.url.path:
            lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in body]
            return httpx.Response(
                200, text="".join(lines), headers={"content-type": "text/event-stream"}
            )
        return httpx.Response(200, text="".join(json.dumps(event) + "\n" for event in body))

    return httpx.Client(transport=httpx.MockTransport(answer))


def test_what_was_recorded_reads_as_written() -> None:
    assert through_hooks("cohere", RECORDED["input"], "input") == READS["input"]
    assert through_hooks("cohere", RECORDED["output"], "output") == READS["output"]
    assert through_hooks("cohere", RECORDED["chunks"], "output") == READS["chunks"]
    assert through_hooks("cohere", OLD_REPLY, "output") == OLD_READS
    assert through_hooks("cohere", OLD_CHUNKS, "output") == OLD_READS


def test_the_client_s_values_read_the_same() -> None:
    messages = [UserChatMessageV2(content="hi")]
    reply = ClientV2("k", httpx_client=http(RECORDED["output"])).chat(model="m", messages=messages)
    assert isinstance(reply, V2ChatResponse)
    for value in (reply, reply.model_dump(), reply.dict()):
        assert through_hooks("cohere", value, "output") == READS["output"]
    api = ClientV2("k", httpx_client=http(RECORDED["chunks"]))
    events = list(api.chat_stream(model="m", messages=messages))
    assert len(events) == len(RECORDED["chunks"])
    assert through_hooks("cohere", events, "output") == READS["chunks"]


def test_the_older_client_s_values_read_the_same() -> None:
    reply = Client("k", httpx_client=http(OLD_REPLY)).chat(message="hi")
    assert isinstance(reply, NonStreamedChatResponse)
    assert through_hooks("cohere", reply, "output") == OLD_READS
    events = list(Client("k", httpx_client=http(OLD_CHUNKS)).chat_stream(message="hi"))
    assert len(events) == len(OLD_CHUNKS)
    assert through_hooks("cohere", events, "output") == OLD_READS


HISTORY = [
    SystemMessage(message="be kind"),
    UserMessage(message="hi"),
    ChatbotMessage(message="yo"),
]


@pytest.mark.parametrize(
    ("request_", "reads"),
    [
        pytest.param(
            {"message": "Where?", "chat_history": HISTORY},
            {"text": "Where?", "system_prompt": "be kind"},
            id="objects",
        ),
        pytest.param(
            {"message": "", "chat_history": HISTORY, "tool_results": [{"call": {}}]},
            {"text": "hi", "system_prompt": "be kind", "extra": {"tool_results": 1}},
            id="tool-results",
        ),
        pytest.param(HISTORY, {"text": "hi", "system_prompt": "be kind"}, id="history"),
    ],
)
def test_a_request_of_version_1_is_read(request_: Any, reads: Any) -> None:
    assert through_hooks("cohere", request_, "input") == reads


def test_a_history_s_last_answer_is_read() -> None:
    assert through_hooks("cohere", HISTORY, "output") == {"text": "yo"}


def test_messages_of_version_2_are_left_to_the_general_extractor() -> None:
    request = {"model": "m", "messages": [UserChatMessageV2(content="hi")]}
    answer = extract(request, "input", Plugins(entry_points=False, built_in=()))
    assert answer is not None
    assert (answer.text, answer.model) == ("hi", "m")


@pytest.mark.parametrize("form", ["object", "dict"])
@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param([text_part("a"), text_part("b")], "a\nb", id="two"),
        pytest.param(None, 'open_return({"order": 1042})', id="calls-only"),
    ],
)  # fmt: skip
def test_a_reply_reads_as_what_the_user_saw(form: str, content: Any, text: str) -> None:
    value: Any = {
        **RECORDED["output"],
        "message": {**RECORDED["output"]["message"], "content": content},
    }
    if form == "object":
        value = V2ChatResponse.model_validate(value)
    assert through_hooks("cohere", value, "output")["text"] == text  # fmt: skip


def test_texts_of_a_stream_are_parted_as_those_of_a_reply() -> None:
    def start(index: int, text: str) -> list[dict[str, Any]]:
        return [
            {"type": kind, "index": index, "delta": {"message": {"content": content}}}
            for kind, content in (
                ("content-start", {"type": "text", "text": ""}),
                ("content-delta", {"text": text}),
            )
        ]

    assert through_hooks("cohere", start(0, "a") + start(1, "b"), "output")["text"] == "a\nb"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        pytest.param({**RECORDED["output"], "finish_reason": "ERROR"}, "ERROR", id="reply"),
        pytest.param({**OLD_REPLY, "finish_reason": "ERROR_TOXIC"}, "ERROR_TOXIC", id="old-reply"),
        pytest.param(
            [{"type": "message-end", "delta": {"finish_reason": "TIMEOUT"}}], "TIMEOUT", id="stream"
        ),
        pytest.param(
            [{"type": "message-end", "delta": {"error": "no"}}], "ERROR", id="error-event"
        ),
    ],
)
def test_a_reply_that_failed_says_so(value: Any, kind: str) -> None:
    assert through_hooks("cohere", value, "output")["error"]["type"] == kind


def test_billed_tokens_are_told_where_there_are_no_others() -> None:
    usage = {"billed_units": {"input_tokens": 3.0, "output_tokens": 4.0}}
    read = through_hooks("cohere", {**RECORDED["output"], "usage": usage}, "output")
    assert read["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def test_generations_are_read() -> None:
    value = {"id": "1", "generations": [{"text": "a", "finish_reason": "COMPLETE"}, {"text": "b"}]}
    assert through_hooks("cohere", value, "output") == {
        "text": "a",
        "finish_reason": "COMPLETE",
        "extra": {"choices": ["b"]},
    }


@pytest.mark.parametrize(
    "value",
    [
        None, 7, [], {}, [{}], {"message": "hi"}, {"text": "hi"},
        {"message": "hi", "chat_history": []},
        {"message": {"role": "assistant", "content": "hi"}, "done": True}, {"generations": [[]]},
        {"message": "hi", "chat_history": [{"role": "user", "content": "x"}]},
        {"type": "content_block_delta", "delta": {}}, {"type": ["content-delta"]}, ClientV2("k"),
    ],
)  # fmt: skip
def test_other_values_are_left_to_others(value: Any) -> None:
    assert phospho_extract_input(value) is None
    assert phospho_extract_output(value) is None


@given(
    mutated([RECORDED["input"], RECORDED["output"], RECORDED["chunks"], OLD_REPLY, OLD_CHUNKS]),
)
def test_no_broken_value_raises(values: Any) -> None:
    for value in values if isinstance(values, list) else [values]:
        survives("cohere", value)

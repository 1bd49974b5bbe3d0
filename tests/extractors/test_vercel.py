from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from phospho.extractors.vercel import phospho_extract_input, phospho_extract_output
from tests.extractors.mutations import mutated
from tests.extractors.recordings import load, survives, through_hooks

RECORDED = load("vercel")
READS = RECORDED["reads"]
CALLED = 'book({"to": "Paris"})'
OLD_CALL = {
    "type": "tool-invocation",
    "toolInvocation": {"state": "result", "toolCallId": "1", "toolName": "book",
                       "args": {"to": "Paris"}, "result": "booked"},
}  # fmt: skip
CALL = {"type": "tool-call", "toolCallId": "1", "toolName": "book", "input": {"to": "Paris"}}
USED = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def message(role: str, *parts: Any, **fields: Any) -> dict[str, Any]:
    return {"id": "m", "role": role, "parts": list(parts), **fields}


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def test_what_was_recorded_reads_as_written() -> None:
    assert through_hooks("vercel", RECORDED["input"], "input") == READS["input"]
    assert through_hooks("vercel", RECORDED["input"]["messages"], "input") == READS["input"]
    assert through_hooks("vercel", RECORDED["output"], "output") == READS["output"]
    assert through_hooks("vercel", RECORDED["chunks"], "output") == READS["chunks"]


@pytest.mark.parametrize(
    ("request_", "read"),
    [
        pytest.param({"id": "1", "message": message("user", text("hi"))}, "hi", id="only-the-last"),
        pytest.param(message("user", text("hi"), text("there")), "hi\nthere", id="one-message"),
        pytest.param(
            {"messages": [message("user", {"type": "step-start"}, content="hi")]},
            "hi",
            id="version-4",
        ),
        pytest.param(
            [
                {"role": "user", "content": [text("book")]},
                {"role": "assistant", "content": [CALL]},
                {"role": "tool", "content": [{**CALL, "type": "tool-result"}]},
            ],
            "book",
            id="model-messages",
        ),
    ],
)
def test_the_input_is_what_the_user_said(request_: Any, read: str) -> None:
    assert through_hooks("vercel", request_, "input")["text"] == read


def test_instructions_are_the_system_prompt() -> None:
    request = {
        "system": "be kind",
        "messages": [message("system", text("be brief")), message("user", text("hi"))],
    }
    read = through_hooks("vercel", request, "input")
    assert read == {"text": "hi", "system_prompt": "be kind\nbe brief"}


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(message("assistant", OLD_CALL), id="version-4"),
        pytest.param(message("assistant", {**CALL, "type": "dynamic-tool"}), id="dynamic"),
        pytest.param(
            message("assistant", {**CALL, "type": "tool-book", "state": "input-available"}),
            id="declared",
        ),
        pytest.param([{"role": "assistant", "content": [CALL]}], id="model-message"),
        pytest.param({"text": "", "toolCalls": [CALL], "finishReason": "tool-calls"}, id="result"),
        pytest.param([CALL, {"type": "finish", "finishReason": "tool-calls"}], id="full-stream"),
        pytest.param(
            [
                {"type": "tool-input-start", "toolCallId": "1", "toolName": "book"},
                {"type": "tool-input-delta", "toolCallId": "1", "inputTextDelta": '{"to": "P'},
                {"type": "tool-input-delta", "toolCallId": "1", "inputTextDelta": 'aris"}'},
            ],
            id="in-pieces",
        ),
    ],
)
def test_a_call_of_a_tool_is_read(value: Any) -> None:
    read = through_hooks("vercel", value, "output")
    assert read["text"] == CALLED
    assert read["tool_calls"] == [{"name": "book", "arguments": '{"to": "Paris"}'}]


@pytest.mark.parametrize(
    ("result", "reads"),
    [
        pytest.param(
            {
                "text": "Hi",
                "finishReason": "stop",
                "usage": {"inputTokens": 3, "outputTokens": 4, "reasoningTokens": 2},
                "response": {"modelId": "m"},
            },
            {"text": "Hi", "model": "m", "usage": USED, "finish_reason": "stop",
             "extra": {"reasoning_tokens": 2}},
            id="version-5",
        ),
        pytest.param(
            {
                "text": "Hi",
                "finishReason": {"unified": "stop", "raw": "end_turn"},
                "totalUsage": {"inputTokens": 3, "outputTokens": 4,
                               "inputTokenDetails": {"cacheReadTokens": 1}},
            },
            {"text": "Hi", "usage": USED, "finish_reason": "stop", "extra": {"cached_tokens": 1}},
            id="version-6",
        ),
        pytest.param(
            {"text": "Hi", "finishReason": "stop",
             "usage": {"promptTokens": 3, "completionTokens": 4}},
            {"text": "Hi", "usage": USED, "finish_reason": "stop"},
            id="version-4",
        ),
        pytest.param(
            {"object": {"a": 1}, "finishReason": "stop"},
            {"text": '{"a": 1}', "finish_reason": "stop"},
            id="object",
        ),
    ],
)  # fmt: skip
def test_what_was_generated_is_read(result: Any, reads: Any) -> None:
    assert through_hooks("vercel", result, "output") == reads


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([{"type": "text-delta", "textDelta": "a"}], id="version-4"),
        pytest.param([{"type": "text-delta", "id": "1", "text": "a"}], id="version-5"),
        pytest.param([{"type": "data-state", "data": 1}, {"type": "text-delta", "delta": "a"}],
                     id="own-data"),
    ],
)  # fmt: skip
def test_streams_on_the_server_s_side_are_read(chunks: Any) -> None:
    end = {"type": "finish", "finishReason": "stop", "totalUsage": {"inputTokens": 3}}
    assert through_hooks("vercel", [*chunks, end], "output") == {
        "text": "a",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 3},
    }


def test_texts_of_a_stream_are_parted_as_those_of_a_message() -> None:
    chunks = [
        {"type": kind, "id": str(n), **({"delta": words} if kind == "text-delta" else {})}
        for n, words in enumerate(("a", "b"))
        for kind in ("text-start", "text-delta", "text-end")
    ]
    whole = message("assistant", text("a"), {"type": "step-start"}, text("b"))
    assert through_hooks("vercel", chunks, "output") == {"text": "a\nb"}
    assert through_hooks("vercel", whole, "output") == {"text": "a\nb"}


@pytest.mark.parametrize("start", [[], RECORDED["chunks"][:7]], ids=["at-once", "later"])
def test_an_error_is_told(start: list[Any]) -> None:
    read = through_hooks("vercel", [*start, {"type": "error", "errorText": "Busy"}], "output")
    assert read["error"] == {"type": "error", "message": "Busy"}


def test_a_stream_that_the_user_stopped_says_so() -> None:
    chunks = [*RECORDED["chunks"][:7], {"type": "abort"}]
    read = through_hooks("vercel", chunks, "output")
    assert read == {"text": "It left our shop", "finish_reason": "abort"}


@pytest.mark.parametrize(
    "value",
    [
        None, 7, [], {}, [{}], [{"type": "start"}, {"type": "finish"}], {"type": "start"},
        {"role": "user", "parts": [{"text": "hi"}]}, {"role": "user", "content": "hi"},
        {"messages": [{"role": "user", "content": "hi"}]},
        {"type": "error", "error": {"type": "x"}},
        [{"type": "content-delta"}], {"finishReason": "STOP"}, [{"type": ["text-delta"]}],
    ],
)  # fmt: skip
def test_other_values_are_left_to_others(value: Any) -> None:
    assert phospho_extract_input(value) is None
    assert phospho_extract_output(value) is None


RESULT = {"text": "Hi", "toolCalls": [CALL], "finishReason": "stop", "usage": {"inputTokens": 3}}


@given(mutated([RECORDED["input"], RECORDED["output"], RECORDED["chunks"], RESULT, [OLD_CALL]]))
def test_no_broken_value_raises(values: Any) -> None:
    for value in values if isinstance(values, list) else [values]:
        survives("vercel", value)


def test_files_in_a_stream_are_counted() -> None:
    chunks = [
        {"type": "text-delta", "id": "1", "delta": "Hi"},
        {"type": "file", "url": "https://x.example/y.png", "mediaType": "image/png"},
    ]
    read = through_hooks("vercel", chunks, "output")
    assert read == {"text": "Hi", "extra": {"attachments": {"file": 1}}}

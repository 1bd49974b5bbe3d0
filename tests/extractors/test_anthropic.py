from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from anthropic import Anthropic
from anthropic.types import Message
from anthropic.types.beta import BetaMessage
from anthropic.types.messages import MessageBatchIndividualResponse
from hypothesis import given

from phospho.extractors.anthropic import (
    Chunks,
    phospho_extract_input,
    phospho_extract_output,
)
from tests.extractors.mutations import mutated
from tests.extractors.recordings import fields_of, load, survives, through_hooks

RECORDED = load("anthropic")
CALL = {"type": "tool_use", "id": "t1", "name": "book", "input": {"to": "Paris"}}
SEARCH = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []}
CALLED = 'book({"to": "Paris"})'
BUSY = {"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "booked"}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def message(*content: Any, **fields: Any) -> dict[str, Any]:
    return {**RECORDED["output"], "stop_reason": "end_turn", **fields, "content": list(content)}


def client(body: Any) -> Anthropic:
    """Return the library's client; the API answers with a message, or with these events."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if isinstance(body, dict):
            return httpx2.Response(200, json=body)
        lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in body]
        return httpx2.Response(
            200, text="".join(lines), headers={"content-type": "text/event-stream"}
        )

    transport = httpx2.MockTransport(answer)
    return Anthropic(api_key="k", http_client=httpx2.Client(transport=transport), max_retries=0)


def test_what_was_recorded_reads_as_written() -> None:
    reads = RECORDED["reads"]
    assert through_hooks("anthropic", RECORDED["input"], "input") == reads["input"]
    assert through_hooks("anthropic", RECORDED["input"]["messages"], "input") == {
        name: reads["input"][name] for name in ("text", "extra")
    }
    assert through_hooks("anthropic", RECORDED["output"], "output") == reads["output"]
    assert through_hooks("anthropic", RECORDED["chunks"], "output") == reads["chunks"]


@pytest.mark.parametrize("is_beta", [False, True])
def test_the_client_s_answer_reads_the_same(is_beta: bool) -> None:
    api = client(RECORDED["output"])
    messages = api.beta.messages if is_beta else api.messages
    answer = messages.create(**RECORDED["input"])
    assert isinstance(answer, BetaMessage if is_beta else Message)
    for value in (answer, answer.to_dict(), answer.model_dump(mode="json")):
        assert through_hooks("anthropic", value, "output") == RECORDED["reads"]["output"]


@pytest.mark.parametrize("is_beta", [False, True])
def test_the_client_s_stream_reads_the_same(is_beta: bool) -> None:
    api = client(RECORDED["chunks"])
    messages = api.beta.messages if is_beta else api.messages
    events = list(messages.create(**RECORDED["input"], stream=True))
    assert through_hooks("anthropic", events, "output") == RECORDED["reads"]["chunks"]
    with messages.stream(**RECORDED["input"]) as stream:
        helped = list(stream)
    assert {"text", "input_json"} <= {event.type for event in helped}
    assert through_hooks("anthropic", helped, "output") == RECORDED["reads"]["chunks"]
    final = stream.get_final_message()
    assert through_hooks("anthropic", final, "output") == RECORDED["reads"]["chunks"]


@pytest.mark.parametrize("form", ["object", "dict", "content"])
@pytest.mark.parametrize(
    ("content", "seen"),
    [
        pytest.param([text("Hello")], "Hello", id="text"),
        pytest.param([text("It is "), text("so.")], "It is so.", id="cited"),
        pytest.param([text("I look."), SEARCH, FOUND, text("Yes.")], "I look.\nYes.", id="apart"),
        pytest.param([CALL, SEARCH], f'{CALLED}\nweb_search({{"query": "q"}})', id="calls"),
        pytest.param([text(""), CALL], CALLED, id="empty-text"),
    ],
)
def test_an_answer_reads_as_what_the_user_saw(form: str, content: list[Any], seen: str) -> None:
    answer: Any = message(*content)
    if form != "dict":
        answer = Message.model_validate(answer)
    assert through_hooks("anthropic", answer.content if form == "content" else answer, "output")[
        "text"
    ] == seen  # fmt: skip


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        pytest.param([text("hi"), text("there")], "hi\nthere", id="parts"),
        pytest.param([RESULT, text("and now?")], "and now?", id="beside-a-result"),
        pytest.param([RESULT], "book Paris", id="result-only"),
        pytest.param("thanks", "thanks", id="plain"),
    ],
)
def test_the_input_is_what_a_person_wrote(content: Any, seen: str) -> None:
    earlier = [{"role": "user", "content": "book Paris"}, {"role": "assistant", "content": [CALL]}]
    messages = [*earlier, {"role": "user", "content": content}]
    for value in (messages, {"messages": messages, "max_tokens": 9}):
        assert through_hooks("anthropic", value, "input")["text"] == seen


def test_the_system_prompt_may_stand_among_the_messages() -> None:
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]
    read = through_hooks("anthropic", {"system": "be kind", "messages": messages}, "input")
    assert read == {"text": "hi", "system_prompt": "be kind\nbe brief"}


def test_objects_of_an_answer_can_stand_in_the_next_request() -> None:
    answer = Message.model_validate(message(CALL))
    messages = [
        {"role": "user", "content": "book"},
        answer.to_param(),
        {"role": "user", "content": [RESULT]},
    ]
    assert through_hooks("anthropic", messages, "input")["text"] == "book"
    assert through_hooks("anthropic", messages, "output")["text"] == 'book({"to": "Paris"})'


def test_a_refusal_says_so() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "This could harm."}
    refused = message(stop_reason="refusal", stop_details=details, usage={"output_tokens": 0})
    wanted = {"refusal": True, "refusal_reason": "This could harm."}
    for value in (refused, Message.construct(**refused)):
        read = phospho_extract_output(value)
        assert read is not None
        assert (read.text, read.finish_reason, read.extra) == ("", "refusal", wanted)
    delta = {"stop_reason": "refusal", "stop_details": {"category": "bio"}}
    chunks = [RECORDED["chunks"][0], {"type": "message_delta", "delta": delta, "usage": {}}]
    assert fields_of(phospho_extract_output(chunks))["extra"] == {
        "refusal": True,
        "refusal_reason": "bio",
    }


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(BUSY, id="answer"),
        pytest.param([*RECORDED["chunks"][:1], {"type": "ping"}, BUSY], id="in-a-stream"),
    ],
)
def test_an_error_is_told(value: Any) -> None:
    read = through_hooks("anthropic", value, "output")
    assert read["error"] == {"type": "overloaded_error", "message": "Busy"}


def test_the_results_of_a_batch_are_read() -> None:
    results = [
        {"type": "succeeded", "message": RECORDED["output"]},
        {"type": "errored", "error": BUSY},
        {"type": "expired"},
    ]
    dicts = [{"custom_id": "1", "result": result} for result in results]
    for forms in (dicts, [MessageBatchIndividualResponse.model_validate(d) for d in dicts]):
        succeeded, errored, expired = (through_hooks("anthropic", v, "output") for v in forms)
        assert succeeded == RECORDED["reads"]["output"]
        assert errored == {"error": BUSY["error"]}
        assert expired["error"]["type"] == "expired"


def test_tokens_of_a_stream_are_the_last_that_it_told() -> None:
    start = {"type": "message_start", "message": {"usage": {"input_tokens": 1, "output_tokens": 1}}}
    delta = {"input_tokens": 7, "cache_read_input_tokens": 2, "output_tokens": 5}
    read = phospho_extract_output([start, {"type": "message_delta", "delta": {}, "usage": delta}])
    assert read is not None
    assert read.usage == {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
    assert read.extra == {"cached_tokens": 2}


def test_a_call_without_arguments_has_an_empty_dict() -> None:
    chunks = Chunks([])
    assert chunks.add(
        {"type": "content_block_start", "index": 0, "content_block": {**CALL, "input": {}}}
    )
    assert chunks.read().text == "book({})"  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [
        None, 7, [], {}, [{}], {"messages": []}, {"system": 7, "messages": [{"role": "user"}]},
        [{"role": "user", "content": "hi"}], {"role": "assistant", "content": "hi"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
        {"type": "text-delta", "id": "1", "delta": "x"}, {"type": "error", "errorText": "x"},
        {"type": "response.output_text.delta", "delta": "x"}, Anthropic(api_key="k"),
    ],
)  # fmt: skip
def test_other_values_are_left_to_others(value: Any) -> None:
    assert phospho_extract_input(value) is None
    assert phospho_extract_output(value) is None


@given(mutated([RECORDED["input"], RECORDED["output"], RECORDED["chunks"]]))
def test_no_broken_value_raises(values: Any) -> None:
    for value in values if isinstance(values, list) else [values]:
        survives("anthropic", value)

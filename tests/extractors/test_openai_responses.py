from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from hypothesis import given
from openai import OpenAI
from openai.types.responses import Response, ResponseOutputMessage
from pydantic import BaseModel

from phospho.extractors.openai_responses import (
    Chunks,
    phospho_extract_input,
    phospho_extract_output,
)
from phospho.testing import CaptureClient
from tests.extractors.mutations import mutated
from tests.extractors.recordings import load, survives, through_hooks

RECORDED = load("openai_responses")
READS = RECORDED["reads"]
EVENTS = RECORDED["chunks"]
IMAGE = {
    "type": "image_generation_call",
    "id": "i",
    "status": "completed",
    "result": "iVBORw0KGgo=",
}
CUSTOM = {"type": "custom_tool_call", "call_id": "c", "name": "run", "input": "ls"}
MCP = {"type": "mcp_call", "id": "m", "name": "search", "server_label": "s", "arguments": "{}"}
SEARCH = {
    "type": "web_search_call",
    "id": "w",
    "status": "completed",
    "action": {"type": "search", "query": "chain"},
}
CODE = {
    "type": "code_interpreter_call",
    "id": "c",
    "code": "1 + 1",
    "container_id": "x",
    "status": "completed",
}


def client(body: Any) -> OpenAI:
    """Return the library's client; the API answers with a response, or with these events."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if isinstance(body, dict):
            return httpx2.Response(200, json=body)
        lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in body]
        headers = {"content-type": "text/event-stream"}
        return httpx2.Response(200, text="".join(lines), headers=headers)

    http_client = httpx2.Client(transport=httpx2.MockTransport(answer))
    return OpenAI(api_key="k", http_client=http_client, max_retries=0)


def said(*parts: Any) -> dict[str, Any]:
    content = [
        {"type": "output_text", "text": part, "annotations": []} if isinstance(part, str) else part
        for part in parts
    ]
    return {
        "type": "message",
        "id": "m",
        "role": "assistant",
        "status": "completed",
        "content": content,
    }


def response(*output: Any, **fields: Any) -> dict[str, Any]:
    return {**RECORDED["output"], "output": list(output), **fields}


def test_what_was_recorded_reads_as_written() -> None:
    assert through_hooks("openai_responses", RECORDED["input"], "input") == READS["input"]
    assert through_hooks("openai_responses", RECORDED["output"], "output") == READS["output"]
    assert through_hooks("openai_responses", EVENTS, "output") == READS["chunks"]


def test_the_client_s_answer_reads_the_same() -> None:
    answer = client(RECORDED["output"]).responses.create(**RECORDED["input"])
    assert isinstance(answer, Response)
    for value in (answer, answer.to_dict(), answer.model_dump(mode="json")):
        assert through_hooks("openai_responses", value, "output") == READS["output"]
    items = through_hooks("openai_responses", answer.output, "output")
    assert (items["text"], items["tool_calls"]) == (
        READS["output"]["text"], READS["output"]["tool_calls"],
    )  # fmt: skip


def test_the_client_s_stream_reads_the_same() -> None:
    api = client(EVENTS)
    events = list(api.responses.create(**RECORDED["input"], stream=True))
    assert through_hooks("openai_responses", events, "output") == READS["chunks"]
    with api.responses.stream(**RECORDED["input"]) as stream:
        helped = list(stream)
    assert any(getattr(event, "snapshot", None) for event in helped)
    assert through_hooks("openai_responses", helped, "output") == READS["chunks"]
    final = stream.get_final_response()
    assert through_hooks("openai_responses", final, "output") == READS["output"]


def test_a_parsed_response_reads_as_its_json() -> None:
    class Order(BaseModel):
        number: int

    api = client(response(said('{"number": 1042}')))
    answer = api.responses.parse(model="m", input="?", text_format=Order)
    assert answer.output_parsed == Order(number=1042)
    assert through_hooks("openai_responses", answer, "output")["text"] == '{"number": 1042}'


@pytest.mark.parametrize("is_object", [False, True])
@pytest.mark.parametrize(
    ("output", "text"),
    [
        pytest.param([said("It ", "left.")], "It left.", id="parts"),
        pytest.param(
            [said("I look."), SEARCH, said("It left.")], "I look.\nIt left.", id="messages"
        ),
        pytest.param([said({"type": "refusal", "refusal": "I can't."})], "I can't.", id="refusal"),
        pytest.param([CUSTOM, MCP], "run(ls)\nsearch({})", id="calls"),
        pytest.param([SEARCH], 'web_search({"type": "search", "query": "chain"})', id="web-search"),
        pytest.param([CODE], "code_interpreter(1 + 1)", id="code"),
        pytest.param([IMAGE], "", id="image"),
        pytest.param([RECORDED["output"]["output"][0]], "", id="reasoning-only"),
    ],
)
def test_a_response_reads_as_what_the_user_saw(output: Any, text: str, is_object: bool) -> None:
    value: Any = response(*output)
    if is_object:
        value = Response.model_validate(value)
    assert through_hooks("openai_responses", value, "output").get("text", "") == text


@pytest.mark.parametrize("is_object", [False, True])
def test_one_message_of_a_response_is_read(is_object: bool) -> None:
    value: Any = said("It left.")
    if is_object:
        value = ResponseOutputMessage.model_validate(value)
    assert through_hooks("openai_responses", value, "output") == {"text": "It left."}


def test_made_images_are_counted_and_refusals_told() -> None:
    refusal = said({"type": "refusal", "refusal": "I can't."})
    read = through_hooks("openai_responses", response(IMAGE, refusal, usage=None), "output")
    assert read["extra"] == {
        "attachments": {"image": 1}, "refusal": True, "previous_response_id": "resp_0",
        "response_id": "resp_1",
    }  # fmt: skip


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize(
    ("fields", "finish_reason", "error"),
    [
        pytest.param(
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            "max_output_tokens",
            None,
            id="incomplete",
        ),
        pytest.param(
            {"status": "failed", "error": {"code": "server_error", "message": "Overloaded."}},
            "failed",
            {"type": "server_error", "message": "Overloaded."},
            id="failed",
        ),
        pytest.param(
            {"status": "cancelled"},
            "cancelled",
            {"type": "cancelled", "message": "The response was cancelled."},
            id="cancelled",
        ),
    ],
)
def test_how_a_response_ended_is_told(
    fields: dict[str, Any], finish_reason: str, error: Any, is_streamed: bool
) -> None:
    value: Any = response(said("It left"), **fields)
    if is_streamed:
        kind = "response.incomplete" if error is None else "response.failed"
        value = [*EVENTS[:8], {"type": kind, "response": value, "sequence_number": 9}]
    read = through_hooks("openai_responses", value, "output")
    assert read["text"] == ("It left our shop" if is_streamed else "It left")
    assert read["finish_reason"] == finish_reason
    assert read.get("error") == error


@pytest.mark.parametrize(
    ("events", "text"),
    [
        pytest.param(EVENTS[:-1], READS["chunks"]["text"], id="not-ended"),
        pytest.param(
            [EVENTS[0], *EVENTS[12:-1]], 'open_return({"order":1042})', id="call-not-ended"
        ),
        pytest.param(EVENTS[-1:], READS["chunks"]["text"], id="end-only"),
        pytest.param(
            [{"type": "response.refusal.delta", "delta": part} for part in ("I ", "can't.")],
            "I can't.",
            id="refusal",
        ),
        pytest.param(
            [{"type": "response.audio.transcript.delta", "delta": part} for part in ("spo", "ken")],
            "spoken",
            id="audio",
        ),
        pytest.param(
            [*EVENTS[5:8], *EVENTS[5:8]], "It left our shop\nIt left our shop", id="messages"
        ),
        pytest.param([*EVENTS[:6], EVENTS[-1]], READS["chunks"]["text"], id="pieces-lost"),
        pytest.param(
            [*EVENTS, *EVENTS[:8]],
            f"{READS['chunks']['text']}\nIt left our shop",
            id="next-response",
        ),
    ],
)
def test_a_stream_reads_as_what_the_user_saw(events: list[Any], text: str) -> None:
    assert through_hooks("openai_responses", events, "output")["text"] == text


def test_a_call_that_is_cut_off_is_told_as_far_as_it_came() -> None:
    item = {"type": "function_call", "id": "fc", "call_id": "c", "name": "book", "arguments": ""}
    added = {"type": "response.output_item.added", "output_index": 0, "item": item}
    piece = {"type": "response.function_call_arguments.delta", "item_id": "fc", "delta": '{"to":'}
    read = through_hooks("openai_responses", [EVENTS[0], added, piece], "output")
    assert read["text"] == 'book({"to":)'
    done = {"type": "response.output_item.done", "output_index": 0,
            "item": {**item, "arguments": '{"to":1}'}}  # fmt: skip
    read = through_hooks("openai_responses", [EVENTS[0], added, piece, done], "output")
    assert read["tool_calls"] == [{"name": "book", "arguments": '{"to":1}'}]


def test_responses_of_one_stream_are_counted_together() -> None:
    once, twice = (through_hooks("openai_responses", EVENTS * n, "output") for n in (1, 2))
    assert twice["text"] == "\n".join([once["text"]] * 2)
    assert twice["usage"] == {name: 2 * count for name, count in once["usage"].items()}


def test_an_error_in_a_stream_is_told() -> None:
    error = {
        "type": "error",
        "code": "server_error",
        "message": "Overloaded.",
        "sequence_number": 9,
    }
    read = through_hooks("openai_responses", [*EVENTS[:8], error], "output")
    assert read["text"] == "It left our shop"
    assert read["error"] == {"type": "server_error", "message": "Overloaded."}


def test_an_image_in_pieces_is_counted_and_not_kept() -> None:
    piece = {"type": "response.image_generation_call.partial_image", "partial_image_b64": "iVBO"}
    done = {"type": "response.output_item.done", "output_index": 0, "item": IMAGE}
    texts: list[str] = []
    reader = Chunks(texts)
    assert reader.add(piece)
    assert reader.add(done)
    assert reader.read().extra == {"attachments": {"image": 1}}
    assert texts == []


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        pytest.param({"model": "m", "input": "hi"}, "hi", id="text"),
        pytest.param({"input": "hi", "instructions": "be kind"}, "hi", id="instructions"),
        pytest.param({"input": [{"role": "user", "content": "hi"}]}, "hi", id="items"),
        pytest.param(RECORDED["input"]["input"], "Where is the new one?", id="bare-items"),
        pytest.param(
            {"role": "user", "content": [{"type": "input_text", "text": "hi"}]}, "hi", id="one-item"
        ),
        pytest.param(
            {
                "input": [
                    {"role": "user", "content": "hi"},
                    CUSTOM,
                    {"type": "custom_tool_call_output", "call_id": "c", "output": "x"},
                ]
            },
            "hi",
            id="result-last",
        ),
        pytest.param(
            {
                "model": "m",
                "input": [{"type": "function_call_output", "call_id": "c", "output": "x"}],
            },
            "",
            id="result-only",
        ),
    ],
)
def test_the_input_is_what_the_user_said(request_: Any, text: str) -> None:
    assert through_hooks("openai_responses", request_, "input").get("text", "") == text


def test_developer_items_are_the_system_prompt() -> None:
    items = [{"role": "developer", "content": "be brief"}, {"role": "user", "content": "hi"}]
    request = {"model": "m", "instructions": "be kind", "input": items, "conversation": {"id": "c"}}
    read = through_hooks("openai_responses", request, "input")
    assert read["system_prompt"] == "be kind\nbe brief"
    assert read["extra"] == {"conversation": "c"}


def test_the_answer_in_a_conversation_is_what_came_after_the_user() -> None:
    items = [said("Hello."), {"role": "user", "content": "hi"}, said("Bye.")]
    assert through_hooks("openai_responses", items, "output")["text"] == "Bye."


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "x",
        [],
        {},
        [{}],
        {"input": "hi"},
        {"input": ["a"]},
        {"model": "m", "input": ["a"]},
        {"role": "user", "content": "hi"},
        [{"role": "assistant", "content": "hi"}],
        {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "x"}]},
        {"type": "error", "message": "x"},
        {"type": "text-delta", "delta": "x"},
        OpenAI(api_key="k"),
        {"object": "list", "output": "x"},
        {"output": [{"role": "assistant", "content": "x"}]},
    ],
)
def test_other_values_are_left_to_others(value: Any) -> None:
    assert phospho_extract_input(value) is None
    assert phospho_extract_output(value) is None


FULL = response(said("a"), CUSTOM, MCP, SEARCH, CODE, IMAGE)


@given(mutated([RECORDED["input"], RECORDED["output"], EVENTS, FULL]))
def test_no_broken_value_raises(values: Any) -> None:
    for value in values if isinstance(values, list) else [values]:
        survives("openai_responses", value)
        if isinstance(value, dict) and "output" in value:
            survives("openai_responses", Response.construct(**value))


def test_what_a_response_was_made_by_is_its_system_prompt() -> None:
    body = response(said("It left"), instructions="Be kind.")
    end = {"type": "response.completed", "response": body, "sequence_number": 9}
    for value in (body, [*EVENTS[:8], end]):
        read = through_hooks("openai_responses", value, "output")
        assert read["system_prompt"] == "Be kind."
    asked = {"model": "m", "instructions": "Be kind.", "input": [
        {"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Where?"},
    ]}  # fmt: skip
    assert CaptureClient().log(asked, body)["system_prompt"] == "Be kind.\nBe brief."


def test_what_is_spoken_is_counted_once() -> None:
    events = [
        {"type": "response.audio.delta", "delta": "QUJD", "sequence_number": 1},
        {"type": "response.audio.delta", "delta": "QUJD", "sequence_number": 2},
        {"type": "response.audio.transcript.delta", "delta": "Hi", "sequence_number": 3},
    ]
    read = through_hooks("openai_responses", events, "output")
    assert read == {"text": "Hi", "extra": {"attachments": {"audio": 1}}}


def test_results_of_tools_alone_are_no_words_of_the_user() -> None:
    result = {"type": "function_call_output", "call_id": "c", "output": "in a van"}
    assert through_hooks("openai_responses", [result], "input") == {"extra": {"tool_results": 1}}

"""What the chunks of a stream amount to, whatever they are."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Iterable
from typing import Any

import attrs
import pytest
from openai.types.audio import TranscriptionTextDeltaEvent, TranscriptionTextDoneEvent
from openai.types.beta.assistant_stream_event import ThreadMessageDelta
from pydantic import BaseModel

from phospho.testing import CaptureClient


def read(chunks: Iterable[Any]) -> dict[str, Any]:
    """Return the record of a stream that gave these chunks."""
    client = CaptureClient()
    for _ in client.log("q", iter(chunks), stream=True)["output"]:
        pass
    return client.interactions[-1]


def test_bytes_that_are_no_text_are_counted() -> None:
    noise = random.Random(1)
    assert read(noise.randbytes(1000) for _ in range(5))["output"] == "(5000 bytes)"
    assert read([b"RIFF", b"\xff\xfe" * 50, b"data"])["output"] == "(108 bytes)"
    assert read(["Sound: ", b"RIFF", b"\xff\xfe"])["output"] == "Sound: (6 bytes)"


@dataclasses.dataclass
class Token:
    token: str


@attrs.define
class Slotted:
    token: str


class Modelled(BaseModel):
    token: str


class Plain:
    def __init__(self, token: str) -> None:
        self.token = token


@pytest.mark.parametrize("kind", [Token, Slotted, lambda token: Modelled(token=token), Plain])
def test_a_token_of_an_object_is_text(kind: Any) -> None:
    assert read([kind("a "), kind("b")])["output"] == "a b"


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        pytest.param("data: a\ndata: b\n\ndata: c\n\n", "a\nbc", id="lines-of-one-event"),
        pytest.param("data: a\r\n\r\ndata:  b\r\n\r\n", "a b", id="line-ends"),
        pytest.param(
            ': ping\n\nid: 1\ndata: {"text": "a "}\n\ndata: {"text": "b"}', "a b", id="id"
        ),
        pytest.param('data: {"text":\ndata: "a b"}\n\n', "a b", id="json-in-lines"),
        pytest.param('data: "a "\n\ndata: 5\n\ndata: [DONE]\n\n', "a 5", id="words"),
    ],
)
def test_events_in_a_text_are_read(text: str, read_as: str) -> None:
    assert read([text])["output"] == read_as
    assert read(text)["output"] == read_as


def test_lines_of_the_ai_sdk_are_read() -> None:
    finish = json.dumps({"finishReason": "stop", "usage": {"promptTokens": 3}})
    call = json.dumps({"toolCallId": "c", "toolName": "track", "args": {"order": 7}})
    record = read([f'f:{{"messageId":"m"}}\n9:{call}\n', '0:"a "\n', f'0:"b"\nd:{finish}\n'])
    assert (record["output"], record["finish_reason"]) == ("a b", "stop")
    assert record["tool_calls"] == [{"name": "track", "arguments": '{"order": 7}'}]
    assert record["prompt_tokens"] == 3
    failed = read(['0:"a "\n', '3:"Overloaded."\n'])
    assert (failed["status"], failed["error"]["message"]) == ("error", "Overloaded.")
    for text in ('0:"a"\nb', '1:["a"]', "7:[a]"):
        assert read([text])["output"] == text


@pytest.mark.parametrize(
    "text",
    [
        "data: the facts are\nthese and those",
        "id: 7\nname: x",
        "event: party\nwhen: today",
        "event: party",
        ": a note",
        "database: yes",
    ],
)
def test_prose_is_not_mistaken_for_events(text: str) -> None:
    assert read([text])["output"] == text


class ServerSentEvent:
    """As sse-starlette has it."""

    def __init__(self, data: str, event: str | None = None) -> None:
        self.data = data
        self.event = event
        self.id = self.retry = self.comment = None
        self._sep = "\n"


DELTA = {"object": "chat.completion.chunk", "model": "m", "choices": [{"index": 0}]}


def thread_event(text: str) -> dict[str, Any]:
    content = [{"index": 0, "type": "text", "text": {"value": text}}]
    delta = {"id": "m", "object": "thread.message.delta", "delta": {"content": content}}
    return {"event": "thread.message.delta", "data": delta}


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda text: {"event": "message", "data": text}, id="text"),
        pytest.param(lambda text: {"data": text}, id="data-alone"),
        pytest.param(lambda text: {"event": "x", "data": json.dumps({"text": text})}, id="json"),
        pytest.param(lambda text: {"event": "token", "data": {"text": text}}, id="dict"),
        pytest.param(lambda text: ServerSentEvent(text, event="message"), id="object"),
        pytest.param(lambda text: ServerSentEvent(json.dumps({"text": text})), id="object-of-json"),
        pytest.param(thread_event, id="assistants"),
        pytest.param(
            lambda text: ThreadMessageDelta.model_validate(thread_event(text)),
            id="assistants-objects",
        ),
    ],
)
def test_chunks_that_are_events_are_read(make: Any) -> None:
    assert read([make("a "), make("b")])["output"] == "a b"


def test_what_a_vendor_streamed_is_read_within_events() -> None:
    chunks = [{**DELTA, "choices": [{"index": 0, "delta": {"content": text}}]} for text in "ab"]
    record = read([*({"data": json.dumps(chunk)} for chunk in chunks), {"data": "[DONE]"}])
    assert (record["output"], record["model"]) == ("ab", "m")


@pytest.mark.parametrize(
    ("chunks", "text"),
    [
        pytest.param(
            [
                TranscriptionTextDeltaEvent(type="transcript.text.delta", delta="a "),
                TranscriptionTextDeltaEvent(type="transcript.text.delta", delta="b"),
                TranscriptionTextDoneEvent(type="transcript.text.done", text="a b"),
            ],
            "a b",
            id="transcription",
        ),
        pytest.param(
            [{"type": "delta", "text": "a b"}, {"type": "done", "text": "a b"}], "a b", id="type"
        ),
        pytest.param([{"delta": "a "}, {"delta": "b"}, {"answer": "a b"}], "a b", id="name"),
        pytest.param([{"delta": "a "}, "b", {"answer": "a b"}], "a b", id="texts-between"),
        pytest.param(
            [*({"delta": "a"} for _ in range(1022)), {"answer": "a" * 1022}, {"usage": 1}],
            "a" * 1022,
            id="many",
        ),
        pytest.param([{"text": "ha"}, {"text": "ha"}], "haha", id="pieces"),
        pytest.param([{"text": ""}, {"text": "ha"}, {"text": "ha"}], "haha", id="empty-first"),
        pytest.param([{"delta": "a"}, {"answer": "b"}], "ab", id="another"),
    ],
)
def test_an_answer_that_is_repeated_at_the_end_counts_once(chunks: list[Any], text: str) -> None:
    assert read(chunks)["output"] == text


class Profile(BaseModel):
    city: str | None = None
    age: int | None = None


@pytest.mark.parametrize(
    ("chunks", "text"),
    [
        pytest.param([{}, {"a": 1}, {"a": 12}, {"a": 12, "b": 2}], '{"a": 12, "b": 2}', id="json"),
        pytest.param([{}, {"answer": ""}, {"answer": "a"}, {"answer": "a b"}], "a b", id="by-name"),
        pytest.param([{"answer": "a b"[:end]} for end in (1, 2, 3, 3)], "a b", id="once-more"),
        pytest.param([[], ["a"], ["a", "b"]], "a\nb", id="list"),
        pytest.param(
            [Profile(), Profile(city="Lo"), Profile(city="London", age=3)], "London", id="objects"
        ),
        pytest.param([{"a": 1}, {"b": 2}], '{"a": 1}{"b": 2}', id="others"),
        pytest.param([{"text": "a"}, {"text": "ab"}, {"text": "c"}], "aabc", id="pieces"),
    ],
)  # fmt: skip
def test_of_chunks_that_each_hold_the_one_before_the_last_counts(
    chunks: list[Any], text: str
) -> None:
    assert read(chunks)["output"] == text


class Array:
    """As numpy has it: what is compared has no truth."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("ambiguous")

    def __str__(self) -> str:
        return "[1]"

    __hash__ = None  # type: ignore[assignment]


def test_no_code_of_chunks_is_run_to_compare_them() -> None:
    assert read([{"a": Array()}, {"a": Array()}])["output"] == '{"a": "[1]"}{"a": "[1]"}'
    assert read([Array(), Array()])["output"] == "[1][1]"

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from ollama import ChatResponse, Client, GenerateResponse, Image, Message

from phospho.extractors.ollama import Chunks, phospho_extract_input, phospho_extract_output
from tests.costs import count_calls
from tests.extractors.mutations import mutated
from tests.extractors.recordings import load, survives, through_hooks

RECORDED = load("ollama")
READS = RECORDED["reads"]
END = {name: value for name, value in RECORDED["output"].items() if name != "message"}
GENERATED = {**END, "response": "On Monday.", "thinking": "Hm.", "context": [1, 2]}
GENERATED_CHUNKS: list[dict[str, Any]] = [
    {"model": "qwen3:8b", "created_at": "t", "response": "", "thinking": "Hm.", "done": False},
    {"model": "qwen3:8b", "created_at": "t", "response": "On ", "done": False},
    {"model": "qwen3:8b", "created_at": "t", "response": "Monday.", "done": False},
    {**END, "response": "", "context": [1, 2]},
]
GENERATED_READS = {
    name: value
    for name, value in {**READS["output"], "text": "On Monday."}.items()
    if name != "tool_calls"
}
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB"


def client(body: Any) -> Client:
    """Return the library's client; the API answers with this, or these lines."""

    def answer(request: httpx.Request) -> httpx.Response:
        if isinstance(body, dict):
            return httpx.Response(200, json=body)
        return httpx.Response(200, text="".join(json.dumps(line) + "\n" for line in body))

    return Client(transport=httpx.MockTransport(answer))


def test_what_was_recorded_reads_as_written() -> None:
    assert through_hooks("ollama", RECORDED["input"], "input") == READS["input"]
    assert through_hooks("ollama", RECORDED["output"], "output") == READS["output"]
    assert through_hooks("ollama", RECORDED["chunks"], "output") == READS["chunks"]
    assert through_hooks("ollama", GENERATED, "output") == GENERATED_READS
    assert through_hooks("ollama", GENERATED_CHUNKS, "output") == GENERATED_READS


def test_the_client_s_values_read_the_same() -> None:
    messages = [{"role": "user", "content": "hi"}]
    answer = client(RECORDED["output"]).chat("m", messages)
    assert isinstance(answer, ChatResponse)
    for value in (answer, answer.model_dump()):
        assert through_hooks("ollama", value, "output") == READS["output"]
    chunks = list(client(RECORDED["chunks"]).chat("m", messages, stream=True))
    assert len(chunks) == len(RECORDED["chunks"])
    assert through_hooks("ollama", chunks, "output") == READS["chunks"]


def test_generated_texts_read_the_same() -> None:
    answer = client(GENERATED).generate("m", "hi")
    assert isinstance(answer, GenerateResponse)
    for value in (answer, answer.model_dump()):
        assert through_hooks("ollama", value, "output") == GENERATED_READS
    chunks = list(client(GENERATED_CHUNKS).generate("m", "hi", stream=True))
    assert through_hooks("ollama", chunks, "output") == GENERATED_READS


def test_a_call_is_shown_where_nothing_else_was_said() -> None:
    message = {**RECORDED["output"]["message"], "content": ""}
    answer = {**RECORDED["output"], "message": message}
    for value in (answer, ChatResponse.model_validate(answer)):
        assert through_hooks("ollama", value, "output")["text"] == 'open_return({"order": 1042})'


def test_a_generated_picture_is_counted() -> None:
    progress = {"model": "m", "created_at": "t", "done": False, "completed": 1, "total": 4}
    last = {"model": "m", "created_at": "t", "done": True, "image": PICTURE}
    objects = [GenerateResponse.model_validate(chunk) for chunk in (progress, last)]
    for value in ([progress, last], objects, objects[1]):
        read = through_hooks("ollama", value, "output")
        assert read == {"model": "m", "extra": {"attachments": {"image": 1}}}


@pytest.mark.parametrize(
    ("request_", "reads"),
    [
        pytest.param(
            {"model": "m", "prompt": "hi", "system": "be kind"},
            {"text": "hi", "model": "m", "system_prompt": "be kind"},
            id="prompt",
        ),
        pytest.param(
            {"model": "m", "prompt": "hi", "images": [PICTURE]},
            {"text": "hi", "model": "m", "extra": {"attachments": {"image": 1}}},
            id="picture",
        ),
        pytest.param(
            [Message(role="user", content="hi", images=[Image(value=PICTURE)])],
            {"text": "hi", "extra": {"attachments": {"image": 1}}},
            id="objects",
        ),
        pytest.param(
            Message(role="user", images=[Image(value=b"\x89PNG"), Image(value=PICTURE)]),
            {"extra": {"attachments": {"image": 2}}},
            id="only-pictures",
        ),
    ],
)
def test_a_request_is_read(request_: Any, reads: Any) -> None:
    assert through_hooks("ollama", request_, "input") == reads


@pytest.mark.parametrize(
    "value",
    [
        None, 7, [], {}, [{}], {"done": True}, {"message": "hi", "done": False},
        {"prompt": "hi", "model": "m"}, {"response": "hi"}, {"response": "hi", "done": "yes"},
        {"messages": [{"role": "user", "content": "hi"}]},
        {"messages": [{"role": "user", "images": [7]}]},
        {"done": True, "task": "x", "message": {"role": None}}, Client(),
    ],
)  # fmt: skip
def test_other_values_are_left_to_others(value: Any) -> None:
    assert phospho_extract_input(value) is None
    assert phospho_extract_output(value) is None


def test_a_chunk_is_read_at_little_cost() -> None:
    chunk = ChatResponse.model_validate(RECORDED["chunks"][1])
    reader = Chunks([])
    reader.add(chunk)
    assert count_calls(lambda: reader.add(chunk)) < 30


@given(
    mutated(
        [RECORDED["input"], RECORDED["output"], RECORDED["chunks"], GENERATED, GENERATED_CHUNKS]
    )
)
def test_no_broken_value_raises(values: Any) -> None:
    for value in values if isinstance(values, list) else [values]:
        survives("ollama", value)


def test_an_error_alone_is_told() -> None:
    error = {"error": {"type": "error", "message": "model not found"}}
    for value in ({"error": "model not found"}, {"error": "model not found", "status_code": 404}):
        assert through_hooks("ollama", value, "output") == error
    chunks = [*RECORDED["chunks"][:1], {"error": "model not found"}]
    assert through_hooks("ollama", chunks, "output")["error"] == error["error"]
    assert phospho_extract_output({"error": "none", "answer": "hi"}) is None

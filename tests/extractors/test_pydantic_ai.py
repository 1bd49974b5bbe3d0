from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from pydantic import BaseModel, TypeAdapter
from pydantic_ai import Agent, DeferredToolRequests
from pydantic_ai.messages import (
    AgentStreamEvent,
    BinaryContent,
    ImageUrl,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    NativeToolCallPart,
    TextContent,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models.test import TestModel
from pydantic_ai.run import AgentRunResult

from phospho.extractors.pydantic_ai import (
    Chunks,
    phospho_extract_input,
    phospho_extract_output,
)
from tests.extractors.mutations import mutated
from tests.extractors.recordings import load, survives, through_hooks

pytestmark = pytest.mark.usefixtures("own_loop")

RECORDED = load("pydantic_ai")
CALLED = [{"name": "track", "arguments": '{"order": 0}'}]
IMAGE = ImageUrl("https://x.example/y.png")
PROMPT = [
    "Where?",
    IMAGE,
    BinaryContent(b"x", media_type="audio/wav"),
]
FG = 'f({"x": 1})\ng()'
ATTACHED = {"attachments": {"image": 1, "audio": 1}}


class Ticket(BaseModel):
    order: int


def read(value: Any) -> dict[str, Any]:
    return through_hooks("pydantic_ai", value, "output")


def asked(value: Any) -> dict[str, Any]:
    return through_hooks("pydantic_ai", value, "input")


def shop() -> Any:
    agent = Agent(TestModel(custom_output_text="It arrives"), instructions="Be kind")

    def track(order: int) -> str:
        return "in a van"

    agent.tool_plain(track)
    return agent


def as_json(value: Any, kind: Any = None) -> Any:
    return TypeAdapter(kind or type(value)).dump_python(value, mode="json")


def test_what_was_recorded_reads_as_written() -> None:
    reads = RECORDED["reads"]
    assert asked(RECORDED["input"]) == reads["input"]
    assert read(RECORDED["output"]) == reads["output"]
    assert read(RECORDED["chunks"]) == reads["chunks"]


def test_objects_read_as_their_json() -> None:
    reads = RECORDED["reads"]
    assert asked(ModelMessagesTypeAdapter.validate_python(RECORDED["input"])) == reads["input"]
    messages = ModelMessagesTypeAdapter.validate_python(RECORDED["output"]["messages"])
    assert read(messages)["tool_calls"] == reads["output"]["tool_calls"]
    assert asked(messages) == reads["input"]
    event = TypeAdapter(AgentStreamEvent)
    events = [event.validate_python(chunk) for chunk in RECORDED["chunks"]]
    assert read(events) == reads["chunks"]


def test_a_run_reads_as_its_output_with_the_facts_of_its_own_messages() -> None:
    first = shop().run_sync(PROMPT)
    expected = {
        "text": "It arrives", "model": "test", "tool_calls": CALLED, "extra": {"tool_results": 1},
        "usage": {
            "prompt_tokens": first.usage.input_tokens,
            "completion_tokens": first.usage.output_tokens,
            "total_tokens": first.usage.input_tokens + first.usage.output_tokens,
        },
    }  # fmt: skip
    assert read(first) == expected
    assert read(as_json(first)) == expected
    assert asked(first) == {"text": "Where?", "system_prompt": "Be kind", "extra": ATTACHED}
    assert asked(as_json(first)) == asked(first)
    again = shop().run_sync("And now?", message_history=first.all_messages())
    for value in (again, as_json(again), again.all_messages(), again.new_messages()):
        assert "tool_calls" not in read(value)
        assert asked(value)["text"] == "And now?"


def test_an_output_that_is_data_is_json() -> None:
    run = Agent(TestModel(), output_type=Ticket).run_sync("hi")
    for value in (run, as_json(run, AgentRunResult[Ticket])):
        assert read(value)["text"] == '{"order": 0}'
        assert "tool_calls" not in read(value)


def test_calls_that_wait_for_a_person_are_counted() -> None:
    agent = Agent(TestModel(), output_type=[str, DeferredToolRequests])

    def pay(amount: int) -> str:
        return "paid"

    agent.tool_plain(requires_approval=True)(pay)
    answer = read(agent.run_sync("hi"))
    assert (answer["text"], answer["extra"]) == ('pay({"amount": 0})', {"interrupts": 1})


async def stream(kind: str) -> tuple[Any, Any]:
    if kind == "events":
        async with shop().run_stream_events("x") as run:
            return None, [event async for event in run]
    async with shop().run_stream("x") as run:
        early = read(run)
        if kind == "responses":
            return early, [response async for response in run.stream_response(debounce_by=None)]
        async for _ in run.stream_text():
            pass
        return early, run


@pytest.mark.parametrize("kind", ["events", "responses", "result"])
def test_a_streamed_run_reads_as_what_was_said(kind: str) -> None:
    early, value = asyncio.run(stream(kind))
    assert early is None or "text" not in early
    assert read(value)["text"] == "It arrives"
    assert read(value)["model"] == "test"
    if kind == "events":
        assert read(value)["tool_calls"] == CALLED
        assert read(value[:-1]) == {
            "text": "It arrives", "tool_calls": CALLED, "extra": {"tool_results": 1},
        }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(PROMPT, "Where?", id="prompt"),
        pytest.param([IMAGE, "What?"], "What?", id="image-first"),
        pytest.param([TextContent("a"), "b"], "a\nb", id="text-content"),
        pytest.param({"user_prompt": PROMPT, "instructions": "i"}, "Where?", id="arguments"),
        pytest.param(ModelRequest([UserPromptPart("hi")]), "hi", id="request"),
        pytest.param([ModelRequest([])], "", id="no-parts"),
    ],
)
def test_the_input_is_what_a_person_said(value: Any, text: str) -> None:
    assert asked(value).get("text", "") == text


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        pytest.param([ThinkingPart("hm"), TextPart("a"), TextPart("b")], "ab", id="adjacent"),
        pytest.param(
            [TextPart("a"), NativeToolCallPart("search", {}), TextPart("b")], "a\n\nb", id="apart"
        ),
        pytest.param(
            [ToolCallPart("f", '{"x": 1}'), ToolCallPart("g")], 'f({"x": 1})\ng()', id="calls"
        ),
    ],
)
def test_parts_are_joined_as_the_library_joins_them(parts: Any, text: str) -> None:
    response = ModelResponse(parts)
    assert read(response)["text"] == text
    assert response.text in {text, None}


@pytest.mark.parametrize(
    "value",
    [None, 7, "x", [], {}, ["a", "b"], {"parts": [], "kind": "other"}, {"output": "x"},
     {"event_kind": 7}, shop()],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_other_values_are_left_to_others(value: Any) -> None:
    assert phospho_extract_input(value) is None
    assert phospho_extract_output(value) is None


@given(mutated({k: RECORDED[k] for k in ("input", "output", "chunks")}))
def test_no_broken_value_raises(value: Any) -> None:
    for name in ("input", "output", "chunks"):
        survives("pydantic_ai", value.get(name))
    reader = Chunks([])
    chunks = value.get("chunks")
    for chunk in chunks if isinstance(chunks, list) else []:
        reader.add(chunk)
    reader.add({"event_kind": "agent_run_result", "result": value.get("output")})
    reader.read()


def test_parts_without_their_response_are_read() -> None:
    for value in (TextPart("hi"), [TextPart("hi")], [ThinkingPart("secret"), TextPart("hi")]):
        assert read(value) == {"text": "hi"}
    assert read([ToolCallPart("f", {"x": 1})])["text"] == 'f({"x": 1})'

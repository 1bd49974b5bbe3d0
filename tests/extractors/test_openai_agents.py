from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrail,
    InputGuardrailTripwireTriggered,
    Model,
    ModelResponse,
    RunConfig,
    Runner,
    Usage,
    function_tool,
)
from hypothesis import given
from openai.types.responses import (
    Response,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseStreamEvent,
)
from pydantic import BaseModel, TypeAdapter

from phospho.extractors import openai_responses
from phospho.extractors.openai_agents import (
    Chunks,
    phospho_extract_input,
    phospho_extract_output,
)
from phospho.testing import CaptureClient
from tests.extractors.mutations import mutated
from tests.extractors.recordings import fields_of, load, survives, through_hooks

RECORDED = load("openai_agents")
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
ORDER = '{"order":7}'
CALL = {
    "type": "function_call",
    "id": "f",
    "name": "track",
    "arguments": ORDER,
    "call_id": "1",
}
HANDOFF = {**CALL, "id": "h", "name": "transfer_to_billing", "arguments": "{}", "call_id": "2"}
CALLED = [{"name": "track", "arguments": ORDER}]
USAGE = {
    "input_tokens": 3, "output_tokens": 2, "total_tokens": 5,
    "input_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": 1},
}  # fmt: skip
TWICE = {"prompt_tokens": 6, "completion_tokens": 4, "total_tokens": 10}


def message(text: str, kind: str = "output_text") -> dict[str, Any]:
    field = "refusal" if kind == "refusal" else "text"
    content = {"type": kind, field: text, "annotations": []}
    return {
        "type": "message", "id": "m", "role": "assistant", "status": "completed",
        "content": [content],
    }  # fmt: skip


class Scripted(Model):  # type: ignore[misc]
    """Answers with the given items, one list for each turn."""

    def __init__(self, *turns: list[dict[str, Any]]) -> None:
        self._turns = iter(turns)

    def _next(self) -> list[Any]:
        return [
            (ResponseFunctionToolCall if item["type"] == "function_call" else ResponseOutputMessage)
            .model_validate(item)
            for item in next(self._turns)
        ]  # fmt: skip

    async def get_response(self, *args: Any, **kwargs: Any) -> Any:
        usage = Usage(requests=1, input_tokens=3, output_tokens=2, total_tokens=5)
        return ModelResponse(output=self._next(), usage=usage, response_id=None)

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        items = self._next()
        for place, item in enumerate(items):
            at = {"output_index": place, "sequence_number": 0}
            yield event("response.output_item.added", item=item.to_dict(), **at)
            for word in item.content[0].text.split(" ") if item.type == "message" else []:
                yield event(
                    "response.output_text.delta",
                    delta=f"{word} ", content_index=0, item_id="m", logprobs=[], **at,
                )  # fmt: skip
        response = Response.model_validate({
            "id": "r", "created_at": 0, "model": "gpt-x", "object": "response", "output": items,
            "tool_choice": "auto", "tools": [], "parallel_tool_calls": False,
            "status": "completed", "usage": USAGE,
        })  # fmt: skip
        yield event("response.completed", response=response.to_dict(), sequence_number=0)


def event(kind: str, **fields: Any) -> Any:
    return EVENT.validate_python({"type": kind, **fields})


@function_tool  # type: ignore[untyped-decorator]
def track(order: int) -> str:
    """Track an order."""
    return "in a van"


def agent(*turns: list[dict[str, Any]], **fields: Any) -> Any:
    return Agent(name="Shop", instructions="Be kind", model=Scripted(*turns), **fields)


QUIET = RunConfig(tracing_disabled=True)


def run(starting_agent: Any, asked: Any = "Where?") -> Any:
    return asyncio.run(Runner.run(starting_agent, asked, run_config=QUIET))


def read(value: Any) -> dict[str, Any]:
    return through_hooks("openai_agents", value, "output")


def asked(value: Any) -> dict[str, Any]:
    return through_hooks("openai_agents", value, "input")


TURNS = ([message("Let me look."), CALL], [message("It arrives")])


def test_what_was_recorded_reads_as_written() -> None:
    reads = RECORDED["reads"]
    assert asked(RECORDED["input"]) == reads["input"]
    assert read(RECORDED["output"]) == reads["output"]
    assert read(RECORDED["chunks"]) == reads["chunks"]


def test_a_run_reads_as_its_final_output() -> None:
    result = run(agent(*TURNS, tools=[track]))
    assert read(result) == {
        "text": "It arrives", "usage": TWICE, "tool_calls": CALLED,
        "extra": {"tool_results": 1, "agent": "Shop"},
    }  # fmt: skip
    assert asked(result) == {"text": "Where?", "system_prompt": "Be kind"}
    once = {name: count // 2 for name, count in TWICE.items()}
    assert read(result.raw_responses[0]) == {
        "text": "Let me look.", "usage": once, "tool_calls": CALLED,
    }  # fmt: skip


def test_the_items_of_a_run_read_as_what_it_goes_on_with() -> None:
    result = run(agent(*TURNS, tools=[track]))
    said = fields_of(openai_responses.phospho_extract_output(result.to_input_list()))
    assert read(result.new_items) == said
    assert read(result.new_items[-1]) == {"text": "It arrives"}
    assert read(result.new_items[1])["text"] == 'track({"order":7})'


def test_no_copy_of_an_item_holds_the_agent() -> None:
    result = run(agent([message("It arrives")], tools=[track]))
    for value in (result, result.new_items, result.new_items[0]):
        record = CaptureClient().log("q", value)
        assert "Be kind" not in json.dumps(record["raw_output"])
        assert '"Shop"' in json.dumps(record)


class Ticket(BaseModel):
    order: int


def test_what_agents_return_is_read() -> None:
    typed = run(agent([message('{"order":7}')], output_type=Ticket))
    assert read(typed)["text"] == '{"order": 7}'
    billing = Agent(name="Billing", model=Scripted([message("Paid")]))
    handed_over = read(run(agent([HANDOFF], handoffs=[billing])))
    assert handed_over["text"] == "Paid"
    assert handed_over["extra"] == {"handoffs": 1, "agent": "Billing"}
    history = [
        {"role": "user", "content": "Hi"}, {"type": "function_call_output", "call_id": "1"},
        {"role": "user", "content": [{"type": "input_text", "text": "Where?"}]},
    ]  # fmt: skip
    assert asked(run(agent([message("a")]), history))["text"] == "Where?"


def test_a_run_that_waits_for_a_person_is_read_as_the_call() -> None:
    @function_tool(needs_approval=True)  # type: ignore[untyped-decorator]
    def track(order: int) -> str:
        return "in a van"

    answer = read(run(agent([CALL], tools=[track])))
    assert answer["text"] == 'track({"order":7})'
    assert answer["extra"] == {"interrupts": 1, "agent": "Shop"}


def test_a_guardrail_that_stopped_the_run_is_an_error() -> None:
    async def refuse(*args: Any) -> Any:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    guarded = agent([message("a")], input_guardrails=[InputGuardrail(refuse, name="polite")])
    with pytest.raises(InputGuardrailTripwireTriggered) as stopped:
        run(guarded)
    assert read(stopped.value)["error"]["type"] == "InputGuardrailTripwireTriggered"
    result = run(agent([message("a")]))
    result.input_guardrail_results = stopped.value.run_data.input_guardrail_results
    assert read(result)["error"] == {
        "type": "InputGuardrailTripwireTriggered", "message": "polite",
    }  # fmt: skip


async def stream() -> tuple[Any, list[Any], Any]:
    result = Runner.run_streamed(agent(*TURNS, tools=[track]), "Where?", run_config=QUIET)
    early = read(result)
    return early, [event async for event in result.stream_events()], result


def test_a_streamed_run_reads_as_its_last_message() -> None:
    early, events, result = asyncio.run(stream())
    assert early == {"extra": {"agent": "Shop"}}
    assert read(result)["text"] == "It arrives"
    assert read(events) == {
        "text": "It arrives ", "model": "gpt-x", "finish_reason": "completed", "usage": TWICE,
        "tool_calls": CALLED,
        "extra": {"agent": "Shop", "tool_results": 1, "reasoning_tokens": 2, "cached_tokens": 2},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(
            {"type": "response.refusal.delta", "delta": "No."},
            {"text": "No.", "extra": {"refusal": True}},
            id="refusal",
        ),
        pytest.param(
            {"type": "response.incomplete", "response": {
                "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}},
            {"finish_reason": "max_output_tokens"},
            id="incomplete",
        ),
        pytest.param(
            {"type": "response.failed", "response": {
                "status": "failed", "error": {"code": "server_error", "message": "Sorry"}}},
            {"finish_reason": "failed", "error": {"type": "server_error", "message": "Sorry"}},
            id="failed",
        ),
        pytest.param(
            {"type": "error", "code": "c", "message": "Sorry"},
            {"error": {"type": "c", "message": "Sorry"}},
            id="error",
        ),
    ],
)  # fmt: skip
def test_how_a_streamed_answer_ended_is_told(raw: Any, expected: dict[str, Any]) -> None:
    assert read([{"type": "raw_response_event", "data": raw}]) == expected


@pytest.mark.parametrize(
    "value",
    [None, 7, "x", [], {}, {"new_items": []}, {"type": "text"}, {"output": [], "usage": {}},
     agent(), [{"type": "response.created", "response": {}}]],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_other_values_are_left_to_others(value: Any) -> None:
    assert phospho_extract_input(value) is None
    assert phospho_extract_output(value) is None


@given(mutated({k: RECORDED[k] for k in ("output", "chunks")}))
def test_no_broken_value_raises(value: Any) -> None:
    for name in ("output", "chunks"):
        survives("openai_agents", value.get(name))
    reader = Chunks([])
    chunks = value.get("chunks")
    for chunk in chunks if isinstance(chunks, list) else []:
        reader.add(chunk)
    reader.read()

"""From the spans of a trace to what a user said and saw."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho_server.otlp.interactions import read_trace
from phospho_server.otlp.wire import Span
from phospho_server.store.rows import NewInteraction
from tests.server.builders import NOON_MS
from tests.server.otlp.spans import TRACE, agent, call, messages, span, tool


def read(*spans: Span) -> list[NewInteraction]:
    return read_trace(spans, received_at_ms=NOON_MS)


def said(*spans: Span) -> list[tuple[str, str | None]]:
    return [(each.input, each.output) for each in read(*spans)]


def steps(found: NewInteraction) -> list[tuple[str, str]]:
    return [(step["kind"], step["name"]) for step in json.loads(found.steps or "[]")]


def metadata(found: NewInteraction) -> dict[str, Any]:
    return json.loads(found.metadata or "{}")  # type: ignore[no-any-return]


def test_a_call_alone_is_an_interaction_without_steps() -> None:
    (found,) = read(call(1))
    assert (found.task_id, found.session_id, found.created_at_ms) == (TRACE, TRACE, NOON_MS + 1)
    assert (found.input, found.output, found.steps) == ("Hello", "Hi", None)
    told = metadata(found)
    assert (told["model"], told["usage"]) == ("gpt-x", {"prompt_tokens": 2, "completion_tokens": 1})


def test_what_stands_outermost_is_what_the_user_saw() -> None:
    spans = [
        span(1, name="POST /chat"),
        agent(2, 1, asked="Rain today?", answer="Take an umbrella."),
        call(3, 2, asked=("Prompt about rain",), answer=None),
        tool(4, 2),
        call(5, 2, asked=("Prompt about rain", "..."), answer="umbrella"),
    ]
    (found,) = read(*spans)
    assert (found.input, found.output) == ("Rain today?", "Take an umbrella.")
    assert steps(found) == [("llm", "gpt-x"), ("tool", "get_weather"), ("llm", "gpt-x")]
    assert metadata(found)["usage"] == {"prompt_tokens": 4, "completion_tokens": 2}


def test_calls_of_tools_are_no_answer() -> None:
    asks = {"role": "assistant", "parts": [{"type": "tool_call", "name": "look", "arguments": {}}]}
    first = call(2, 1, answer=None, attributes={"gen_ai.output.messages": json.dumps([asks])})
    assert said(span(1), first) == [("Hello", None)]
    (found,) = read(span(1), first, call(3, 1, answer="It is here."))
    assert (found.input, found.output) == ("Hello", "It is here.")
    assert json.loads(found.steps or "")[0]["output"] == "look({})"


def test_a_conversation_in_one_trace_is_as_many_turns_as_the_user_had() -> None:
    first = call(2, 1, asked=("Hello",), answer="Hi")
    second = call(3, 1, asked=("Hello", "Hi", "And you?"), answer="Fine")
    found = read(span(1), first, second)
    assert [(each.input, each.output) for each in found] == [("Hello", "Hi"), ("And you?", "Fine")]
    assert [each.task_id for each in found] == [TRACE, f"{TRACE}-2"]
    assert {each.session_id for each in found} == {TRACE}


def test_two_agents_in_one_trace_answer_one_question_each() -> None:
    spans = [agent(2, 1, asked="One?", answer="1"), agent(3, 1, asked="Two?", answer="2")]
    assert said(span(1), *spans) == [("One?", "1"), ("Two?", "2")]


def test_an_agent_that_hands_over_to_another_is_one_turn() -> None:
    spans = [agent(2, 1, asked="One?", answer="Wait."), agent(3, 1, asked="One?", answer="1")]
    assert said(span(1), *spans) == [("One?", "1")]


def test_several_prompts_on_the_way_are_one_turn() -> None:
    spans = [
        call(2, 1, asked=("Rewrite this: rain",), answer="Will it rain?"),
        call(3, 1, asked=("Will it rain?",), answer="Yes."),
    ]
    (found,) = read(span(1), *spans)
    assert (found.input, found.output) == ("Will it rain?", "Yes.")
    assert len(steps(found)) == 2


def test_a_trace_without_a_model_is_no_conversation() -> None:
    chain = {"openinference.span.kind": "CHAIN", "input.value": "a", "output.value": "b"}
    assert said(span(1), tool(2, 1), span(3, 1, attributes=chain)) == []


def test_a_missing_root_costs_nothing_but_what_it_said() -> None:
    assert said(call(2, 1), tool(3, 1)) == [("Hello", "Hi")]


def test_ids_come_from_wherever_they_stand() -> None:
    root = span(1, attributes={"session.id": "s", "user.id": "u"})
    (found,) = read(root, call(2, 1))
    assert (found.session_id, found.user_id) == ("s", "u")
    own = {"phospho.session_id": "mine", "phospho.task_id": "t", "phospho.metadata.plan": "pro"}
    made_up = call(2, 1, attributes={"gen_ai.conversation.id": "made-up"})
    (found,) = read(span(1, attributes=own), made_up)
    assert (found.session_id, found.task_id, metadata(found)["plan"]) == ("mine", "t", "pro")


def test_ids_that_propagate_are_those_of_the_whole_trace() -> None:
    own = {"phospho.session_id": "s", "phospho.task_id": "t", "phospho.propagate": True}
    (found,) = read(span(1), call(2, 1), span(3, 1, attributes=own))
    assert (found.session_id, found.task_id) == ("s", "t")


def test_an_error_is_told_with_what_was_asked() -> None:
    failed = call(1, answer=None, error="no such model", attributes={"error.type": "BadRequest"})
    (found,) = read(failed)
    assert (found.input, found.output) == ("Hello", None)
    told = metadata(found)
    assert told["status"] == "error"
    assert told["error"] == {"type": "BadRequest", "message": "no such model"}


def test_one_call_told_by_two_instrumentations_is_one_step() -> None:
    outer = agent(1, asked="Hello", answer="Hi")
    (found,) = read(outer, call(2, 1), call(3, 2))
    assert steps(found) == [("llm", "gpt-x")]
    assert metadata(found)["usage"] == {"prompt_tokens": 2, "completion_tokens": 1}


@pytest.mark.parametrize(
    "value", ['[{"role": "user", "parts": [{"type"', "[1, 2", "plain text", '"quoted"']
)
def test_json_that_is_cut_off_is_kept_as_the_text_it_is(value: str) -> None:
    found = call(1, attributes={"gen_ai.input.messages": value})
    assert said(found) == [(value, "Hi")]


def test_messages_may_be_values_instead_of_json() -> None:
    given = json.loads(messages("Hello", "Hi", "Bye"))
    assert said(call(1, attributes={"gen_ai.input.messages": given})) == [("Bye", "Hi")]


_ATTRIBUTE_NAMES = st.sampled_from(
    [
        "gen_ai.operation.name", "gen_ai.input.messages", "gen_ai.output.messages",
        "gen_ai.prompt.0.content", "gen_ai.prompt.0.role", "gen_ai.completion.0.content",
        "gen_ai.system", "gen_ai.usage.input_tokens", "gen_ai.response.finish_reasons",
        "openinference.span.kind", "input.value", "output.value", "metadata", "tag.tags",
        "llm.input_messages.0.message.content", "llm.input_messages.0.message",
        "llm.output_messages.1.message.contents.0.message_content.text",
        "llm.invocation_parameters", "retrieval.documents.0.document.content",
        "traceloop.span.kind", "traceloop.entity.input", "traceloop.entity.output",
        "traceloop.association.properties.session_id", "ai.operationId", "ai.prompt",
        "ai.response.text", "ai.response.toolCalls", "pydantic_ai.all_messages", "final_result",
        "request_data", "response_data", "tool_name", "tool_arguments", "logfire.span_type",
        "langfuse.observation.type", "langfuse.observation.input", "langfuse.observation.output",
        "langfuse.observation.usage_details", "langsmith.span.kind", "langsmith.metadata.user_id",
        "phospho.task_id", "phospho.session_id", "phospho.input", "phospho.propagate",
        "session.id", "user.id", "error.type",
    ]
)  # fmt: skip
_WORDS = st.sampled_from(
    ["chat", "execute_tool", "invoke_agent", "LLM", "AGENT", "CHAIN", "TOOL", "workflow", "tool",
     "ai.generateText", "ai.generateText.doGenerate", "ai.toolCall", "generation", "span", "llm",
     "user", "Hello", "", messages("Hello", "Hi", "Bye"), messages("Hello")[:30], "{}", "[]",
     '{"messages": [{"role": "user", "content": "Hello"}]}', '{"args": ["Hello"], "kwargs": {}}',
     '[{"type": "text", "text": "Hello"}]', '{"input": 3, "output": 4}', "a" * 600]
)  # fmt: skip
_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
    | _WORDS | st.text(st.characters(codec="utf-8"), max_size=9),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["role", "content", "parts", "type", "name", "tool_calls",
                                       "message", "messages", "arguments"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@pytest.mark.parametrize("given", [["chat"], [["chat"]], ["a", "b"]], ids=str)
def test_what_is_no_list_of_messages_is_kept_as_it_is(given: list[Any]) -> None:
    attributes = {
        "gen_ai.operation.name": "chat",
        "phospho.input": given,
        "phospho.output": given,
    }
    (found,) = read(span(1, attributes=attributes))
    assert json.loads(found.raw_input or "null") == given
    assert json.loads(found.raw_output or "null") == given


@pytest.mark.parametrize("given", [[], ["ana"], {"id": 1}, True], ids=repr)
@pytest.mark.parametrize("name", ["user_id", "version_id"])
def test_what_can_be_no_id_is_kept_beside_the_metadata(name: str, given: object) -> None:
    attributes = {"langsmith.span.kind": "llm", f"langsmith.metadata.{name}": given}
    (found,) = read(call(1, attributes=attributes))
    assert (found.user_id, found.version_id) == (None, None)
    assert name not in metadata(found)
    assert metadata(found)["attributes"][name] == given


@st.composite
def spans_of_a_trace(draw: st.DrawFn) -> list[Span]:
    """Draw spans that say anything, and whose parents may be anyone, also themselves."""
    count = draw(st.integers(1, 6))
    return [
        span(
            number,
            draw(st.none() | st.integers(1, 7)),
            at=draw(st.integers(0, 3)),
            took=draw(st.integers(0, 9)),
            attributes=draw(st.dictionaries(_ATTRIBUTE_NAMES, _WORDS | _JUNK, max_size=7)),
            error=draw(st.none() | st.just("failed")),
        )
        for number in range(1, count + 1)
    ]


@given(spans_of_a_trace(), st.randoms(use_true_random=False))
def test_any_spans_are_read_and_their_order_never_matters(spans: list[Span], random: Any) -> None:
    found = read(*spans)
    random.shuffle(spans)
    assert read(*spans) == found
    for each in found:
        assert each.input
        assert len(each.session_id) <= 512
        assert isinstance(metadata(each), dict)
    assert len({each.task_id for each in found}) == len(found)

from __future__ import annotations

import asyncio
import json
import types
import warnings
from collections.abc import Callable
from itertools import repeat
from typing import Any

import pytest
from hypothesis import given
from langchain_core.agents import AgentFinish
from langchain_core.documents import Document
from langchain_core.language_models.fake import FakeListLLM
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.load import dumpd
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
    add_notification_metadata,
    convert_to_messages,
    message_to_dict,
)
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult, Generation, LLMResult
from langchain_core.prompt_values import ChatPromptValue, StringPromptValue
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough

from phospho.extractors.langchain import Chunks, phospho_extract_input, phospho_extract_output
from tests.extractors.mutations import mutated
from tests.extractors.recordings import fields_of, load, survives, through_hooks

RECORDED = load("langchain")
META = {"model_name": "m", "finish_reason": "stop"}
USAGE = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
CALL = {"name": "track", "args": {"order": 7}, "id": "c1"}
ASKED = HumanMessage("Where is it?", id="h1")
ANSWER = AIMessage("On its way", id="a1", response_metadata=META, usage_metadata=USAGE)
CALLS = AIMessage("", id="a0", tool_calls=[CALL], usage_metadata=USAGE)
FOUND = ToolMessage("in a van", tool_call_id="c1", id="t1")
TURN = [HumanMessage("Hi", id="h0"), AIMessage("Hello", id="a9"), ASKED, CALLS, FOUND, ANSWER]
SEEN = {
    "text": "On its way",
    "model": "m",
    "finish_reason": "stop",
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}
OF_TURN = {
    **SEEN,
    "usage": {"prompt_tokens": 6, "completion_tokens": 4, "total_tokens": 10},
    "tool_calls": [{"name": "track", "arguments": '{"order": 7}'}],
    "extra": {"tool_results": 1},
}
STREAMED = {"text": "On its way"}


def model() -> GenericFakeChatModel:
    return GenericFakeChatModel(messages=repeat(ANSWER))


def read(value: Any) -> dict[str, Any]:
    return through_hooks("langchain", value, "output")


def asked(value: Any) -> dict[str, Any]:
    return through_hooks("langchain", value, "input")


def of_langgraph(name: str, **fields: Any) -> Any:
    """Return an object as langgraph, which is not installed here, has it."""
    return type(name, (types.SimpleNamespace,), {"__module__": "langgraph.types"})(**fields)


def piece(content: Any, **fields: Any) -> AIMessageChunk:
    return AIMessageChunk(content=content, id="lc_run--1", **fields)


def test_what_was_recorded_reads_as_written() -> None:
    reads = RECORDED["reads"]
    assert asked(RECORDED["input"]) == reads["input"]
    assert read(RECORDED["output"]) == reads["output"]
    assert read(RECORDED["chunks"]) == reads["chunks"]


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda message: message, id="object"),
        pytest.param(message_to_dict, id="message-to-dict"),
        pytest.param(dumpd, id="dumpd"),
        pytest.param(lambda message: message.model_dump(mode="json"), id="model-dump"),
    ],
)
def test_each_form_of_messages_reads_the_same(form: Callable[[Any], Any]) -> None:
    messages = [form(m) for m in convert_to_messages(RECORDED["input"]["messages"])]
    answer = form(AIMessage.model_validate(RECORDED["output"]))
    pieces = [form(AIMessageChunk.model_validate(chunk)) for chunk in RECORDED["chunks"]]
    assert asked(messages) == RECORDED["reads"]["input"]
    assert asked({"messages": messages}) == RECORDED["reads"]["input"]
    assert read(answer) == RECORDED["reads"]["output"]
    assert read([*messages, answer]) == RECORDED["reads"]["output"]
    assert read(pieces) == RECORDED["reads"]["chunks"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(ASKED, "Where is it?", id="message"),
        pytest.param(TURN, "Where is it?", id="history"),
        pytest.param([[SystemMessage("s"), ASKED]], "Where is it?", id="batch-of-one"),
        pytest.param({"messages": [("system", "s"), ("user", "hey")]}, "hey", id="pairs"),
        pytest.param([("system", "s"), ("user", "hey")], "hey", id="bare-pairs"),
        pytest.param(
            {"messages": [SystemMessage("s"), {"role": "user", "content": "hey"}]},
            "hey",
            id="mixed",
        ),
        pytest.param({"messages": ASKED}, "Where is it?", id="one-in-a-state"),
        pytest.param([ChatMessage(role="user", content="hey")], "hey", id="chat-message"),
        pytest.param([ASKED, RemoveMessage(id="h0"), FOUND], "Where is it?", id="tool-result-last"),
        pytest.param(
            [ASKED, add_notification_metadata(HumanMessage("task done"), source="subagent")],
            "Where is it?",
            id="not-typed-by-a-person",
        ),
        pytest.param(ChatPromptValue(messages=TURN), "Where is it?", id="chat-prompt"),
        pytest.param(dumpd(ChatPromptValue(messages=TURN)), "Where is it?", id="chat-prompt-json"),
        pytest.param(StringPromptValue(text="Say hi"), "Say hi", id="prompt"),
        pytest.param(dumpd(StringPromptValue(text="Say hi")), "Say hi", id="prompt-json"),
        pytest.param({"input": [ASKED], "k": 1}, "Where is it?", id="by-name"),
        pytest.param(of_langgraph("Command", resume="Yes"), "Yes", id="resume"),
        pytest.param(
            of_langgraph("Command", resume={"id": "Yes", "n": 1}), "Yes", id="resume-by-interrupt"
        ),
        pytest.param(of_langgraph("Command", resume=True), "true", id="resume-with-a-flag"),
        pytest.param(
            of_langgraph("Command", resume=None, update={"messages": [ASKED]}),
            "Where is it?",
            id="update",
        ),
    ],
)
def test_the_input_is_what_a_person_said(value: Any, text: str) -> None:
    assert asked(value)["text"] == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(ANSWER, SEEN, id="message"),
        pytest.param({"messages": TURN}, OF_TURN, id="state"),
        pytest.param({"output": ANSWER}, SEEN, id="by-name"),
        pytest.param(
            {"answer": "On its way", "context": [Document("d"), Document("e")]},
            {"text": "On its way", "extra": {"documents": 2}},
            id="retrieval-chain",
        ),
        pytest.param(
            {"raw": ANSWER, "parsed": {"x": 1}, "parsing_error": None}, SEEN, id="with-raw"
        ),
        pytest.param(
            [Document("d")], {"text": "(1 documents)", "extra": {"documents": 1}}, id="documents"
        ),
        pytest.param(
            AgentFinish({"output": "done"}, "Final: done"), {"text": "done"}, id="agent-finish"
        ),
        pytest.param(
            AIMessage("", additional_kwargs={"refusal": "I can't."}),
            {"text": "I can't.", "extra": {"refusal": True}},
            id="refusal",
        ),
        pytest.param(
            AIMessage("", invalid_tool_calls=[{**CALL, "args": "{or", "error": "e"}]),
            {"text": "track({or)", "tool_calls": [{"name": "track", "arguments": "{or"}]},
            id="invalid-call",
        ),
        pytest.param(
            ChatResult(
                generations=[ChatGeneration(message=ANSWER), ChatGeneration(message=AIMessage("b"))]
            ),
            {**SEEN, "extra": {"choices": ["b"]}},
            id="chat-result",
        ),
        pytest.param(
            LLMResult(
                generations=[[Generation(text="t", generation_info={"finish_reason": "stop"})]],
                llm_output={"model_name": "m", "token_usage": {"prompt_tokens": 1}},
            ),
            {"text": "t", "finish_reason": "stop", "model": "m", "usage": {"prompt_tokens": 1}},
            id="llm-result",
        ),
        pytest.param(
            of_langgraph("GraphOutput", value={"messages": TURN}, interrupts=()),
            OF_TURN,
            id="graph-output",
        ),
        pytest.param(
            {"messages": [ASKED], "__interrupt__": [of_langgraph("Interrupt", value="Sure?")]},
            {"text": "Sure?", "extra": {"interrupts": 1}},
            id="interrupt",
        ),
        pytest.param(
            {
                "messages": [*TURN, HumanMessage("Pay")],
                "__interrupt__": [of_langgraph("Interrupt", value="Sure?")],
            },
            {"text": "Sure?", "extra": {"interrupts": 1}},
            id="interrupt-of-a-later-turn",
        ),
        pytest.param(
            {"amount": 3, "__interrupt__": [of_langgraph("Interrupt", value="Sure?")]},
            {"text": "Sure?", "extra": {"interrupts": 1}},
            id="interrupt-without-messages",
        ),
    ],
)
def test_the_output_is_what_a_person_saw(value: Any, expected: dict[str, Any]) -> None:
    assert read(value) == expected


def test_results_of_real_models_read_as_answers() -> None:
    assert read(model().invoke("x"))["text"] == "On its way"
    assert read(model().generate([[ASKED]]))["text"] == "On its way"
    assert read(FakeListLLM(responses=["hi"]).generate(["p"])) == {"text": "hi"}
    assert read(json.loads(model().generate([[ASKED]]).model_dump_json()))["text"] == "On its way"


def test_a_parsed_text_needs_no_extractor() -> None:
    assert issubclass(type(StrOutputParser().invoke(ANSWER)), str)


def test_a_list_of_pieces_of_content_is_one_text_as_in_the_library() -> None:
    answer = AIMessage([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])
    assert read(answer)["text"] == str(answer.text)


PROMPT = ChatPromptTemplate.from_messages([("system", "be kind"), ("user", "{q}")])


def test_streams_read_as_what_was_said() -> None:
    assert read(list(model().stream("x"))) == STREAMED
    assert read(list((PROMPT | model()).stream({"q": "x"}))) == STREAMED
    rag = RunnablePassthrough.assign(context=lambda _: [Document("d")]).assign(
        answer=PROMPT | model() | StrOutputParser()
    )
    assert read(list(rag.stream({"q": "x"}))) == STREAMED


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize(
    "chain",
    [
        pytest.param(PROMPT | model(), id="message"),
        pytest.param(PROMPT | model() | StrOutputParser(), id="text"),
        pytest.param(PROMPT | model() | (lambda m: {"messages": [m]}), id="state"),
    ],
)
def test_events_of_a_run_read_once(chain: Any, version: Any) -> None:
    async def events() -> list[Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [event async for event in chain.astream_events({"q": "x"}, version=version)]

    found = asyncio.run(events())
    assert read(found)["text"] == "On its way"
    if version == "v2":
        cut_short = found[: next(i for i, e in enumerate(found) if e["event"].endswith("l_end"))]
        assert read(cut_short)["text"] == "On its way"


NODE = {"langgraph_node": "bot", "langgraph_checkpoint_ns": "bot:1"}
OTHER = {"langgraph_node": "other", "langgraph_checkpoint_ns": "other:1"}
PIECES = [piece("On its"), piece(" way", usage_metadata=USAGE), piece("", chunk_position="last")]
UPDATES = [
    {"bot": {"messages": [CALLS]}}, {"tools": {"messages": [FOUND]}},
    {"log": None}, {"bot": {"messages": ANSWER}},
]  # fmt: skip
VALUES = [{"messages": TURN[:3]}, {"messages": TURN[:4]}, {"messages": TURN}]


@pytest.mark.parametrize(
    ("chunks", "text"),
    [
        pytest.param([(chunk, NODE) for chunk in PIECES], "On its way", id="messages"),
        pytest.param([((), (chunk, NODE)) for chunk in PIECES], "On its way", id="subgraphs"),
        pytest.param(
            [("messages", (chunk, NODE)) for chunk in PIECES]
            + [("updates", {"bot": {"messages": [AIMessage("On its way")]}})],
            "On its way",
            id="two-modes",
        ),
        pytest.param(
            [((), "messages", (c, NODE)) for c in PIECES], "On its way", id="subgraphs-and-modes"
        ),
        pytest.param(
            [{"type": "messages", "ns": (), "data": (c, NODE)} for c in PIECES],
            "On its way",
            id="parts-of-v2",
        ),
        pytest.param(
            [
                (piece("billing", chunk_position="last"), NODE),
                *((c, NODE) for c in PIECES[:2]),
            ],
            "On its way",
            id="the-last-message-counts",
        ),
        pytest.param(
            [(PIECES[0], NODE), (piece("aside"), OTHER), (PIECES[1], NODE), (piece(""), OTHER)],
            "aside",
            id="at-the-same-time",
        ),
        pytest.param(UPDATES, "On its way", id="updates"),
        pytest.param([("updates", update) for update in UPDATES], "On its way", id="updates-mode"),
        pytest.param(VALUES, "On its way", id="values"),
        pytest.param([("values", state) for state in VALUES], "On its way", id="values-mode"),
        pytest.param([("values", s) for s in VALUES[:1]], "", id="only-the-history"),
        pytest.param(
            [*UPDATES[:1], {"__interrupt__": (of_langgraph("Interrupt", value="Sure?"),)}],
            "Sure?",
            id="interrupt",
        ),
        pytest.param(
            [("custom", {"progress": 3}), ("messages", (ANSWER, NODE))], "On its way", id="custom"
        ),
    ],
)
def test_streams_of_a_graph_read_as_its_last_answer(chunks: Any, text: str) -> None:
    reader = Chunks([])
    assert all(reader.add(chunk) for chunk in chunks)
    assert reader.read().text == text
    assert phospho_extract_output(chunks) is not None


def test_a_state_that_repeats_updates_counts_their_tokens_and_calls_once() -> None:
    reader = Chunks([])
    chunks = [("updates", update) for update in UPDATES] + [("values", state) for state in VALUES]
    assert all(reader.add(chunk) for chunk in chunks)
    expected = {name: value for name, value in OF_TURN.items() if name != "extra"}
    assert fields_of(reader.read()) == expected


def test_counts_that_come_in_parts_add_up() -> None:
    first = {"input_tokens": 3, "output_tokens": 0, "total_tokens": 3}
    rest = {"input_tokens": 0, "output_tokens": 2, "total_tokens": 2}
    pieces = [piece("a", usage_metadata=first), piece("b", usage_metadata=rest)]
    assert read(pieces)["usage"] == {
        "prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5,
    }  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [
        None, 7, "x", [], {}, (), [1], ("user", "hi"), {"messages": "no"}, {"type": "text"},
        {"messages": [{"role": "user", "content": "hi"}]},
        [{"role": "assistant", "content": "hi"}],
        {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "hi"}]},
        {"generations": [{"id": "1", "text": "of Cohere"}]},
        PROMPT,
    ],
    ids=repr,
)  # fmt: skip
def test_other_values_are_left_to_others(value: Any) -> None:
    assert phospho_extract_input(value) is None
    assert phospho_extract_output(value) is None


def test_what_contains_itself_is_read_in_bounded_time() -> None:
    state: dict[str, Any] = {"output": [], "input": []}
    state["output"].append(state)
    state["messages"] = [state]
    state["output"].append(state["output"])
    survives("langchain", state)
    survives("langchain", [state["output"]])
    survives("langchain", [((), state)] * 3)


@given(mutated({k: RECORDED[k] for k in ("input", "output", "chunks")}))
def test_no_broken_value_raises(value: Any) -> None:
    for side in ("input", "output", "chunks"):
        survives("langchain", value.get(side))


GRAPH = json.loads(
    json.dumps([
        ["messages", [piece("a").model_dump(), NODE]],
        ["updates", {"bot": {"messages": [dumpd(ANSWER)]}}],
        ["values", {"messages": [message_to_dict(m) for m in TURN], "__interrupt__": [{}]}],
        {"event": "on_chat_model_stream", "run_id": "1", "parent_ids": [], "data": {
            "chunk": piece("a").model_dump()}},
        {"event": "on_chain_end", "run_id": "1", "parent_ids": [], "data": {
            "output": {"answer": "x", "messages": [ANSWER.model_dump()]}}},
        {"generations": [[{"type": "ChatGeneration", "text": "x", "message": dumpd(ANSWER)}]]},
    ])
)  # fmt: skip


@given(mutated(GRAPH))
def test_no_broken_stream_raises(value: Any) -> None:
    survives("langchain", value)
    reader = Chunks([])
    for chunk in value if isinstance(value, list) else [value]:
        reader.add(chunk)
        reader.add(tuple(chunk) if isinstance(chunk, list) else chunk)
    reader.read()


def test_a_document_alone_is_its_text() -> None:
    document = Document("A bicycle has two wheels.", metadata={"source": "manual"})
    reads = {"text": "A bicycle has two wheels.", "extra": {"documents": 1}}
    assert through_hooks("langchain", document, "input") == reads
    assert through_hooks("langchain", document, "output") == reads


def test_what_only_tools_said_is_their_text() -> None:
    found = ToolMessage([{"type": "text", "text": "in a van"}], tool_call_id="c1")
    for value in ([FOUND], [found]):
        assert through_hooks("langchain", value, "output") == {"text": "in a van"}


def test_a_turn_without_an_answer_has_none_of_an_earlier_one() -> None:
    state = {"messages": [HumanMessage("Hi"), AIMessage("Hello!"), HumanMessage("Where is it?")]}
    answer = phospho_extract_output(state)
    assert answer is not None
    assert answer.text == ""
    state["messages"].append(AIMessage("On its way."))
    answer = phospho_extract_output(state)
    assert answer is not None
    assert answer.text == "On its way."

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given
from llama_index.core import Document, MockEmbedding, VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    LLMMetadata,
    TextBlock,
    ToolCallBlock,
)
from llama_index.core.base.response.schema import AsyncStreamingResponse, PydanticResponse
from llama_index.core.chat_engine.types import StreamingAgentChatResponse
from llama_index.core.llms import MockLLM
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.workflow import HumanResponseEvent, StartEvent, StopEvent, Workflow, step
from pydantic import BaseModel

from phospho.extractors.llama_index import (
    Chunks,
    phospho_extract_input,
    phospho_extract_output,
)
from tests.extractors.mutations import mutated
from tests.extractors.recordings import load, survives, through_hooks

pytestmark = pytest.mark.usefixtures("own_loop")

RECORDED = load("llama_index")
RAW = {"model": "m", "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
CALLED = [{"name": "track", "arguments": '{"order": 7}'}]
LOOK = "Let me look."
SAID = "It arrives on Friday"
EMBEDDING = MockEmbedding(embed_dim=3)


class Ticket(BaseModel):
    order: int


class Shop(FunctionCallingLLM):  # type: ignore[misc]
    """Calls a tool first, and answers when it has the result."""

    @property
    def metadata(self) -> Any:
        return LLMMetadata(is_function_calling_model=True)

    def _reply(self, messages: Any) -> Any:
        if any(message.role == "tool" for message in messages):
            return ChatMessage(role="assistant", content=SAID)
        call = ToolCallBlock(tool_call_id="1", tool_name="track", tool_kwargs={"order": 7})
        return ChatMessage(role="assistant", blocks=[TextBlock(text=LOOK), call])

    def chat(self, messages: Any, **kwargs: Any) -> Any:
        return ChatResponse(message=self._reply(messages), raw=RAW)

    async def achat(self, messages: Any, **kwargs: Any) -> Any:
        return self.chat(messages)

    def stream_chat(self, messages: Any, **kwargs: Any) -> Iterator[Any]:
        reply = self._reply(messages)
        text = ""
        for word in reply.content.split(" "):
            delta = word if not text else f" {word}"
            text += delta
            so_far = ChatMessage(role="assistant", content=text)
            yield ChatResponse(message=so_far, delta=delta)
        yield ChatResponse(message=reply, delta="", raw=RAW)

    async def astream_chat(self, messages: Any, **kwargs: Any) -> Any:
        async def pieces() -> AsyncIterator[Any]:
            for piece in self.stream_chat(messages):
                yield piece

        return pieces()

    def complete(self, prompt: str, **kwargs: Any) -> Any:
        raise NotImplementedError

    async def acomplete(self, prompt: str, **kwargs: Any) -> Any:
        raise NotImplementedError

    def stream_complete(self, prompt: str, **kwargs: Any) -> Any:
        raise NotImplementedError

    async def astream_complete(self, prompt: str, **kwargs: Any) -> Any:
        raise NotImplementedError

    def _prepare_chat_with_tools(
        self, tools: Any, user_msg: Any = None, chat_history: Any = None, **kwargs: Any
    ) -> Any:
        return {"messages": [*(chat_history or []), *([user_msg] if user_msg else [])]}

    def get_tool_calls_from_response(self, response: Any, **kwargs: Any) -> Any:
        return [
            ToolSelection(
                tool_id=block.tool_call_id, tool_name=block.tool_name, tool_kwargs=block.tool_kwargs
            )
            for block in response.message.blocks
            if block.block_type == "tool_call"
        ]


def track(order: int) -> str:
    """Track an order."""
    return "in a van"


def read(value: Any) -> dict[str, Any]:
    return through_hooks("llama_index", value, "output")


def asked(value: Any) -> dict[str, Any]:
    return through_hooks("llama_index", value, "input")


def index() -> VectorStoreIndex:
    return VectorStoreIndex.from_documents([Document(text="d")], embed_model=EMBEDDING)


def user(text: str) -> Any:
    return ChatMessage(role="user", content=text)


def test_what_was_recorded_reads_as_written() -> None:
    reads = RECORDED["reads"]
    assert asked(RECORDED["input"]) == reads["input"]
    assert asked(RECORDED["input"]["messages"]) == reads["input"]
    assert read(RECORDED["output"]) == reads["output"]
    assert read(RECORDED["chunks"]) == reads["chunks"]


def test_objects_read_as_their_json() -> None:
    reads = RECORDED["reads"]
    messages = [ChatMessage.model_validate(m) for m in RECORDED["input"]["messages"]]
    assert asked(messages) == reads["input"]
    answer = ChatResponse.model_validate(RECORDED["output"])
    assert read(answer) == reads["output"]
    assert read(json.loads(answer.model_dump_json())) == reads["output"]
    assert read([ChatResponse.model_validate(c) for c in RECORDED["chunks"]]) == reads["chunks"]
    assert read([*messages, answer.message])["text"] == reads["output"]["text"]


class Booking(StartEvent):  # type: ignore[misc]
    wish: str
    query: str


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(user("hi"), "hi", id="message"),
        pytest.param(QueryBundle("why?"), "why?", id="query"),
        pytest.param(QueryBundle("why?").to_dict(), "why?", id="query-json"),
        pytest.param({"str_or_query_bundle": QueryBundle("why?")}, "why?", id="arguments"),
        pytest.param(StartEvent(user_msg="hi"), "hi", id="start"),
        pytest.param(StartEvent(user_msg=user("hi")), "hi", id="start-with-a-message"),
        pytest.param(
            StartEvent(chat_history=[user("hi"), ChatMessage(role="assistant", content="yes?")]),
            "hi",
            id="start-with-a-history",
        ),
        pytest.param(StartEvent(topic="x", question="why?"), "why?", id="start-of-ones-own"),
        pytest.param(StartEvent(question="why?").model_dump(), None, id="unnamed-json"),
        pytest.param(Booking(wish="w", query="why?"), "why?", id="subclass"),
        pytest.param(HumanResponseEvent(response="yes"), "yes", id="human-response"),
        pytest.param({"user_msg": user("hi"), "max_iterations": 3}, "hi", id="agent-arguments"),
    ],
)
def test_the_input_is_what_a_person_asked(value: Any, text: str | None) -> None:
    if text is None:
        assert phospho_extract_input(value) is None
    else:
        assert asked(value)["text"] == text


def test_engines_answer_with_their_sources_counted() -> None:
    engine = index().as_query_engine(llm=MockLLM(max_tokens=2))
    assert read(engine.query("q")) == {"text": "text text", "extra": {"source_nodes": 1}}
    chat = index().as_chat_engine(
        chat_mode="context", llm=MockLLM(max_tokens=2), memory=ChatMemoryBuffer(token_limit=999)
    )
    expected = {"text": "text text", "extra": {"source_nodes": 1, "tool_results": 1}}
    assert read(chat.chat("q")) == expected
    streamed = chat.stream_chat("q")
    assert "".join(streamed.response_gen) == "text text"
    assert read(streamed) == expected
    assert read(asyncio.run(chat.achat("q"))) == expected


def test_a_stream_that_goes_by_is_not_read() -> None:
    streamed = index().as_query_engine(llm=MockLLM(max_tokens=2), streaming=True).query("q")
    assert read(streamed) == {"extra": {"source_nodes": 1}}
    assert "".join(streamed.response_gen) == "text text"
    assert streamed.response_txt is None
    later = AsyncStreamingResponse(response_gen=None, response_txt="so far")
    assert read(later) == {"text": "so far"}
    failed = StreamingAgentChatResponse(unformatted_response="so", exception=ValueError("bad"))
    assert read(failed) == {
        "text": "so", "error": {"type": "ValueError", "message": "bad"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(
            PydanticResponse(Ticket(order=7)), {"text": '{"order": 7}'}, id="pydantic-response"
        ),
        pytest.param(
            CompletionResponse(text="t", additional_kwargs={"prompt_tokens": 1}),
            {"text": "t", "usage": {"prompt_tokens": 1}},
            id="completion",
        ),
        pytest.param(
            {"response": "t", "source_nodes": [{}], "metadata": None},
            {"text": "t", "extra": {"source_nodes": 1}},
            id="response-json",
        ),
        pytest.param(StopEvent(result="done"), {"text": "done"}, id="stop"),
        pytest.param(StopEvent(result={"x": 1}), {"text": '{"x": 1}'}, id="stop-with-data"),
        pytest.param(
            [NodeWithScore(node=TextNode(text="d"))],
            {"text": "(1 nodes)", "extra": {"source_nodes": 1}},
            id="nodes",
        ),
        pytest.param(
            {"answer": ChatMessage(role="assistant", content="yes")}, {"text": "yes"}, id="inside"
        ),
        pytest.param(
            ChatMessage(
                role="assistant",
                additional_kwargs={"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
            ),
            {"text": "f({})", "tool_calls": [{"name": "f", "arguments": "{}"}]},
            id="calls-of-a-vendor",
        ),
    ],
)
def test_the_output_is_what_a_person_saw(value: Any, expected: dict[str, Any]) -> None:
    assert read(value) == expected


def test_models_and_their_streams_read_the_same() -> None:
    shop = Shop()
    expected = {
        "text": LOOK, "model": "m", "tool_calls": CALLED,
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }  # fmt: skip
    assert read(shop.chat([])) == expected
    assert read(list(shop.stream_chat([]))) == expected
    mock = MockLLM(max_tokens=2)
    assert read(mock.complete("p")) == {"text": "text text"}
    assert read(list(mock.stream_complete("p"))) == {"text": "text text"}
    assert read(list(mock.stream_chat([user("hi")]))) == {"text": "text text"}


def test_a_model_that_gives_no_differences_is_read_too() -> None:
    assert read([CompletionResponse(text="a"), CompletionResponse(text="ab")]) == {"text": "ab"}


async def run(agent: Any, **kwargs: Any) -> tuple[Any, list[Any]]:
    handler = agent.run(**kwargs)
    events = [event async for event in handler.stream_events()]
    return await handler, events


# The library looks at every attribute of its pydantic models.
@pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20")
@pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince211")
@pytest.mark.parametrize("is_streamed", [True, False])
def test_an_agent_s_answer_is_its_last_step_s(is_streamed: bool) -> None:
    agent = FunctionAgent(llm=Shop(), tools=[track], streaming=is_streamed)
    answer, events = asyncio.run(run(agent, user_msg="Where is it?"))
    expected = {"text": SAID, "model": "m", "tool_calls": CALLED, "extra": {"agent": "Agent"}}
    once = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    assert read(answer) == {**expected, "usage": once}
    assert read(events[-1]) == {**expected, "usage": once}
    twice = {name: 2 * count for name, count in once.items()}
    assert read(events) == {**expected, "usage": twice}
    of_json = read([json.loads(event.model_dump_json()) for event in events])
    assert (of_json["text"], of_json["tool_calls"]) == (SAID, CALLED)
    if is_streamed:
        reader = Chunks([])
        assert all(reader.add(event) for event in events[:-3])
        assert reader.text() == SAID[: len(reader.text())] != ""


class Greeter(Workflow):  # type: ignore[misc]
    @step  # type: ignore[untyped-decorator]
    async def greet(self, event: StartEvent) -> StopEvent:
        return StopEvent(result=f"Hello {event.name}")


def test_a_workflow_s_answer_is_its_result() -> None:
    answer, events = asyncio.run(run(Greeter(), name="Ada"))
    assert answer == "Hello Ada"
    assert read(events) == {"text": "Hello Ada"}


@pytest.mark.parametrize(
    "value",
    [None, 7, "x", [], {}, [1], {"message": {"role": "user", "content": "x"}}, {"result": "x"},
     {"query": "x"}, EMBEDDING, MockLLM(), Document(text="d")],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_other_values_are_left_to_others(value: Any) -> None:
    assert phospho_extract_input(value) is None
    assert phospho_extract_output(value) is None


EVENTS = [
    {"input": RECORDED["input"]["messages"], "current_agent_name": "A"},
    {"delta": "a", "response": "a", "current_agent_name": "A", "tool_calls": []},
    {"response": RECORDED["output"]["message"], "current_agent_name": "A",
     "tool_calls": [{"tool_id": "1", "tool_name": "t", "tool_kwargs": {}}]},
    {"result": {"response": RECORDED["output"]["message"], "current_agent_name": "A"}},
    {"response": "x", "source_nodes": [{}], "exception": None},
    {"user_msg": RECORDED["input"]["messages"][0], "chat_history": []},
    {"result": {"result": "x", "_data": {}}, "_data": {}},
]  # fmt: skip


@given(mutated({**{k: RECORDED[k] for k in ("input", "output", "chunks")}, "events": EVENTS}))
def test_no_broken_value_raises(value: Any) -> None:
    for name in ("input", "output", "chunks", "events"):
        survives("llama_index", value.get(name))
    reader = Chunks([])
    events = value.get("events")
    for event in events if isinstance(events, list) else []:
        reader.add(event)
    reader.read()

"""Models, indexes and workflows of LlamaIndex that answer each question with an echo of it."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, ClassVar

from llama_index.core import Document, MockEmbedding, VectorStoreIndex
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    LLMMetadata,
)
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step
from pydantic import PrivateAttr

from tests.waiting import HELD_S, until

RAW = {
    "model": "echo-1-2026",
    "usage": {"prompt_tokens": 21, "completion_tokens": 6, "total_tokens": 27},
}
LOOK = "Let me look."
EMBEDDING = MockEmbedding(embed_dim=3)

# Steps as `records.steps_of` has them.
RETRIEVED = ("retrieval", "VectorIndexRetriever")
ASKED = ("llm", "echo-1")
CALLED = [("llm", "caller-1"), ("tool", "track"), ("llm", "caller-1")]


def echo(question: str) -> str:
    """Return what the models answer to a prompt in which a question `number 7` is the last."""
    return f"Echo of {re.findall(r'number [0-9]+', question)[-1]}"


def user(text: str) -> Any:
    return ChatMessage(role="user", content=text)


class Echo(CustomLLM):  # type: ignore[misc]
    """Answers at once, or by the word.

    Args:
        error: What it raises, instead of the third word of a stream.
    """

    model: str = "echo-1"
    _error: Any = PrivateAttr(default=None)

    def __init__(self, error: BaseException | None = None, **fields: Any) -> None:
        super().__init__(**fields)
        self._error = error

    @property
    def metadata(self) -> Any:
        return LLMMetadata(model_name=self.model)

    def text(self, prompt: str) -> str:
        return echo(prompt)

    @llm_completion_callback()  # type: ignore[untyped-decorator]
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        if self._error is not None:
            raise self._error
        return CompletionResponse(text=self.text(prompt), raw=RAW)

    @llm_completion_callback()  # type: ignore[untyped-decorator]
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        return self._stream(prompt)

    def _stream(self, prompt: str) -> Iterator[Any]:
        so_far = ""
        for number, word in enumerate(re.findall(r"\S+\s*", self.text(prompt))):
            if number == 2 and self._error is not None:
                raise self._error
            so_far += word
            yield CompletionResponse(text=so_far, delta=word, raw={"model": "echo-1-2026"})
        yield CompletionResponse(text=so_far, delta="", raw=RAW)


class Slow(Echo):
    """Takes its time, in a stream after the second word."""

    pause_s: float = HELD_S
    # How many are at it.
    pausing: ClassVar[int] = 0

    @llm_completion_callback()  # type: ignore[untyped-decorator]
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        await self._pause()

    @llm_completion_callback()  # type: ignore[untyped-decorator]
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        return self._stream_slowly(prompt)

    @llm_chat_callback()  # type: ignore[untyped-decorator]
    async def astream_chat(self, messages: Any, **kwargs: Any) -> Any:
        async def pieces() -> AsyncIterator[Any]:
            async for piece in self._stream_slowly(messages[-1].content):
                message = ChatMessage(role="assistant", content=piece.text)
                yield ChatResponse(message=message, delta=piece.delta, raw=piece.raw)

        return pieces()

    async def _stream_slowly(self, prompt: str) -> AsyncIterator[Any]:
        for piece in self._stream(prompt):
            yield piece
            if piece.text.count(" ") == 2:
                await self._pause()

    async def _pause(self) -> None:
        Slow.pausing += 1
        try:
            await asyncio.sleep(self.pause_s)
        finally:
            Slow.pausing -= 1


async def until_slow() -> None:
    """Let other tasks go on until a model takes its time."""
    await until(lambda: Slow.pausing, what="a model takes its time")


class Unheard(Echo):
    """Tells LlamaIndex nothing of its streams, as a class without its decorators does."""

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        return self._stream(prompt)


class Reasoner(Echo):
    """Answers in the format of a ReAct agent."""

    def text(self, prompt: str) -> str:
        return f"Thought: I can answer without using any more tools.\nAnswer: {echo(prompt)}"


class Caller(FunctionCallingLLM):  # type: ignore[misc]
    """Calls the tool `track` first, and answers when it has the result."""

    model: str = "caller-1"

    @property
    def metadata(self) -> Any:
        return LLMMetadata(is_function_calling_model=True)

    def _reply(self, messages: Sequence[Any]) -> Any:
        if not any(message.role == "tool" for message in messages):
            return ChatMessage(role="assistant", content=LOOK)
        asked = [message.content for message in messages if message.role == "user"]
        return ChatMessage(role="assistant", content=echo(asked[-1]))

    @llm_chat_callback()  # type: ignore[untyped-decorator]
    def chat(self, messages: Any, **kwargs: Any) -> Any:
        return ChatResponse(message=self._reply(messages), raw=RAW)

    @llm_chat_callback()  # type: ignore[untyped-decorator]
    async def achat(self, messages: Any, **kwargs: Any) -> Any:
        return ChatResponse(message=self._reply(messages), raw=RAW)

    def _pieces(self, messages: Any) -> Iterator[Any]:
        reply = self._reply(messages)
        yield ChatResponse(message=reply, delta=reply.content, raw=RAW)

    @llm_chat_callback()  # type: ignore[untyped-decorator]
    def stream_chat(self, messages: Any, **kwargs: Any) -> Any:
        return self._pieces(messages)

    @llm_chat_callback()  # type: ignore[untyped-decorator]
    async def astream_chat(self, messages: Any, **kwargs: Any) -> Any:
        async def pieces() -> AsyncIterator[Any]:
            for piece in self._pieces(messages):
                await asyncio.sleep(0)
                yield piece

        return pieces()

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        raise NotImplementedError

    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        raise NotImplementedError

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        raise NotImplementedError

    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        raise NotImplementedError

    def _prepare_chat_with_tools(
        self, tools: Any, user_msg: Any = None, chat_history: Any = None, **kwargs: Any
    ) -> Any:
        return {"messages": [*(chat_history or []), *([user_msg] if user_msg else [])]}

    def get_tool_calls_from_response(self, response: Any, **kwargs: Any) -> Any:
        if response.message.content != LOOK:
            return []
        return [ToolSelection(tool_id="1", tool_name="track", tool_kwargs={"order": 7})]


def track(order: int) -> str:
    """Track an order."""
    return f"order {order} is in a van"


def lose(order: int) -> str:
    """Track an order that is lost."""
    raise LookupError(f"order {order} is lost")


def function_agent(tool: Any = track, **settings: Any) -> Any:
    if tool is not track:
        tool = as_track(tool)
    return FunctionAgent(tools=[tool], llm=Caller(), **settings)


def as_track(tool: Any) -> Any:
    """Return a tool under the name that the models call."""

    @functools.wraps(tool)
    def run(order: int) -> Any:
        return tool(order)

    run.__name__ = "track"
    return run


def react_agent() -> Any:
    return ReActAgent(tools=[track], llm=Reasoner())


def agent_workflow() -> Any:
    agent = FunctionAgent(name="Tracker", description="Tracks.", tools=[track], llm=Caller())
    return AgentWorkflow(agents=[agent], root_agent="Tracker")


class Ask(StartEvent):  # type: ignore[misc]
    question: str


class Flow(Workflow):  # type: ignore[misc]
    """Asks a model for the field of an event of its own, or of a plain one."""

    @step  # type: ignore[untyped-decorator]
    async def answer(self, ev: StartEvent) -> StopEvent:
        answer = await Echo().acomplete(ev.get("question"))
        return StopEvent(result=answer.text)


class AskFlow(Workflow):  # type: ignore[misc]
    @step  # type: ignore[untyped-decorator]
    async def answer(self, ev: Ask) -> StopEvent:
        return StopEvent(result={"answer": echo(ev.question)})


@functools.cache
def index() -> Any:
    documents = [Document(text="The bakery opens at eight."), Document(text="It sells bread.")]
    return VectorStoreIndex.from_documents(documents, embed_model=EMBEDDING)


def query_engine(llm: Any = None, **settings: Any) -> Any:
    return index().as_query_engine(llm=llm or Echo(), embed_model=EMBEDDING, **settings)


def chat_engine(mode: str = "simple", llm: Any = None) -> Any:
    return index().as_chat_engine(
        chat_mode=mode, llm=llm or Echo(), embed_model=EMBEDDING, memory=memory()
    )


def memory() -> Any:
    """Return a memory that is no database, which LlamaIndex would leave open."""
    return ChatMemoryBuffer.from_defaults(llm=Echo())


def start(workflow: Any, **asked: Any) -> Any:
    if isinstance(workflow, (AgentWorkflow, FunctionAgent, ReActAgent)):
        asked["memory"] = memory()
    return workflow.run(**asked)


async def run(workflow: Any, **asked: Any) -> Any:
    return await start(workflow, **asked)

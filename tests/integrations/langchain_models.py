"""LangChain models that answer each question with an echo of it, at once or word by word."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.language_models.llms import LLM
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from phospho.integrations.langchain.runs import open_runs
from phospho.integrations.langchain.turns import Run
from tests.waiting import until

USAGE = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}


def echo(question: str) -> str:
    """Return what the models answer."""
    return f"Echo of {question}"


def words_of(question: str) -> list[str]:
    """Return what the models answer, word by word."""
    words = echo(question).split(" ")
    return [*(f"{word} " for word in words[:-1]), words[-1]]


class EchoModel(BaseChatModel):  # type: ignore[misc]  # its types are not read
    """Answers with an echo of the last message.

    Args:
        model: Its name, which it tells with each answer.
        fails_at: The word at which a stream fails; an answer at once fails if it is given.
        delay_s: How long it takes from word to word, or for the answer.
    """

    model: str = "echo-1"
    fails_at: int | None = None
    delay_s: float = 0.0

    @property
    def _llm_type(self) -> str:
        return "echo"

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        if self.fails_at is not None:
            raise RuntimeError("overloaded")
        message = AIMessage(
            echo(str(messages[-1].content)),
            usage_metadata=USAGE,
            response_metadata={"model_name": self.model, "finish_reason": "stop"},
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        await asyncio.sleep(self.delay_s)
        return self._generate(messages)

    def _stream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for place, chunk in enumerate(self._chunks(messages)):
            if place == self.fails_at:
                raise RuntimeError("overloaded")
            if run_manager:
                run_manager.on_llm_new_token(chunk.message.content, chunk=chunk)
            yield chunk

    async def _astream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for place, chunk in enumerate(self._chunks(messages)):
            if place == self.fails_at:
                raise RuntimeError("overloaded")
            if place:
                await asyncio.sleep(self.delay_s)
            if run_manager:
                await run_manager.on_llm_new_token(chunk.message.content, chunk=chunk)
            yield chunk

    def _chunks(self, messages: list[BaseMessage]) -> list[ChatGenerationChunk]:
        words = words_of(str(messages[-1].content))
        facts = {"model_name": self.model, "finish_reason": "stop"}
        chunks = [AIMessageChunk(word) for word in words[:-1]]
        last = AIMessageChunk(words[-1], usage_metadata=USAGE, response_metadata=facts)
        return [ChatGenerationChunk(message=message) for message in (*chunks, last)]


class EchoText(LLM):  # type: ignore[misc]  # its types are not read
    """Completes each prompt with an echo of it."""

    @property
    def _llm_type(self) -> str:
        return "echo-text"

    def _call(self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> str:
        return echo(prompt)


class ToolModel(FakeMessagesListChatModel):  # type: ignore[misc]  # its types are not read
    """Says what it is told to, tool calls and all, whichever tools it is given."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> ToolModel:
        return self


def calls(name: str, **arguments: Any) -> AIMessage:
    """Return an answer that calls a tool."""
    call = {"name": name, "args": arguments, "id": f"call_{name}", "type": "tool_call"}
    return AIMessage("", tool_calls=[call])


async def cancel_when(call: Coroutine[Any, Any, Any], is_on: Callable[[Run], Any]) -> None:
    """Start a call, and cancel it as soon as one of its runs is as far as `is_on` says."""
    task = asyncio.create_task(call)
    await until(lambda: any(map(is_on, open_runs)), what="it is as far")
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    # Python 3.10 keeps the frames of what was cancelled until then.
    del task
    gc.collect()

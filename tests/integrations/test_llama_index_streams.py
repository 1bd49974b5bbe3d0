"""Streams of LlamaIndex: logged once, when they are over, and the same for who reads them."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest
from llama_index.core import PromptTemplate
from llama_index.core.base.response.schema import AsyncStreamingResponse, StreamingResponse
from llama_index.core.chat_engine.types import StreamingAgentChatResponse
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step
from llama_index_instrumentation.span import active_span_id

import phospho
from phospho.integrations.llama_index import uninstrument_llama_index
from phospho.testing import Logged
from tests.integrations.llama_index_models import (
    ASKED,
    RETRIEVED,
    Echo,
    Slow,
    Unheard,
    chat_engine,
    echo,
    query_engine,
    run,
    until_slow,
    user,
)
from tests.integrations.records import ended, only, said, steps_of
from tests.waiting import wait_until

# Agents of LlamaIndex warn of code of their own.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

QUESTION = "number 7"
ANSWER = echo(QUESTION)


@pytest.fixture(autouse=True)
def logged(of_llama_index: Logged) -> Logged:
    return of_llama_index


def engine(llm: Any = None) -> Any:
    return query_engine(llm, streaming=True)


async def gather(pieces: Any) -> list[str]:
    return [str(getattr(piece, "delta", piece)) async for piece in pieces]


async def query_async(method: str) -> list[str]:
    response = await engine().aquery(QUESTION)
    assert type(response) is AsyncStreamingResponse
    if method == "str":
        return [str((await response.get_response()).response)]
    return await gather(getattr(response, method)())


def chat(mode: str) -> list[str]:
    return list(chat_engine(mode).stream_chat(QUESTION).response_gen)


async def chat_async(mode: str) -> list[str]:
    response = await chat_engine(mode).astream_chat(QUESTION)
    assert type(response) is StreamingAgentChatResponse
    return await gather(response.async_response_gen())


async def ask_async(method: str, asked: Any) -> list[str]:
    return await gather(await getattr(Echo(), method)(asked))


async def words_of_its_own() -> AsyncIterator[str]:
    yield "Hello."


class Streaming(Workflow):  # type: ignore[misc]
    """Answers with what another one is about to say."""

    @step  # type: ignore[untyped-decorator]
    async def answer(self, ev: StartEvent) -> StopEvent:
        if ev.how == "model":
            return StopEvent(result=await Echo().astream_complete(ev.question))
        if ev.how == "chat":
            return StopEvent(
                result=await chat_engine(llm=Slow(pause_s=0.2)).astream_chat(ev.question)
            )
        if ev.how == "own":
            return StopEvent(result=words_of_its_own())
        return StopEvent(result=await engine().aquery(ev.question))


async def flow(how: str) -> list[str]:
    result = await run(Streaming(), how=how, question=QUESTION)
    return await gather(result if how in {"model", "own"} else result.async_response_gen())


def words_of(response: Any) -> list[str]:
    assert type(response) is StreamingResponse
    return list(response.response_gen)


BOTH = [RETRIEVED, ASKED]

# What reads a whole stream, and the steps that lead to the answer.
STREAMS: dict[str, tuple[Callable[[], Any], list[tuple[str, str]]]] = {
    "query": (lambda: words_of(engine().query(QUESTION)), BOTH),
    "query, as text": (lambda: [str(engine().query(QUESTION))], BOTH),
    "query, whole": (lambda: [str(engine().query(QUESTION).get_response())], BOTH),
    "aquery": (lambda: query_async("async_response_gen"), BOTH),
    "aquery, whole": (lambda: query_async("str"), BOTH),
    "chat, simple": (partial(chat, "simple"), [ASKED]),
    "chat, context": (partial(chat, "context"), BOTH),
    "chat, condensed": (partial(chat, "condense_question"), BOTH),
    "achat, simple": (partial(chat_async, "simple"), [ASKED]),
    "achat, condensed with context": (partial(chat_async, "condense_plus_context"), BOTH),
    "llm.stream_complete": (lambda: [p.delta for p in Echo().stream_complete(QUESTION)], []),
    "llm.stream_chat": (lambda: [p.delta for p in Echo().stream_chat([user(QUESTION)])], []),
    "llm.stream": (lambda: list(Echo().stream(PromptTemplate("number {n}"), n="7")), []),
    "llm.astream_complete": (lambda: ask_async("astream_complete", QUESTION), []),
    "llm.astream_chat": (lambda: ask_async("astream_chat", [user(QUESTION)]), []),
    "workflow, of an engine": (lambda: flow("engine"), BOTH),
    "workflow, of a model": (lambda: flow("model"), [ASKED]),
    "workflow, of a chat": (lambda: flow("chat"), [ASKED]),
}  # fmt: skip


def read(name: str) -> list[str]:
    asked = STREAMS[name][0]()
    words: list[str] = asyncio.run(asked) if asyncio.iscoroutine(asked) else asked
    return words


def wait_for_writer(logged: Logged) -> None:
    """Wait for a thread of LlamaIndex."""
    wait_until(lambda: len(logged), what="its stream is over")


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_is_read_is_logged_once_with_its_steps(name: str, logged: Logged) -> None:
    words = read(name)
    wait_for_writer(logged)
    interaction = only(logged)
    assert said(interaction) == (QUESTION, ANSWER)
    assert interaction.get("status", "ok") == "ok"
    times = interaction["metadata"]
    assert 0 < times["time_to_first_token_ms"] <= times["latency_ms"]
    assert steps_of(interaction) == STREAMS[name][1]
    assert interaction["total_tokens"] == 27
    uninstrument_llama_index()
    assert read(name) == words
    assert len(logged) == 1
    assert active_span_id.get() is None


def test_nothing_is_logged_before_the_answer_is_there(logged: Logged) -> None:
    response = engine().query(QUESTION)
    stream = Echo().stream_complete("number 8")
    assert next(response.response_gen)
    assert next(stream).delta == "Echo "
    assert len(logged) == 0
    list(response.response_gen), list(stream)
    assert [i["input"] for i in logged.interactions] == [QUESTION, "number 8"]


def start_query() -> Any:
    return engine().query(QUESTION).response_gen


def start_model() -> Any:
    return Echo().stream_complete(QUESTION)


@pytest.mark.parametrize("start", [start_query, start_model])
class TestStreamsThatDoNotEnd:
    """Each is logged once, with what came of it."""

    def test_closed(self, start: Callable[[], Any], logged: Logged) -> None:
        stream = start()
        next(stream), next(stream)
        stream.close()
        assert ended(only(logged)) == (QUESTION, "Echo of ", "incomplete")

    def test_dropped(self, start: Callable[[], Any], logged: Logged) -> None:
        for _ in start():
            break
        gc.collect()
        assert ended(only(logged)) == (QUESTION, "Echo ", "incomplete")

    def test_never_read(self, start: Callable[[], Any], logged: Logged) -> None:
        start()
        gc.collect()
        assert ended(only(logged)) == (QUESTION, None, "incomplete")

    def test_read_in_another_thread(self, start: Callable[[], Any], logged: Logged) -> None:
        thread = threading.Thread(target=list, args=(start(),))
        thread.start()
        thread.join()
        assert said(only(logged)) == (QUESTION, ANSWER)


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(lambda llm: engine(llm).query(QUESTION).response_gen, id="query"),
        pytest.param(lambda llm: llm.stream_complete(QUESTION), id="model"),
        pytest.param(
            lambda llm: chat_engine(llm=llm).stream_chat(QUESTION).response_gen, id="chat"
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_stream_that_fails(stream: Callable[[Any], Any], logged: Logged) -> None:
    error = RuntimeError("overloaded")
    with pytest.raises(RuntimeError) as caught:
        list(stream(Echo(error)))
    assert caught.value is error
    wait_for_writer(logged)
    assert ended(only(logged)) == (QUESTION, "Echo of ", "error")
    assert only(logged)["error"] == {"type": "RuntimeError", "message": "overloaded"}
    assert "step_errors" not in only(logged)["metadata"]


async def first_of(stream: Any) -> str:
    async for piece in stream:
        return str(getattr(piece, "delta", piece))
    return ""


async def query_slow() -> Any:
    return (await engine(Slow()).aquery(QUESTION)).response_gen


async def model_slow() -> Any:
    return await Slow().astream_complete(QUESTION)


@pytest.mark.parametrize("how", ["cancelled", "closed", "left"])
@pytest.mark.parametrize("start", [query_slow, model_slow])
def test_an_async_stream_that_does_not_end(
    start: Callable[[], Any], how: str, logged: Logged
) -> None:
    async def ask() -> None:
        stream = await start()
        assert await first_of(stream) == "Echo "
        if how == "cancelled":
            reading = asyncio.create_task(gather(stream))
            await until_slow()
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        elif how == "closed":
            await stream.aclose()
        else:
            del stream
            gc.collect()
            await asyncio.sleep(0)

    asyncio.run(ask())
    output = "Echo of " if how == "cancelled" else "Echo "
    status = "cancelled" if how == "cancelled" else "incomplete"
    assert ended(only(logged)) == (QUESTION, output, status)


class TestChatEngines:
    """What they answer goes into their memory, whether or not the app reads it."""

    def test_an_answer_that_nobody_reads(self, logged: Logged) -> None:
        chat_engine().stream_chat(QUESTION)
        wait_for_writer(logged)
        assert ended(only(logged)) == (QUESTION, f"{ANSWER}", "ok")

    def test_an_answer_whose_event_loop_ends(self, logged: Logged) -> None:
        async def ask() -> None:
            await chat_engine(llm=Slow()).astream_chat(QUESTION)
            await until_slow()

        asyncio.run(ask())
        assert ended(only(logged)) == (QUESTION, "Echo of ", "cancelled")

    def test_an_answer_that_is_not_written_to_a_memory(self, logged: Logged) -> None:
        class Forgetful(type(chat_engine())):  # type: ignore[misc]
            def stream_chat(self, message: str, chat_history: Any = None) -> Any:
                stream = Echo().stream_chat([user(message)])
                return StreamingAgentChatResponse(chat_stream=stream, is_writing_to_memory=False)

        engine = Forgetful.from_defaults(llm=Echo(), memory=chat_engine()._memory)
        assert "".join(engine.stream_chat(QUESTION).response_gen) == ANSWER
        assert said(only(logged)) == (QUESTION, ANSWER)
        assert steps_of(only(logged)) == [ASKED]


def test_a_model_that_tells_nothing_of_its_stream_is_logged_without_an_answer(
    logged: Logged,
) -> None:
    assert [piece.text for piece in Unheard().stream_complete(QUESTION)][-1] == ANSWER
    gc.collect()
    assert ended(only(logged)) == (QUESTION, None, "incomplete")


def test_a_workflow_that_streams_by_itself_is_logged_without_an_answer(logged: Logged) -> None:
    assert asyncio.run(flow("own")) == ["Hello."]
    assert ended(only(logged)) == (QUESTION, None, "incomplete")


@pytest.mark.parametrize("mode", ["simple", "context"])
def test_a_chat_inside_of_a_workflow_that_says_more_is_part_of_it(
    mode: str, logged: Logged
) -> None:
    class Talking(Workflow):  # type: ignore[misc]
        @step  # type: ignore[untyped-decorator]
        async def answer(self, ev: StartEvent) -> StopEvent:
            response = await chat_engine(mode).astream_chat(ev.question)
            words = await gather(response.async_response_gen())
            return StopEvent(result=f"I say: {''.join(words)}")

    assert asyncio.run(run(Talking(), question=QUESTION)) == f"I say: {ANSWER}"
    assert said(only(logged)) == (QUESTION, f"I say: {ANSWER}")
    assert steps_of(only(logged)) == ([ASKED] if mode == "simple" else BOTH)


class TestInsideOfAFunction:
    """Streams that a wrapped function passes on add steps to it."""

    def test_a_generator(self, logged: Logged) -> None:
        @phospho.wrap
        def answer(question: str) -> Iterator[str]:
            yield from engine().query(question).response_gen
            for piece in Echo().stream_complete("number 1"):
                yield piece.delta

        assert "".join(answer(QUESTION)) == ANSWER + echo("number 1")
        assert said(only(logged)) == (QUESTION, ANSWER + echo("number 1"))
        assert steps_of(only(logged)) == [RETRIEVED, ASKED, ASKED]

    def test_a_response(self, logged: Logged) -> None:
        @phospho.wrap
        def answer(question: str) -> Any:
            return engine().query(question)

        assert str(answer(QUESTION)) == ANSWER
        assert said(only(logged)) == (QUESTION, ANSWER)
        assert steps_of(only(logged)) == [RETRIEVED, ASKED]

    def test_a_chat(self, logged: Logged) -> None:
        @phospho.wrap
        def answer(question: str) -> str:
            return "".join(chat_engine().stream_chat(question).response_gen)

        answer(QUESTION)
        assert said(only(logged)) == (QUESTION, ANSWER)
        assert steps_of(only(logged)) == [ASKED]

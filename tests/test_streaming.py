"""Streams as apps read them: what they see is the same, and each is logged once."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import contextvars
import copy
import csv
import dataclasses
import functools
import gc
import inspect
import json
import pickle
import sqlite3
import sys
import threading
import time
import tracemalloc
import types
import warnings
import weakref
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.base.response.schema import AsyncStreamingResponse, StreamingResponse
from llama_index.core.chat_engine.types import StreamingAgentChatResponse
from llama_index.core.llms import MockLLM
from llama_index.core.memory import ChatMemoryBuffer

import phospho
from phospho import streaming
from phospho.stand_in import StandIn
from phospho.testing import Logged, capture
from phospho.underway import Underway, find_outer
from tests.loopback import serve_anthropic, serve_openai, stream_of
from tests.waiting import PATIENCE_S, until

ANSWER = "Qubits harness quantum physics."


@pytest.fixture(autouse=True)
def logged(phospho_logged: Logged) -> Logged:
    return phospho_logged


@pytest.fixture
def openai_url() -> Iterator[str]:
    with serve_openai(ANSWER) as url:
        yield url


@pytest.fixture
def client(openai_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="k", base_url=openai_url, max_retries=0) as made:
        yield made


QUERY: dict[str, Any] = {
    "model": "gpt-x",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Qubits?"},
    ],
}


def words(question: str) -> Iterator[str]:
    """Answer."""
    yield from ["a ", "b ", "c"]


async def words_async(question: str) -> AsyncIterator[str]:
    for word in ["a ", "b ", "c"]:
        yield word


class Words:
    """An iterator of an app's own."""

    def __init__(self, *, fails: bool = False) -> None:
        self.given = 0
        self.fails = fails
        self.is_closed = False

    def __iter__(self) -> Words:
        return self

    def __next__(self) -> str:
        self.given += 1
        if self.fails and self.given == 3:
            raise ConnectionError("lost")
        if self.given > 3:
            raise StopIteration
        return f"{self.given} "

    def close(self) -> None:
        self.is_closed = True


class WordsAsync:
    def __init__(self) -> None:
        self.given = 0

    def __aiter__(self) -> WordsAsync:
        return self

    async def __anext__(self) -> str:
        self.given += 1
        if self.given > 3:
            raise StopAsyncIteration
        return f"{self.given} "


class Page:
    """Gives its words to a loop, and is no iterator itself."""

    def __iter__(self) -> Iterator[str]:
        yield from ["a ", "b ", "c"]


class PageAsync:
    async def __aiter__(self) -> AsyncIterator[str]:
        for word in ["a ", "b ", "c"]:
            yield word


async def collect(stream: Any) -> list[Any]:
    return [piece async for piece in stream]


class TestAWrappedGenerator:
    def test_is_logged_when_it_has_ended(self, logged: Logged) -> None:
        stream = phospho.wrap(words)("hello")
        assert next(stream) == "a "
        assert len(logged) == 0
        assert list(stream) == ["b ", "c"]
        [event] = logged.interactions
        assert (event["input"], event["output"]) == ("hello", "a b c")
        assert event["raw_output_type_name"] == "generator"
        assert "status" not in event
        times = event["metadata"]
        assert 0 <= times["time_to_first_token_ms"] <= times["latency_ms"]

    def test_stays_a_generator_function(self) -> None:
        wrapped = phospho.wrap(words)
        assert inspect.isgeneratorfunction(wrapped)
        assert isinstance(wrapped("hello"), types.GeneratorType)
        assert (wrapped.__name__, wrapped.__doc__) == ("words", "Answer.")
        assert inspect.isasyncgenfunction(phospho.wrap(words_async))
        assert isinstance(phospho.wrap(words_async)("hello"), types.AsyncGeneratorType)

    def test_takes_what_is_sent_and_thrown_and_returns_its_value(self, logged: Logged) -> None:
        @phospho.wrap
        def ask(question: str) -> Generator[str, str, int]:
            name = yield "Who? "
            try:
                yield f"Hi {name}. "
            except KeyError:
                yield "Oops."
            return 7

        stream = ask("hello")
        assert next(stream) == "Who? "
        assert stream.send("Ada") == "Hi Ada. "
        assert stream.throw(KeyError("x")) == "Oops."
        with pytest.raises(StopIteration) as ended:
            next(stream)
        assert ended.value.value == 7
        assert logged.outputs == ["Who? Hi Ada. Oops."]

    @pytest.mark.parametrize("leave", ["close", "break", "drop"])
    def test_that_is_left_early_keeps_what_came(self, leave: str, logged: Logged) -> None:
        ended = []

        @phospho.wrap
        def answer(question: str) -> Iterator[str]:
            try:
                yield from ["a ", "b ", "c"]
            finally:
                ended.append(question)

        stream = answer("hello")
        for _ in stream:
            break
        if leave == "close":
            stream.close()  # type: ignore[attr-defined]
        elif leave == "drop":
            del stream
        else:
            stream = iter(())
        assert ended == ["hello"]
        [event] = logged.interactions
        assert (event["output"], event["status"]) == ("a ", "incomplete")
        assert "error" not in event

    def test_that_raises_keeps_what_came_and_raises_the_same(self, logged: Logged) -> None:
        mistake = ConnectionError("lost")

        @phospho.wrap
        def answer(question: str) -> Iterator[str]:
            yield "a "
            raise mistake

        with pytest.raises(ConnectionError) as caught:
            list(answer("hello"))
        assert caught.value is mistake
        [event] = logged.interactions
        assert (event["output"], event["status"]) == ("a ", "error")
        assert event["error"] == {"type": "ConnectionError", "message": "lost"}

    def test_that_was_never_started_did_nothing_and_is_not_logged(self, logged: Logged) -> None:
        phospho.wrap(words)("hello")
        assert len(logged) == 0

    def test_may_be_a_method_or_an_object(self, logged: Logged) -> None:
        class Bot:
            @phospho.wrap(user_id="u")
            def answer(self, question: str) -> Iterator[str]:
                yield question.upper()

            def __call__(self, question: str) -> Iterator[str]:
                yield "called"

        assert list(Bot().answer("hello")) == ["HELLO"]
        assert list(phospho.wrap(Bot())("hello")) == ["called"]
        assert logged.outputs == ["HELLO", "called"]
        assert logged.interactions[0]["user_id"] == "u"

    def test_handles_what_is_thrown_as_it_would(self, logged: Logged) -> None:
        @phospho.wrap
        def answer(question: str) -> Generator[Any, Any, str]:
            with contextlib.suppress(ValueError):
                yield "a"
            try:
                yield sys.exc_info()[1]
            except GeneratorExit:
                yield "b"
            try:
                yield "c"
            except GeneratorExit:
                return "value"
            return "other"

        asked = answer("hello")
        next(asked)
        assert asked.throw(ValueError("handled")) is None
        assert asked.throw(GeneratorExit()) == "b"
        assert next(asked) == "c"
        with pytest.raises(StopIteration) as end:
            asked.throw(GeneratorExit())
        assert end.value.value == "value"
        assert [record["status"] for record in logged.interactions] == ["incomplete"]

    def test_raises_without_a_context_that_was_not_there(self) -> None:
        @phospho.wrap
        def answer(question: str) -> Iterator[str]:
            with contextlib.suppress(ValueError):
                yield "a"
            raise KeyError("later")

        asked: Any = answer("hello")
        next(asked)
        with pytest.raises(KeyError) as raised:
            asked.throw(ValueError("handled"))
        assert raised.value.__context__ is None

    def test_asks_for_a_piece_only_when_the_app_does(self) -> None:
        produced = []

        def count(question: str) -> Iterator[str]:
            for number in range(5):
                produced.append(number)
                yield str(number)

        stream = phospho.wrap(count)("hello")
        next(stream)
        next(stream)
        assert produced == [0, 1]

    def test_passes_on_the_same_objects(self) -> None:
        pieces = [object(), {"a": 1}, "text", None, b"x"]
        got = list(phospho.wrap(lambda question: (piece for piece in pieces))("hello"))
        assert [id(piece) for piece in got] == [id(piece) for piece in pieces]

    def test_belongs_to_the_session_of_its_first_step(self, logged: Logged) -> None:
        with phospho.session("s1", user_id="u1"):
            stream = phospho.wrap(words)("hello")
            next(stream)
        with phospho.session("s2", metadata={"other": True}):
            list(stream)
        [event] = logged.interactions
        assert (event["session_id"], event["user_id"]) == ("s1", "u1")
        assert "other" not in event["metadata"]

    def test_may_be_read_by_several_threads_in_turn(self, logged: Logged) -> None:
        stream = phospho.wrap(words)("hello")
        got: list[str] = []
        for _ in range(3):
            thread = threading.Thread(target=lambda: got.append(next(stream)))
            thread.start()
            thread.join()
        assert list(stream) == []
        assert got == ["a ", "b ", "c"]
        assert logged.outputs == ["a b c"]


class TestAWrappedAsyncGenerator:
    def test_is_logged_when_it_has_ended(self, logged: Logged) -> None:
        assert asyncio.run(collect(phospho.wrap(words_async)("hello"))) == ["a ", "b ", "c"]
        [event] = logged.interactions
        assert (event["input"], event["output"]) == ("hello", "a b c")

    def test_takes_what_is_sent_and_thrown(self, logged: Logged) -> None:
        @phospho.wrap
        async def ask(question: str) -> Any:
            name = yield "Who? "
            try:
                yield f"Hi {name}. "
            except KeyError:
                yield "Oops."

        async def talk() -> list[str]:
            stream = ask("hello")
            said = [
                await stream.__anext__(),
                await stream.asend("Ada"),
                await stream.athrow(KeyError("x")),
            ]
            await stream.aclose()
            return said

        assert asyncio.run(talk()) == ["Who? ", "Hi Ada. ", "Oops."]
        assert logged.outputs == ["Who? Hi Ada. Oops."]
        assert logged.interactions[0]["status"] == "incomplete"

    def test_that_is_cancelled_between_or_within_pieces_is_logged_once(
        self, logged: Logged
    ) -> None:
        @phospho.wrap
        async def slow(question: str) -> AsyncIterator[str]:
            yield "a "
            await asyncio.sleep(30)
            yield "b"

        async def read(question: str) -> None:
            async for _ in slow(question):
                if question == "between":
                    await asyncio.sleep(30)

        async def main(question: str) -> None:
            task = asyncio.create_task(read(question))
            await asyncio.sleep(0.01)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

        for question in ("within", "between"):
            asyncio.run(main(question))
        gc.collect()
        assert [(e["input"], e["output"], e["status"]) for e in logged.interactions] == [
            ("within", "a ", "cancelled"),
            ("between", "a ", "incomplete"),
        ]

    def test_that_is_open_when_the_loop_ends_is_closed_once(self, logged: Logged) -> None:
        ended, problems, kept = [], [], []

        @phospho.wrap
        async def answer(question: str) -> AsyncIterator[str]:
            try:
                yield "a"
            finally:
                await asyncio.sleep(0.01)
                ended.append(question)

        async def leave() -> None:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: problems.append(context))
            kept.append(answer("hello"))
            await kept[0].__anext__()

        asyncio.run(leave())
        assert (ended, problems) == (["hello"], [])
        assert logged.interactions[0]["status"] == "incomplete"

    def test_that_is_left_or_closed_runs_its_own_end(self, logged: Logged) -> None:
        ended = []

        @phospho.wrap
        async def answer(question: str) -> AsyncIterator[str]:
            try:
                yield "a "
                yield "b"
            finally:
                await asyncio.sleep(0)
                ended.append(question)

        async def main() -> None:
            closed: Any = answer("closed")
            await closed.__anext__()
            await closed.aclose()
            async for _ in answer("dropped"):
                break
            gc.collect()
            await until(lambda: len(ended) == 2)

        asyncio.run(main())
        assert ended == ["closed", "dropped"]
        assert [event["status"] for event in logged.interactions] == ["incomplete"] * 2


class TestAFunctionThatReturnsAStream:
    def test_of_generators_needs_no_word(self, logged: Logged) -> None:
        assert list(phospho.wrap(functools.partial(words))("hello")) == ["a ", "b ", "c"]

        async def later(question: str) -> AsyncIterator[str]:
            return words_async(question)

        async def main() -> list[str]:
            return await collect(await phospho.wrap(later)("hello"))

        assert asyncio.run(main()) == ["a ", "b ", "c"]
        assert logged.outputs == ["a b c"] * 2

    def test_may_return_a_coroutine_or_a_future(self, logged: Logged) -> None:
        async def answer(question: str) -> str:
            await asyncio.sleep(0)
            return question.upper()

        async def main() -> None:
            coroutine = phospho.wrap(functools.partial(answer))("one")
            assert inspect.iscoroutine(coroutine)
            assert await coroutine == "ONE"
            made = asyncio.ensure_future(answer("two"))
            assert phospho.wrap(lambda q: made)("two") is made
            assert await made == "TWO"
            with pytest.raises(TypeError):
                await phospho.wrap(lambda q: answer())("three")  # type: ignore[call-arg]
            failing = asyncio.get_running_loop().create_future()
            failing.set_exception(ValueError("no"))
            with pytest.raises(ValueError, match="no"):
                await phospho.wrap(lambda q: failing)("four")
            await asyncio.sleep(0)

        asyncio.run(main())
        assert [(e["input"], e["output"], e.get("status")) for e in logged.interactions] == [
            ("one", "ONE", None),
            ("two", "TWO", None),
            ("three", None, "error"),
            ("four", None, "error"),
        ]

    def test_of_another_kind_is_watched_where_it_is_said_to_be_the_answer(
        self, logged: Logged, caplog: pytest.LogCaptureFixture
    ) -> None:
        stream = Words()
        assert phospho.wrap(lambda q: stream, stream=True)("hello") is stream
        assert isinstance(stream, Words)
        assert list(stream) == ["1 ", "2 ", "3 "]
        assert logged.outputs == ["1 2 3 "]
        unsaid = Words()
        assert phospho.wrap(lambda q: unsaid)("hello") is unsaid
        assert type(unsaid) is Words
        assert logged.outputs == ["1 2 3 ", None]
        assert "stream=True" in caplog.text

    def test_that_returns_a_finished_answer_after_all_is_logged_with_it(
        self, logged: Logged
    ) -> None:
        assert phospho.wrap(lambda q: "done", stream=True)("hello") == "done"
        assert phospho.wrap(lambda q: {"answer": "yes"}, stream=True)("hello") == {"answer": "yes"}
        assert logged.outputs == ["done", "yes"]

    @pytest.mark.parametrize("use", ["close", "cancel", "drop"])
    def test_may_return_a_coroutine_that_is_never_started(self, use: str) -> None:
        async def answer(question: str) -> str:
            return question

        async def cancel(made: Any) -> None:
            task = asyncio.create_task(made)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            made = phospho.wrap(functools.partial(answer))("hello")
            if use == "close":
                made.close()
            elif use == "cancel":
                asyncio.run(cancel(made))
            del made
            gc.collect()
        assert len(warned) == (use == "drop")

    def test_may_be_wrapped_twice(self, logged: Logged) -> None:
        stream = Words()
        inner: Any = phospho.wrap(lambda question: stream, stream=True)
        outer: Any = phospho.wrap(lambda topic: inner(f"About {topic}?"), stream=True)
        assert list(outer("tea")) == ["1 ", "2 ", "3 "]
        assert sorted((e["input"], e["output"]) for e in logged.interactions) == [
            ("About tea?", "1 2 3 "),
            ("tea", "1 2 3 "),
        ]

    def test_stop_tells_when_an_endless_answer_is_complete(self, logged: Logged) -> None:
        def endless(question: str) -> Iterator[str]:
            yield from ["a ", "END", "next ", "more"]

        wrapped = phospho.wrap(endless, stop=lambda piece: piece == "END")
        assert list(wrapped("hello")) == ["a ", "END", "next ", "more"]
        [event] = logged.interactions
        assert event["output"] == "a END"
        assert "status" not in event

    def test_output_to_str_function_reads_each_piece(self, logged: Logged) -> None:
        wrapped: Any = phospho.wrap(
            lambda q: (number for number in range(4)), output_to_str_function=lambda n: f"<{n}>"
        )
        assert list(wrapped("hello")) == [0, 1, 2, 3]
        assert logged.outputs == ["<0><1><2><3>"]


class TestLogOfAStream:
    @pytest.mark.parametrize("make", [Words, Page], ids=["iterator", "iterable"])
    def test_watches_an_object_where_it_is(self, make: Any, logged: Logged) -> None:
        stream = make()
        record = phospho.log("hello", stream, stream=True, user_id="u", channel="web")
        assert record["output"] is stream
        assert isinstance(stream, make)
        assert type(stream).__name__ == make.__name__
        assert len(logged) == 0
        said = "".join(stream)
        [event] = logged.interactions
        assert (event["output"], event["user_id"], event["channel"]) == (said, "u", "web")
        assert event["task_id"] == record["task_id"]
        assert event["raw_output_type_name"] == make.__name__
        assert record["output"] == said
        assert json.dumps(record)

    @pytest.mark.parametrize("make", [WordsAsync, PageAsync], ids=["iterator", "iterable"])
    def test_watches_an_async_object_where_it_is(self, make: Any, logged: Logged) -> None:
        stream = make()
        record = phospho.log("hello", stream, stream=True)
        assert record["output"] is stream
        assert len(asyncio.run(collect(stream))) == 3
        assert len(logged.outputs[0]) >= 5

    @pytest.mark.parametrize(
        "stream", [words("hello"), iter(["a ", "b ", "c"]), map(str, ["a ", "b ", "c"])],
        ids=["generator", "list-iterator", "map"],
    )  # fmt: skip
    def test_stands_before_what_cannot_be_watched(self, stream: Any, logged: Logged) -> None:
        record = phospho.log("hello", stream, stream=True)
        assert list(record["output"]) == ["a ", "b ", "c"]
        assert record["output"] == "a b c"
        assert logged.outputs == ["a b c"]

    def test_keeps_the_record_it_returned(self, logged: Logged) -> None:
        metadata, tags = {"a": 1}, ["x"]
        with phospho.session("s1", metadata={"b": 2}):
            record = phospho.log(
                {"messages": [{"role": "user", "content": "hi"}], "model": "m"},
                words("hello"), stream=True, metadata=metadata, tags=tags, flag="success",
            )  # fmt: skip
        metadata["a"] = tags[0] = "changed meanwhile"  # type: ignore[assignment]
        list(record["output"])
        [event] = logged.interactions
        assert (event["session_id"], event["task_id"]) == ("s1", record["task_id"])
        assert (event["input"], event["model"], event["flag"]) == ("hi", "m", "success")
        assert (event["metadata"]["a"], event["metadata"]["b"], event["tags"]) == (1, 2, ["x"])

    def test_that_nobody_reads_is_logged_when_it_is_dropped(self, logged: Logged) -> None:
        for stream in (words("hello"), Words(), iter("abc")):
            phospho.log("hello", stream, stream=True)
        del stream
        gc.collect()
        assert [(e["output"], e["status"]) for e in logged.interactions] == [
            (None, "incomplete")
        ] * 3

    def test_that_fails_or_is_closed_keeps_what_came(self, logged: Logged) -> None:
        failing = Words(fails=True)
        phospho.log("failing", failing, stream=True)
        with pytest.raises(ConnectionError):
            list(failing)
        closed = Words()
        phospho.log("closed", closed, stream=True)
        next(closed)
        closed.close()
        assert closed.is_closed
        assert [(e["input"], e["output"], e["status"]) for e in logged.interactions] == [
            ("failing", "1 2 ", "error"),
            ("closed", "1 ", "incomplete"),
        ]

    def test_whose_loop_goes_on_after_a_break_is_one(self, logged: Logged) -> None:
        stream = Words()
        phospho.log("hello", stream, stream=True)
        for _ in stream:
            break
        assert list(stream) == ["2 ", "3 "]
        assert logged.outputs == ["1 2 3 "]

    def test_declared_but_finished_is_logged_at_once(self, logged: Logged) -> None:
        assert phospho.log("i", "text", stream=True)["output"] == "text"
        assert phospho.log("i", ["a", "b"], stream=True)["output"]
        assert phospho.log("i", None, stream=True)["output"] is None
        assert len(logged) == 3


class SlottedWords:
    """An iterator without a place for anything."""

    __slots__ = ("_given",)

    def __init__(self) -> None:
        self._given = 0

    def __iter__(self) -> SlottedWords:
        return self

    def __next__(self) -> str:
        self._given += 1
        if self._given > 2:
            raise StopIteration
        return "x"


class SlottedResponse(SlottedWords):
    """One that has more to it than to be iterated."""

    __slots__ = ("response",)


class FinalWords:
    """An iterator whose class refuses to be derived from."""

    def __init_subclass__(cls) -> None:
        raise TypeError("final")

    def __init__(self) -> None:
        self.left = ["x", "x"]

    def __iter__(self) -> FinalWords:
        return self

    def __next__(self) -> str:
        if not self.left:
            raise StopIteration
        return self.left.pop()


def test_what_cannot_be_changed_has_a_generator_before_it(logged: Logged) -> None:
    stream = SlottedWords()
    record = phospho.log("hello", stream, stream=True)
    assert type(stream) is SlottedWords
    assert list(record["output"]) == ["x", "x"]
    assert logged.outputs == ["xx"]


@pytest.fixture
def cursor() -> Iterator[sqlite3.Cursor]:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        yield connection.cursor()


def test_what_a_generator_could_not_stand_for_is_left_as_it_is(
    cursor: sqlite3.Cursor, caplog: pytest.LogCaptureFixture
) -> None:
    streams: list[Any] = [SlottedResponse(), csv.reader(["a"]), cursor]
    for stream in streams:
        assert phospho.log("hello", stream, stream=True)["output"] is stream
    said = [record for record in caplog.records if "logged without its answer" in record.message]
    assert len(said) == len(streams)


class Registered(Words):
    """Keeps a list of the classes derived from it, and asks each for a name."""

    names: tuple[str, ...] = ()

    def __init_subclass__(cls, *, name: str) -> None:
        Registered.names += (name,)


@dataclasses.dataclass(frozen=True)
class FrozenWords:
    given: Iterator[str] = dataclasses.field(default_factory=lambda: iter(["x", "x"]))
    response: str = "200"

    def __iter__(self) -> FrozenWords:
        return self

    def __next__(self) -> str:
        return next(self.given)


class ClosableWords(abc.ABC):  # noqa: B024 - only its metaclass matters
    """Closes in every way there is."""

    def __init__(self) -> None:
        self.left = ["x", "x"]

    def __iter__(self) -> ClosableWords:
        return self

    def __next__(self) -> str:
        if not self.left:
            raise StopIteration
        return self.left.pop()

    close = staticmethod(lambda: "closed")

    async def aclose(self) -> None:
        self.left.clear()


class TestAWatchedObject:
    @pytest.mark.parametrize("make", [FinalWords, Registered, FrozenWords, ClosableWords])
    def test_stays_what_it_is_whatever_its_class_says_of_changes(
        self, make: type[Any], logged: Logged
    ) -> None:
        stream = phospho.wrap(lambda question: make(), stream=True)("hello")
        assert isinstance(stream, make)
        assert stream.__class__ is make
        assert Registered.names == ()
        assert len(list(stream)) >= 2
        assert len(logged.outputs[0]) >= 2

    def test_equals_another(self) -> None:
        given = iter("x")
        assert phospho.wrap(FrozenWords, stream=True)(given) == FrozenWords(given)

    def test_keeps_the_kind_of_its_methods(self) -> None:
        stream = phospho.wrap(lambda question: ClosableWords(), stream=True)("hello")
        assert stream.close() == "closed"
        assert inspect.iscoroutinefunction(stream.aclose)
        asyncio.run(stream.aclose())
        assert list(stream) == []

    @pytest.mark.parametrize(
        "make_again",
        [
            pytest.param(lambda stream: type(stream)(), id="type"),
            pytest.param(copy.copy, id="copy"),
            pytest.param(copy.deepcopy, id="deepcopy"),
            pytest.param(lambda stream: pickle.loads(pickle.dumps(stream)), id="pickle"),
            pytest.param(lambda stream: pickle.loads(pickle.dumps(stream, 0)), id="pickle-0"),
        ],
    )
    def test_may_be_made_again(self, make_again: Callable[[Any], Any], logged: Logged) -> None:
        stream = phospho.wrap(lambda question: Words(), stream=True)("hello")
        again = make_again(stream)
        assert isinstance(again, Words)
        assert list(again) == ["1 ", "2 ", "3 "]
        again.close()
        assert len(logged) == 0
        assert len(list(stream)) == 3
        assert logged.outputs == ["1 2 3 "]

    def test_that_many_calls_return_keeps_none_that_is_over(self, logged: Logged) -> None:
        page = Page()
        ask: Any = phospho.wrap(lambda question: page, stream=True)
        for number in range(20):
            assert list(ask(f"question {number}")) == ["a ", "b ", "c"]
        assert logged.outputs == ["a b c"] * 20
        assert vars(page)["_phospho_watch"].followers == ()

    def test_may_be_read_by_several_tasks_at_once(self, logged: Logged) -> None:
        class Queued:
            def __init__(self) -> None:
                self.queue: asyncio.Queue[str] = asyncio.Queue()

            def __aiter__(self) -> Queued:
                return self

            async def __anext__(self) -> str:
                piece = await self.queue.get()
                if not piece:
                    raise StopAsyncIteration
                return piece

        async def run() -> None:
            stream = phospho.wrap(lambda question: Queued(), stream=True)("hello")
            readers = [asyncio.create_task(collect(stream)) for _ in range(3)]
            for piece in ["0", "1", "2", "3", "4", "5"]:
                await asyncio.sleep(0)
                stream.queue.put_nowait(piece)
            await asyncio.sleep(0.01)
            for _ in readers:
                stream.queue.put_nowait("")
            await asyncio.gather(*readers)

        asyncio.run(run())
        assert sorted(logged.outputs[0]) == ["0", "1", "2", "3", "4", "5"]

    def test_may_be_a_context_manager_that_is_used_as_a_decorator(self) -> None:
        @contextlib.contextmanager
        def open_stream(question: str) -> Iterator[str]:
            yield question

        @phospho.wrap(open_stream, stream=True)("hello")
        def answer() -> int:
            return 1

        assert answer() == 1


def test_what_does_more_than_to_be_iterated_is_left_as_it_is(
    logged: Logged, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "answer.txt").write_text("a\nb\n")
    with (tmp_path / "answer.txt").open() as file:
        assert phospho.log("hello", file, stream=True)["output"] is file
        assert file.readlines() == ["a\n", "b\n"]
    gc.collect()
    assert logged.outputs == [None]
    assert "cannot watch" in caplog.text


class TestAContextManager:
    def test_of_a_stream_is_watched(self, logged: Logged) -> None:
        class Manager:
            def __enter__(self) -> Words:
                return Words()

            def __exit__(self, *raised: object) -> None:
                """Close."""

        manager = Manager()
        assert phospho.wrap(lambda q: manager, stream=True)("hello") is manager
        with manager as stream:
            assert type(stream).__name__ == "Words"
            assert next(stream) == "1 "
        [event] = logged.interactions
        assert (event["output"], event["status"]) == ("1 ", "incomplete")

    def test_made_by_contextlib_is_watched(self, logged: Logged) -> None:
        @contextlib.contextmanager
        def opened() -> Iterator[Iterator[str]]:
            yield words("hello")

        with phospho.log("hello", opened(), stream=True)["output"] as stream:
            assert list(stream) == ["a ", "b ", "c"]
        assert logged.outputs == ["a b c"]

    def test_of_async_streams_is_watched(self, logged: Logged) -> None:
        @contextlib.asynccontextmanager
        async def opened() -> AsyncIterator[AsyncIterator[str]]:
            yield words_async("hello")

        async def main() -> list[str]:
            async with phospho.wrap(lambda q: opened(), stream=True)("hello") as stream:
                return await collect(stream)

        assert asyncio.run(main()) == ["a ", "b ", "c"]
        assert logged.outputs == ["a b c"]

    def test_of_a_result_is_read_when_it_is_left(self, logged: Logged) -> None:
        @contextlib.contextmanager
        def opened() -> Iterator[dict[str, str]]:
            yield {}

        with phospho.wrap(lambda q: opened(), stream=True)("hello") as result:
            result["answer"] = "complete now"
        assert logged.outputs == ["complete now"]


class TestOpenAI:
    def test_a_stream_is_the_same_object_of_the_same_type(
        self, client: openai.OpenAI, logged: Logged
    ) -> None:
        stream = client.chat.completions.create(**QUERY, stream=True)
        kind, response = type(stream), stream.response
        record = phospho.log(input=QUERY, output=stream, stream=True)
        assert record["output"] is stream
        assert type(stream) is kind
        assert stream.response is response
        chunks = list(stream)
        assert "".join(c.choices[0].delta.content or "" for c in chunks) == ANSWER
        assert all(type(chunk).__name__ == "ChatCompletionChunk" for chunk in chunks)
        [event] = logged.interactions
        assert (event["input"], event["output"]) == ("Qubits?", ANSWER)
        assert (event["system_prompt"], event["model"]) == ("Be brief.", "gpt-x")
        assert event["finish_reason"] == "stop"
        assert event["raw_output_type_name"] == "Stream"
        assert "status" not in event

    def test_wrap_needs_no_word_and_reads_the_usage(
        self, client: openai.OpenAI, logged: Logged
    ) -> None:
        create = phospho.wrap(client.chat.completions.create)
        stream = create(**QUERY, stream=True, stream_options={"include_usage": True})
        assert isinstance(stream, openai.Stream)
        assert len(list(stream)) == 7
        [event] = logged.interactions
        assert (event["output"], event["total_tokens"]) == (ANSWER, 27)

    @pytest.mark.parametrize("leave", ["close", "with", "break"])
    def test_a_stream_that_is_left_early(
        self, leave: str, client: openai.OpenAI, logged: Logged
    ) -> None:
        stream = phospho.wrap(client.chat.completions.create)(**QUERY, stream=True)
        if leave == "with":
            with stream:
                next(stream)
                next(stream)
        else:
            next(stream)
            next(stream)
        if leave == "close":
            stream.close()
        if leave == "break":
            stream.response.close()
        assert stream.response.is_closed
        del stream
        gc.collect()
        [event] = logged.interactions
        assert (event["output"], event["status"]) == ("Qubits ", "incomplete")

    def test_a_stream_that_is_dropped(self, client: openai.OpenAI, logged: Logged) -> None:
        stream = phospho.wrap(client.chat.completions.create)(**QUERY, stream=True)
        next(stream)
        stream.response.close = type(stream.response).close.__get__(stream.response)
        response = stream.response
        del stream
        gc.collect()
        response.close()
        assert [event["status"] for event in logged.interactions] == ["incomplete"]

    @pytest.mark.parametrize(
        ("model", "kind"), [("failing", openai.APIError), ("broken", Exception)]
    )
    def test_a_stream_that_fails_keeps_what_came(
        self, model: str, kind: type[Exception], client: openai.OpenAI, logged: Logged
    ) -> None:
        create = phospho.wrap(client.chat.completions.create)
        with pytest.raises(kind) as raised:
            list(create(**{**QUERY, "model": model}, stream=True))
        [event] = logged.interactions
        assert (event["output"], event["status"]) == ("Qubits harness ", "error")
        assert event["error"]["type"] == type(raised.value).__name__

    def test_the_stream_helper_is_watched(self, client: openai.OpenAI, logged: Logged) -> None:
        manager = phospho.wrap(client.chat.completions.stream)(**QUERY)
        assert type(manager).__name__ == "ChatCompletionStreamManager"
        with manager as stream:
            kinds = {event.type for event in stream}
            assert stream.get_final_completion().choices[0].message.content == ANSWER
        assert {"chunk", "content.delta", "content.done"} <= kinds
        [event] = logged.interactions
        assert (event["output"], event["finish_reason"]) == (ANSWER, "stop")
        with phospho.wrap(client.chat.completions.stream)(**QUERY) as stream:
            for number, _ in enumerate(stream):
                if number == 3:
                    break
        assert logged.interactions[1]["status"] == "incomplete"
        assert ANSWER.startswith(logged.interactions[1]["output"])

    def test_async_streams_are_the_same(self, openai_url: str, logged: Logged) -> None:
        async def main() -> None:
            async with openai.AsyncOpenAI(api_key="k", base_url=openai_url) as client:
                stream = await phospho.wrap(client.chat.completions.create)(**QUERY, stream=True)
                assert isinstance(stream, openai.AsyncStream)
                assert len(await collect(stream)) == 6
                early = await client.chat.completions.create(**QUERY, stream=True)
                assert phospho.log(QUERY, early, stream=True)["output"] is early
                async for _ in early:
                    break
                await early.close()
                async with phospho.wrap(client.chat.completions.stream)(**QUERY) as helper:
                    await helper.get_final_completion()

        asyncio.run(main())
        assert logged.outputs == [ANSWER, None, ANSWER]
        assert [e.get("status") for e in logged.interactions] == [None, "incomplete", None]


class TestLibraries:
    """Streams of other libraries, which need no word either."""

    def test_a_response_of_llama_index_is_watched_where_it_keeps_its_stream(
        self, logged: Logged
    ) -> None:
        response = StreamingResponse(response_gen=words("hello"))
        assert phospho.wrap(lambda query: response)("hello") is response
        assert type(response) is StreamingResponse
        assert str(response) == "a b c"
        assert logged.outputs == ["a b c"]

        async def main() -> None:
            later = AsyncStreamingResponse(response_gen=words_async("hello"))
            assert phospho.wrap(lambda query: later)("hello") is later
            assert str(await later.get_response()) == "a b c"

        asyncio.run(main())
        assert logged.outputs == ["a b c"] * 2

    def test_a_stream_of_anthropic_is_the_same_object_of_the_same_type(
        self, logged: Logged
    ) -> None:
        with serve_anthropic("It left on Monday.") as url:
            client = anthropic.Anthropic(api_key="k", base_url=url, max_retries=0)
            query: Any = {
                "model": "claude", "max_tokens": 9, "system": "Be brief.",
                "messages": [{"role": "user", "content": "Where is it?"}],
            }  # fmt: skip
            stream = phospho.wrap(client.messages.create)(**query, stream=True)
            assert type(stream) is anthropic.Stream
            assert {type(event).__name__ for event in stream} >= {"RawMessageStartEvent"}
            with phospho.wrap(client.messages.stream)(**query) as helper:
                assert "".join(helper.text_stream) == "It left on Monday."
                assert helper.get_final_message().usage.output_tokens == 6
            with phospho.wrap(client.messages.stream)(**query) as helper:
                next(iter(helper.text_stream))
            client.close()
        assert logged.outputs == ["It left on Monday."] * 2 + ["It "]
        assert [e.get("status") for e in logged.interactions] == [None, None, "incomplete"]
        assert [e.get("total_tokens") for e in logged.interactions[:2]] == [27, 27]
        assert logged.interactions[0]["system_prompt"] == "Be brief."


def test_a_long_stream_is_cut_visibly_and_not_kept_whole(logged: Logged) -> None:
    def endless(question: str) -> Iterator[str]:
        for _ in range(30_000):
            yield "x" * 100

    assert sum(map(len, phospho.wrap(endless)("hello"))) == 3_000_000
    [event] = logged.interactions
    assert len(event["output"]) == 1_000_000
    assert event["truncated"] == ["output"]


def test_chunks_of_an_apps_own_are_read_by_name(logged: Logged) -> None:
    class Delta:
        def __init__(self, text: str) -> None:
            self.text = text

    streams: list[list[Any]] = [
        [{"type": "delta", "delta": {"content": word}} for word in ("a ", "b")],
        [{"token": "a "}, {"token": "b"}, {"done": True, "usage": 3}],
        [Delta("a "), Delta("b")],
        [b"a ", b"b", None],
        ["caf\u00e9".encode()[:4], "caf\u00e9".encode()[4:]],
    ]
    for stream in streams:
        assert list(phospho.log("i", iter(stream), stream=True)["output"]) == stream
    assert logged.outputs == ["a b"] * 4 + ["caf\u00e9"]
    assert logged.interactions[1]["raw_output"] == [{"done": True, "usage": 3}]


def test_server_sent_events_are_read_as_what_they_carry(logged: Logged) -> None:
    chunks = [*map(json.dumps, stream_of(ANSWER)), "[DONE]"]
    events = [f"event: delta\ndata: {chunk}\n\n" for chunk in chunks]
    list(phospho.log("i", iter(events), stream=True)["output"])
    list(phospho.log("i", iter(["data: not ", "json\n\n"]), stream=True)["output"])
    lines = [json.dumps({"message": {"content": word}, "done": False}) + "\n" for word in "ab"]
    list(phospho.log("i", iter(lines), stream=True)["output"])
    list(phospho.log("i", iter(['{"answer":', ' "json"}']), stream=True)["output"])
    assert logged.outputs == [ANSWER, "not json", "ab", '{"answer": "json"}']


def test_a_plugin_reads_the_chunks_it_knows_when_the_stream_is_over() -> None:
    class Piece:
        def __init__(self, body: str) -> None:
            self.body = body

    asked = []

    class Mine:
        @phospho.hookimpl
        def phospho_extract_output(self, value: Any) -> phospho.Extracted | None:
            asked.append(value)
            if not isinstance(value, Piece):
                return None
            return phospho.Extracted(text=value.body, model="mine")

    class Broken:
        @phospho.hookimpl
        def phospho_extract_output(self, value: Any) -> str:
            raise ValueError("broken")

    with capture() as logged:
        phospho.init("key", "project", plugins=[Mine(), Broken()])
        stream = phospho.log("i", iter([Piece("a "), Piece("b"), {"text": "x"}]), stream=True)
        for _ in stream["output"]:
            assert asked == []
        list(phospho.log("i", iter([{"text": "known"}]), stream=True)["output"])
    [mine, other] = logged.interactions
    assert (mine["output"], mine["model"]) == ("a b", "mine")
    assert other["output"] == "known"


def test_a_plugin_that_comes_last_reads_only_chunks_that_we_do_not() -> None:
    class Last:
        @phospho.hookimpl(trylast=True)
        def phospho_extract_output(self, value: Any) -> str:
            return "the plugin's"

    with capture() as logged:
        phospho.init("key", "project", plugins=[Last()])
        for chunk in ({"text": "ours"}, {"step": 1}):
            list(phospho.log("i", iter([chunk]), stream=True)["output"])
    assert logged.outputs == ["ours", "the plugin's"]


def test_a_chunk_that_cannot_be_read_costs_only_itself(
    logged: Logged, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(dict[str, Any]):
        def get(self, *args: Any) -> Any:
            raise RuntimeError("broken")

    chunks = [{"text": "a "}, Broken(text="x"), *stream_of("b")[1:2], Broken(choices=[]), "c"]
    assert list(phospho.log("i", iter(chunks), stream=True)["output"]) == chunks
    assert logged.outputs == ["a bc"]


def test_nothing_is_left_of_abandoned_streams(logged: Logged) -> None:
    def abandon() -> None:
        makers: list[Callable[[], Any]] = [lambda: words("hello"), Words, lambda: iter("abc")]
        for make in makers:
            for _ in phospho.log("hello", make(), stream=True)["output"]:
                break
        for _ in phospho.wrap(words)("hello"):
            break

    abandon()
    gc.collect()
    before = sum(isinstance(o, streaming.Watch) for o in gc.get_objects())
    gc.disable()
    try:
        for _ in range(250):
            abandon()
        # Without the garbage collector: nothing of ours is in a cycle.
        assert sum(isinstance(o, streaming.Watch) for o in gc.get_objects()) == before
    finally:
        gc.enable()
    assert len(logged) == 4 * 251
    assert {event["status"] for event in logged.interactions} == {"incomplete"}


def test_a_context_variable_is_seen_by_the_plugins_of_a_stream() -> None:
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="none")

    class Tag:
        @phospho.hookimpl
        def phospho_before_send(self, interaction: dict[str, Any]) -> dict[str, Any]:
            return {**interaction, "tenant": tenant.get()}

    with capture() as logged:
        phospho.init("key", "project", plugins=[Tag()])
        token = tenant.set("acme")
        record = phospho.log("hello", words("hello"), stream=True)
        tenant.reset(token)
        list(record["output"])
    assert logged.interactions[0]["tenant"] == "acme"


PIECES = st.lists(
    st.one_of(
        st.text(max_size=5), st.binary(max_size=5), st.none(), st.integers(),
        st.dictionaries(
            st.sampled_from(["delta", "text", "choices", "type", "x"]),
            st.one_of(st.text(max_size=3), st.none(), st.lists(st.none(), max_size=2),
                      st.dictionaries(st.sampled_from(["content", "text"]), st.text())),
        ),
        st.builds(object), st.builds(SlottedWords), st.just(stream_of("a b")[1]),
    ),
    max_size=8,
)  # fmt: skip


@given(PIECES, st.integers(0, 9), st.sampled_from(["end", "close", "throw"]))
def test_any_stream_passes_unchanged_and_is_logged_once(
    pieces: list[Any], taken: int, how: str
) -> None:
    with capture() as logged:
        stream = phospho.log("i", (piece for piece in pieces), stream=True)["output"]
        got = []
        for piece in stream:
            got.append(piece)
            if len(got) > taken:
                break
        if how == "close":
            stream.close()
        elif how == "throw":
            with contextlib.suppress(KeyError, StopIteration):
                stream.throw(KeyError("x"))
        else:
            got += stream
        del stream
    assert [id(piece) for piece in got] == [id(piece) for piece in pieces[: len(got)]]
    assert len(logged) == 1
    assert json.dumps(logged.interactions[0])


class Proxy:
    """As instrumentations hand streams out; their own are made in C."""

    __slots__ = ("__wrapped__",)

    def __init__(self, wrapped: Any) -> None:
        self.__wrapped__ = wrapped

    def __iter__(self) -> Any:
        return iter(self.__wrapped__)

    def __next__(self) -> Any:
        return next(self.__wrapped__)

    def __len__(self) -> int:
        return len(self.__wrapped__)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)


class TestWhoElseHasAHandInIt:
    def test_two_watches_of_one_stream_each_have_the_text_once(
        self, client: openai.OpenAI, logged: Logged
    ) -> None:
        create = phospho.wrap(client.chat.completions.create)

        @phospho.wrap
        def answer(question: str) -> Any:
            return create(**QUERY, stream=True)

        stream = answer("hello")
        assert type(stream) is openai.Stream
        phospho.log("a third", stream, stream=True)
        list(stream)
        assert logged.outputs == [ANSWER] * 3

    def test_a_stream_behind_a_proxy_is_read(self, client: openai.OpenAI, logged: Logged) -> None:
        proxy = Proxy(client.chat.completions.create(**QUERY, stream=True))
        assert phospho.log("hello", proxy, stream=True)["output"] is proxy
        list(proxy)
        assert logged.outputs == [ANSWER]

    def test_the_chat_of_an_engine_is_read_when_it_is_made(self, logged: Logged) -> None:
        is_made = threading.Event()

        def slow() -> Iterator[ChatResponse]:
            for word in ("It ", "left."):
                is_made.wait(PATIENCE_S)
                message = ChatMessage(role="assistant", content=word)
                yield ChatResponse(message=message, delta=word)

        chat = StreamingAgentChatResponse(chat_stream=slow())
        memory = ChatMemoryBuffer.from_defaults(llm=MockLLM())
        thread = threading.Thread(target=chat.write_response_to_history, args=(memory,))
        thread.start()
        chat = phospho.wrap(lambda question: chat)("Where is it?")
        assert type(chat).__name__ == "StreamingAgentChatResponse"
        assert not logged.interactions
        is_made.set()
        assert "".join(chat.response_gen) == "It left."
        thread.join()
        [event] = logged.interactions
        assert (event["output"], event.get("status", "ok")) == ("It left.", "ok")


class Sized:
    def __init__(self) -> None:
        self.words = ["a ", "b"]

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[str]:
        return iter(self.words)


@pytest.mark.parametrize("make", [Sized, lambda: ["a ", "b"], lambda: ("a ", "b")])
def test_what_has_a_length_stays_what_the_app_goes_through(
    make: Callable[[], Any], logged: Logged
) -> None:
    stream = make()
    record = phospho.log("hello", stream, stream=True)
    assert list(record["output"]) == ["a ", "b"]
    assert logged.interactions[0]["output"].replace("\n", "") == "a b"


@pytest.mark.parametrize("is_async", [False, True])
def test_a_generator_is_of_the_session_and_the_input_of_its_call(
    is_async: bool, logged: Logged
) -> None:
    async def answer_async(messages: list[Any]) -> AsyncIterator[str]:
        yield "an answer"

    def answer(messages: list[Any]) -> Iterator[str]:
        yield "an answer"

    messages = [{"role": "user", "content": "first"}]
    with phospho.session("s1"):
        stream: Any = phospho.wrap(answer_async if is_async else answer)(messages)
    messages.append({"role": "user", "content": "second"})
    time.sleep(0.02)
    assert asyncio.run(collect(stream)) if is_async else list(stream)
    [event] = logged.interactions
    assert (event["session_id"], event["input"]) == ("s1", "first")
    assert event["metadata"]["latency_ms"] >= 20


def test_a_generator_that_nobody_starts_is_not_logged(logged: Logged) -> None:
    phospho.wrap(words)("hello")
    gc.collect()
    assert not logged.interactions


class TestStandIns:
    """A wrapped generator function is one for everybody who asks."""

    def test_is_a_function_for_frameworks(self) -> None:
        for function, is_kind in (
            (words, inspect.isgeneratorfunction), (words_async, inspect.isasyncgenfunction),
        ):  # fmt: skip
            wrapped = phospho.wrap(function)
            assert is_kind(wrapped)
            assert inspect.isfunction(wrapped)
            assert inspect.signature(wrapped) == inspect.signature(function)
            assert wrapped.__name__ == function.__name__
            assert wrapped.__doc__ == function.__doc__
            assert copy.deepcopy(wrapped) is wrapped
            assert repr(wrapped) == repr(function)

    def test_is_a_method_where_the_original_would_be_one(self, logged: Logged) -> None:
        class Bot:
            name = "bot"

            @phospho.wrap
            def answer(self, question: str) -> Iterator[str]:
                yield f"{self.name}: {question}"

            ask = phospho.wrap("a-b-{}".format)
            add = phospho.wrap(functools.partial(pow, 2))

        assert list(Bot().answer("hello")) == ["bot: hello"]
        assert inspect.isgeneratorfunction(Bot().answer)
        assert Bot().ask("q") == "a-b-q"
        assert Bot().add(3) == 8
        assert logged.outputs == ["bot: hello", "a-b-q", "8"]

    def test_what_is_awaited_though_it_is_a_generator(self, logged: Logged) -> None:
        @types.coroutine
        def answer(question: str) -> Generator[Any, Any, str]:
            yield
            return f"to {question}"

        async def run() -> list[str]:
            called = phospho.wrap(functools.partial(answer, "b"))
            return [await phospho.wrap(answer)("a"), await called()]

        assert asyncio.run(run()) == ["to a", "to b"]
        assert logged.outputs == ["to a", "to b"]

    def test_a_class_makes_objects_whatever_these_can_do(self, logged: Logged) -> None:
        class Bot:
            async def __call__(self) -> str:
                return "hello"

        assert isinstance(phospho.wrap(Bot)(), Bot)


def test_an_abandoned_async_generator_cleans_up_on_its_loop(
    logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found in a cycle by the garbage collector, as streams of OpenAI's client are."""
    done: list[str] = []
    unraisable: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)

    async def answer(box: Any) -> AsyncIterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            await asyncio.sleep(0)
            done.append("cleaned up")

    async def run(function: Any) -> None:
        problems: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, told: problems.append(told))
        box, before = types.SimpleNamespace(), len(done)
        box.stream = function(box)
        assert await box.stream.__anext__() == "a"
        del box
        gc.collect()
        await until(lambda: len(done) > before)
        assert problems == []

    asyncio.run(run(answer))
    asyncio.run(run(phospho.wrap(answer)))
    assert done == ["cleaned up"] * 2
    assert unraisable == []
    assert [i["status"] for i in logged.interactions] == ["incomplete"]


def test_a_reader_that_is_cancelled_may_ask_again(logged: Logged) -> None:
    class Queued:
        def __init__(self) -> None:
            self.queue: asyncio.Queue[str] = asyncio.Queue()

        def __aiter__(self) -> Queued:
            return self

        async def __anext__(self) -> str:
            if (word := await self.queue.get()) == "":
                raise StopAsyncIteration
            return word

    async def run(*, is_read_on: bool) -> None:
        stream = Queued()
        stream.queue.put_nowait("a ")
        phospho.log("hello", stream, stream=True)
        assert await stream.__anext__() == "a "
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(stream.__anext__(), 0.01)
        if is_read_on:
            stream.queue.put_nowait("b")
            stream.queue.put_nowait("")
            assert [word async for word in stream] == ["b"]

    asyncio.run(run(is_read_on=True))
    asyncio.run(run(is_read_on=False))
    gc.collect()
    assert [(i["output"], i.get("status", "ok")) for i in logged.interactions] == [
        ("a b", "ok"), ("a ", "cancelled"),
    ]  # fmt: skip


def test_what_is_sent_into_an_object_is_part_of_it(logged: Logged) -> None:
    class Counter(Generator[str, int, None]):
        def __init__(self) -> None:
            self.count = 0

        def send(self, value: int | None) -> str:
            self.count += value or 1
            if self.count > 5:
                raise StopIteration
            return f"{self.count} "

        def throw(self, *args: Any) -> str:
            raise args[0]

    stream = Counter()
    phospho.log("hello", stream, stream=True)
    assert [next(stream), stream.send(2), stream.send(1), *stream] == ["1 ", "3 ", "4 ", "5 "]
    assert logged.outputs == ["1 3 4 5 "]


def test_a_failed_future_that_nobody_asks_is_told_of(logged: Logged) -> None:
    told: list[Any] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: told.append(context["message"]))

        async def fail() -> None:
            raise ValueError("no")

        task = phospho.wrap(lambda question: asyncio.ensure_future(fail()))("hello")
        await until(lambda: logged)
        del task
        gc.collect()

    asyncio.run(run())
    assert told == ["Task exception was never retrieved"]
    assert logged.interactions[0]["status"] == "error"


def test_a_dict_with_a_generator_is_left_as_it_is(logged: Logged) -> None:
    returned = phospho.wrap(lambda question: {"stream": words(question), "text": "see it"})("hello")
    assert list(returned["stream"]) == ["a ", "b ", "c"]
    assert logged.interactions[0].get("status", "ok") == "ok"


def test_classes_made_at_run_time_are_not_kept(logged: Logged) -> None:
    def abandon() -> weakref.ref[type]:
        class Local(Words):
            pass

        next(iter(phospho.wrap(lambda question: Local(), stream=True)("hello")))
        return weakref.ref(Local)

    made = [abandon() for _ in range(300)]
    gc.collect()
    assert sum(one() is not None for one in made) < 150


class Frame:
    def __init__(self) -> None:
        self.pixels = bytearray(1_000_000)


@pytest.mark.parametrize(
    "make", [lambda: "x" * 1_000_000, Frame, lambda: {"pixels": bytearray(1_000_000)}]
)
def test_large_pieces_are_not_kept(make: Callable[[], Any], logged: Logged) -> None:
    tracemalloc.start()
    for _piece in phospho.wrap(lambda question: (make() for _ in range(200)))("hello"):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60_000_000
    assert logged.interactions[0]["output"]


@pytest.mark.parametrize("is_plugin", [False, True])
def test_the_end_of_a_stream_does_not_wait_for_all_of_its_chunks(
    is_plugin: bool, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phospho.collecting._MAX_READING_S", 0.0)

    class Chunk:
        def __str__(self) -> str:
            return "x"

    class Plugin:
        @phospho.hookimpl
        def phospho_extract_output(self, value: Any) -> str:
            return "x"

    phospho.init(plugins=[Plugin()] if is_plugin else [])
    list(phospho.wrap(lambda question: (Chunk() for _ in range(100)))("hello"))
    [event] = logged.interactions
    assert len(event["output"] or "") < 10
    assert event["truncated"] == ["output"]


def test_annotations_that_cannot_be_evaluated_cost_no_record(logged: Logged) -> None:
    class Signed:
        @property
        def __signature__(self) -> Any:
            raise NameError("only known to type checkers")

        def __call__(self, question: str) -> str:
            return "an answer"

    assert phospho.wrap(Signed())("hello") == "an answer"
    assert logged.outputs == ["an answer"]


def test_a_lazy_argument_is_not_evaluated(logged: Logged) -> None:
    evaluated: list[str] = []

    class Lazy:
        @property  # type: ignore[misc]
        def __class__(self) -> Any:
            evaluated.append("class")
            return str

    phospho.wrap(lambda question, db: "an answer")("hello", Lazy())
    assert logged.inputs == ["hello"]
    assert evaluated == []


class TestStandInsOfObjects:
    def test_show_and_change_what_the_object_has(self, logged: Logged) -> None:
        class Bot:
            turns = 0

            def __call__(self, question: str) -> str:
                self.turns += 1
                return "an answer"

        original = Bot()
        bot: Any = phospho.wrap(original)
        bot("a"), bot("b")
        assert bot.turns == 2
        bot.turns = 7
        assert original.turns == 7
        del bot.turns
        assert original.turns == 0
        assert isinstance(bot, Bot)
        for copied in (copy.copy(bot), copy.deepcopy(bot)):
            assert type(copied) is Bot
        assert pickle.loads(pickle.dumps(phospho.wrap(functools.partial(pow, 2))))(3) == 8

    def test_an_unfinished_one_has_nothing(self) -> None:
        with pytest.raises(AttributeError):
            _ = StandIn.__new__(StandIn).anything

    def test_a_function_keeps_attributes_of_its_own(self) -> None:
        wrapped: Any = phospho.wrap(words)
        wrapped.label = "mine"
        assert not hasattr(words, "label")
        del wrapped.label
        assert not hasattr(wrapped, "label")


def test_a_given_up_coroutine_moves_nobody_else_s_calls(logged: Logged) -> None:
    """The garbage collector may close it in the middle of another user's call."""

    @phospho.wrap
    async def alice(question: str) -> str:
        await asyncio.Future()
        return "never"

    @phospho.wrap
    async def alice_streams(question: str) -> AsyncIterator[str]:
        await asyncio.Future()
        yield "never"

    def give_up() -> None:
        begun: tuple[Any, Any] = (alice("I am Alice"), alice_streams("I am Alice").__anext__())
        for made in begun:
            with contextlib.suppress(StopIteration):
                made.send(None)
            holder = types.SimpleNamespace(made=made)
            holder.itself = holder

    @phospho.wrap
    async def bob(question: str) -> str:
        contextvars.Context().run(give_up)
        gc.collect()
        outer = find_outer()
        assert outer is not None
        outer.underway.steps.begin("llm", question).end()
        return "answered"

    async def run() -> None:
        await bob("I am Bob")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asyncio.run(run())
    [of_bob] = [one for one in logged.interactions if one["input"] == "I am Bob"]
    assert [step["name"] for step in of_bob["steps"]] == ["I am Bob"]
    assert not [one for one in logged.interactions if one["input"] != "I am Bob" and "steps" in one]


def test_what_an_iterator_does_for_its_next_piece_is_part_of_it(logged: Logged) -> None:
    class Asking(Words):
        def __next__(self) -> str:
            outer = find_outer()
            assert outer is not None
            outer.underway.steps.begin("tool", "search").end()
            return super().__next__()

    list(phospho.wrap(lambda question: Asking(), stream=True)("hello"))
    assert {step["name"] for step in logged.interactions[0]["steps"]} == {"search"}
    assert find_outer() is None


def test_what_goes_on_after_a_call_keeps_nothing_of_it(logged: Logged) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        @phospho.wrap
        def again(left: int) -> str:
            if left:
                loop.call_soon(again, left - 1)
            else:
                done.set_result(None)
            return "done"

        again(50)
        await done
        gc.collect()
        assert sum(type(one) is Underway for one in gc.get_objects()) < 10

    asyncio.run(run())
    assert len(logged) == 51

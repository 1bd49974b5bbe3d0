"""LangChain with others: many runs at once, `phospho.wrap`, OpenAI, and all of a process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tracers import context as tracers
from langchain_openai import ChatOpenAI

import phospho
from phospho.integrations.langchain import (
    PhosphoCallbackHandler,
    instrument_langchain,
    uninstrument_langchain,
)
from phospho.integrations.langchain.runs import open_runs
from phospho.integrations.openai import instrument_openai, uninstrument_openai
from phospho.testing import CaptureClient, Logged
from tests.integrations.langchain_models import EchoModel, cancel_when, echo
from tests.integrations.openai_server import OpenAIServer, serve_echo
from tests.integrations.records import only, sides

PROMPT = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "{question}")])
ANSWER = echo("Why?")


@pytest.fixture(autouse=True)
def nothing_left(logged: Logged) -> Iterator[None]:
    yield
    assert len(open_runs) == 0


@pytest.fixture
def config() -> dict[str, Any]:
    return {"callbacks": [PhosphoCallbackHandler()]}


@pytest.fixture
def everywhere() -> Iterator[None]:
    instrument_langchain()
    yield
    uninstrument_langchain()


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with serve_echo() as state:
        yield state


@pytest.fixture
def model(server: OpenAIServer) -> Iterator[ChatOpenAI]:
    instrument_openai()
    yield ChatOpenAI(
        model="gpt-x",
        api_key="k",
        base_url=server.url,
        max_retries=0,
        default_headers={"Connection": "close"},  # it keeps its clients, also beyond their loop
    )
    uninstrument_openai()


class Crowd:
    """Two hundred questions, asked in every way at once through one handler.

    Args:
        handler: Of all of them.
    """

    def __init__(self, handler: PhosphoCallbackHandler) -> None:
        self._handler = handler
        self.model = EchoModel(delay_s=0.001)
        failing = EchoModel(fails_at=0).with_fallbacks([self.model])
        inner = PROMPT | failing | StrOutputParser()
        both = RunnableParallel(answer=inner, again=inner)
        self.chain = PROMPT | self.model | StrOutputParser()
        self.nested = RunnableLambda(both.invoke, both.ainvoke)

    def config(self, number: int) -> Any:
        return {"callbacks": [self._handler], "metadata": {"session_id": f"session {number}"}}

    def ask(self, number: int) -> None:
        """Ask one question in a thread."""
        asked, config = {"question": f"number {number}"}, self.config(number)
        if number % 4 == 0:
            self.chain.invoke(asked, config)
        elif number % 4 == 1:
            self.nested.invoke(asked, config)
        elif number % 4 == 2:
            list(self.chain.stream(asked, config))
        else:
            self.model.invoke(f"number {number}", config)

    async def ask_async(self, number: int) -> None:
        """Ask one question in a task."""
        asked, config = {"question": f"number {number}"}, self.config(number)
        if number % 4 == 0:
            await self.chain.ainvoke(asked, config)
        elif number % 4 == 1:
            await self.nested.ainvoke(asked, config)
        elif number % 4 == 2:
            async for _ in self.chain.astream(asked, config):
                await asyncio.sleep(0)
        else:
            await self.model.ainvoke(f"number {number}", config)

    def ask_in_batches(self, numbers: range) -> None:
        """Ask many by one call."""
        asked = [{"question": f"number {number}"} for number in numbers]
        self.nested.batch(asked, [self.config(number) for number in numbers])

    async def ask_in_async_batches(self, numbers: range) -> None:
        """Ask many by one call."""
        asked = [{"question": f"number {number}"} for number in numbers]
        await self.chain.abatch(asked, [self.config(number) for number in numbers])


def test_two_hundred_at_once_have_their_own_answers(logged: Logged) -> None:
    crowd = Crowd(PhosphoCallbackHandler())

    async def tasks() -> None:
        await asyncio.gather(
            *(crowd.ask_async(number) for number in range(60, 120)),
            crowd.ask_in_async_batches(range(120, 160)),
        )

    loop = threading.Thread(target=lambda: asyncio.run(tasks()))
    loop.start()
    with ThreadPoolExecutor(16) as threads:
        batch = threads.submit(crowd.ask_in_batches, range(160, 200))
        list(threads.map(crowd.ask, range(60)))
        batch.result()
    loop.join()
    assert len(logged) == 200
    assert {interaction["input"] for interaction in logged.interactions} == {
        f"number {number}" for number in range(200)
    }
    for interaction in logged.interactions:
        assert interaction["output"] == echo(interaction["input"])
        assert interaction["session_id"] == interaction["input"].replace("number", "session")
        steps = interaction.get("steps", [])
        assert {step["input"] for step in steps} <= {interaction["input"]}


class TestEverywhere:
    """All of a process."""

    def test_all_are_logged_without_a_handler(self, everywhere: None, logged: Logged) -> None:
        chain = PROMPT | EchoModel() | StrOutputParser()
        chain.invoke({"question": "Why?"})
        thread = threading.Thread(target=chain.invoke, args=({"question": "Why?"},))
        thread.start()
        thread.join()
        asyncio.run(chain.ainvoke({"question": "Why?"}))
        EchoModel().invoke("Why?")
        assert [sides(interaction) for interaction in logged.interactions] == [("Why?", ANSWER)] * 4

    def test_a_handler_that_is_passed_logs_instead(self, everywhere: None, logged: Logged) -> None:
        instrument_langchain()
        chain = PROMPT | EchoModel() | StrOutputParser()
        with CaptureClient() as client:
            told: Any = {"callbacks": [PhosphoCallbackHandler(client=client)]}
            chain.invoke({"question": "Why?"}, told)
            EchoModel(**told).invoke("Why?")
            assert [sides(one) for one in client.interactions] == [("Why?", ANSWER)] * 2
            assert len(logged) == 0
            (PROMPT | EchoModel(**told)).invoke({"question": "Why?"})
            assert len(client.interactions) + len(logged) == 3

    def test_it_is_restored_exactly(self, logged: Logged) -> None:
        hooks = tracers._configure_hooks
        before = list(hooks)
        instrument_langchain()
        instrument_langchain()
        assert len(hooks) == len(before) + 1
        uninstrument_langchain()
        uninstrument_langchain()
        assert hooks is tracers._configure_hooks
        assert hooks == before
        EchoModel().invoke("Why?")
        assert len(logged) == 0


class TestOpenAI:
    """A model of OpenAI inside of LangChain is logged by LangChain."""

    @pytest.mark.parametrize("is_chain", [True, False])
    @pytest.mark.parametrize("how", ["invoke", "stream", "ainvoke", "astream"])
    def test_is_one_interaction(
        self, how: str, is_chain: bool, model: ChatOpenAI, config: Any, logged: Logged
    ) -> None:
        async def read() -> None:
            async for _ in asked.astream("Qubits?", config):
                pass

        asked = RunnableLambda(lambda said: said) | model if is_chain else model
        if how == "astream":
            asyncio.run(read())
        elif how == "ainvoke":
            asyncio.run(asked.ainvoke("Qubits?", config))
        elif how == "stream":
            list(asked.stream("Qubits?", config))
        else:
            asked.invoke("Qubits?", config)
        assert sides(only(logged)) == ("Qubits?", echo("Qubits?"))
        assert only(logged)["model"] == "gpt-x"
        assert [step["kind"] for step in only(logged).get("steps", [])] == ["llm"] * is_chain

    def test_in_batches_is_one_each(
        self, model: ChatOpenAI, everywhere: None, logged: Logged
    ) -> None:
        model.batch(["a", "b", "c"])
        asyncio.run(model.abatch(["d", "e"]))
        assert sorted(map(sides, logged.interactions)) == [(x, echo(x)) for x in "abcde"]

    def test_its_own_client_in_a_function_is_a_step(
        self, model: ChatOpenAI, server: OpenAIServer, config: Any, logged: Logged
    ) -> None:
        def answer(question: str) -> str:
            asked: Any = [{"role": "user", "content": question}]
            with openai.OpenAI(api_key="k", base_url=server.url) as client:
                said = client.chat.completions.create(model="gpt-y", messages=asked)
            return str(said.choices[0].message.content)

        RunnableLambda(answer).invoke("Qubits?", config)
        asyncio.run(RunnableLambda(answer).ainvoke("Qubits?", config))
        assert [sides(one) for one in logged.interactions] == [("Qubits?", echo("Qubits?"))] * 2
        for interaction in logged.interactions:
            assert [step["name"] for step in interaction["steps"]] == ["gpt-y"]
            assert interaction["total_tokens"] == 27

    def test_after_a_model_that_was_cancelled_is_logged(
        self, model: ChatOpenAI, server: OpenAIServer, config: Any, logged: Logged
    ) -> None:
        async def run() -> None:
            slow = EchoModel(delay_s=60).ainvoke("Why?", config)
            await cancel_when(slow, lambda run: run.kind == "llm")
            async with openai.AsyncOpenAI(api_key="k", base_url=server.url) as client:
                asked: Any = [{"role": "user", "content": "Qubits?"}]
                await client.chat.completions.create(model="gpt-y", messages=asked)

        asyncio.run(run())
        assert [one.get("status") for one in logged.interactions] == ["cancelled", None]
        assert sides(logged.interactions[1]) == ("Qubits?", echo("Qubits?"))

    def test_between_two_pieces_of_a_stream_is_an_interaction(
        self, model: ChatOpenAI, server: OpenAIServer, config: Any, logged: Logged
    ) -> None:
        with openai.OpenAI(api_key="k", base_url=server.url) as client:
            asked: Any = [{"role": "user", "content": "Qubits?"}]
            stream = (RunnableLambda(lambda said: said) | EchoModel()).stream("Why?", config)
            next(stream)
            client.chat.completions.create(model="gpt-y", messages=asked)
            list(stream)
        assert [one["input"] for one in logged.interactions] == ["Qubits?", "Why?"]


class TestInside:
    """Inside of a function that is wrapped, what LangChain does is steps."""

    def test_of_its_interaction(self, config: Any, everywhere: None, logged: Logged) -> None:
        @phospho.wrap
        def answer(question: str) -> str:
            said = (PROMPT | EchoModel()).invoke({"question": question}, config).content
            return f"So: {said} {EchoModel(model='echo-2').invoke('And?').content}"

        answer("Why?")
        assert sides(only(logged)) == ("Why?", f"So: {ANSWER} {echo('And?')}")
        assert [step["name"] for step in only(logged)["steps"]] == ["echo-1", "echo-2"]
        assert (only(logged)["model"], only(logged)["total_tokens"]) == ("echo-2", 14)

    def test_of_its_interaction_when_streamed(self, config: Any, logged: Logged) -> None:
        @phospho.wrap
        def answer(question: str) -> Iterator[str]:
            yield from (PROMPT | EchoModel() | StrOutputParser()).stream(
                {"question": question}, config
            )

        assert "".join(answer("Why?")) == ANSWER
        assert sides(only(logged)) == ("Why?", ANSWER)
        [step] = only(logged)["steps"]
        assert step["output"] == ANSWER

    def test_and_fails_as_without(self, config: Any, logged: Logged) -> None:
        @phospho.wrap
        def answer(question: str) -> str:
            return str(EchoModel(fails_at=0).invoke(question, config).content)

        with pytest.raises(RuntimeError, match="overloaded"):
            answer("Why?")
        assert only(logged)["status"] == "error"
        assert [step["error"]["type"] for step in only(logged)["steps"]] == ["RuntimeError"]

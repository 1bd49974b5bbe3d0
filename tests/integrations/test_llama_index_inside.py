"""What calls of LlamaIndex are part of: sessions, other functions, and OpenAI inside of them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import CompletionResponse
from llama_index.core.schema import QueryBundle
from llama_index.core.tools import FunctionTool, QueryEngineTool, function_tool
from llama_index_instrumentation.dispatcher import instrument_tags

import phospho
from phospho.integrations.openai import instrument_openai, uninstrument_openai
from phospho.testing import Logged
from tests.integrations import llama_index_models as models
from tests.integrations.llama_index_models import (
    ASKED,
    CALLED,
    RETRIEVED,
    Echo,
    chat_engine,
    echo,
    function_agent,
    query_engine,
    run,
    start,
    user,
)
from tests.integrations.openai_server import echo as openai_echo
from tests.integrations.openai_server import serve_echo
from tests.integrations.records import only, said, steps_of

# Agents of LlamaIndex warn of code of their own.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

QUESTION = "number 7"
ANSWER = echo(QUESTION)


@pytest.fixture(autouse=True)
def logged(of_llama_index: Logged) -> Logged:
    return of_llama_index


class TestWhose:
    """Session, user and metadata."""

    @pytest.mark.parametrize("name", ["session_id", "thread_id", "conversation_id"])
    def test_tags_name_them(self, name: str, logged: Logged) -> None:
        ids = {"user_id": "u1", "version_id": "v1", "task_id": "t1"}
        with instrument_tags({name: "s1", "plan": "pro", **ids}):
            query_engine().query(QUESTION)
        interaction = only(logged)
        assert {id_: interaction[id_] for id_ in ids} == ids
        assert interaction["session_id"] == "s1"
        assert interaction["metadata"]["plan"] == "pro"
        assert not interaction["metadata"].keys() & {name, *ids}

    def test_tags_of_a_workflow(self, logged: Logged) -> None:
        with instrument_tags({"session_id": "s1", "plan": "pro"}):
            asyncio.run(run(function_agent(), user_msg=QUESTION))
        interaction = only(logged)
        assert (interaction["session_id"], interaction["metadata"]["plan"]) == ("s1", "pro")
        assert not [name for name in interaction["metadata"] if name.startswith("llamaindex")]

    def test_the_session_around_the_call(self, logged: Logged) -> None:
        async def ask() -> None:
            with phospho.session("s1", user_id="u1"):
                handler = start(function_agent(), user_msg=QUESTION)
            await handler

        with phospho.session("s1", user_id="u1"):
            query_engine().query(QUESTION)
        asyncio.run(ask())
        assert [i["session_id"] for i in logged.interactions] == ["s1", "s1"]
        assert [i["user_id"] for i in logged.interactions] == ["u1", "u1"]

    def test_tags_that_are_no_ids_are_metadata(self, logged: Logged) -> None:
        with instrument_tags({"session_id": ["s1"], "user_id": 7}):
            Echo().complete(QUESTION)
        interaction = only(logged)
        assert interaction["user_id"] == "7"
        assert interaction["metadata"]["session_id"] == ["s1"]


class TestInside:
    """A call inside a wrapped function adds steps to it, and is no interaction of its own."""

    def test_of_a_function(self, logged: Logged) -> None:
        @phospho.wrap
        def answer(question: str) -> str:
            return f"{query_engine().query('number 1')} {Echo().complete(question)}"

        answer(QUESTION)
        interaction = only(logged)
        assert said(interaction) == (QUESTION, f"{echo('number 1')} {ANSWER}")
        assert steps_of(interaction) == [RETRIEVED, ASKED, ASKED]
        assert interaction["total_tokens"] == 2 * 27

    def test_of_a_coroutine(self, logged: Logged) -> None:
        @phospho.wrap
        async def answer(question: str) -> str:
            await query_engine().aretrieve(QueryBundle("number 1"))
            return str(await start(function_agent(name="Tracker"), user_msg=question))

        asyncio.run(answer(QUESTION))
        assert said(only(logged)) == (QUESTION, ANSWER)
        assert steps_of(only(logged)) == [RETRIEVED, ("agent", "Tracker"), *CALLED]

    def test_of_another_engine(self, logged: Logged) -> None:
        tool = QueryEngineTool.from_defaults(query_engine(), name="track", description="d")

        class Asker(models.Caller):
            def get_tool_calls_from_response(self, response: Any, **kwargs: Any) -> Any:
                found = super().get_tool_calls_from_response(response)
                for call in found:
                    call.tool_kwargs = {"input": "number 1"}
                return found

        agent = FunctionAgent(tools=[tool], llm=Asker())
        asyncio.run(run(agent, user_msg=QUESTION))
        interaction = only(logged)
        assert said(interaction) == (QUESTION, ANSWER)
        inner = [("tool", "track"), RETRIEVED, ASKED]
        assert steps_of(interaction) == [CALLED[0], *inner, CALLED[2]]


class TestOpenAIInside:
    """An instrumented client that a model of LlamaIndex asks is told of once, by the outermost."""

    @pytest.fixture
    def llm(self) -> Iterator[Any]:
        with serve_echo() as server:
            instrument_openai()
            with openai.OpenAI(api_key="k", base_url=server.url, max_retries=0) as client:
                yield OpenAIBacked(client)
            uninstrument_openai()

    @pytest.mark.parametrize(
        ("ask", "steps"),
        [
            pytest.param(lambda llm: llm.complete(QUESTION), 0, id="complete"),
            pytest.param(lambda llm: list(llm.stream_complete(QUESTION)), 0, id="stream"),
            pytest.param(lambda llm: list(llm.stream_chat([user(QUESTION)])), 0, id="stream-chat"),
            pytest.param(lambda llm: consume(llm.astream_complete(QUESTION)), 0, id="astream"),
            pytest.param(lambda llm: query_engine(llm).query(QUESTION), 2, id="query"),
            pytest.param(
                lambda llm: str(query_engine(llm, streaming=True).query(QUESTION)), 2,
                id="query-streamed",
            ),
            pytest.param(
                lambda llm: list(chat_engine(llm=llm).stream_chat(QUESTION).response_gen), 1,
                id="chat-streamed",
            ),
        ],
    )  # fmt: skip
    def test_is_one_interaction(
        self, ask: Callable[[Any], Any], steps: int, llm: Any, logged: Logged
    ) -> None:
        ask(llm)
        interaction = only(logged)
        assert interaction["input"].endswith(QUESTION)
        assert interaction["output"].strip().startswith("Echo of ")
        assert len(interaction.get("steps", ())) == steps

    # Older releases run a tool that is no coroutine without its context.
    @pytest.mark.parametrize(
        "is_coroutine",
        [True, *([False] if "copy_context" in inspect.getsource(function_tool) else [])],
    )
    def test_a_client_that_a_tool_asks_is_a_step(
        self, is_coroutine: bool, llm: Any, logged: Logged
    ) -> None:
        def track(order: int) -> str:
            return str(llm.ask(f"number {order}"))

        async def track_async(order: int) -> str:
            return track(order)

        tool = FunctionTool.from_defaults(track_async if is_coroutine else track, name="track")
        agent = FunctionAgent(tools=[tool], llm=models.Caller())
        asyncio.run(run(agent, user_msg=QUESTION))
        assert said(only(logged)) == (QUESTION, ANSWER)
        assert steps_of(only(logged)) == [*CALLED[:2], ("llm", "gpt-x"), CALLED[2]]

    def test_a_stream_that_is_read_after_its_function_is_nobodys(
        self, llm: Any, logged: Logged
    ) -> None:
        kept = []

        @phospho.wrap
        def answer(question: str) -> str:
            kept.append(query_engine(llm, streaming=True).query(question))
            return "Wait."

        answer(QUESTION)
        assert str(kept.pop()).startswith("Echo of ")
        assert said(only(logged)) == (QUESTION, "Wait.")

    def test_a_client_outside_is_an_interaction(self, llm: Any, logged: Logged) -> None:
        stream = llm.stream_complete(QUESTION)
        next(stream)
        llm.ask("number 1")
        stream.close()
        assert [i["input"] for i in logged.interactions] == ["number 1", QUESTION]
        assert logged.interactions[0]["output"] == openai_echo("number 1")


async def _consume(asked: Any) -> list[Any]:
    return [piece async for piece in await asked]


def consume(asked: Any) -> list[Any]:
    return asyncio.run(_consume(asked))


class OpenAIBacked(Echo):
    """Asks OpenAI when it is asked for the first piece, as those of LlamaIndex do."""

    def __init__(self, client: openai.OpenAI) -> None:
        super().__init__()
        self._error = None
        object.__setattr__(self, "ask", lambda prompt: _ask(client, prompt))
        object.__setattr__(self, "ask_stream", lambda prompt: _ask_stream(client, prompt))

    def text(self, prompt: str) -> str:
        return str(self.ask(prompt))

    def _stream(self, prompt: str) -> Iterator[Any]:
        so_far = ""
        for word in self.ask_stream(prompt):
            so_far += word
            yield CompletionResponse(text=so_far, delta=word)


def _ask(client: openai.OpenAI, prompt: str) -> str:
    messages: Any = [{"role": "user", "content": prompt}]
    answer = client.chat.completions.create(model="gpt-x", messages=messages)
    return answer.choices[0].message.content or ""


def _ask_stream(client: openai.OpenAI, prompt: str) -> Iterator[str]:
    messages: Any = [{"role": "user", "content": prompt}]
    for chunk in client.chat.completions.create(model="gpt-x", messages=messages, stream=True):
        yield chunk.choices[0].delta.content or ""

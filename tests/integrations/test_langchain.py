"""LangChain: each thing that a user did is one interaction, with its own input and answer."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.language_models.fake import FakeListLLM
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import (
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langchain_core.tools import tool

import phospho
from phospho import lifecycle
from phospho.integrations.langchain import PhosphoCallbackHandler
from phospho.integrations.langchain import runs as langchain_runs
from phospho.integrations.langchain.runs import open_runs
from phospho.testing import CaptureClient, Logged
from tests.hostile import HOSTILE
from tests.integrations.langchain_models import EchoModel, EchoText, cancel_when, echo
from tests.integrations.records import only, sides
from tests.loopback import Loopback
from tests.waiting import until

PROMPT = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "{question}")])
ASK = {"question": "Why is it?"}
ANSWER = echo("Why is it?")


def chain(**model: Any) -> Any:
    return PROMPT | EchoModel(**model) | StrOutputParser()


@pytest.fixture(autouse=True)
def nothing_left(logged: Logged) -> Iterator[None]:
    yield
    assert len(open_runs) == 0


@pytest.fixture
def handler() -> PhosphoCallbackHandler:
    return PhosphoCallbackHandler()


@pytest.fixture
def config(handler: PhosphoCallbackHandler) -> dict[str, Any]:
    return {"callbacks": [handler]}


async def all_of(stream: AsyncIterator[Any]) -> list[Any]:
    return [piece async for piece in stream]


def read_all(model: Any, asked: Any, config: Any, *, is_async: bool) -> list[Any]:
    if is_async:
        return asyncio.run(all_of(model.astream(asked, config)))
    return list(model.stream(asked, config))


def words(texts: Iterator[str]) -> Iterator[str]:
    for text in texts:
        for word in text.split():
            yield f"{word} "


def fail(_: Any) -> Any:
    raise RuntimeError("no")


@tool  # type: ignore[untyped-decorator]  # its types are not read
def weather(city: str) -> str:
    """Tell the weather."""
    if city == "Atlantis":
        raise ValueError("no such city")
    return f"Sunny in {city}"


class Shelf(BaseRetriever):  # type: ignore[misc]  # its types are not read
    """Finds two documents, one of which has a name."""

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document("a", metadata={"source": "terms.pdf"}), Document("b")]


CALLS: dict[str, Callable[[Any], Any]] = {
    "chain": lambda c: chain().invoke(ASK, c),
    "chain, streamed": lambda c: "".join(chain().stream(ASK, c)),
    "chain of messages": lambda c: (PROMPT | EchoModel()).invoke(ASK, c),
    "chain, asynchronous": lambda c: asyncio.run(chain().ainvoke(ASK, c)),
    "chain, streamed asynchronously": lambda c: asyncio.run(all_of(chain().astream(ASK, c))),
    "chain, events": lambda c: asyncio.run(all_of(chain().astream_events(ASK, c))),
    "model": lambda c: EchoModel().invoke("Why is it?", c),
    "model, streamed": lambda c: list(EchoModel().stream("Why is it?", c)),
    "model, asynchronous": lambda c: asyncio.run(EchoModel().ainvoke("Why is it?", c)),
    "model, streamed asynchronously": lambda c: asyncio.run(
        all_of(EchoModel().astream("Why is it?", c))
    ),
    "text model": lambda c: EchoText().invoke("Why is it?", c),
    "text model, streamed": lambda c: list(EchoText().stream("Why is it?", c)),
    "text model, asynchronous": lambda c: asyncio.run(EchoText().ainvoke("Why is it?", c)),
    "model with a fallback": lambda c: (
        EchoModel(fails_at=0).with_fallbacks([EchoModel()]).invoke("Why is it?", c)
    ),
    "chain with a fallback": lambda c: (
        RunnableLambda(fail).with_fallbacks([EchoModel()]).invoke("Why is it?", c)
    ),
    "fallback, asynchronous": lambda c: asyncio.run(
        EchoModel(fails_at=0).with_fallbacks([EchoModel()]).ainvoke("Why is it?", c)
    ),
    "fallback, streamed": lambda c: list(
        EchoModel(fails_at=0).with_fallbacks([EchoModel()]).stream("Why is it?", c)
    ),
    "function": lambda c: RunnableLambda(echo).invoke("Why is it?", c),
    "function that calls a chain": lambda c: RunnableLambda(
        lambda asked: chain().invoke({"question": asked})
    ).invoke("Why is it?", c),
    "function that names the handler again": lambda c: RunnableLambda(
        lambda asked: chain().invoke({"question": asked}, {"callbacks": c["callbacks"]})
    ).invoke("Why is it?", c),
    "branch": lambda c: RunnableBranch(
        (lambda asked: "Why" in asked, EchoModel()), RunnableLambda(fail)
    ).invoke("Why is it?", c),
    "handler on the model as well": lambda c: (PROMPT | EchoModel(callbacks=c["callbacks"])).invoke(
        ASK, c
    ),
    "another handler on the model": lambda c: (
        PROMPT | EchoModel(callbacks=[PhosphoCallbackHandler()])
    ).invoke(ASK, c),
    "handler on the model alone": lambda c: (PROMPT | EchoModel(callbacks=c["callbacks"])).invoke(
        ASK
    ),
    "two handlers": lambda c: chain().invoke(
        ASK, {"callbacks": [*c["callbacks"], PhosphoCallbackHandler()]}
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_every_way_to_ask_is_one_interaction(
    call: str, logged: Logged, config: dict[str, Any]
) -> None:
    returned = CALLS[call](config)
    assert sides(only(logged)) == ("Why is it?", ANSWER)
    assert only(logged).get("status", "ok") == "ok"
    assert only(logged)["metadata"]["latency_ms"] > 0
    without = CALLS[call]({"callbacks": [BaseCallbackHandler()]})
    assert type(returned) is type(without)
    if isinstance(returned, str):
        assert returned == without


def test_parts_side_by_side_are_one_interaction(logged: Logged, config: dict[str, Any]) -> None:
    both = RunnableParallel(answer=EchoModel(), asked=RunnablePassthrough())
    both.invoke("Why is it?", config)
    assert sides(only(logged)) == ("Why is it?", ANSWER)


def test_a_generator_is_one_interaction(logged: Logged, config: dict[str, Any]) -> None:
    assert "".join(RunnableGenerator(words).stream("a b", config)) == "a b "
    assert sides(only(logged)) == ("a b", "a b ")


def test_a_stream_of_inputs_is_one_interaction(logged: Logged, config: dict[str, Any]) -> None:
    passed = RunnablePassthrough() | RunnablePassthrough()
    assert list(passed.transform(iter(["Why ", "is ", "it?"]), config)) == ["Why ", "is ", "it?"]
    assert sides(only(logged)) == ("Why is it?", "Why is it?")


def test_prompts_asked_together_are_one_each(
    logged: Logged, handler: PhosphoCallbackHandler, config: dict[str, Any]
) -> None:
    EchoModel().generate([[HumanMessage("a")], [HumanMessage("b")]], callbacks=[handler])
    EchoText().generate(["c", "d"], callbacks=[handler])
    chain().batch([{"question": "e"}, {"question": "f"}], config)
    asyncio.run(chain().abatch([{"question": "g"}, {"question": "h"}], config))
    assert sorted(map(sides, logged.interactions)) == [(x, echo(x)) for x in "abcdefgh"]


def test_a_retry_is_a_step_of_the_same_interaction(logged: Logged, config: dict[str, Any]) -> None:
    models = [EchoModel(fails_at=0), EchoModel()]
    flaky = RunnableLambda(lambda asked: models.pop(0).invoke(asked))
    answer = flaky.with_retry(wait_exponential_jitter=False).invoke("Why?", config)
    assert sides(only(logged)) == ("Why?", answer.content)
    assert ["error" in step for step in only(logged)["steps"]] == [True, False]


def test_the_keys_that_the_app_names_are_read(logged: Logged) -> None:
    handler = PhosphoCallbackHandler(input_key="wish", output_key="shown")
    made = RunnableLambda(lambda asked: {"shown": asked["wish"].upper(), "answer": "hidden"})
    made.invoke({"wish": "tea", "question": "hidden"}, {"callbacks": [handler]})
    assert sides(only(logged)) == ("tea", "TEA")


def test_facts_are_those_of_the_model(logged: Logged, config: dict[str, Any]) -> None:
    chain().invoke(ASK, config)
    EchoModel().invoke([SystemMessage("Be brief."), HumanMessage("Why?")], config)
    inside, alone = logged.interactions
    assert (inside["model"], inside["total_tokens"]) == ("echo-1", 7)
    assert (alone["model"], alone["total_tokens"]) == ("echo-1", 7)
    assert (alone["finish_reason"], alone["system_prompt"]) == ("stop", "Be brief.")
    assert "steps" not in alone


def test_a_stream_tells_when_its_first_token_came(logged: Logged, config: dict[str, Any]) -> None:
    list(chain().stream(ASK, config))
    times = only(logged)["metadata"]
    assert 0 < times["time_to_first_token_ms"] <= times["latency_ms"]


class TestWhatDoesNotEndWell:
    """Left, failed and cancelled are told apart, each with what came before."""

    @pytest.mark.parametrize("read", [1, 3])
    def test_a_stream_that_is_closed(
        self, read: int, logged: Logged, config: dict[str, Any]
    ) -> None:
        stream = chain().stream(ASK, config)
        seen = [next(stream) for _ in range(read)]
        stream.close()
        gc.collect()
        assert sides(only(logged)) == ("Why is it?", "".join(seen))
        assert only(logged)["status"] == "incomplete"
        assert [step["output"] for step in only(logged)["steps"]] == ["".join(seen)]

    def test_a_generator_that_is_left(self, logged: Logged, config: dict[str, Any]) -> None:
        for word in RunnableGenerator(words).stream("a b c", config):
            if word == "b ":
                break
        gc.collect()
        assert sides(only(logged)) == ("a b c", "a b ")
        assert only(logged)["status"] == "incomplete"

    def test_a_model_that_is_left(self, logged: Logged, config: dict[str, Any]) -> None:
        stream = EchoModel().stream("Why is it?", config)
        next(stream), next(stream)
        stream.close()
        assert sides(only(logged)) == ("Why is it?", "Echo of ")
        assert only(logged)["status"] == "incomplete"

    @pytest.mark.parametrize("made", [chain, EchoModel])
    def test_an_async_stream_that_is_left(
        self, made: Callable[[], Any], logged: Logged, config: dict[str, Any]
    ) -> None:
        async def run() -> None:
            async for _ in made().astream(ASK if made is chain else "Why is it?", config):
                break
            gc.collect()
            await until(lambda: logged)

        asyncio.run(run())
        assert sides(only(logged)) == ("Why is it?", "Echo ")
        assert only(logged)["status"] == "incomplete"

    @pytest.mark.parametrize("made", [chain, EchoModel])
    @pytest.mark.parametrize("is_stream", [True, False])
    def test_a_task_that_is_cancelled(
        self, made: Callable[..., Any], is_stream: bool, logged: Logged, config: dict[str, Any]
    ) -> None:
        model, asked = made(delay_s=60), ASK if made is chain else "Why is it?"
        call = all_of(model.astream(asked, config)) if is_stream else model.ainvoke(asked, config)
        asyncio.run(cancel_when(call, lambda run: run.said if is_stream else run.kind == "llm"))
        assert sides(only(logged)) == ("Why is it?", "Echo " if is_stream else None)
        assert only(logged)["status"] == "cancelled"
        assert only(logged)["model"] == "echo-1"

    @pytest.mark.parametrize("made", [chain, EchoModel])
    @pytest.mark.parametrize("is_async", [True, False])
    def test_a_stream_that_fails(
        self, made: Callable[..., Any], is_async: bool, logged: Logged, config: dict[str, Any]
    ) -> None:
        asked = ASK if made is chain else "Why is it?"
        model = made(fails_at=2)
        with pytest.raises(RuntimeError, match="overloaded"):
            read_all(model, asked, config, is_async=is_async)
        assert sides(only(logged)) == ("Why is it?", "Echo of ")
        assert only(logged)["status"] == "error"
        assert only(logged)["error"] == {"type": "RuntimeError", "message": "overloaded"}

    @pytest.mark.parametrize("made", [chain, EchoModel])
    @pytest.mark.parametrize("is_async", [True, False])
    def test_a_call_that_fails(
        self, made: Callable[..., Any], is_async: bool, logged: Logged, config: dict[str, Any]
    ) -> None:
        asked = ASK if made is chain else "Why is it?"
        model = made(fails_at=0)
        with pytest.raises(RuntimeError, match="overloaded") as caught:
            asyncio.run(model.ainvoke(asked, config)) if is_async else model.invoke(asked, config)
        assert sides(only(logged)) == ("Why is it?", None)
        assert only(logged)["error"] == {"type": "RuntimeError", "message": str(caught.value)}

    def test_a_stream_that_is_open_when_the_process_ends(
        self, logged: Logged, config: dict[str, Any]
    ) -> None:
        stream = chain().stream(ASK, config)
        next(stream)
        lifecycle._leave_streams()
        assert sides(only(logged)) == ("Why is it?", "Echo ")
        assert only(logged)["status"] == "incomplete"
        stream.close()
        assert len(logged) == 1

    def test_what_a_run_starts_and_leaves_behind(
        self, logged: Logged, config: dict[str, Any]
    ) -> None:
        async def answer(asked: str) -> str:
            async def remember() -> None:
                await is_over.wait()
                await chain().ainvoke({"question": "Remember it."})

            tasks.append(asyncio.create_task(remember()))
            return asked

        async def run() -> None:
            await RunnableLambda(answer).ainvoke("Why?", config)
            is_over.set()
            await tasks[0]

        tasks: list[asyncio.Task[None]] = []
        is_over = asyncio.Event()
        asyncio.run(run())
        assert sides(only(logged)) == ("Why?", "Why?")


class TestSteps:
    """Models, tools and retrievers are steps."""

    def test_tell_what_was_called_with_what(self, logged: Logged, config: dict[str, Any]) -> None:
        def answer(asked: str) -> Any:
            found = Shelf().invoke(asked)
            return (PROMPT | EchoModel()).invoke(
                {"question": f"{weather.invoke({'city': 'Rome'})}, {len(found)}"}
            )

        RunnableLambda(answer).invoke("Weather?", config)
        found, told, said = only(logged)["steps"]
        assert [step["kind"] for step in (found, told, said)] == ["retrieval", "tool", "llm"]
        assert (found["name"], found["input"]) == ("Shelf", "Weather?")
        assert found["output"] == "2 documents: terms.pdf"
        assert (told["name"], told["input"]) == ("weather", '{"city": "Rome"}')
        assert told["output"] == "Sunny in Rome"
        assert (said["name"], said["model"]) == ("echo-1", "echo-1")
        assert (said["input"], said["usage"]["total_tokens"]) == ("Sunny in Rome, 2", 7)
        assert said["output"] == echo("Sunny in Rome, 2")
        assert all(step["duration_ms"] >= 0 and step["started_at_ms"] > 0 for step in (found, said))

    def test_that_fail_say_why(self, logged: Logged, config: dict[str, Any]) -> None:
        def answer(asked: str) -> str:
            with pytest.raises(ValueError, match="no such city"):
                weather.invoke({"city": "Atlantis"})
            return "Sorry."

        RunnableLambda(answer).invoke("Weather?", config)
        [step] = only(logged)["steps"]
        assert step["error"] == {"type": "ValueError", "message": "no such city"}
        assert only(logged).get("status", "ok") == "ok"

    def test_that_tell_the_model_of_their_failure_say_so(
        self, logged: Logged, config: dict[str, Any]
    ) -> None:
        lenient = weather.model_copy(update={"handle_tool_error": True, "func": fail_softly})
        call = {"name": "weather", "args": {"city": "Rome"}, "id": "1", "type": "tool_call"}
        RunnableLambda(lambda _: lenient.invoke(call).content).invoke("Weather?", config)
        [step] = only(logged)["steps"]
        assert (step["output"], step["error"]["message"]) == ("try later", "try later")

    def test_of_a_fallback_are_both_attempts(self, logged: Logged, config: dict[str, Any]) -> None:
        EchoModel(fails_at=0, model="big").with_fallbacks([EchoModel()]).invoke("Why?", config)
        first, second = only(logged)["steps"]
        assert (first["name"], first["error"]["message"]) == ("big", "overloaded")
        assert "error" not in second
        assert only(logged)["model"] == "echo-1"

    @pytest.mark.parametrize("root", [weather, Shelf()], ids=["tool", "retriever"])
    def test_alone_are_no_interaction(
        self, root: Any, logged: Logged, config: dict[str, Any]
    ) -> None:
        root.invoke({"city": "Rome"} if root is weather else "terms", config)
        asyncio.run(root.ainvoke({"city": "Rome"} if root is weather else "terms", config))
        assert len(logged) == 0


def fail_softly(city: str) -> str:
    from langchain_core.tools import ToolException

    raise ToolException("try later")


class TestWhose:
    """Session, user, version and metadata."""

    @pytest.mark.parametrize(
        "told",
        [
            {"metadata": {"session_id": "s1"}},
            {"metadata": {"thread_id": "s1"}},
            {"metadata": {"conversation_id": "s1"}},
            {"configurable": {"thread_id": "s1"}},
            {"configurable": {"session_id": "s1"}},
            {"metadata": {"session_id": "s1"}, "configurable": {"thread_id": "t"}},
        ],
    )
    @pytest.mark.parametrize("call", ["chain", "chain, streamed", "model", "chain, asynchronous"])
    def test_a_call_names_its_session(
        self, told: dict[str, Any], call: str, logged: Logged
    ) -> None:
        handler = PhosphoCallbackHandler(session_id="of the handler")
        with phospho.session("of the context"):
            CALLS[call]({"callbacks": [handler], **told})
        assert only(logged)["session_id"] == "s1"

    def test_else_the_handler_does_and_else_the_context(self, logged: Logged) -> None:
        with phospho.session("of the context", user_id="u1"):
            for handler in (PhosphoCallbackHandler("of the handler"), PhosphoCallbackHandler()):
                asyncio.run(chain().ainvoke(ASK, {"callbacks": [handler]}))
        sessions = [interaction["session_id"] for interaction in logged.interactions]
        assert sessions == ["of the handler", "of the context"]
        assert [interaction["user_id"] for interaction in logged.interactions] == ["u1", "u1"]

    def test_users_versions_and_tags(self, logged: Logged) -> None:
        handler = PhosphoCallbackHandler(
            user_id="u0", version_id="v0", metadata={"plan": "free", "app": "shop"}
        )
        told = {"user_id": "u1", "version_id": "v1", "task_id": "t1", "plan": "pro"}
        chain().invoke(ASK, {"callbacks": [handler], "metadata": told, "tags": ["beta"]})
        chain().invoke(ASK, {"callbacks": [handler]})
        first, second = logged.interactions
        assert (first["user_id"], first["version_id"], first["task_id"]) == ("u1", "v1", "t1")
        assert (second["user_id"], second["version_id"]) == ("u0", "v0")
        kept = {n: v for n, v in first["metadata"].items() if not n.endswith("_ms")}
        assert kept == {"plan": "pro", "app": "shop", "tags": ["beta"]}

    def test_of_what_langchain_adds_the_model_is_kept(
        self, logged: Logged, config: dict[str, Any]
    ) -> None:
        EchoModel().invoke("Why?", config)
        kept = {n: v for n, v in only(logged)["metadata"].items() if not n.endswith("_ms")}
        assert kept == {"ls_provider": "echomodel", "ls_model_name": "echo-1"}

    def test_the_client_that_a_handler_was_given_logs(self, logged: Logged) -> None:
        with CaptureClient() as client:
            chain().invoke(ASK, {"callbacks": [PhosphoCallbackHandler(client=client)]})
            assert sides(client.interactions[0]) == ("Why is it?", ANSWER)
        assert len(logged) == 0


class TestGuest:
    """The app sees and gets what it does without us."""

    def test_others_hear_what_they_did(self, config: dict[str, Any], logged: Logged) -> None:
        class Other(AsyncCallbackHandler):  # type: ignore[misc]  # its types are not read
            def __init__(self) -> None:
                self.heard: list[str] = []

            async def on_llm_start(self, *_: Any, **__: Any) -> None:
                self.heard.append("start")

            async def on_llm_end(self, *_: Any, **__: Any) -> None:
                self.heard.append("end")

        other = Other()
        asyncio.run(EchoText().ainvoke("Why?", {"callbacks": [*config["callbacks"], other]}))
        assert other.heard == ["start", "end"]
        assert sides(only(logged)) == ("Why?", echo("Why?"))

    def test_a_model_that_has_a_handler_can_be_copied(self) -> None:
        with CaptureClient() as client:
            model = EchoModel(callbacks=[PhosphoCallbackHandler(client=client)])
            copy.deepcopy(model).invoke("Why?")
            assert sides(client.interactions[0]) == ("Why?", echo("Why?"))

    @pytest.mark.parametrize("name", sorted(HOSTILE.keys() - {"generator", "huge-text"}))
    def test_values_of_any_kind_cost_nothing(self, name: str, config: dict[str, Any]) -> None:
        value = HOSTILE[name]()
        with phospho.testing.capture() as logged:
            assert RunnableLambda(lambda given: given).invoke(value, config) is value
            told = {**config, "metadata": {"session_id": "s1", "value": value}}
            RunnableLambda(lambda given: [given]).invoke(value, told)
            with pytest.raises(RuntimeError):
                RunnableLambda(fail).invoke(value, config)
        assert len(logged) == 3

    def test_what_an_exception_says_of_itself_costs_nothing(self, config: dict[str, Any]) -> None:
        class MuteError(Exception):
            def __str__(self) -> str:
                raise RuntimeError("no words")

        def raise_it(_: Any) -> Any:
            raise MuteError

        with phospho.testing.capture() as logged, pytest.raises(MuteError):
            RunnableLambda(raise_it).invoke("Why?", config)
        assert only(logged)["error"]["type"] == "MuteError"

    def test_a_mistake_of_ours_costs_nothing(
        self, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("fields_of", "find_outer", "text_of", "extract"):
            with monkeypatch.context() as patch, phospho.testing.capture():
                patch.setattr(f"phospho.integrations.langchain.calls.{name}", lambda *_: 1 / 0)
                assert chain().invoke(ASK, config) == ANSWER
                assert "".join(chain().stream(ASK, config)) == ANSWER

    def test_a_server_that_is_down_costs_nothing(self, loopback: Loopback) -> None:
        with phospho.Client("key", "proj", base_url="http://127.0.0.1:9", tick=0.01) as client:
            config = {"callbacks": [PhosphoCallbackHandler(client=client)]}
            assert chain().invoke(ASK, config) == ANSWER
            with pytest.raises(RuntimeError, match="overloaded"):
                chain(fails_at=0).invoke(ASK, config)
            client.close(0.0)
        with phospho.Client("key", "proj", base_url=loopback.url, tick=0.01) as client:
            chain().invoke(ASK, {"callbacks": [PhosphoCallbackHandler(client=client)]})
            assert client.flush()
        assert [record["output"] for record in loopback.events] == [ANSWER]


class TestState:
    """What is kept of runs is bounded."""

    def test_the_oldest_of_very_many_is_logged_and_let_go(
        self, logged: Logged, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(langchain_runs, "MAX_ROOTS", 2)
        streams = [chain().stream({"question": str(n)}, config) for n in range(3)]
        for stream in streams:
            next(stream)
        assert sides(only(logged)) == ("0", "Echo ")
        assert only(logged)["status"] == "incomplete"
        answers = ["".join(stream) for stream in reversed(streams)]
        assert answers == ["of 2", "of 1", "of 0"]
        assert [sides(one) for one in logged.interactions[1:]] == [(n, echo(n)) for n in "21"]

    def test_a_forked_child_has_none_of_its_parents(self, config: dict[str, Any]) -> None:
        stream = EchoModel().stream("Why?", config)
        next(stream)
        child = os.fork()
        if child == 0:
            os._exit(len(open_runs))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        stream.close()


def test_without_langchain_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "langchain_core.py").write_text("raise ImportError('no langchain')")
    code = "import phospho.integrations.langchain"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
    )
    assert "MissingDependencyError" in ended.stderr
    assert "pip install 'phospho[langchain]'" in ended.stderr


def test_messages_of_fakes_are_read(logged: Logged, config: dict[str, Any]) -> None:
    FakeListLLM(responses=["Yes"]).invoke("Why?", config)
    RunnableLambda(lambda _: AIMessage([{"type": "text", "text": "Yes"}])).invoke("Why?", config)
    assert [sides(interaction) for interaction in logged.interactions] == [("Why?", "Yes")] * 2

"""LlamaIndex logs by itself: each thing that a person did once, with its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core import PromptTemplate, get_response_synthesizer
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.query_engine import CustomQueryEngine
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.tools import FunctionTool, QueryEngineTool
from llama_index.core.workflow import (
    Context,
    HumanResponseEvent,
    InputRequiredEvent,
    StartEvent,
    StopEvent,
    Workflow,
    step,
)
from llama_index_instrumentation.dispatcher import instrument_tags
from pydantic import BaseModel
from workflows.errors import WorkflowCancelledByUser, WorkflowTimeoutError

from phospho import guard
from phospho.integrations.llama_index import uninstrument_llama_index
from phospho.testing import Logged
from tests.hostile import Loud
from tests.integrations import llama_index_models as models
from tests.integrations.llama_index_models import (
    ASKED,
    CALLED,
    EMBEDDING,
    RETRIEVED,
    Ask,
    AskFlow,
    Caller,
    Echo,
    Flow,
    Slow,
    agent_workflow,
    chat_engine,
    echo,
    function_agent,
    index,
    query_engine,
    react_agent,
    run,
    start,
    until_slow,
    user,
)
from tests.integrations.records import only, said, steps_of

# Agents of LlamaIndex warn of code of their own.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

QUESTION = "number 7"
ANSWER = echo(QUESTION)
NODES = [NodeWithScore(node=TextNode(text="The bakery opens at eight."), score=0.5)]


@pytest.fixture(autouse=True)
def logged(of_llama_index: Logged) -> Logged:
    return of_llama_index


IN_AGENT = [("agent", "Tracker"), *CALLED[:2], ("agent", "Tracker"), *CALLED[2:]]

# What is asked, and the steps that lead to the answer.
CALLS: dict[str, tuple[Callable[[], Any], list[tuple[str, str]]]] = {
    "query": (lambda: query_engine().query(QUESTION), [RETRIEVED, ASKED]),
    "query, bundle": (lambda: query_engine().query(QueryBundle(QUESTION)), [RETRIEVED, ASKED]),
    "query, by name": (
        lambda: query_engine().query(str_or_query_bundle=QUESTION), [RETRIEVED, ASKED],
    ),
    "aquery": (lambda: query_engine().aquery(QUESTION), [RETRIEVED, ASKED]),
    "query, refined": (
        lambda: query_engine(response_mode="refine").query(QUESTION), [RETRIEVED, ASKED, ASKED],
    ),
    "synthesize": (
        lambda: get_response_synthesizer(llm=Echo()).synthesize(QUESTION, NODES), [ASKED],
    ),
    "chat": (lambda: chat_engine().chat(QUESTION), [ASKED]),
    "achat": (lambda: chat_engine().achat(QUESTION), [ASKED]),
    "chat, context": (lambda: chat_engine("context").chat(QUESTION), [RETRIEVED, ASKED]),
    "chat, condensed": (
        lambda: chat_engine("condense_question").achat(QUESTION), [RETRIEVED, ASKED],
    ),
    "chat, condensed with context": (
        lambda: chat_engine("condense_plus_context").chat(QUESTION), [RETRIEVED, ASKED],
    ),
    "llm.complete": (lambda: Echo().complete(QUESTION), []),
    "llm.complete, by name": (lambda: Echo().complete(prompt=QUESTION), []),
    "llm.acomplete": (lambda: Echo().acomplete(QUESTION), []),
    "llm.chat": (lambda: Echo().chat([user("?"), user(QUESTION)]), []),
    "llm.achat": (lambda: Echo().achat([user(QUESTION)]), []),
    "llm.predict": (lambda: Echo().predict(PromptTemplate("number {n}"), n="7"), []),
    "llm.apredict": (lambda: Echo().apredict(PromptTemplate("number {n}"), n="7"), []),
    "function agent": (lambda: run(function_agent(), user_msg=QUESTION), CALLED),
    "function agent, history": (
        lambda: run(function_agent(), user_msg=QUESTION, chat_history=[user("number 1")]), CALLED,
    ),
    "function agent, not streamed": (
        lambda: run(function_agent(streaming=False), user_msg=QUESTION), CALLED,
    ),
    "react agent": (lambda: run(react_agent(), user_msg=QUESTION), [ASKED]),
    "agent workflow": (lambda: run(agent_workflow(), user_msg=QUESTION), IN_AGENT),
    "workflow": (lambda: run(Flow(), question=QUESTION), [ASKED]),
    "workflow, event of its own": (
        lambda: run(AskFlow(), start_event=Ask(question=QUESTION)), [],
    ),
    "workflow, fields of its own event": (lambda: run(AskFlow(), question=QUESTION), []),
}  # fmt: skip


def call(name: str) -> Any:
    asked = CALLS[name][0]()
    return asyncio.run(asked) if asyncio.iscoroutine(asked) else asked


@pytest.mark.parametrize("name", CALLS)
def test_every_way_to_ask_is_logged_once_with_its_steps(name: str, logged: Logged) -> None:
    answer = call(name)
    interaction = only(logged)
    assert said(interaction) == (QUESTION, ANSWER)
    assert interaction.get("status", "ok") == "ok"
    assert interaction["metadata"]["latency_ms"] > 0
    assert steps_of(interaction) == CALLS[name][1]
    uninstrument_llama_index()
    without = call(name)
    assert (type(answer), str(answer)) == (type(without), str(without))
    assert len(logged) == 1


class Ticket(BaseModel):
    order: int


class TestWhatIsNoInteraction:
    """Retrievers, embeddings and tools are part of something, or the app's own business."""

    def test_a_retriever(self, logged: Logged) -> None:
        index().as_retriever(embed_model=EMBEDDING).retrieve(QUESTION)
        EMBEDDING.get_text_embedding("number 1")
        assert logged.interactions == []

    def test_a_retriever_that_asks_a_model(self, logged: Logged) -> None:
        retriever = index().as_retriever(embed_model=EMBEDDING)
        fusion = QueryFusionRetriever([retriever], llm=Echo(), use_async=False, num_queries=2)
        fusion.retrieve(QUESTION)
        assert logged.interactions == []

    def test_a_tool(self, logged: Logged) -> None:
        FunctionTool.from_defaults(models.track)(order=7)
        assert logged.interactions == []

    def test_a_tool_that_is_an_engine_passes_a_question_on(self, logged: Logged) -> None:
        QueryEngineTool.from_defaults(query_engine())(QUESTION)
        assert said(only(logged)) == (QUESTION, ANSWER)

    def test_a_function_of_the_app_with_a_span_is_looked_through(self, logged: Logged) -> None:
        @get_dispatcher().span  # type: ignore[untyped-decorator]
        def answer(question: str) -> str:
            return str(query_engine().query(question))

        answer(QUESTION)
        assert said(only(logged)) == (QUESTION, ANSWER)


@pytest.mark.parametrize("name", ["query", "chat, context", "synthesize"])
def test_passages_are_kept_once_by_their_begin(name: str, logged: Logged) -> None:
    call(name)
    interaction = only(logged)
    assert interaction["raw_output"] is None
    assert interaction["metadata"]["source_nodes"] > 0


def test_a_structured_answer_is_its_json(logged: Logged) -> None:
    class Ticketer(Echo):
        def text(self, prompt: str) -> str:
            return '{"order": 7}'

    engine = query_engine(Ticketer(), output_cls=Ticket, response_mode="tree_summarize")
    assert engine.query(QUESTION).response == Ticket(order=7)
    assert only(logged)["output"] == '{"order": 7}'


def test_facts_of_a_model_are_those_of_its_answer(logged: Logged) -> None:
    Echo().chat([ChatMessage(role="system", content="Be brief."), user(QUESTION)])
    interaction = only(logged)
    assert (interaction["model"], interaction["total_tokens"]) == ("echo-1-2026", 27)
    assert interaction["system_prompt"] == "Be brief."


def test_a_step_tells_what_was_asked_and_found(logged: Logged) -> None:
    query_engine().query(QUESTION)
    interaction = only(logged)
    retrieval, llm = interaction["steps"]
    assert retrieval["input"] == QUESTION
    first, *found = retrieval["output"].splitlines()
    assert first == "2 nodes"
    assert sorted(found) == ["1.000 It sells bread.", "1.000 The bakery opens at eight."]
    assert llm["output"] == ANSWER
    assert (llm["model"], llm["usage"]["total_tokens"]) == ("echo-1-2026", 27)
    assert (interaction["model"], interaction["total_tokens"]) == ("echo-1-2026", 27)
    assert min(step["duration_ms"] for step in interaction["steps"]) > 0


def test_an_agents_tokens_are_those_of_all_its_calls(logged: Logged) -> None:
    asyncio.run(run(function_agent(), user_msg=QUESTION))
    interaction = only(logged)
    tool = interaction["steps"][1]
    assert (tool["input"], tool["output"]) == ('{"order": 7}', "order 7 is in a van")
    assert interaction["total_tokens"] == 2 * 27


class TestErrors:
    """What is raised is logged and stays what it is; what LlamaIndex gets over is noted."""

    @pytest.mark.parametrize(
        "ask",
        [
            pytest.param(lambda llm: query_engine(llm).query(QUESTION), id="query"),
            pytest.param(lambda llm: asyncio.run(query_engine(llm).aquery(QUESTION)), id="aquery"),
            pytest.param(lambda llm: chat_engine(llm=llm).chat(QUESTION), id="chat"),
            pytest.param(lambda llm: llm.complete(QUESTION), id="complete"),
            pytest.param(lambda llm: asyncio.run(llm.achat([user(QUESTION)])), id="achat"),
        ],
    )
    def test_what_is_raised(self, ask: Callable[[Any], Any], logged: Logged) -> None:
        error = RuntimeError("overloaded")
        with pytest.raises(RuntimeError) as caught:
            ask(Echo(error))
        assert caught.value is error
        interaction = only(logged)
        assert (interaction["input"], interaction["output"]) == (QUESTION, None)
        assert interaction["status"] == "error"
        assert interaction["error"] == {"type": "RuntimeError", "message": "overloaded"}

    def test_what_is_swallowed_is_noted(self, logged: Logged) -> None:
        try:
            answer = query_engine(Echo(ValueError("too long"))).query(QUESTION)
        except ValueError:
            # The oldest releases raise it.
            assert only(logged)["status"] == "error"
            return
        assert str(answer) == "Empty Response"
        interaction = only(logged)
        assert said(interaction) == (QUESTION, "Empty Response")
        assert interaction.get("status", "ok") == "ok"
        assert interaction["steps"][1]["error"] == {"type": "ValueError", "message": "too long"}
        noted = {"step": "echo-1", "type": "ValueError", "message": "too long"}
        assert interaction["metadata"]["step_errors"] == [noted]

    def test_a_tool_that_fails_is_noted(self, logged: Logged) -> None:
        asyncio.run(run(function_agent(models.lose), user_msg=QUESTION))
        interaction = only(logged)
        assert said(interaction) == (QUESTION, ANSWER)
        assert interaction["steps"][1]["error"]["type"] == "LookupError"
        assert interaction["metadata"]["step_errors"][0]["step"] == "track"

    def test_what_goes_on_after_a_failure_is_no_interaction(self, logged: Logged) -> None:
        class Halves(CustomQueryEngine):  # type: ignore[misc]
            """Asks two engines, of which one fails at once."""

            def custom_query(self, query_str: str) -> str:
                raise NotImplementedError

            async def acustom_query(self, query_str: str) -> str:
                asked = [self.fail(), query_engine().aquery("number 1")]
                return str(await asyncio.gather(*asked))

            async def fail(self) -> None:
                raise LookupError("lost")

        async def ask() -> None:
            with pytest.raises(LookupError):
                await Halves().aquery(QUESTION)
            await asyncio.sleep(0.2)

        asyncio.run(ask())
        assert (only(logged)["input"], only(logged)["status"]) == (QUESTION, "error")

    def test_a_workflow_that_fails(self, logged: Logged) -> None:
        class Failing(Workflow):  # type: ignore[misc]
            @step  # type: ignore[untyped-decorator]
            async def fail(self, ev: StartEvent) -> StopEvent:
                raise LookupError(ev.question)

        with pytest.raises(LookupError, match=QUESTION):
            asyncio.run(run(Failing(), question=QUESTION))
        assert only(logged)["error"] == {"type": "LookupError", "message": QUESTION}


class Waiting(Workflow):  # type: ignore[misc]
    @step  # type: ignore[untyped-decorator]
    async def wait(self, ev: StartEvent) -> StopEvent:
        await Slow().acomplete(ev.question)
        return StopEvent(result="too late")


class TestEndingsOfTheirOwn:
    """Cancelled and timed out runs."""

    def test_a_cancelled_query(self, logged: Logged) -> None:
        async def ask() -> None:
            asking = asyncio.create_task(query_engine(Slow()).aquery(QUESTION))
            await until_slow()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

        asyncio.run(ask())
        assert (only(logged)["input"], only(logged)["status"]) == (QUESTION, "cancelled")

    def test_a_cancelled_workflow(self, logged: Logged) -> None:
        async def ask() -> None:
            handler = Waiting().run(question=QUESTION)
            await until_slow()
            await handler.cancel_run()
            with pytest.raises(WorkflowCancelledByUser):
                await handler

        asyncio.run(ask())
        assert (only(logged)["input"], only(logged)["status"]) == (QUESTION, "cancelled")

    def test_a_workflow_that_takes_too_long(self, logged: Logged) -> None:
        with pytest.raises(WorkflowTimeoutError):
            asyncio.run(run(Waiting(timeout=0.1), question=QUESTION))
        assert only(logged)["input"] == QUESTION
        assert only(logged)["error"]["type"] == "WorkflowTimeoutError"

    def test_a_workflow_whose_event_loop_ends(self, logged: Logged) -> None:
        async def ask() -> None:
            Waiting().run(question=QUESTION)
            await until_slow()

        asyncio.run(ask())
        assert (only(logged)["input"], only(logged)["status"]) == (QUESTION, "cancelled")

    def test_a_workflow_that_waits_for_a_person(self, logged: Logged) -> None:
        class Asking(Workflow):  # type: ignore[misc]
            @step  # type: ignore[untyped-decorator]
            async def ask(self, ctx: Context, ev: StartEvent) -> StopEvent:
                heard = await ctx.wait_for_event(
                    HumanResponseEvent, waiter_event=InputRequiredEvent(prefix="Sure?")
                )
                return StopEvent(result=heard.response)

        async def ask() -> None:
            handler = Asking().run(question=QUESTION)
            async for event in handler.stream_events():
                if isinstance(event, InputRequiredEvent):
                    handler.ctx.send_event(HumanResponseEvent(response="Yes."))
            await handler

        asyncio.run(ask())
        assert said(only(logged)) == (QUESTION, "Yes.")
        assert "step_errors" not in only(logged)["metadata"]


def test_a_tool_that_waits_for_a_person_has_not_failed(logged: Logged) -> None:
    async def track(ctx: Context, order: int) -> str:
        heard = await ctx.wait_for_event(
            HumanResponseEvent, waiter_event=InputRequiredEvent(prefix="Sure?")
        )
        return str(heard.response)

    # LlamaIndex does not read an annotation that is a string.
    track.__annotations__["ctx"] = Context

    async def ask() -> None:
        handler = start(FunctionAgent(tools=[track], llm=Caller()), user_msg=QUESTION)
        async for event in handler.stream_events():
            if isinstance(event, InputRequiredEvent):
                handler.ctx.send_event(HumanResponseEvent(response="Yes."))
        await handler

    asyncio.run(ask())
    interaction = only(logged)
    assert said(interaction) == (QUESTION, ANSWER)
    tools = [step for step in interaction["steps"] if step["kind"] == "tool"]
    # In the oldest releases no tool can wait: its one call is the step.
    assert tools[-1]["input"] == '{"order": 7}'
    assert len(tools) == 1 or tools[-1]["output"] == "Yes."
    assert not [step for step in tools if "error" in step]
    assert "step_errors" not in interaction["metadata"]


@pytest.mark.parametrize("broken", ["find_asked", "read_step", "find_role", "read_tags"])
def test_a_mistake_of_ours_costs_the_app_nothing(
    broken: str, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"phospho.integrations.llama_index.calls.{broken}", lambda *args: 1 / 0)
    assert str(query_engine().query(QUESTION)) == ANSWER
    guard.forget_reports()


def test_values_that_raise_cost_the_app_nothing(logged: Logged) -> None:
    class Odd(Workflow):  # type: ignore[misc]
        @step  # type: ignore[untyped-decorator]
        async def answer(self, ev: StartEvent) -> StopEvent:
            return StopEvent(result=Loud())

    with instrument_tags({"session_id": Loud(), "plan": Loud()}):
        asyncio.run(run(Odd(), question=QUESTION, other=Loud()))
    assert only(logged)["input"] == QUESTION

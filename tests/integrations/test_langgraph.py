"""LangGraph and LangChain's agents: a turn of a conversation is one interaction."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

import phospho
from phospho.integrations.langchain import (
    PhosphoCallbackHandler,
    instrument_langchain,
    uninstrument_langchain,
)
from phospho.integrations.langchain.runs import open_runs
from phospho.testing import Logged
from tests.integrations.langchain_models import (
    USAGE,
    EchoModel,
    ToolModel,
    calls,
    cancel_when,
    echo,
)
from tests.integrations.records import only, sides
from tests.waiting import until

# Before, a task cannot be given a context, and LangChain's agents do not hand on their callbacks.
CONTEXT = pytest.mark.skipif(sys.version_info < (3, 11), reason="needs the context of tasks")


@pytest.fixture(autouse=True)
def nothing_left(logged: Logged) -> Iterator[None]:
    yield
    assert len(open_runs) == 0


@pytest.fixture
def config() -> dict[str, Any]:
    return {"callbacks": [PhosphoCallbackHandler()], "configurable": {"thread_id": "thread 1"}}


def answer(state: Any) -> dict[str, Any]:
    return {"messages": [EchoModel().invoke(state["messages"])]}


# Handed on for Python 3.10, see above.
async def answer_async(state: Any, config: RunnableConfig) -> dict[str, Any]:
    return {"messages": [await EchoModel(delay_s=0.001).ainvoke(state["messages"], config)]}


def approve(state: Any) -> dict[str, Any]:
    return {"messages": [AIMessage(f"You said {interrupt('Shall I?')}.")]}


def graph(*nodes: Any, state: Any = MessagesState, **settings: Any) -> Any:
    """Return a graph that goes from node to node."""
    made = StateGraph(state)
    names = [f"node_{place}" for place in range(len(nodes))]
    for name, node, before in zip(names, nodes, [START, *names[:-1]], strict=True):
        made.add_node(name, node)
        made.add_edge(before, name)
    return made.compile(**settings)


def remembering(*nodes: Any, **settings: Any) -> Any:
    return graph(*nodes, checkpointer=InMemorySaver(), **settings)


def say(text: str) -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


@tool  # type: ignore[untyped-decorator]  # its types are not read
def weather(city: str) -> str:
    """Tell the weather."""
    return f"Sunny in {city}"


@tool  # type: ignore[untyped-decorator]  # its types are not read
def pay(amount: int) -> str:
    """Pay, if a person says yes."""
    return f"{amount}: {interrupt('Pay it?')}"


def agent(*said: AIMessage, tools: Any = (weather,), **settings: Any) -> Any:
    return create_agent(ToolModel(responses=list(said)), list(tools), **settings)


def test_each_turn_has_its_own_answer_and_one_session(
    logged: Logged, config: dict[str, Any]
) -> None:
    talk = remembering(answer)
    for form in ([HumanMessage("one")], [("user", "two")], [{"role": "user", "content": "three"}]):
        talk.invoke({"messages": form}, config)
    asyncio.run(remembering(answer_async).ainvoke(say("four"), config))
    assert [sides(one) for one in logged.interactions] == [
        (text, echo(text)) for text in ("one", "two", "three", "four")
    ]
    assert {one["session_id"] for one in logged.interactions} == {"thread 1"}
    for interaction in logged.interactions:
        assert [step["output"] for step in interaction["steps"]] == [interaction["output"]]
        assert interaction["total_tokens"] == 7
        assert not [name for name in interaction["metadata"] if "langgraph" in name]


def test_metadata_that_langgraph_adds_is_dropped(logged: Logged, config: dict[str, Any]) -> None:
    graph(answer).invoke(say("one"), {**config, "metadata": {"user_id": "u1", "plan": "pro"}})
    assert only(logged)["user_id"] == "u1"
    metadata = only(logged)["metadata"]
    assert {name for name in metadata if not name.endswith("_ms")} == {"plan"}


@pytest.mark.parametrize("mode", ["values", "updates", "messages"])
def test_a_stream_is_one_interaction(mode: str, logged: Logged, config: dict[str, Any]) -> None:
    async def read() -> None:
        async for _ in graph(answer_async).astream(say("two"), config, stream_mode=mode):
            pass

    list(graph(answer).stream(say("one"), config, stream_mode=mode))
    asyncio.run(read())
    assert [sides(one) for one in logged.interactions] == [
        ("one", echo("one")),
        ("two", echo("two")),
    ]
    has_tokens = "time_to_first_token_ms" in logged.interactions[0]["metadata"]
    assert has_tokens == (mode == "messages")


@pytest.mark.parametrize("mode", ["updates", "messages"])
@pytest.mark.parametrize("is_async", [True, False])
def test_a_stream_that_is_left_keeps_what_was_said(
    mode: str, is_async: bool, logged: Logged, config: dict[str, Any]
) -> None:
    async def read() -> None:
        async for _ in graph(answer_async).astream(say("Why?"), config, stream_mode=mode):
            break
        gc.collect()
        await until(lambda: logged)

    if is_async:
        asyncio.run(read())
    else:
        for _ in graph(answer).stream(say("Why?"), config, stream_mode=mode):
            break
        gc.collect()
    assert only(logged)["status"] == "incomplete"
    assert only(logged)["input"] == "Why?"
    assert echo("Why?").startswith(only(logged)["output"])
    assert only(logged)["output"]


def test_a_graph_that_is_cancelled_is_not_an_error(logged: Logged, config: dict[str, Any]) -> None:
    async def slow(state: Any, config: RunnableConfig) -> dict[str, Any]:
        return {"messages": [await EchoModel(delay_s=60).ainvoke(state["messages"], config)]}

    call = graph(slow).ainvoke(say("Why?"), config)
    asyncio.run(cancel_when(call, lambda run: run.kind == "llm"))
    assert sides(only(logged)) == ("Why?", None)
    assert only(logged)["status"] == "cancelled"


def test_a_node_that_fails_fails_the_interaction(logged: Logged, config: dict[str, Any]) -> None:
    def fail(state: Any) -> Any:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        graph(fail).invoke(say("Why?"), config)
    assert sides(only(logged)) == ("Why?", None)
    assert only(logged)["error"] == {"type": "RuntimeError", "message": "no"}


class TestInterrupts:
    """A graph that waits for a person has answered, with what it asks."""

    def test_what_it_asks_is_the_answer_and_what_resumes_it_the_input(
        self, logged: Logged, config: dict[str, Any]
    ) -> None:
        talk = remembering(answer, approve)
        talk.invoke(say("Buy it"), config)
        talk.invoke(Command(resume="yes"), config)
        talk.invoke(say("And this"), config)
        assert [sides(one) for one in logged.interactions] == [
            ("Buy it", echo("Buy it")),
            ("yes", "You said yes."),
            ("And this", echo("And this")),
        ]
        assert [one.get("status", "ok") for one in logged.interactions] == ["ok"] * 3
        asked = [one["metadata"].get("interrupts") for one in logged.interactions]
        assert asked == [1, None, 1]

    def test_no_answer_of_an_earlier_turn_is_taken_for_it(
        self, logged: Logged, config: dict[str, Any]
    ) -> None:
        talk = remembering(approve)
        for text in ("one", "two"):
            talk.invoke(say(text), config)
            talk.invoke(Command(resume="yes"), config)
        assert [one["output"] for one in logged.interactions] == ["Shall I?", "You said yes."] * 2

    def test_in_a_state_of_the_apps_own(self, logged: Logged, config: dict[str, Any]) -> None:
        class Order(TypedDict, total=False):
            question: str
            answer: str

        def ask(order: Order) -> Order:
            return {"answer": interrupt({"say": "Which one?"})["chosen"]}

        talk = remembering(ask, state=Order)
        talk.invoke({"question": "Tea"}, config)
        talk.invoke(Command(resume={"chosen": "Green"}), config)
        assert [sides(one) for one in logged.interactions] == [
            ("Tea", '{"say": "Which one?"}'),
            ("Green", "Green"),
        ]

    def test_in_a_graph_inside(self, logged: Logged, config: dict[str, Any]) -> None:
        talk = remembering(graph(approve))
        talk.invoke(say("Buy it"), config)
        talk.invoke(Command(resume="yes"), config)
        assert [sides(one) for one in logged.interactions] == [
            ("Buy it", "Shall I?"),
            ("yes", "You said yes."),
        ]
        assert logged.interactions[0]["metadata"]["interrupts"] == 1

    def test_in_a_tool_of_an_agent(self, logged: Logged, config: dict[str, Any]) -> None:
        talk = agent(
            calls("pay", amount=3), AIMessage("Paid."), tools=[pay], checkpointer=InMemorySaver()
        )
        talk.invoke(say("Pay"), config)
        talk.invoke(Command(resume="yes"), config)
        assert [sides(one) for one in logged.interactions] == [("Pay", "Pay it?"), ("yes", "Paid.")]
        [model, tool_step] = logged.interactions[0]["steps"]
        assert (model["kind"], tool_step["kind"]) == ("llm", "tool")
        assert "error" not in tool_step


class TestAgents:
    """An agent is one interaction; its models and tools, and agents inside of it, are steps."""

    @pytest.mark.parametrize("how", ["invoke", "stream", pytest.param("ainvoke", marks=CONTEXT)])
    def test_with_a_tool(self, how: str, logged: Logged, config: dict[str, Any]) -> None:
        talk = agent(calls("weather", city="Rome"), AIMessage("Sunny.", usage_metadata=USAGE))
        if how == "ainvoke":
            asyncio.run(talk.ainvoke(say("Weather?"), config))
        else:
            returned = getattr(talk, how)(say("Weather?"), config)
            assert how == "invoke" or list(returned)
        assert sides(only(logged)) == ("Weather?", "Sunny.")
        kinds = [(step["kind"], step.get("output")) for step in only(logged)["steps"]]
        assert kinds == [
            ("llm", 'weather({"city": "Rome"})'),
            ("tool", "Sunny in Rome"),
            ("llm", "Sunny."),
        ]
        assert only(logged)["total_tokens"] == 7
        assert only(logged)["session_id"] == "thread 1"

    def test_inside_of_another(self, logged: Logged, config: dict[str, Any]) -> None:
        inner = agent(AIMessage("It rains."), name="researcher")

        @tool  # type: ignore[untyped-decorator]  # its types are not read
        def research(question: str) -> str:
            """Ask the researcher."""
            return str(inner.invoke(say(question))["messages"][-1].content)

        outer = agent(
            calls("research", question="Rain?"), AIMessage("Yes."), tools=[research], name="boss"
        )
        outer.invoke(say("Weather?"), config)
        assert sides(only(logged)) == ("Weather?", "Yes.")
        steps = [(step["kind"], step["name"]) for step in only(logged)["steps"]]
        told = [("agent", "researcher")] if ("agent", "researcher") in steps else []
        assert steps == [
            ("llm", "ToolModel"),
            ("tool", "research"),
            *told,  # before langchain 1.2, agents do not say that they are
            ("llm", "ToolModel"),
            ("llm", "ToolModel"),
        ]
        if told:
            step = only(logged)["steps"][2]
            assert (step["input"], step["output"]) == ("Rain?", "It rains.")

    def test_inside_of_a_graph(self, logged: Logged, config: dict[str, Any]) -> None:
        talk = graph(agent(AIMessage("It rains."), name="researcher"), answer)
        talk.invoke(say("Rain?"), config)
        assert sides(only(logged)) == ("Rain?", echo("It rains."))

    def test_in_all_of_a_process(self, logged: Logged) -> None:
        instrument_langchain()
        try:
            talk = agent(calls("weather", city="Rome"), AIMessage("Sunny."))
            talk.invoke(say("Weather?"))
            asyncio.run(graph(answer_async).ainvoke(say("Why?")))
            asyncio.run(agent(AIMessage("Rainy.")).ainvoke(say("And now?")))
        finally:
            uninstrument_langchain()
        assert [sides(one) for one in logged.interactions] == [
            ("Weather?", "Sunny."),
            ("Why?", echo("Why?")),
            ("And now?", "Rainy."),
        ]


@pytest.mark.parametrize("made", [graph, remembering])
def test_a_graph_inside_a_graph_is_a_part_of_it(
    made: Callable[..., Any], logged: Logged, config: dict[str, Any]
) -> None:
    made(graph(answer)).invoke(say("Why?"), config)
    assert sides(only(logged)) == ("Why?", echo("Why?"))
    assert [step["kind"] for step in only(logged)["steps"]] == ["llm"]


def test_a_graph_called_in_a_node_is_a_part_of_it(logged: Logged, config: dict[str, Any]) -> None:
    def ask_another(state: Any) -> Any:
        return graph(answer).invoke({"messages": state["messages"]})

    graph(ask_another).invoke(say("Why?"), config)
    assert sides(only(logged)) == ("Why?", echo("Why?"))


def test_a_call_between_two_pieces_of_a_stream_is_by_itself(
    logged: Logged, config: dict[str, Any]
) -> None:
    async def read() -> None:
        async for _ in graph(answer_async).astream(say("Outer?"), config):
            await EchoModel().ainvoke("Inner?", {"callbacks": config["callbacks"]})

    for _ in graph(answer).stream(say("Outer?"), config):
        EchoModel().invoke("Inner?", {"callbacks": config["callbacks"]})
    asyncio.run(read())
    assert [one["input"] for one in logged.interactions] == ["Inner?", "Outer?"] * 2
    assert {one["session_id"] for one in logged.interactions[1::2]} == {"thread 1"}
    assert "thread 1" not in {one["session_id"] for one in logged.interactions[::2]}


def test_a_graph_inside_a_wrapped_function_is_steps(logged: Logged, config: dict[str, Any]) -> None:
    @phospho.wrap
    def reply(text: str) -> str:
        said = agent(calls("weather", city="Rome"), AIMessage("Sunny.")).invoke(say(text), config)
        return str(said["messages"][-1].content)

    reply("Weather?")
    assert sides(only(logged)) == ("Weather?", "Sunny.")
    kinds = [step["kind"] for step in only(logged)["steps"]]
    assert kinds == ["llm", "tool", "llm"]

"""LlamaIndex, many at once and again and again: nothing is mixed up, and nothing is left."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from llama_index_instrumentation import root_dispatcher
from llama_index_instrumentation.dispatcher import instrument_tags

import phospho
from phospho import lifecycle
from phospho.integrations import llama_index as integration
from phospho.integrations.llama_index import instrument_llama_index, uninstrument_llama_index
from phospho.integrations.llama_index import runs as llama_index_runs
from phospho.testing import Logged
from tests.integrations.llama_index_models import (
    Echo,
    agent_workflow,
    chat_engine,
    echo,
    function_agent,
    query_engine,
    run,
    user,
)
from tests.integrations.records import ended
from tests.waiting import PATIENCE_S

# Agents of LlamaIndex warn of code of their own.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

QUESTION = "number 7"


@pytest.fixture(autouse=True)
def logged(of_llama_index: Logged) -> Logged:
    return of_llama_index


async def read(stream: Any) -> None:
    async for _ in stream:
        await asyncio.sleep(0)


async def read_query(question: str) -> None:
    response = await query_engine(streaming=True).aquery(question)
    await read(response.async_response_gen())


async def read_chat(question: str) -> None:
    response = await chat_engine("context").astream_chat(question)
    await read(response.async_response_gen())


async def read_model(question: str) -> None:
    await read(await Echo().astream_chat([user(question)]))


IN_TASKS: list[Callable[[str], Awaitable[Any]]] = [
    lambda question: query_engine().aquery(question),
    lambda question: run(function_agent(), user_msg=question),
    lambda question: run(agent_workflow(), user_msg=question),
    read_query,
    read_chat,
    read_model,
]
IN_THREADS: list[Callable[[str], Any]] = [
    lambda question: query_engine().query(question),
    lambda question: str(query_engine(streaming=True).query(question)),
    lambda question: list(chat_engine().stream_chat(question).response_gen),
    lambda question: list(Echo().stream_complete(question)),
]


async def ask(number: int) -> None:
    """Ask in a task or a thread, with the session around the call or in its tags."""
    question = f"number {number}"
    asks = [*IN_TASKS, *IN_THREADS]
    kind = number % len(asks)
    session = phospho.session(f"session {number}")
    tags = instrument_tags({"session_id": f"session {number}"})
    with session if number % 2 else tags:
        if kind < len(IN_TASKS):
            await IN_TASKS[kind](question)
        else:
            await asyncio.to_thread(asks[kind], question)


def test_200_at_once_have_their_own_answers(logged: Logged) -> None:
    async def ask_all() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(20))
        await asyncio.gather(*(ask(number) for number in range(200)))

    asyncio.run(ask_all())
    assert len(logged) == 200
    assert {i["input"] for i in logged.interactions} == {f"number {n}" for n in range(200)}
    for interaction in logged.interactions:
        assert interaction["output"].strip() == echo(interaction["input"])
        assert interaction["session_id"] == interaction["input"].replace("number", "session")
        assert interaction.get("status", "ok") == "ok"
        asked = [step["output"].strip() for step in interaction.get("steps", ())]
        assert not asked or asked[-1] == echo(interaction["input"])
    assert len(integration._calls.open) == 0


def test_nothing_grows(logged: Logged) -> None:
    def ask_often(count: int) -> None:
        for number in range(count):
            Echo().chat([user(f"number {number}")])
            stream = Echo().stream_complete(f"number {number}")
            next(stream)
            if number % 2:
                stream.close()
        del stream
        gc.collect()

    ask_often(20)
    before = len(gc.get_objects())
    logged.clear()
    ask_often(500)
    assert len(logged) == 1_000
    logged.clear()
    gc.collect()
    assert len(gc.get_objects()) - before < 500
    assert len(integration._calls.open) == 0
    assert not lifecycle.open_streams
    handler = integration._spans
    assert not handler.open_spans
    assert not handler.completed_spans
    assert not handler.dropped_spans


def test_of_very_many_at_once_the_oldest_is_given_up(
    logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama_index_runs, "MAX_RUNS", 3)
    streams = [Echo().stream_complete(f"number {number}") for number in range(5)]
    for stream in streams:
        next(stream)
    assert [ended(i) for i in logged.interactions] == [
        ("number 0", None, "incomplete"),
        ("number 1", None, "incomplete"),
    ]
    assert ["".join(piece.delta for piece in stream) for stream in streams] == [
        f"of number {number}" for number in range(5)
    ]
    assert [ended(i) for i in logged.interactions[2:]] == [
        (f"number {number}", echo(f"number {number}"), "ok") for number in range(2, 5)
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_logs_what_it_does_itself() -> None:
    code = (
        "import os, sys, phospho.integrations.llama_index as ours, phospho.testing\n"
        "from llama_index.core.llms import MockLLM\n"
        "class Forking(MockLLM):\n"
        "    def complete(self, prompt, **kwargs):\n"
        "        child = os.fork()\n"
        "        if child:\n"
        "            assert os.waitpid(child, 0)[1] == 0\n"
        "            return super().complete(prompt)\n"
        "        MockLLM().complete('of the child')\n"
        "        os._exit(logged.inputs != ['of the child'])\n"
        "ours.instrument_llama_index()\n"
        "with phospho.testing.capture() as logged:\n"
        "    Forking().complete('Hi')\n"
        "assert logged.inputs == ['Hi']\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE_S)


def test_everything_is_restored_exactly() -> None:
    uninstrument_llama_index()
    spans, events = root_dispatcher.span_handlers, root_dispatcher.event_handlers
    before = list(spans), list(events)
    for _ in range(2):
        instrument_llama_index()
    assert (len(spans), len(events)) == (len(before[0]) + 1, len(before[1]) + 1)
    uninstrument_llama_index()
    assert spans is root_dispatcher.span_handlers
    assert (spans, events) == before
    uninstrument_llama_index()


def test_what_is_under_way_is_logged_when_listening_ends(logged: Logged) -> None:
    stream = Echo().stream_complete(QUESTION)
    next(stream)
    response = query_engine(streaming=True).query("number 8")
    uninstrument_llama_index()
    assert [(i["input"], i["output"], i["status"]) for i in logged.interactions] == [
        (QUESTION, "Echo ", "incomplete"),
        ("number 8", None, "incomplete"),
    ]
    assert "".join(piece.delta for piece in stream) == "of number 7"
    assert str(response) == echo("number 8")
    assert len(logged) == 2


def test_nothing_but_the_dispatcher_is_imported() -> None:
    code = (
        "import sys, phospho.integrations.llama_index as ours\n"
        "ours.instrument_llama_index(); ours.uninstrument_llama_index()\n"
        "assert not [name for name in sys.modules if name.startswith('llama_index.')]\n"
        "assert 'workflows' not in sys.modules and 'openai' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE_S)


def test_a_library_that_is_imported_later_is_heard() -> None:
    code = (
        "import phospho.integrations.llama_index as ours, phospho.testing\n"
        "ours.instrument_llama_index()\n"
        "from llama_index.core.llms import MockLLM\n"
        "with phospho.testing.capture() as logged:\n"
        "    MockLLM(max_tokens=2).complete('Hi')\n"
        "assert logged.outputs == ['text text']\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE_S)


def test_without_the_library_it_says_what_to_install() -> None:
    code = (
        "import sys\nsys.modules['llama_index_instrumentation'] = None\n"
        "import phospho.errors\n"
        "try:\n    import phospho.integrations.llama_index\n"
        "except phospho.errors.MissingDependencyError as exc:\n    print(exc)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=PATIENCE_S, capture_output=True, text=True
    )
    assert ended.stdout.strip() == (
        "This needs llama-index-core. Install it with: pip install 'phospho[llama-index]'"
    )

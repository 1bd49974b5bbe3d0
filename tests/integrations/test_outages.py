"""Whatever the phospho server does, an app has the answers and errors it has without phospho."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import openai
import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda
from llama_index.core.llms import MockLLM

import phospho
from phospho.integrations.langchain import PhosphoCallbackHandler
from phospho.integrations.llama_index import instrument_llama_index, uninstrument_llama_index
from phospho.integrations.openai import instrument_openai
from tests.integrations.openai_server import OpenAIServer, serve_echo
from tests.loopback import Loopback, Reply


@pytest.fixture(scope="module")
def openai_server() -> Iterator[OpenAIServer]:
    with serve_echo() as state:
        yield state


def ask_openai(server: OpenAIServer, *, is_logged: bool) -> list[Any]:
    with openai.OpenAI(api_key="k", base_url=server.url, max_retries=0) as client:
        if is_logged:
            instrument_openai(client)
        return [
            outcome_of(partial(ask, client, model, stream=stream))
            for model in ("gpt-x", "refused", "failing")
            for stream in (False, True)
        ]


def ask(client: openai.OpenAI, model: str, *, stream: bool) -> Any:
    messages: Any = [{"role": "user", "content": "Hi"}]
    answer: Any = client.chat.completions.create(model=model, messages=messages, stream=stream)
    return [chunk.to_dict() for chunk in answer] if stream else answer.to_dict()


def outcome_of(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as exc:  # noqa: BLE001 - any error is an outcome
        return type(exc), str(exc)


def ask_langchain(server: OpenAIServer, *, is_logged: bool) -> list[Any]:
    config: Any = {"callbacks": [PhosphoCallbackHandler()] if is_logged else []}
    chain = RunnableLambda(lambda question: f"{question}?") | StrOutputParser()
    return [
        outcome_of(partial(chain.invoke, "Hi", config)),
        outcome_of(lambda: list(chain.stream("Hi", config))),
        outcome_of(partial(RunnableLambda(lambda _: 1 / 0).invoke, "Hi", config)),
    ]


def ask_llama_index(server: OpenAIServer, *, is_logged: bool) -> list[Any]:
    if is_logged:
        instrument_llama_index()
    llm = MockLLM(max_tokens=3)
    try:
        return [
            outcome_of(lambda: str(llm.complete("Hi"))),
            outcome_of(lambda: [piece.text for piece in llm.stream_complete("Hi")]),
            outcome_of(llm.complete),
        ]
    finally:
        uninstrument_llama_index()


APPS: dict[str, Callable[..., list[Any]]] = {
    "openai": ask_openai,
    "langchain": ask_langchain,
    "llama-index": ask_llama_index,
}

ANSWERS = {
    "down": None,
    "hangs": Reply(misbehaviour="hang"),
    "garbage": Reply(misbehaviour="garbage"),
    "resets": Reply(misbehaviour="reset"),
    "fails": Reply(500),
    "refuses": Reply(401),
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("app", APPS)
def test_an_app_does_not_notice(
    app: str, answer: str, loopback: Loopback, openai_server: OpenAIServer
) -> None:
    without = APPS[app](openai_server, is_logged=False)
    reply = ANSWERS[answer]
    loopback.decide = lambda request: reply
    url = "http://127.0.0.1:9" if reply is None else loopback.url
    phospho.init("key", "proj", base_url=url, tick=0.01)
    # While the server hangs, nothing but the sender may wait for it: it is released below.
    assert APPS[app](openai_server, is_logged=True) == without
    assert phospho.stats().logged == len(without)
    loopback.released.set()
    phospho.shutdown(0.1)

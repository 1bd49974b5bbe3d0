"""All integrations at once: what stands outermost is the interaction, and logged once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.base.llms.types import CompletionResponse, LLMMetadata
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_completion_callback
from pydantic import PrivateAttr

import phospho
from phospho.integrations.langchain import instrument_langchain, uninstrument_langchain
from phospho.integrations.llama_index import instrument_llama_index, uninstrument_llama_index
from phospho.integrations.openai import instrument_openai, uninstrument_openai
from phospho.testing import Logged
from tests.integrations.llama_index_models import EMBEDDING
from tests.integrations.openai_server import OpenAIServer, echo, serve_echo
from tests.integrations.records import only, steps_of

QUESTION = "Where is order 7?"


@pytest.fixture(autouse=True)
def all_of_them(own_loop: None) -> Iterator[None]:
    instrument_openai()
    instrument_langchain()
    instrument_llama_index()
    yield
    uninstrument_llama_index()
    uninstrument_langchain()
    uninstrument_openai()


@pytest.fixture
def logged(phospho_logged: Logged) -> Logged:
    return phospho_logged


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with serve_echo() as state:
        yield state


@pytest.fixture
def client(server: OpenAIServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="k", base_url=server.url, max_retries=0) as made:
        yield made


class OfOpenAI(CustomLLM):  # type: ignore[misc]
    """A model of LlamaIndex that asks an OpenAI client."""

    _client: Any = PrivateAttr()

    def __init__(self, client: openai.OpenAI) -> None:
        super().__init__()
        self._client = client

    @property
    def metadata(self) -> Any:
        return LLMMetadata(model_name="gpt-x")

    @llm_completion_callback()  # type: ignore[untyped-decorator]
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        return CompletionResponse(text=ask(self._client, prompt))

    @llm_completion_callback()  # type: ignore[untyped-decorator]
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        yield CompletionResponse(text=ask(self._client, prompt), delta="all of it")


def ask(client: openai.OpenAI, question: str) -> str:
    answer = client.chat.completions.create(
        model="gpt-x", messages=[{"role": "user", "content": question}]
    )
    return str(answer.choices[0].message.content)


def engine(client: openai.OpenAI) -> Any:
    documents = [Document(text="Order 7 has left.")]
    index = VectorStoreIndex.from_documents(documents, embed_model=EMBEDDING)
    return index.as_query_engine(llm=OfOpenAI(client), similarity_top_k=1)


def chat_model(server: OpenAIServer) -> Any:
    return ChatOpenAI(model="gpt-x", api_key="k", base_url=server.url, max_retries=0)


def of_a_chain(client: openai.OpenAI, server: OpenAIServer) -> str:
    found = RunnableLambda(lambda question: str(engine(client).query(question)))
    chain = found | RunnableLambda(lambda text: f"So: {len(text)}") | chat_model(server)
    return str(chain.invoke(QUESTION).content)


def of_a_function(client: openai.OpenAI, server: OpenAIServer) -> str:
    @phospho.wrap
    def answer(question: str) -> str:
        found = engine(client).query(question)
        chat_model(server).invoke("Shorten it.")
        return f"{ask(client, 'Check it.')} {str(found)[:4]}"

    return answer(QUESTION)


@pytest.mark.parametrize(
    ("call", "steps"),
    [
        pytest.param(
            of_a_chain,
            [("retrieval", "VectorIndexRetriever"), ("llm", "OfOpenAI"), ("llm", "gpt-x")],
            id="chain",
        ),
        pytest.param(
            of_a_function,
            [
                ("retrieval", "VectorIndexRetriever"), ("llm", "OfOpenAI"), ("llm", "gpt-x"),
                ("llm", "gpt-x"),
            ],
            id="function",
        ),
    ],
)  # fmt: skip
def test_what_stands_outermost_is_the_interaction(
    call: Callable[..., str],
    steps: list[tuple[str, str]],
    client: openai.OpenAI,
    server: OpenAIServer,
    logged: Logged,
) -> None:
    said = call(client, server)
    interaction = only(logged)
    assert (interaction["input"], interaction["output"]) == (QUESTION, said)
    assert steps_of(interaction) == steps


def test_a_function_that_is_wrapped_inside_of_a_chain_has_its_own_steps(
    client: openai.OpenAI, server: OpenAIServer, logged: Logged
) -> None:
    @phospho.wrap
    def look_up(question: str) -> str:
        return ask(client, "Look it up.")

    chain = RunnableLambda(look_up) | chat_model(server)
    assert chain.invoke(QUESTION).content == echo(echo("Look it up."))
    inner, outer = logged.interactions
    assert (inner["input"], steps_of(inner)) == (QUESTION, [("llm", "gpt-x")])
    assert (outer["input"], steps_of(outer)) == (QUESTION, [("llm", "gpt-x")])


def test_those_that_run_beside_each_other_are_one_each(
    client: openai.OpenAI, server: OpenAIServer, logged: Logged
) -> None:
    async def run() -> None:
        calls = [
            *(asyncio.to_thread(of_a_chain, client, server) for _ in range(5)),
            *(asyncio.to_thread(of_a_function, client, server) for _ in range(5)),
            *(asyncio.to_thread(ask, client, f"alone {number}") for number in range(5)),
            *(asyncio.to_thread(engine(client).query, QUESTION) for _ in range(5)),
        ]
        await asyncio.gather(*calls)

    asyncio.run(run())
    assert len(logged) == 20
    counts = sorted(len(interaction.get("steps", ())) for interaction in logged.interactions)
    assert counts == [0] * 5 + [2] * 5 + [3] * 5 + [4] * 5


def test_nothing_is_logged_when_all_are_gone(
    client: openai.OpenAI, server: OpenAIServer, logged: Logged
) -> None:
    uninstrument_llama_index()
    uninstrument_langchain()
    uninstrument_openai()
    of_a_chain(client, server)
    assert len(logged) == 0

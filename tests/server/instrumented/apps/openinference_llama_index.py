"""Engines and an agent of LlamaIndex, watched by openinference-instrumentation-llama-index."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[4]))

import host
from openinference.instrumentation import using_attributes
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor

from tests.integrations.llama_index_models import (
    Echo,
    function_agent,
    query_engine,
    run,
)


def plain(question: str) -> None:
    """Ask what documents say."""
    query_engine().query(question)


def streaming(question: str) -> None:
    """Read a streamed answer to its end."""
    for _ in query_engine(streaming=True).query(question).response_gen:
        pass


def tools(question: str) -> None:
    """Let an agent track an order."""
    asyncio.run(run(function_agent(), user_msg=question))


def error(question: str) -> None:
    """Have a model that fails."""
    query_engine(Echo(error=RuntimeError("no such thing"))).query(question)


def session(question: str) -> None:
    """Name session and user in OpenInference's way."""
    with using_attributes(session_id=host.SESSION, user_id=host.USER):
        plain(question)


if __name__ == "__main__":
    provider = host.export()
    LlamaIndexInstrumentor().instrument(tracer_provider=provider)
    scenarios = {each.__name__: each for each in (plain, streaming, tools, error, session)}
    host.run(scenarios, provider.force_flush)

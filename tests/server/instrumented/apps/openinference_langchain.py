"""An agent of LangChain, watched by openinference-instrumentation-langchain."""

from __future__ import annotations

import host
from langchain.agents import create_agent
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openinference.instrumentation import using_attributes
from openinference.instrumentation.langchain import LangChainInstrumentor


@tool
def get_weather(city: str) -> str:
    """Tell the weather."""
    return f"Sunny in {city}"


def chain(model: str = "gpt-x"):
    """Make a chain of a prompt and a model."""
    prompt = ChatPromptTemplate([("system", "Be kind."), ("user", "{question}")])
    return prompt | ChatOpenAI(
        model=model, base_url=host.VENDOR, api_key="none", max_retries=0, stream_usage=True
    )


def plain(question: str) -> None:
    """Ask once."""
    chain().invoke({"question": question})


def streaming(question: str) -> None:
    """Read a streamed answer to its end."""
    for _ in chain().stream({"question": question}):
        pass


def tools(question: str) -> None:
    """Let an agent ask for the weather."""
    model = ChatOpenAI(model="tool-user", base_url=host.VENDOR, api_key="none")
    create_agent(model, [get_weather]).invoke({"messages": [("user", question)]})


def error(question: str) -> None:
    """Be refused."""
    chain("refused").invoke({"question": question})


def session(question: str) -> None:
    """Name session and user in OpenInference's way."""
    with using_attributes(session_id=host.SESSION, user_id=host.USER):
        plain(question)


if __name__ == "__main__":
    provider = host.export()
    LangChainInstrumentor().instrument(tracer_provider=provider)
    scenarios = {each.__name__: each for each in (plain, streaming, tools, error, session)}
    host.run(scenarios, provider.force_flush)

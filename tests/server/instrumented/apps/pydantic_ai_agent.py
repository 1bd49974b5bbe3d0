"""An agent of Pydantic AI, watched by Logfire."""

from __future__ import annotations

import asyncio

import host
import logfire
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


def agent_of(model: str) -> Agent[None, str]:
    """Make an agent that knows the weather."""
    provider = OpenAIProvider(base_url=host.VENDOR, api_key="none")
    agent = Agent(OpenAIChatModel(model, provider=provider), instructions="Be kind.", name="helper")

    @agent.tool_plain
    def get_weather(city: str) -> str:
        return f"Sunny in {city}"

    return agent


def plain(question: str) -> None:
    """Ask once."""
    agent_of("gpt-x").run_sync(question)


def streaming(question: str) -> None:
    """Read a streamed answer to its end."""

    async def read() -> None:
        async with agent_of("gpt-x").run_stream(question) as result:
            async for _ in result.stream_text():
                pass

    asyncio.run(read())


def tools(question: str) -> None:
    """Let the model ask for the weather."""
    agent_of("tool-user").run_sync(question)


def error(question: str) -> None:
    """Be refused."""
    agent_of("refused").run_sync(question)


def session(question: str) -> None:
    """Name the conversation as Pydantic AI does, and the user in the span of the request."""
    with host.request(**{"user.id": host.USER}):
        agent_of("gpt-x").run_sync(question, conversation_id=host.SESSION)


if __name__ == "__main__":
    logfire.configure(send_to_logfire=False, service_name="an-app", console=False)
    logfire.instrument_pydantic_ai()
    scenarios = {each.__name__: each for each in (plain, streaming, tools, error, session)}
    host.run(scenarios, logfire.force_flush)

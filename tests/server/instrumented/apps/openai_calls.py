"""How an app calls OpenAI's client, whichever instrumentation watches it."""

from __future__ import annotations

import openai
from host import SESSION, TOOL, USER, VENDOR, request

_client = openai.OpenAI(base_url=VENDOR, api_key="none", max_retries=0)


def _ask(question: str, **options):
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": question}]
    options = {"model": "gpt-x", "messages": messages, **options}
    return _client.chat.completions.create(**options)


def plain(question: str) -> None:
    """Ask once."""
    _ask(question)


def streaming(question: str) -> None:
    """Read a streamed answer to its end."""
    for _ in _ask(question, stream=True, stream_options={"include_usage": True}):
        pass


def tools(question: str) -> None:
    """Let the model ask for the weather, and tell it."""
    with request():
        asked = _ask(question, model="tool-user", tools=[TOOL]).choices[0].message
        result = {"role": "tool", "tool_call_id": asked.tool_calls[0].id, "content": "Sunny"}
        messages = [{"role": "user", "content": question}, asked.model_dump(exclude_none=True)]
        _ask(question, model="tool-user", messages=[*messages, result], tools=[TOOL])


def error(question: str) -> None:
    """Be refused."""
    _ask(question, model="refused")


def session(question: str) -> None:
    """Ask within a request of which the app knows the session and the user."""
    with request(**{"session.id": SESSION, "user.id": USER}):
        _ask(question)


SCENARIOS = {
    "plain": plain,
    "streaming": streaming,
    "tools": tools,
    "error": error,
    "session": session,
}

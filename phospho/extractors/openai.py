"""Read text out of OpenAI chat completions, objects and dicts.

Source: openai 3.54, types/chat/chat_completion.py and chat_completion_message.py. Requests are
role/content messages: see `messages.py`.
"""

from __future__ import annotations

from typing import Any

from phospho.extraction import Extracted
from phospho.extractors.fields import get, get_list, get_text
from phospho.extractors.messages import message_text, tool_calls_of
from phospho.hookspecs import hookimpl

_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | None:
    """Return the first choice as a person read it: its content, refusal, transcript or calls."""
    if not _is_completion(value):
        return None
    choices = get_list(value, "choices")
    message = get(choices[0], "message") if choices else None
    return Extracted(
        text=_seen(message),
        model=get_text(value, "model"),
        usage=_usage(get(value, "usage")),
        finish_reason=get_text(choices[0], "finish_reason") if choices else None,
        tool_calls=tool_calls_of(message),
        extra=_extra(value, message, choices),
    )


def _is_completion(value: Any) -> bool:
    """Know a completion by its `object`; a dict also by its choices, as vendors leave that out."""
    if get(value, "object") == "chat.completion":
        return True
    choices = get(value, "choices")
    return (
        isinstance(choices, (list, tuple))
        and bool(choices)
        and get(choices[0], "message") is not None
    )


def _seen(message: Any) -> str:
    transcript = get_text(get(message, "audio"), "transcript")
    if transcript and not get(message, "content"):
        return transcript
    return message_text(message)


def _usage(usage: Any) -> dict[str, int]:
    return {name: count for name in _COUNTS if (count := _count(usage, name)) is not None}


def _count(holder: Any, name: str) -> int | None:
    count = get(holder, name)
    return count if isinstance(count, int) and not isinstance(count, bool) else None


def _extra(value: Any, message: Any, choices: list[Any]) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if get_text(message, "refusal"):
        extra["refusal"] = True
    if len(choices) > 1:
        extra["choices"] = [_seen(get(choice, "message")) for choice in choices[1:]]
    usage = get(value, "usage")
    for holder, name in (
        ("completion_tokens_details", "reasoning_tokens"),
        ("prompt_tokens_details", "cached_tokens"),
    ):
        if count := _count(get(usage, holder), name):
            extra[name] = count
    return extra

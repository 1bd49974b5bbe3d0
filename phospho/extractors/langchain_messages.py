"""Reads single LangChain messages, whichever form they are in, for `langchain.py`.

Source: langchain-core 1.7, messages/ (base.py, ai.py, content.py), load/dump.py. A message is an
object with `type` and `content`; its `model_dump()`; its `message_to_dict`, `{"type", "data"}`; its
`dumpd`, `{"lc": 1, "id", "kwargs"}`; a tuple `(role, text)`; or a dict with `role`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from phospho.extractors.fields import (
    first_text,
    get,
    get_count,
    get_list,
    get_text,
    join_parts,
    json_text,
    last_items,
    token_counts,
)
from phospho.extractors.messages import content_text

_ROLES = {
    "human": "user", "user": "user", "HumanMessage": "user", "HumanMessageChunk": "user",
    "ai": "ai", "assistant": "ai", "AIMessage": "ai", "AIMessageChunk": "ai",
    "system": "system", "developer": "system", "SystemMessage": "system",
    "SystemMessageChunk": "system", "tool": "tool", "ToolMessage": "tool",
    "ToolMessageChunk": "tool", "function": "tool", "FunctionMessage": "tool",
    "FunctionMessageChunk": "tool", "chat": "", "ChatMessage": "", "ChatMessageChunk": "",
    "remove": "removed", "RemoveMessage": "removed",
}  # fmt: skip

# Blocks of a content that are the model's own business: what it thinks and the tools it calls.
_INNER = frozenset({
    "citation", "code_interpreter_call", "computer_call", "file_search_call", "function_call",
    "image_generation_call", "input_json_delta", "invalid_tool_call", "mcp_call", "non_standard",
    "reasoning", "redacted_thinking", "refusal", "server_tool_call", "server_tool_call_chunk",
    "server_tool_result", "server_tool_use", "text", "thinking", "tool_call", "tool_call_chunk",
    "tool_use", "toolUse", "web_search_call",
})  # fmt: skip


class Message(NamedTuple):
    """One message.

    Args:
        role: `user`, `ai`, `system`, `tool`, `removed`, or what a `ChatMessage` says.
        body: What has `content` and the other fields.
        is_own: Whether the form is one of LangChain only, not role and content.
    """

    role: str
    body: Any
    is_own: bool = True


def read_message(value: Any) -> Message | None:
    """Return a message in any of its forms, or None where it is none."""
    if isinstance(value, tuple):
        return _from_pair(value)
    body, kind = _unwrap(value)
    role = _ROLES.get(kind) if isinstance(kind, str) else None
    is_own = role is not None
    if not role:
        named = get_text(body, "role")
        role = None if named is None else _ROLES.get(named, named)
    if role is None or not _has_content(body):
        return None
    return Message(role, body, is_own)


def read_messages(values: Iterable[Any]) -> list[Message] | None:
    """Return messages, or None where not all are, or where all have another library's form."""
    messages = []
    for value in values:
        message = read_message(value)
        if message is None:
            return None
        messages.append(message)
    if not any(message.is_own for message in messages):
        return None
    return [message for message in messages if message.role != "removed"]


def _from_pair(value: tuple[Any, ...]) -> Message | None:
    if len(value) != 2 or not isinstance(value[0], str):  # noqa: PLR2004 - a pair
        return None
    role = _ROLES.get(value[0])
    if not role or not isinstance(value[1], (str, list)):
        return None
    return Message(role, {"content": value[1]})


def _unwrap(value: Any) -> tuple[Any, Any]:
    """Return what has the fields of a message, and the word that says which kind it is."""
    if not isinstance(value, Mapping):
        return value, get(value, "type")
    kind, inner = get(value, "type"), get(value, "data")
    if isinstance(inner, Mapping):
        return inner, kind
    inner = get(value, "kwargs")
    path = get_list(value, "id")
    if isinstance(inner, Mapping) and path:
        return inner, path[-1]
    return value, kind


def _has_content(body: Any) -> bool:
    content = get(body, "content")
    if content is None:
        return isinstance(body, Mapping) and "content" in body
    return isinstance(content, (str, list, tuple))


def said(message: Message) -> str:
    """Return what a person saw of a message; an answer's pieces are one text, as in `.text`."""
    content = get(message.body, "content")
    if message.role == "ai" and isinstance(content, (list, tuple)):
        return join_parts(map(block_text, last_items(content)))
    return content_text(content)


def block_text(block: Any) -> str:
    """Return the text of one block of a content; what was thought, called or attached has none."""
    if block.__class__ is dict and block.get("type") == "text":
        return get_text(block, "text") or ""
    return content_text([block])


def calls_of(message: Message) -> list[dict[str, str]]:
    """Return the tool calls of a message, also those whose arguments could not be parsed."""
    calls = [
        *get_list(message.body, "tool_calls"),
        *get_list(message.body, "invalid_tool_calls"),
    ]
    return [
        {"name": name, "arguments": json_text(get(call, "args"))}
        for call in calls
        if (name := get_text(call, "name"))
    ]


def is_from_user(message: Message) -> bool:
    """Tell whether a person wrote a message; the harness of an agent marks what it adds."""
    if message.role != "user":
        return False
    return get(get(message.body, "additional_kwargs"), "lc_source") is None


def usage_of(body: Any) -> dict[str, int]:
    """Return the token counts of a message: those every model gives, else the provider's own."""
    usage = get(body, "usage_metadata")
    if usage is not None:
        return token_counts(
            get_count(usage, "input_tokens"),
            get_count(usage, "output_tokens"),
            get_count(usage, "total_tokens"),
        )
    return provider_usage(get(body, "response_metadata"))


def provider_usage(metadata: Any) -> dict[str, int]:
    """Return token counts under the names that older integrations give them."""
    usage = get(metadata, "token_usage") or get(metadata, "usage")
    counts = [
        next((c for name in names if (c := get_count(usage, name)) is not None), None)
        for names in (
            ("prompt_tokens", "input_tokens"),
            ("completion_tokens", "output_tokens"),
            ("total_tokens",),
        )
    ]
    return token_counts(*counts)


def details_of(body: Any) -> dict[str, int]:
    """Return how much of the usage was thought, and how much came from a cache."""
    usage = get(body, "usage_metadata")
    if usage is None:
        return {}
    found = {
        "reasoning_tokens": get_count(get(usage, "output_token_details"), "reasoning"),
        "cached_tokens": get_count(get(usage, "input_token_details"), "cache_read"),
    }
    return {name: count for name, count in found.items() if count}


def model_of(metadata: Any) -> str | None:
    """Return the model's name, under the names that providers give it."""
    return first_text(metadata, "model_name", "model", "model_id")


def finish_of(metadata: Any) -> str | None:
    """Return why the model stopped, in the provider's word."""
    return first_text(metadata, "finish_reason", "stop_reason", "done_reason", "stopReason")


def attachments_of(messages: Sequence[Message]) -> dict[str, int]:
    """Count by type what the contents hold besides text."""
    kinds = (
        kind
        for message in messages
        for block in get_list(message.body, "content")
        if not isinstance(block, str) and (kind := get_text(block, "type")) not in _INNER
    )
    return dict(Counter(kind for kind in kinds if kind))

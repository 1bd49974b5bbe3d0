"""Read text out of role/content messages, and out of dicts with the usual names.

A message is a dict, or an object, with `role` and `content`. Shapes: OpenAI's chat format, which
most vendors and frameworks share.
"""

from __future__ import annotations

import dataclasses
import enum
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from phospho import attachments, snapshot
from phospho.extraction import Extracted
from phospho.extractors import catalogue, inside
from phospho.extractors.fields import (
    first_count,
    first_text,
    get,
    get_count,
    get_items,
    get_list,
    get_text,
    is_mapping,
    json_text,
    last_items,
    token_counts,
)
from phospho.hookspecs import hookimpl

if TYPE_CHECKING:
    from phospho.models import Side

_USER = frozenset({"user", "human", "customer"})
_ASSISTANT = frozenset({"assistant", "ai", "model", "bot", "chatbot"})
_SYSTEM = frozenset({"system", "developer"})
_TOOL = frozenset({"tool", "function"})
ROLES = _USER | _ASSISTANT | _SYSTEM | _TOOL

# Names apps give to what a user said, and to what was answered, the surest first.
INPUT_KEYS = (
    "input", "question", "query", "user_input", "user_message", "prompt", "message", "text",
    "content", "questions", "queries", "prompts", "texts",
)  # fmt: skip
OUTPUT_KEYS = (
    "output", "answer", "response", "result", "completion", "reply", "output_text",
    "generated_text", "generation", "message", "text", "content",
)  # fmt: skip


@hookimpl
def phospho_extract_input(value: Any) -> Extracted | None:
    """Return the last user message; a request's `messages` or a bare list of them."""
    messages = _messages_of(value) or _as_content(value, "user")
    if messages is None:
        return by_name(value, "input")
    return _facts(value, messages, text=_last(messages, _USER, otherwise=True))


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | None:
    """Return the last assistant message; tool calls are lines `name(arguments)`."""
    messages = _messages_of(value) or _as_content(value, "assistant")
    if messages is None:
        return _read_calls(value) or by_name(value, "output")
    calls = [call for message in messages[-1:] for call in tool_calls_of(message)]
    text = _last(messages, _ASSISTANT, otherwise=len(messages) == 1)
    return _facts(value, messages, text=text, tool_calls=calls)


def is_message(value: Any) -> bool:
    """Tell whether a value has a role and something said."""
    return _role(value) != "" and (
        isinstance(get(value, "content"), (str, list, tuple))
        or any(get(value, name) for name in ("tool_calls", "function_call", "refusal"))
        or "content" in (value if isinstance(value, Mapping) else get(value, "__dict__") or ())
    )


def content_text(content: Any) -> str:
    """Return the text of a message's content: a text, or parts of which some are text."""
    if isinstance(content, str):
        return content
    if isinstance(content, bytes):
        return content.decode("utf-8", "ignore")
    if is_mapping(content):
        # One part; or the export of ChatGPT, with its `parts`.
        parts = get_list(content, "parts")
        return content_text(parts) if parts else _part_text(content) or ""
    if not isinstance(content, (list, tuple)):
        return ""
    return "\n".join(text for part in last_items(content) if (text := _part_text(part)))


def message_text(message: Any) -> str:
    """Return what a person saw of one message, its tool calls where it says nothing."""
    text = content_text(get(message, "content")) or get_text(message, "refusal")
    heard = text or get_text(get(message, "audio"), "transcript")
    return heard or calls_text(tool_calls_of(message))


def tool_calls_of(message: Any) -> list[dict[str, str]]:
    """Return the calls a message asks for, as `{"name": str, "arguments": str}` each."""
    calls = [*get_list(message, "tool_calls"), get(message, "function_call")]
    return [read for call in calls if (read := _read_call(call)) is not None]


def calls_text(calls: Sequence[Mapping[str, str]]) -> str:
    """Return one line `name(arguments)` for each call."""
    return "\n".join(f"{call['name']}({call['arguments']})" for call in calls)


def _read_call(call: Any) -> dict[str, str] | None:
    """Read `{"function": {...}}`, `{"custom": {...}}` with its `input`, or what is inside."""
    inner = get(call, "function") or get(call, "custom") or call
    name = get_text(inner, "name")
    if name is None:
        return None
    arguments = get(inner, "arguments")
    if arguments is None:
        arguments = get(inner, "input")
    return {"name": name, "arguments": json_text(arguments)}


def _part_text(part: Any) -> str | None:
    if isinstance(part, str):
        return part
    kind = get(part, "type")
    if kind is not None and not isinstance(kind, str):
        return None
    if kind in {"text", "input_text", "output_text", "markdown", "refusal", None}:
        # Threads of OpenAI's Assistants have `{"text": {"value": ..., "annotations": [...]}}`.
        text = first_text(part, "text", "refusal") or get_text(get(part, "text"), "value")
        return text or (first_text(part, "content", "value") if kind == "text" else None)
    return get_text(part, "transcript") if kind in _AUDIO else None


_AUDIO = frozenset({"audio", "input_audio", "output_audio"})
_THOUGHTS = frozenset({
    "thinking", "redacted_thinking", "reasoning", "reasoning_text", "summary_text", "thought",
})  # fmt: skip
_FILES = frozenset({
    "audio", "document", "file", "image", "image_url", "input_audio", "input_file", "input_image",
    "video", "video_url",
})  # fmt: skip
_CONTENTS = (
    "base64", "data", "file", "file_data", "file_id", "file_url", "image_url", "source", "url",
)  # fmt: skip


def _is_part(part: Any) -> bool:
    """Tell whether a value is a part of a content: a text, a file or what a model thought."""
    kind = get_text(part, "type")
    if kind in _FILES:
        return any(get(part, name) is not None for name in (kind, *_CONTENTS))
    return kind in _THOUGHTS or (kind is not None and bool(_part_text(part)))


def _as_content(value: Any, role: str) -> list[Any] | None:
    """Return the message whose content a list of parts is, or what a model thought."""
    parts = last_items(value) if isinstance(value, (list, tuple)) else [value]
    is_alone = not isinstance(value, (list, tuple)) and get_text(value, "type") not in _THOUGHTS
    is_content = bool(parts) and not is_alone and all(map(_is_part, parts))
    return [{"role": role, "content": parts}] if is_content else None


def _read_calls(value: Any) -> Extracted | None:
    """Read the `tool_calls` of a message, or one of them, where that is all there is."""
    items = last_items(value) if isinstance(value, (list, tuple)) else [value]
    calls = [call for item in items if _is_call(item) and (call := _read_call(item))]
    if not calls or len(calls) < len(items):
        return None
    return Extracted(text=calls_text(calls), tool_calls=calls)


def _is_call(value: Any) -> bool:
    """Tell a call from what tells a model of a tool, which has no arguments."""
    inner = get(value, "function") or get(value, "custom")
    if inner is None and not is_mapping(value) and catalogue.is_known_package(type(value)):
        inner = value
    return any(isinstance(get(inner, name), (str, Mapping)) for name in ("arguments", "input"))


def _messages_of(value: Any) -> list[Any] | None:
    """Return the messages in a list, a request, or one message; None where there are none."""
    if isinstance(value, (list, tuple)) and not _is_pair(value):
        messages = last_items(value)
    elif is_message(value) or (isinstance(value, tuple) and _is_pair(value)):
        messages = [value]
    else:
        messages = get_list(value, "messages")
    if not any(is_message(message) or _is_pair(message) for message in messages):
        return None
    read = [_as_message(message) for message in messages]
    return read if all(message is not None for message in read) else None


def _as_message(value: Any) -> Any:
    """Return a message; `("user", text)` is one, and a text among them is the user's."""
    if _is_pair(value):
        return {"role": value[0], "content": value[1]}
    if isinstance(value, str):
        return {"role": "user", "content": value}
    # Of an answer that is all speech, or a thought, there is nothing but the role to be known.
    return value if is_message(value) or _role(value) in ROLES else None


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == 2  # noqa: PLR2004 - a pair
        and all(isinstance(item, str) for item in value)
        and value[0].lower() in ROLES
    )


def _role(message: Any) -> str:
    role = get(message, "role")
    if isinstance(role, enum.Enum):
        value = role._value_
        role = value if isinstance(value, str) else role._name_
    return str.lower(role) if isinstance(role, str) else ""


def _last(messages: Sequence[Any], roles: frozenset[str], *, otherwise: bool) -> str:
    """Return the last text by one of `roles`; `otherwise`, the last that is not the system's."""
    for message in reversed(messages):
        if _role(message) in roles:
            return message_text(message)
    if not otherwise:
        return ""
    rest = [message for message in messages if _role(message) not in _SYSTEM | _TOOL]
    return message_text((rest or messages)[-1])


def _facts(
    value: Any,
    messages: Sequence[Any],
    *,
    text: str,
    tool_calls: Sequence[Mapping[str, str]] = (),
) -> Extracted:
    system = [message_text(m) for m in messages if _role(m) in _SYSTEM]
    is_request = not isinstance(value, (list, tuple))
    if is_request and not system and (own := content_text(get(value, "system"))):
        system = [own]
    return Extracted(
        text=text,
        model=get_text(value, "model") if is_request else None,
        system_prompt="\n".join(system) or None,
        tool_calls=tool_calls,
        extra=_count(messages) | (read_hints(value) if is_request else {}),
    )


def _count(messages: Sequence[Any]) -> dict[str, Any]:
    """Count what is not text, so that a reader knows something was there."""
    attached = Counter(
        str(get(part, "type"))
        for message in messages
        for part in get_list(message, "content")
        if not isinstance(part, str) and _part_text(part) is None and _is_counted(part)
    )
    results = sum(_role(message) in _TOOL for message in messages)
    extra: dict[str, Any] = {}
    if attached:
        extra["attachments"] = dict(attached)
    if results:
        extra["tool_results"] = results
    return extra


def _is_counted(part: Any) -> bool:
    kind = get(part, "type")
    return bool(kind) and not (isinstance(kind, str) and kind in _THOUGHTS)


def read_hints(request: Any) -> dict[str, Any]:
    """Return whom a request is for, and what else the app told the vendor about it."""
    hints: dict[str, Any] = {
        name: text for name in ("user", "safety_identifier") if (text := get_text(request, name))
    }
    told = get(request, "metadata")
    if isinstance(told, Mapping) and told and "messages" in request:
        hints["request_metadata"] = snapshot.take(told, snapshot.MAX_METADATA_CHARS).value
    return hints


# What an app hands to a prompt beside what the user said, and what is no text to read.
_BESIDE = frozenset({"chat_history", "history", "context", "agent_scratchpad"})
_LABELS = re.compile(
    r"(.*_)?(id|type|role|status|model|system|system_prompt|name|language|locale|version|object"
    r"|lang|voice|format|mode|engine|deployment)"
)


def is_label(name: str) -> bool:
    """Tell whether what has a name says what something is, and is nothing that anybody said."""
    return _LABELS.fullmatch(name) is not None


def by_name(value: Any, side: Side, *, is_named: bool = False) -> Extracted | None:
    """Return the text under a name that apps use, or the only text a dict has.

    What stands there may be a message, an object of a library, a list or dict of such.

    Args:
        value: The fields.
        side: Which names are asked for.
        is_named: Whether the only text counts for nothing where it has another name.
    """
    if not isinstance(value, Mapping):
        return None
    empty = None
    for name in INPUT_KEYS if side == "input" else OUTPUT_KEYS:
        found = get(value, name)
        if _is_file(value, name, found):
            continue
        read = Extracted(found) if isinstance(found, str) else inside.read(found, side)
        if read is not None and read.text:
            return _with_facts(read, value)
        empty = empty or read
    if is_mapping(body := get(value, "body")):
        # A line of a batch has the request, or the answer, in it.
        empty = inside.read(body, side) or empty
    if empty is None and not is_named and (only := _only_text(value)):
        empty = Extracted(only)
    return None if empty is None else _with_facts(empty, value)


def _is_file(value: Mapping[Any, Any], name: str, found: Any) -> bool:
    return (
        isinstance(found, str)
        and name in attachments.FIELDS
        and attachments.is_file_in_field(name, found, value)
    )


def _only_text(value: Mapping[Any, Any]) -> str | None:
    """Return the one text in a dict that holds else only numbers and what stands beside it."""
    texts = []
    items = get_items(value, _MAX_NAMES + 1)
    for name, item in items:
        if not isinstance(name, str) or name in _BESIDE or is_label(name):
            continue
        if isinstance(item, str):
            if not _is_file(value, name, item):
                texts.append(item)
        elif item is not None and not isinstance(item, (int, float)):
            return None
    return texts[0] if len(texts) == 1 and len(items) <= _MAX_NAMES else None


# A dict with more names is a table of data, not a message.
_MAX_NAMES = 100


def _with_facts(read: Extracted, value: Mapping[Any, Any]) -> Extracted:
    """Add what a dict says beside its text."""
    system = get(value, "system") or get(value, "system_prompt")
    return dataclasses.replace(
        read,
        model=read.model or get_text(value, "model"),
        system_prompt=read.system_prompt or content_text(system) or None,
        usage=read.usage or read_usage(get(value, "usage")),
        finish_reason=read.finish_reason or get_text(value, "finish_reason"),
    )


def read_usage(usage: Any) -> dict[str, int]:
    """Return the token counts of a `usage`, under the names of either of the usual formats."""
    counts = [
        first_count(usage, "prompt_tokens", "input_tokens"),
        first_count(usage, "completion_tokens", "output_tokens"),
        get_count(usage, "total_tokens"),
    ]
    return token_counts(*counts)

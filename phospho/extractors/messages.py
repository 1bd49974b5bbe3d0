"""Read text out of role/content messages, and out of dicts with the usual names.

A message is a dict, or an object, with `role` and `content`. Shapes: OpenAI's chat format, which
most vendors and frameworks share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from phospho import attachments
from phospho.extraction import Extracted
from phospho.extractors.fields import get, get_list, get_text, json_text, last_items
from phospho.hookspecs import hookimpl

_USER = frozenset({"user", "human"})
_ASSISTANT = frozenset({"assistant", "ai", "model", "bot"})
_SYSTEM = frozenset({"system", "developer"})
_TOOL = frozenset({"tool", "function"})

# Names apps give to what a user said, and to what was answered, the surest first.
INPUT_KEYS = (
    "input", "question", "query", "user_input", "user_message", "prompt", "message", "text",
    "content",
)  # fmt: skip
OUTPUT_KEYS = (
    "output", "answer", "response", "result", "completion", "reply", "output_text",
    "generated_text", "message", "text", "content",
)  # fmt: skip


@hookimpl
def phospho_extract_input(value: Any) -> Extracted | None:
    """Return the last user message; a request's `messages` or a bare list of them."""
    messages = _messages_of(value)
    if messages is None:
        return _by_name(value, INPUT_KEYS, phospho_extract_input)
    return _facts(value, messages, text=_last(messages, _USER, otherwise=True))


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | None:
    """Return the last assistant message; tool calls are lines `name(arguments)`."""
    messages = _messages_of(value)
    if messages is None:
        return _by_name(value, OUTPUT_KEYS, phospho_extract_output)
    calls = [call for message in messages[-1:] for call in tool_calls_of(message)]
    text = _last(messages, _ASSISTANT, otherwise=len(messages) == 1)
    return _facts(value, messages, text=text, tool_calls=calls)


def is_message(value: Any) -> bool:
    """Tell whether a value has a role and something said."""
    return get_text(value, "role") is not None and (
        isinstance(get(value, "content"), (str, list, tuple))
        or any(get(value, name) for name in ("tool_calls", "refusal"))
        or (isinstance(value, Mapping) and "content" in value)
    )


def content_text(content: Any) -> str:
    """Return the text of a message's content: a text, or parts of which some are text."""
    if isinstance(content, str):
        return content
    if not isinstance(content, (list, tuple)):
        return ""
    return "\n".join(text for part in last_items(content) if (text := _part_text(part)))


def message_text(message: Any) -> str:
    """Return what a person saw of one message, its tool calls where it says nothing."""
    text = content_text(get(message, "content")) or get_text(message, "refusal") or ""
    return text or calls_text(tool_calls_of(message))


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
    if kind in {"text", "input_text", "output_text", "refusal", None}:
        return get_text(part, "text") or get_text(part, "refusal")
    return None


def _messages_of(value: Any) -> list[Any] | None:
    """Return the messages in a list, a request, or one message; None where there are none."""
    if isinstance(value, (list, tuple)):
        messages = last_items(value)
    elif is_message(value):
        messages = [value]
    else:
        messages = get_list(value, "messages")
    return messages if messages and all(is_message(message) for message in messages) else None


def _last(messages: Sequence[Any], roles: frozenset[str], *, otherwise: bool) -> str:
    """Return the last text by one of `roles`; `otherwise`, the last that is not the system's."""
    for message in reversed(messages):
        if get(message, "role") in roles:
            return message_text(message)
    if not otherwise:
        return ""
    rest = [message for message in messages if get(message, "role") not in _SYSTEM | _TOOL]
    return message_text((rest or messages)[-1])


def _facts(
    value: Any,
    messages: Sequence[Any],
    *,
    text: str,
    tool_calls: Sequence[Mapping[str, str]] = (),
) -> Extracted:
    system = [message_text(m) for m in messages if get(m, "role") in _SYSTEM]
    is_request = not isinstance(value, (list, tuple))
    if is_request and not system and (own := content_text(get(value, "system"))):
        system = [own]
    return Extracted(
        text=text,
        model=get_text(value, "model") if is_request else None,
        system_prompt="\n".join(system) or None,
        tool_calls=tool_calls,
        extra=_extra(messages),
    )


def _extra(messages: Sequence[Any]) -> dict[str, Any]:
    """Count what is not text, so that a reader knows something was there."""
    attached = Counter(
        str(get(part, "type"))
        for message in messages
        for part in get_list(message, "content")
        if not isinstance(part, str) and _part_text(part) is None and get(part, "type")
    )
    results = sum(get(message, "role") in _TOOL for message in messages)
    extra: dict[str, Any] = {}
    if attached:
        extra["attachments"] = dict(attached)
    if results:
        extra["tool_results"] = results
    return extra


def _by_name(
    value: Any, names: Sequence[str], read: Callable[[Any], Extracted | None]
) -> Extracted | None:
    """Return the text under the first of `names` a dict has; a message there is read as such."""
    if not isinstance(value, Mapping):
        return None
    for name in names:
        found = value.get(name)
        if isinstance(found, str):
            if name in attachments.FIELDS and attachments.is_file_in_field(name, found, value):
                continue
            return Extracted(
                text=found,
                model=get_text(value, "model"),
                system_prompt=get_text(value, "system") or get_text(value, "system_prompt"),
            )
        if _messages_of(found) is not None:
            return read(found)
    return None

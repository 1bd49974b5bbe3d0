"""Messages, in whichever shape a convention has them, as chat messages with role and content.

Shapes: parts of OpenTelemetry's GenAI conventions (`{"role", "parts": [{"type": "text",
"content"}]}`), OpenInference's (`{"message": {"role", "content"}}`, flattened into attributes), and
those of vendors, which `phospho.extractors` reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from phospho.extractors import inside
from phospho.extractors.fields import json_text
from phospho.extractors.messages import content_text, message_text, tool_calls_of
from phospho_server.incoming import parse_json
from phospho_server.otlp.wire import Attributes

Message = Mapping[str, Any]

USER = frozenset({"user", "human", "customer"})
ASSISTANT = frozenset({"assistant", "ai", "model", "bot", "chatbot"})
SYSTEM = frozenset({"system", "developer"})

_TEXTS = frozenset({"text", "refusal", "input_text", "output_text"})
_CALLS = frozenset({"tool_call", "server_tool_call", "tool-call"})
_ANSWERS = frozenset({"tool_call_response", "server_tool_call_response"})

_MAX_INDEX = 10_000


def parse(value: object) -> Any:
    """Return what a text holds as JSON, the text itself where that is none."""
    if not isinstance(value, str) or value.lstrip()[:1] not in {"{", "["}:
        return value
    try:
        return parse_json(value.encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return value


def read_messages(value: object, role: str) -> list[Message]:
    """Return messages; what has no role is by `role`."""
    value = parse(value)
    if value is None or value in ("", [], {}):
        return []
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    if isinstance(value, Mapping):
        inner = value.get("messages")
        return read_messages(inner, role) if isinstance(inner, list) else [_read_one(value, role)]
    if not isinstance(value, list):
        return [{"role": role, "content": json_text(value)}]
    if value and all(isinstance(each, Mapping) and _is_part(each) for each in value):
        return [_read_one({"parts": value}, role)]
    return [message for each in value for message in read_messages(each, role)]


def _is_part(value: Mapping[str, object]) -> bool:
    return "type" in value and "role" not in value and "message" not in value


def _read_one(value: Mapping[str, Any], role: str) -> Message:
    inner = parse(value.get("message"))
    if isinstance(inner, str):
        inner = {"content": inner}
    if isinstance(inner, Mapping):
        value = {**{name: each for name, each in value.items() if name != "message"}, **inner}
    given = value.get("role")
    message: dict[str, Any] = {"role": given if isinstance(given, str) and given else role}
    parts = value.get("parts")
    if isinstance(parts, list):
        message |= _read_parts(parts)
        if parts and all(_as_dict(part).get("type") in _ANSWERS for part in parts):
            # Some say that the user brought what a tool answered.
            message["role"] = "tool"
    else:
        message["content"] = _read_content(value)
    calls = [call for each in _as_list(value.get("tool_calls")) if (call := _read_call(each))]
    if calls:
        message["tool_calls"] = calls
    for name in ("name", "finish_reason", "tool_call_id", "refusal"):
        if value.get(name) not in (None, ""):
            message[name] = value[name]
    return message


def _read_content(value: Mapping[str, Any]) -> Any:
    """Return the content of a message; of OpenInference's, the parts that it has instead."""
    contents = value.get("contents")
    if isinstance(contents, list):
        parts = [_as_dict(each).get("message_content", each) for each in contents]
        texts = [part for part in parts if _as_dict(part).get("text") or not isinstance(part, dict)]
        return texts if len(texts) == len(parts) else parts
    content = parse(value.get("content"))
    if isinstance(content, list) and any(
        isinstance(each, Mapping) and each.get("type") in _TEXTS for each in content
    ):
        return content
    return value.get("content")


def _read_parts(parts: Sequence[Any]) -> dict[str, Any]:
    texts: list[str] = []
    others: list[Any] = []
    calls: list[Message] = []
    for part in parts:
        kind = _as_dict(part).get("type")
        if isinstance(part, str):
            texts.append(part)
        elif kind in _TEXTS:
            texts.append(content_text(part.get("content") or part.get("text") or ""))
        elif kind in _CALLS:
            call = _read_call(part)
            calls += [call] if call else []
        elif kind in _ANSWERS:
            result = part.get("response", part.get("result"))
            texts.append(json_text(result))
        else:
            others.append(part)
    text = "\n".join(text for text in texts if text)
    content: Any = [{"type": "text", "text": text}, *others] if others and text else text
    message: dict[str, Any] = {"content": others if others and not text else content}
    if calls:
        message["tool_calls"] = calls
    return message


def _read_call(value: object) -> Message | None:
    call = _as_dict(value)
    call = _as_dict(call.get("tool_call")) or call
    found = next(iter(tool_calls_of({"tool_calls": [call]})), None)
    if found is None:
        return None
    made = {"type": "function", "function": found}
    return {"id": call["id"], **made} if isinstance(call.get("id"), str) else made


def last_text(messages: Sequence[Message], roles: frozenset[str]) -> str:
    """Return the last text that one of these roles said; calls of tools are none."""
    for message in reversed(messages):
        text = said(message) if role_of(message) in roles else ""
        if text:
            return text
    return ""


def role_of(message: Message) -> str:
    """Return who said a message."""
    role = message.get("role")
    return role.lower() if isinstance(role, str) else ""


def said(message: Message) -> str:
    """Return what a message says in words."""
    if not message.get("tool_calls"):
        return message_text(message)
    return content_text(message.get("content"))


def text_of(value: object, side: str) -> str:
    """Return what was said in any value that a span was given, or gave back."""
    value = parse(value)
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | int | float):
        return "" if value is None else json.dumps(value)
    read = inside.read(value, "input" if side == "input" else "output")
    return read.text if read is not None else ""


def gather(attributes: Attributes, prefix: str) -> Any:
    """Return the value that was flattened into attributes `prefix.0.message.role` and so on.

    Names of digits are places in a list; None where there is nothing.
    """
    tree: dict[str, Any] = {}
    for name, value in attributes.items():
        if name.startswith(f"{prefix}."):
            _plant(tree, name[len(prefix) + 1 :].split("."), value)
    return _settle(tree) if tree else None


def _plant(tree: dict[str, Any], path: Sequence[str], value: object) -> None:
    *way, leaf = path[:20]
    for name in way:
        below = tree.setdefault(name, {})
        if not isinstance(below, dict):
            return
        tree = below
    tree.setdefault(leaf, value)


def _settle(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    if all(re.fullmatch(r"\d{1,5}", name) for name in tree):
        return [_settle(tree[name]) for name in sorted(tree, key=int)[:_MAX_INDEX]]
    return {name: _settle(value) for name, value in tree.items()}


def _as_dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _as_list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()

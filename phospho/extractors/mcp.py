"""Read text out of what tools, prompts and sampling of the Model Context Protocol carry.

Source: mcp 2.3, mcp_types/_types.py (`CallToolRequest`, `CallToolResult`, `GetPromptResult`,
`CreateMessageRequestParams`, `CreateMessageResult`, `ReadResourceResult`) and jsonrpc.py. Objects
have snake_case names, JSON has camelCase; a result may stand in its JSON-RPC envelope.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from phospho.extraction import Extracted
from phospho.extractors.fields import get, get_list, get_text, json_text, last_items
from phospho.extractors.messages import calls_text
from phospho.hookspecs import hookimpl

_FILES = frozenset({"image", "audio", "resource", "resource_link"})
_BLOCKS = _FILES | {"text", "tool_use", "tool_result"}
_CAMEL = {
    "is_error": "isError",
    "stop_reason": "stopReason",
    "structured_content": "structuredContent",
    "system_prompt": "systemPrompt",
}


def field(value: Any, name: str) -> Any:
    """Return a field, of a dict also under its name on the wire."""
    found = get(value, name)
    return value.get(_CAMEL[name]) if found is None and isinstance(value, dict) else found


def _stop_reason(value: Any) -> str | None:
    reason = field(value, "stop_reason")
    return reason if isinstance(reason, str) else None


@hookimpl
def phospho_extract_input(value: Any) -> Extracted | None:
    """Return the call of a tool, or the last user message of a prompt or a sampling request."""
    request = get(value, "params") if get_text(value, "method") is not None else value
    if (call := _call_in(request)) is not None:
        return Extracted(text=calls_text([call]), tool_calls=[call])
    messages = _messages_of(_unwrap(request))
    users = [message for message in messages if get_text(message, "role") == "user"]
    if not users:
        return None
    spoken = [text for user in users if (text := _text_of(_blocks_of(user)))]
    system = field(request, "system_prompt")
    blocks = [block for message in messages for block in _blocks_of(message)]
    return Extracted(
        text=spoken[-1] if spoken else "",
        system_prompt=system if isinstance(system, str) else None,
        extra=_count_files(blocks),
    )


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | None:
    """Return what a tool, a prompt, a resource or the client's model returned."""
    if isinstance(value, (list, tuple)):
        return _read_list(last_items(value))
    if (error := _error_of(value)) is not None:
        return Extracted(text="", error=error)
    result = _unwrap(value)
    if get_text(result, "role") is not None:
        return _read_message(result) if _messages_of(result) else None
    if _is_tool_result(result):
        return _read_tool_result(result)
    if messages := _messages_of(result):
        return _read_last(messages)
    return _read_resource(result)


def _unwrap(value: Any) -> Any:
    """Return the result in a JSON-RPC envelope, or a value without one."""
    return get(value, "result") if get_text(value, "jsonrpc") is not None else value


def _error_of(value: Any) -> dict[str, str] | None:
    error = get(value, "error") if get_text(value, "jsonrpc") is not None else None
    message = get_text(error, "message")
    return None if message is None else {"type": str(get(error, "code")), "message": message}


def _call_in(params: Any) -> dict[str, str] | None:
    """Read the parameters of `tools/call`."""
    name, arguments = get_text(params, "name"), get(params, "arguments")
    is_call = isinstance(arguments, dict) or type(params).__name__ == "CallToolRequestParams"
    if name is None or not is_call or get(params, "content") is not None:
        return None
    return {"name": name, "arguments": json_text({} if arguments is None else arguments)}


def _messages_of(value: Any) -> list[Any]:
    """Return the messages of a prompt or a request, of a list, or one."""
    if isinstance(value, (list, tuple)):
        messages = last_items(value)
    else:
        messages = get_list(value, "messages") or [value]
    return messages if all(map(_is_message, messages)) else []


def _is_message(value: Any) -> bool:
    """Know a message by its content, a block that is in no list; or by its class."""
    blocks = _blocks_of(value)
    return (
        get_text(value, "role") in {"user", "assistant"}
        and bool(blocks)
        and all(map(_is_block, blocks))
        and (not isinstance(get(value, "content"), (list, tuple)) or _is_own(value))
    )


def _is_own(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] in {"mcp", "mcp_types"} or (
        _stop_reason(value) is not None and get(value, "type") is None
    )


def _blocks_of(message: Any) -> list[Any]:
    content = get(message, "content")
    if content is None or isinstance(content, str):
        return []
    return last_items(content) if isinstance(content, (list, tuple)) else [content]


def _is_block(block: Any) -> bool:
    return get_text(block, "type") in _BLOCKS


def _text_of(blocks: Sequence[Any]) -> str:
    """Join the texts, those of embedded resources too."""
    texts = (
        get_text(block, "text") or get_text(get(block, "resource"), "text")
        for block in blocks
        if get_text(block, "type") in {"text", "resource"}
    )
    return "\n".join(text for text in texts if text)


def _is_tool_result(value: Any) -> bool:
    """Know what a tool returned by its content, where nothing says that it is a message."""
    content = get(value, "content")
    if not isinstance(content, (list, tuple)) or get(value, "type") is not None:
        return False
    structured = field(value, "structured_content")
    is_known = type(value).__name__ == "CallToolResult" or structured is not None
    return all(map(_is_block, last_items(content))) and bool(content or is_known)


def _read_tool_result(result: Any) -> Extracted:
    blocks = _blocks_of(result)
    text = _text_of(blocks) or json_text(field(result, "structured_content"))
    has_failed = field(result, "is_error") is True
    error = {"type": "tool_error", "message": text or "The tool failed."} if has_failed else None
    return Extracted(text=text, error=error, extra=_count_files(blocks))


def _read_message(message: Any) -> Extracted:
    """Read a message; one that the client's model made tells its model and why it ended."""
    blocks = _blocks_of(message)
    calls = [
        {"name": name, "arguments": json_text(get(block, "input"))}
        for block in blocks
        if get_text(block, "type") == "tool_use" and (name := get_text(block, "name")) is not None
    ]
    return Extracted(
        text=_text_of(blocks) or calls_text(calls),
        model=get_text(message, "model"),
        finish_reason=_stop_reason(message),
        tool_calls=calls,
        extra=_count_files(blocks),
    )


def _read_last(messages: list[Any]) -> Extracted:
    answers = [message for message in messages if get_text(message, "role") == "assistant"]
    return _read_message((answers or messages)[-1])


def _read_list(values: list[Any]) -> Extracted | None:
    """Read messages, or the content of what a tool returned."""
    if values and all(map(_is_block, values)):
        return Extracted(text=_text_of(values), extra=_count_files(values))
    messages = _messages_of(values)
    return _read_last(messages) if messages else None


def _read_resource(result: Any) -> Extracted | None:
    contents = get_list(result, "contents")
    if not contents or not all(get(content, "uri") is not None for content in contents):
        return None
    texts = [text for content in contents if (text := get_text(content, "text"))]
    files = len(contents) - len(texts)
    extra = {"attachments": {"resource": files}} if files else {}
    return Extracted(text="\n".join(texts), extra=extra)


def _count_files(blocks: Sequence[Any]) -> dict[str, Any]:
    """Count what is not text."""
    kinds = Counter(kind for block in blocks if (kind := get_text(block, "type")) in _FILES)
    results = sum(get_text(block, "type") == "tool_result" for block in blocks)
    extra: dict[str, Any] = {"attachments": dict(kinds)} if kinds else {}
    return extra | ({"tool_results": results} if results else {})

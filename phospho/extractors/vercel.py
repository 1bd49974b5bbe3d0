"""Read text out of messages, results and streams of Vercel's AI SDK, which reach Python as JSON.

Source: the AI SDK, versions 4 to 6: `UIMessage` in ui/ui-messages.ts, the chunks in
ui-message-stream/ui-message-chunks.ts, `ModelMessage`, and results of `generateText` and
`generateObject`. What is streamed is also read as `streamText().fullStream` yields it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from phospho.extraction import Extracted
from phospho.extractors.chunks import ChunkReader, read_list
from phospho.extractors.fields import (
    get,
    get_count,
    get_list,
    get_text,
    items_of,
    json_text,
    last_items,
    token_counts,
)
from phospho.extractors.messages import calls_text
from phospho.hookspecs import hookimpl

_CALLS = frozenset({"tool-call", "tool-invocation", "dynamic-tool"})
_SOURCES = frozenset({"source", "source-url", "source-document"})


@hookimpl
def phospho_extract_input(value: Any) -> Extracted | None:
    """Return the last user message of a request, of a list of messages, or of one."""
    messages = _messages_of(value)
    users = [message for message in messages if get_text(message, "role") == "user"]
    if not users:
        return None
    system = [_text_of(m) for m in messages if get_text(m, "role") == "system"]
    return Extracted(
        text=_text_of(users[-1]),
        model=get_text(value, "model"),
        system_prompt="\n".join([*filter(None, [get_text(value, "system")]), *system]) or None,
        extra=_count_parts([*items_of(messages, "parts"), *items_of(messages, "content")]),
    )


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | None:
    """Return the last answer of messages, what was generated, or what a stream's chunks tell."""
    if isinstance(value, (list, tuple)):
        return _read_last(_messages_of(value)) or _read_chunks(last_items(value))
    if word(get(value, "finishReason")) is not None:
        return _read_result(value)
    if get_text(value, "type") in {"text-delta", "error"}:
        return _read_chunks([value])
    return _read_last(_messages_of(value))


def word(reason: Any) -> str | None:
    """Return the reason to finish; newer versions add the provider's own word to theirs."""
    return reason if isinstance(reason, str) else get_text(reason, "unified")


def read_lines(lines: Sequence[str]) -> list[Any] | None:
    """Return the chunks in lines such as `0:"Hi"`, which version 4 streams; None for others.

    Source: ai 4, packages/ui-utils/src/data-stream-parts.ts.
    """
    chunks = []
    for line in filter(None, lines):
        code, _, data = line.partition(":")
        try:
            part = json.loads(data)
        except (ValueError, RecursionError):
            return None
        if code not in _CODES:
            return None
        chunks.append(_chunk_of(_CODES[code], part))
    return chunks


# What the lines of version 4 begin with; what has no name here tells nothing that was seen.
_CODES = {
    "0": "text-delta", "2": "", "3": "error", "8": "", "9": "tool-call", "a": "", "b": "",
    "c": "", "d": "finish", "e": "", "f": "", "g": "", "h": "", "i": "", "j": "", "k": "file",
}  # fmt: skip


def _chunk_of(kind: str, part: Any) -> dict[str, Any]:
    """Return a part of version 4 as later versions have it."""
    if isinstance(part, str):
        return {"type": kind, "errorText" if kind == "error" else "delta": part}
    return {**part, "type": kind or "raw"} if isinstance(part, dict) else {"type": "raw"}


def _messages_of(value: Any) -> list[Any]:
    """Return the messages of a request, of a list, or one; none where they are of another kind."""
    if isinstance(value, (list, tuple)):
        messages = last_items(value)
    else:
        message = get(value, "message")
        one = value if message is None or isinstance(message, str) else message
        messages = get_list(value, "messages") or [one]
    are_messages = all(get_text(message, "role") is not None for message in messages)
    return messages if are_messages and any(map(_is_own, messages)) else []


def _is_own(message: Any) -> bool:
    """Know a message by its parts, or by a part that only these messages have."""
    parts = get_list(message, "parts")
    if parts:
        return all(get_text(part, "type") is not None for part in parts)
    return any(
        get_text(part, "type") in {"tool-call", "tool-result"}
        and get_text(part, "toolName") is not None
        for part in get_list(message, "content")
    )


def _parts_of(message: Any) -> list[Any]:
    return get_list(message, "parts") or get_list(message, "content")


def _text_of(message: Any) -> str:
    """Return the texts of a message; a message of version 4 may have them in `content` only."""
    texts = [
        text
        for part in _parts_of(message)
        if get_text(part, "type") == "text" and (text := get_text(part, "text"))
    ]
    return "\n".join(texts) or get_text(message, "content") or ""


def _calls_of(parts: Sequence[Any]) -> list[dict[str, str]]:
    return [call for part in parts if (call := _read_call(part)) is not None]


def _read_call(part: Any) -> dict[str, str] | None:
    """Read a call; the name of a tool the app declared stands in the type, as `tool-<name>`."""
    kind = get_text(part, "type") or ""
    call = get(part, "toolInvocation") or part
    name = get_text(call, "toolName") if kind in _CALLS else None
    if name is None and kind.startswith("tool-") and get(part, "toolCallId") and get(part, "state"):
        name = kind.partition("-")[2]
    return None if name is None else {"name": name, "arguments": _arguments_of(call)}


def _arguments_of(call: Any) -> str:
    arguments = get(call, "input")
    return json_text(get(call, "args") if arguments is None else arguments)


def _read_last(messages: list[Any]) -> Extracted | None:
    answers = [message for message in messages if get_text(message, "role") == "assistant"]
    if not answers:
        return None
    parts = _parts_of(answers[-1])
    calls = _calls_of(parts)
    metadata = get(answers[-1], "metadata")
    return Extracted(
        text=_text_of(answers[-1]) or calls_text(calls),
        model=get_text(metadata, "model"),
        usage=read_usage(get(metadata, "usage") or metadata),
        tool_calls=calls,
        extra=_count_parts(parts),
    )


def _count_parts(parts: Sequence[Any]) -> dict[str, Any]:
    """Count files and sources."""
    kinds = Counter(get_text(part, "type") for part in parts)
    files = {kind: kinds[kind] for kind in ("file", "image") if kinds[kind]}
    sources = sum(kinds[kind] for kind in _SOURCES)
    extra: dict[str, Any] = {"attachments": files} if files else {}
    return extra | ({"sources": sources} if sources else {})


def _read_result(result: Any) -> Extracted | None:
    """Read what `generateText` or `generateObject` returned."""
    made = get(result, "object")
    calls = [
        {"name": name, "arguments": _arguments_of(call)}
        for call in get_list(result, "toolCalls")
        if (name := get_text(call, "toolName")) is not None
    ]
    text = get_text(result, "text")
    if text is None and made is None and not calls:
        return None
    usage = get(result, "totalUsage") or get(result, "usage")
    files = len(get_list(result, "files"))
    sources = len(get_list(result, "sources"))
    return Extracted(
        text=text or json_text(made) or calls_text(calls),
        model=get_text(get(result, "response"), "modelId"),
        usage=read_usage(usage),
        finish_reason=word(get(result, "finishReason")),
        tool_calls=calls,
        extra={
            **({"attachments": {"file": files}} if files else {}),
            **({"sources": sources} if sources else {}),
            **read_details(usage),
        },
    )


def read_usage(usage: Any) -> dict[str, int]:
    """Return the token counts under the names of version 5 and 6, or 4."""
    prompt, completion = get_count(usage, "inputTokens"), get_count(usage, "outputTokens")
    return token_counts(
        get_count(usage, "promptTokens") if prompt is None else prompt,
        get_count(usage, "completionTokens") if completion is None else completion,
        get_count(usage, "totalTokens"),
    )


def read_details(usage: Any) -> dict[str, int]:
    """Return what of the tokens was thought and what came from a cache."""
    counts = {
        "reasoning_tokens": get_count(usage, "reasoningTokens")
        or get_count(get(usage, "outputTokenDetails"), "reasoningTokens"),
        "cached_tokens": get_count(usage, "cachedInputTokens")
        or get_count(get(usage, "inputTokenDetails"), "cacheReadTokens"),
    }
    return {name: count for name, count in counts.items() if count}


def _read_chunks(chunks: list[Any]) -> Extracted | None:
    """Read chunks that tell anything: some of their types are words that others use, too."""
    answer = read_list(Chunks([]), chunks)
    if answer is None:
        return None
    says = answer.text or answer.tool_calls or answer.error or answer.finish_reason
    return answer if says else None


class Chunks(ChunkReader):
    """Reads the chunks of a stream of messages, and what `fullStream` yields."""

    def add(self, chunk: Any) -> bool:
        """Read one chunk."""
        kind = get_text(chunk, "type")
        if kind == "text-delta":
            return self._add_text(chunk)
        if kind is None:
            return False
        if kind == "text-start" and self.texts:
            self.texts.append("\n")
        elif kind == "file":
            self.attach(kind)
        elif kind in {"finish", "finish-step", "message-metadata"}:
            self._add_facts(chunk)
        elif kind == "abort":
            self.finish_reason = kind
        elif kind == "error":
            return self._add_error(chunk)
        elif (key := get_text(chunk, "toolCallId")) is not None:
            return self._add_call(kind, key, chunk)
        return kind in _TYPES or kind.startswith(("data-", "reasoning", "source", "tool-"))

    def _add_text(self, chunk: Any) -> bool:
        for name in ("delta", "text", "textDelta"):
            text = get(chunk, name)
            if text.__class__ is str:
                self.texts.append(text)
                return True
        return False

    def _add_error(self, chunk: Any) -> bool:
        error = get(chunk, "error")
        message = get_text(chunk, "errorText") or (
            error if isinstance(error, str) else get_text(error, "message")
        )
        if message is not None and (get_text(error, "type") is None):
            self.error = {"type": get_text(error, "name") or "error", "message": message}
        return self.error is not None

    def _add_call(self, kind: str, key: str, chunk: Any) -> bool:
        """Read a call; when it is complete, it comes again as a whole."""
        if kind in {"tool-input-available", "tool-call"}:
            self.calls.pop(key, None)
            self.call(key).add(get_text(chunk, "toolName"), _arguments_of(chunk))
        elif kind in {"tool-input-start", "tool-call-streaming-start"}:
            self.call(key).add(get_text(chunk, "toolName"), None)
        elif kind in {"tool-input-delta", "tool-call-delta"}:
            piece = get_text(chunk, "inputTextDelta") or get_text(chunk, "argsTextDelta")
            self.call(key).add(None, piece)
        return kind.startswith("tool-")

    def _add_facts(self, chunk: Any) -> None:
        metadata = get(chunk, "messageMetadata")
        usage = get(chunk, "totalUsage") or get(chunk, "usage") or get(metadata, "usage")
        self.usage.update(read_usage(usage or metadata))
        self.extra.update(read_details(usage))
        model = get_text(get(chunk, "response"), "modelId") or get_text(metadata, "model")
        self.model = model or self.model
        self.finish_reason = word(get(chunk, "finishReason")) or self.finish_reason


_TYPES = frozenset({
    "start", "start-step", "finish", "finish-step", "step-start", "step-finish", "text-start",
    "text-end", "message-metadata", "abort", "file", "raw",
})  # fmt: skip

"""Read text out of Anthropic messages: requests, answers and stream events, objects and dicts.

Source: anthropic 2.12, types/message.py, message_create_params.py, content_block.py, usage.py,
raw_message_stream_event.py, messages/message_batch_individual_response.py and their `beta` kin; the
events of `messages.stream()` in lib/streaming/_types.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from phospho.extraction import Extracted
from phospho.extractors.chunks import ChunkReader, read_list
from phospho.extractors.fields import (
    get,
    get_count,
    get_list,
    get_text,
    items_of,
    join_parts,
    json_text,
    last_items,
    token_counts,
)
from phospho.extractors.messages import calls_text, content_text
from phospho.hookspecs import hookimpl

_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_FILES = frozenset({
    "image", "document", "search_result", "container_upload", "image_url", "file",
})  # fmt: skip


@hookimpl
def phospho_extract_input(value: Any) -> Extracted | None:
    """Return the last user message that a person wrote; results of tools come as the user's."""
    messages = _messages_of(value)
    blocks = items_of(messages, "content")
    if not (_is_system(get(value, "system")) or any(map(_is_own, blocks))):
        return None
    users = [message for message in messages if get_text(message, "role") == "user"]
    if not users:
        return None
    spoken = next((user for user in reversed(users) if not _is_results(user)), None)
    return Extracted(
        text=content_text(get(spoken, "content")),
        model=get_text(value, "model"),
        system_prompt=_system_prompt(value, messages),
        extra=_count_blocks(blocks),
    )


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | None:
    """Return what a person saw of an answer, a batch's answer, an error or a stream's events."""
    if isinstance(value, (list, tuple)):
        return _read_list(last_items(value))
    if is_message(value):
        return read_message(value)
    if get_text(value, "custom_id") is not None:
        return _read_result(get(value, "result"))
    if get_text(value, "type") == "error":
        return _read_error(value)
    return _read_list([value])


def is_message(value: Any) -> bool:
    """Know an answer by its type, and by what others that have this type do not have."""
    return (
        get_text(value, "type") == "message"
        and isinstance(get(value, "content"), (list, tuple))
        and (
            get_text(value, "stop_reason") is not None
            or get_count(get(value, "usage"), "output_tokens") is not None
        )
    )


def read_message(message: Any) -> Extracted:
    """Return what an answer says; a field that is not as expected counts as missing."""
    blocks = get_list(message, "content")
    calls = _calls_of(blocks)
    usage = get(message, "usage")
    counts = _read_counts(usage)
    return Extracted(
        text=_text_of(blocks) or calls_text(calls),
        model=get_text(message, "model"),
        usage=_usage_of(counts),
        finish_reason=get_text(message, "stop_reason"),
        tool_calls=calls,
        extra=_count_blocks(blocks) | _details_of(counts) | _read_refusal(message),
    )


def _read_blocks(blocks: Sequence[Any]) -> Extracted:
    calls = _calls_of(blocks)
    text = _text_of(blocks) or calls_text(calls)
    return Extracted(text=text, tool_calls=calls, extra=_count_blocks(blocks))


def _read_list(values: Sequence[Any]) -> Extracted | None:
    """Read a conversation's last answer, an answer's `content`, or a stream's events."""
    if any(map(_is_own, items_of(values, "content"))):
        answers = [value for value in values if get_text(value, "role") == "assistant"]
        return _read_blocks(get_list(answers[-1], "content")) if answers else None
    if values and all(map(_is_block, values)):
        return _read_blocks(values)
    return read_list(Chunks([]), values)


def _read_result(result: Any) -> Extracted | None:
    """Read one line of a batch's results."""
    kind = get_text(result, "type")
    if kind == "succeeded":
        return read_message(get(result, "message"))
    if kind == "errored":
        return _read_error(get(result, "error"))
    if kind in {"canceled", "expired"}:
        return Extracted(text="", error={"type": kind, "message": f"The request was {kind}."})
    return None


def _read_error(value: Any) -> Extracted | None:
    """Read `{"type": "error", "error": {"type": str, "message": str}}`."""
    error = error_of(get(value, "error"))
    return None if error is None else Extracted(text="", error=error)


def error_of(error: Any) -> dict[str, str] | None:
    """Return the type and message of an error that has both."""
    kind, message = get_text(error, "type"), get_text(error, "message")
    return None if kind is None or message is None else {"type": kind, "message": message}


class Chunks(ChunkReader):
    """Reads the events of a stream, and those which the stream helper makes of them."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__(texts)
        self._counts: dict[str, int] = {}
        # Whether something else stood between the last text and the next.
        self._is_apart = False

    def add(self, chunk: Any) -> bool:
        """Read one event; of the helper's own, all that they say is in the others."""
        kind = get_text(chunk, "type")
        if kind == "content_block_delta":
            return self._add_delta(get(chunk, "delta"), chunk)
        if kind == "content_block_start":
            return self._start(get(chunk, "content_block"), get(chunk, "index"))
        if kind in {"message_start", "message_delta"}:
            return self._add_facts(get(chunk, "message") or get(chunk, "delta"), chunk)
        if kind == "error" and (error := error_of(get(chunk, "error"))) is not None:
            self.error = error
            return True
        return kind in _EVENTS and _is_event(kind, chunk)

    def _add_delta(self, delta: Any, event: Any) -> bool:
        text = get(delta, "text")
        if text.__class__ is str:
            self._add_text(text)
            return True
        if arguments := get_text(delta, "partial_json"):
            self.call(str(get(event, "index"))).add(None, arguments)
        return get_text(delta, "type") is not None

    def _add_text(self, text: str) -> None:
        if self._is_apart and text:
            self._is_apart = False
            if self.texts:
                self.texts.append("\n")
        self.texts.append(text)

    def _start(self, block: Any, index: Any) -> bool:
        kind = get_text(block, "type")
        self._is_apart = self._is_apart or kind != "text"
        if kind in _CALLS:
            arguments = get(block, "input")
            self.call(str(index)).add(get_text(block, "name"), json_text(arguments or None))
        elif kind == "text" and (text := get_text(block, "text")):
            self._add_text(text)
        elif kind == "fallback":
            self.model = get_text(get(block, "to"), "model") or self.model
        return kind is not None

    def _add_facts(self, facts: Any, chunk: Any) -> bool:
        if self.model is None:
            self.model = get_text(facts, "model")
        self.finish_reason = get_text(facts, "stop_reason") or self.finish_reason
        self.extra.update(_read_refusal(facts))
        self._counts.update(_read_counts(get(facts, "usage") or get(chunk, "usage")))
        self.usage = _usage_of(self._counts)
        self.extra.update(_details_of(self._counts))
        return facts is not None

    def read(self) -> Extracted:
        """Return what the events so far amount to; a call without arguments has an empty dict."""
        for call in self.calls.values():
            if not call.arguments:
                call.add(None, "{}")
        return super().read()


# The events that tell nothing new, with a field that each has: other sources share their names.
_EVENTS = {
    "ping": None,
    "message_stop": None,
    "content_block_stop": "index",
    "text": "snapshot",
    "input_json": "partial_json",
    "citation": "snapshot",
    "thinking": "snapshot",
    "signature": "signature",
    "compaction": "content",
}


def _is_event(kind: str, event: Any) -> bool:
    name = _EVENTS[kind]
    return name is None or get(event, name) is not None


def _messages_of(value: Any) -> list[Any]:
    """Return the messages of a request, a list of them, or one."""
    if isinstance(value, (list, tuple)):
        messages = last_items(value)
    else:
        messages = get_list(value, "messages") or [value]
    return messages if all(get_text(message, "role") is not None for message in messages) else []


def _is_system(system: Any) -> bool:
    return isinstance(system, str) or bool(content_text(system))


def _system_prompt(value: Any, messages: Sequence[Any]) -> str | None:
    systems = [get(m, "content") for m in messages if get_text(m, "role") == "system"]
    return "\n".join(filter(None, map(content_text, [get(value, "system"), *systems]))) or None


def _is_own(block: Any) -> bool:
    """Tell whether a part of a message is such that only Anthropic has it."""
    return get_text(block, "type") != "text" and _is_block(block)


def _is_block(block: Any) -> bool:
    kind = get_text(block, "type")
    if kind == "text":
        return get_text(block, "text") is not None and get(block, "snapshot") is None
    if kind in {"image", "document"}:
        return get(get(block, "source"), "type") is not None
    if kind in _CALLS:
        return get_text(block, "id") is not None and get(block, "input") is not None
    if kind == "thinking":
        return get(block, "signature") is not None
    return kind == "redacted_thinking" or _is_result(block)


def _is_result(block: Any) -> bool:
    """Tell whether a block holds what a tool returned."""
    kind = get_text(block, "type") or ""
    return kind.endswith("tool_result") and get_text(block, "tool_use_id") is not None


def _is_results(message: Any) -> bool:
    """Tell whether a message of the user holds only what tools returned."""
    blocks = get_list(message, "content")
    return bool(blocks) and all(map(_is_result, blocks))


def _text_of(blocks: Sequence[Any]) -> str:
    return join_texts(
        get_text(block, "text") if get_text(block, "type") == "text" else None for block in blocks
    )


def join_texts(texts: Iterable[str | None]) -> str:
    """Join an answer's texts, with a new line where there is None, something else, between two.

    What cites its sources is cut into texts within its sentences.
    """
    found: list[str] = []
    is_apart = False
    for text in texts:
        if text:
            found.append("\n" + text if is_apart and found else text)
        is_apart = text is None or (is_apart and not text)
    return join_parts(found)


def _calls_of(blocks: Sequence[Any]) -> list[dict[str, str]]:
    return [
        {"name": name, "arguments": json_text(get(block, "input"))}
        for block in blocks
        if get_text(block, "type") in _CALLS and (name := get_text(block, "name")) is not None
    ]


def _count_blocks(blocks: Sequence[Any]) -> dict[str, Any]:
    """Count files and tool results."""
    kinds = Counter(kind for block in blocks if (kind := get_text(block, "type")) in _FILES)
    results = sum(map(_is_result, blocks))
    extra: dict[str, Any] = {"attachments": dict(kinds)} if kinds else {}
    return extra | ({"tool_results": results} if results else {})


_COUNTS = (
    "input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens",
)  # fmt: skip


def _read_counts(usage: Any) -> dict[str, int]:
    counts = {name: count for name in _COUNTS if (count := get_count(usage, name)) is not None}
    if thought := get_count(get(usage, "output_tokens_details"), "thinking_tokens"):
        counts["thinking_tokens"] = thought
    return counts


def _usage_of(counts: dict[str, int]) -> dict[str, int]:
    """Add what went into the cache and came out of it: Anthropic counts that beside the input."""
    prompt = sum(counts.get(name, 0) for name in _COUNTS[:3]) if "input_tokens" in counts else None
    return token_counts(prompt, counts.get("output_tokens"))


def _details_of(counts: dict[str, int]) -> dict[str, int]:
    names = {
        "thinking_tokens": "reasoning_tokens",
        "cache_read_input_tokens": "cached_tokens",
        "cache_creation_input_tokens": "cache_creation_tokens",
    }
    return {ours: counts[name] for name, ours in names.items() if counts.get(name)}


def _read_refusal(message: Any) -> dict[str, Any]:
    """Tell that the vendor's classifiers stopped the answer, and why where it says so."""
    if get_text(message, "stop_reason") != "refusal":
        return {}
    details = get(message, "stop_details")
    reason = get_text(details, "explanation") or get_text(details, "category")
    return {"refusal": True} | ({"refusal_reason": reason} if reason else {})

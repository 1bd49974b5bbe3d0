"""Read text out of Cohere's chats of both versions, and their streams, objects and dicts.

Source: cohere 7.3, v2/types/v2chat_response.py and v2chat_stream_response.py (version 2, whose
requests are role/content messages: see `messages.py`); types/non_streamed_chat_response.py,
streamed_chat_response.py, message.py and generation.py (version 1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from phospho.extraction import Extracted
from phospho.extractors.chunks import ChunkReader, read_list
from phospho.extractors.fields import get, get_list, get_text, json_text, last_items, token_counts
from phospho.extractors.messages import calls_text, content_text, tool_calls_of
from phospho.hookspecs import hookimpl

# The reasons to stop that mean that there is no proper answer.
_FAILURES = {
    "ERROR": "Something went wrong when Cohere generated the reply.",
    "ERROR_TOXIC": "Cohere deemed the reply toxic.",
    "TIMEOUT": "Generating the reply took too long.",
}


@hookimpl
def phospho_extract_input(value: Any) -> Extracted | None:
    """Return the `message` of a version 1 request, or the last of the user's in its history."""
    is_list = isinstance(value, (list, tuple))
    history = last_items(value) if is_list else get_list(value, "chat_history")
    message, preamble = get_text(value, "message"), get_text(value, "preamble")
    results = get_list(value, "tool_results")
    if not all(map(_is_turn, history)) or not (is_list or message is not None):
        return None
    if not (history or preamble or results):
        return None
    said = [*_said_by("USER", history), *([message] if message else [])]
    system = [*([preamble] if preamble else []), *_said_by("SYSTEM", history)]
    return Extracted(
        text=said[-1] if said else "",
        model=get_text(value, "model"),
        system_prompt="\n".join(system) or None,
        extra={"tool_results": len(results)} if results else {},
    )


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | None:
    """Return what a person saw of a reply, a stream's events, or a history's last answer."""
    if isinstance(value, (list, tuple)):
        return _read_history(last_items(value)) or read_list(Chunks([]), last_items(value))
    if _is_reply(value):
        return _read_reply(value)
    if _is_old_reply(value):
        return read_old_reply(value)
    generations = get_list(value, "generations")
    if generations and get_text(generations[0], "text") is not None:
        return _read_generations(value, generations)
    return _read_history([value]) or read_list(Chunks([]), [value])


def _is_turn(value: Any) -> bool:
    """Know a message of version 1 by its role, which is in capitals."""
    return get_text(value, "role") in {"USER", "CHATBOT", "SYSTEM", "TOOL"} and (
        get_text(value, "message") is not None or get(value, "tool_results") is not None
    )


def _said_by(role: str, history: list[Any]) -> list[str]:
    turns = [turn for turn in history if get_text(turn, "role") == role]
    return [text for turn in turns if (text := get_text(turn, "message"))]


def _read_history(turns: list[Any]) -> Extracted | None:
    if not turns or not all(map(_is_turn, turns)):
        return None
    answers = [turn for turn in turns if get_text(turn, "role") == "CHATBOT"]
    calls = _old_calls(answers[-1]) if answers else []
    text = (answers and get_text(answers[-1], "message")) or calls_text(calls)
    return Extracted(text=text, tool_calls=calls)


def _is_reply(value: Any) -> bool:
    message = get(value, "message")
    return (
        get_text(message, "role") == "assistant"
        and get_text(value, "finish_reason") is not None
        and not isinstance(get(message, "content"), str)
    )


def _read_reply(reply: Any) -> Extracted:
    message = get(reply, "message")
    calls = tool_calls_of(message)
    reason = get_text(reply, "finish_reason")
    usage = get(reply, "usage")
    return Extracted(
        text=content_text(get(message, "content")) or calls_text(calls),
        usage=read_usage(usage),
        finish_reason=reason,
        tool_calls=calls,
        error=_error_of(reason),
        extra=_read_cached(usage),
    )


def _is_old_reply(value: Any) -> bool:
    meta = get(value, "meta")
    return get_text(value, "text") is not None and (
        get_text(value, "generation_id") is not None
        or get(meta, "billed_units") is not None
        or type(value).__name__ == "NonStreamedChatResponse"
    )


def read_old_reply(reply: Any) -> Extracted:
    """Return what a reply of version 1 says."""
    calls = _old_calls(reply)
    reason = get_text(reply, "finish_reason")
    meta = get(reply, "meta")
    return Extracted(
        text=get_text(reply, "text") or calls_text(calls),
        usage=read_usage(meta),
        finish_reason=reason,
        tool_calls=calls,
        error=_error_of(reason),
        extra=_read_cached(meta),
    )


def _read_generations(value: Any, generations: list[Any]) -> Extracted:
    first, *others = [get_text(generation, "text") or "" for generation in generations]
    return Extracted(
        text=first,
        usage=read_usage(get(value, "meta")),
        finish_reason=get_text(generations[0], "finish_reason"),
        extra={"choices": others} if others else {},
    )


def _old_calls(holder: Any) -> list[dict[str, str]]:
    return [
        {"name": name, "arguments": json_text(get(call, "parameters"))}
        for call in get_list(holder, "tool_calls")
        if (name := get_text(call, "name")) is not None
    ]


def read_usage(usage: Any) -> dict[str, int]:
    """Return the token counts of a `usage` or `meta`; those that are billed where no others are."""
    tokens = get(usage, "tokens") or get(usage, "billed_units")
    return token_counts(_count(tokens, "input_tokens"), _count(tokens, "output_tokens"))


def _read_cached(usage: Any) -> dict[str, int]:
    cached = _count(usage, "cached_tokens")
    return {"cached_tokens": cached} if cached else {}


def _count(value: Any, name: str) -> int | None:
    """Return a whole number, which Cohere gives as a float."""
    found = get(value, name)
    if isinstance(found, float):
        return int(found) if found.is_integer() else None
    return found if type(found) is int else None


def _error_of(reason: str | None) -> dict[str, str] | None:
    return {"type": reason, "message": _FAILURES[reason]} if reason in _FAILURES else None


class Chunks(ChunkReader):
    """Reads the events of a stream of either version."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__(texts)
        # Where it stands what an event is of: `type`, in version 1 `event_type`.
        self._kind = "type"

    def add(self, chunk: Any) -> bool:
        """Read one event."""
        kind = get(chunk, self._kind)
        if kind == "content-delta":
            text = get(get(get(get(chunk, "delta"), "message"), "content"), "text")
            if text.__class__ is str:
                self.texts.append(text)
            return True
        if kind is None and self._kind == "type":
            kind = get_text(chunk, "event_type")
            # Pydantic takes long to say that a field is not there, so it is asked once.
            self._kind = "type" if kind is None else "event_type"
        read = _EVENTS.get(kind) if isinstance(kind, str) else None
        if read is not None:
            read(self, chunk)
        return read is not None

    def start_text(self, event: Any) -> None:
        """Part a text from the one before it."""
        content = get(get(get(event, "delta"), "message"), "content")
        if self.texts and get_text(content, "type") == "text":
            self.texts.append("\n")

    def add_call(self, event: Any) -> None:
        """Read a piece of a call."""
        function = get(get(get(get(event, "delta"), "message"), "tool_calls"), "function")
        call = self.call(str(get(event, "index")))
        call.add(get_text(function, "name"), get_text(function, "arguments"))

    def end(self, event: Any) -> None:
        """Read how the reply ended."""
        delta = get(event, "delta")
        usage = get(delta, "usage")
        self.usage.update(read_usage(usage))
        self.extra.update(_read_cached(usage))
        self._stop(get_text(delta, "finish_reason"))
        if message := get_text(delta, "error"):
            self.error = {"type": self.finish_reason or "ERROR", "message": message}

    def _stop(self, reason: str | None) -> None:
        self.finish_reason = reason or self.finish_reason
        self.error = _error_of(reason)

    def add_old_text(self, event: Any) -> None:
        """Read a piece of a reply of version 1."""
        self.texts.append(get_text(event, "text") or "")

    def add_old_call(self, event: Any) -> None:
        """Read a piece of a call of version 1."""
        delta = get(event, "tool_call_delta")
        call = self.call(str(get(delta, "index")))
        call.add(get_text(delta, "name"), get_text(delta, "parameters"))

    def replace_calls(self, event: Any) -> None:
        """Take the calls as they are when complete instead of their pieces."""
        calls = _old_calls(event)
        if calls:
            self.calls.clear()
        for place, call in enumerate(calls):
            self.call(place).add(call["name"], call["arguments"])

    def end_old(self, event: Any) -> None:
        """Read the whole reply that ends a stream of version 1."""
        response = get(event, "response")
        answer = read_old_reply(response)
        self.replace_calls(response)
        if not self.texts:
            self.texts.append(get_text(response, "text") or "")
        self.usage.update(answer.usage)
        self.extra.update(answer.extra)
        self._stop(get_text(event, "finish_reason") or answer.finish_reason)

    def skip(self, event: Any) -> None:
        """Leave out what is no text: plans, thoughts, sources."""


_EVENTS: dict[str, Callable[[Chunks, Any], None]] = {
    "content-start": Chunks.start_text,
    "tool-call-start": Chunks.add_call,
    "tool-call-delta": Chunks.add_call,
    "message-end": Chunks.end,
    "text-generation": Chunks.add_old_text,
    "tool-calls-chunk": Chunks.add_old_call,
    "tool-calls-generation": Chunks.replace_calls,
    "stream-end": Chunks.end_old,
    **dict.fromkeys(
        (
            "message-start", "content-end", "tool-plan-delta", "tool-call-end", "citation-start",
            "citation-end", "debug", "stream-start", "search-queries-generation",
            "search-results", "citation-generation",
        ),
        Chunks.skip,
    ),
}  # fmt: skip

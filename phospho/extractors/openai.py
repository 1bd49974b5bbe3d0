"""Read text out of OpenAI chat completions and their chunks, objects and dicts.

Source: openai 3.54, types/chat/chat_completion.py, chat_completion_message.py and
chat_completion_chunk.py; types/completion.py for the older completions; the events of
`chat.completions.stream()` in lib/streaming/chat/_events.py. Requests are role/content messages:
see `messages.py`. Many vendors answer in this format.
"""

from __future__ import annotations

from typing import Any

from phospho.extraction import Extracted
from phospho.extractors.chunks import ChunkReader, read_list
from phospho.extractors.fields import get, get_count, get_list, get_text, last_items
from phospho.extractors.messages import content_text, message_text, tool_calls_of
from phospho.hookspecs import hookimpl

COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")

_CHUNKS = frozenset({"chat.completion.chunk", "text_completion"})


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | None:
    """Return the first choice as a person read it: its content, refusal, transcript or calls."""
    if isinstance(value, (list, tuple)):
        return read_list(Chunks([]), last_items(value))
    if is_completion(value):
        return read_completion(value)
    chunks = Chunks([])
    return chunks.read() if get(value, "object") in _CHUNKS and chunks.add(value) else None


def is_completion(value: Any) -> bool:
    """Know a completion by its `object`; or by its choices, as vendors leave that out."""
    if get(value, "object") == "chat.completion":
        return True
    choices = get_list(value, "choices")
    return bool(choices) and get(choices[0], "message") is not None


def read_completion(value: Any) -> Extracted:
    """Return what a chat completion says; a field that is not as expected counts as missing."""
    choices = get_list(value, "choices")
    message = get(choices[0], "message") if choices else None
    return Extracted(
        text=_seen(message),
        model=get_text(value, "model"),
        usage=read_usage(get(value, "usage")),
        finish_reason=get_text(choices[0], "finish_reason") if choices else None,
        tool_calls=tool_calls_of(message),
        extra=_extra(value, message, choices),
    )


def read_usage(usage: Any) -> dict[str, int]:
    """Return the token counts of a `usage` object under their own names."""
    return {name: count for name in COUNTS if (count := get_count(usage, name)) is not None}


class Chunks(ChunkReader):
    """Reads the chunks of a chat completion, and the events of the library's stream helper."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__(texts)
        # Of the choices after the first one.
        self._others: dict[int, list[str]] = {}
        self._transcript: list[str] = []

    def add(self, chunk: Any) -> bool:
        """Read one chunk; of the helper's events only those that hold a chunk."""
        choices = get(chunk, "choices")
        if not isinstance(choices, (list, tuple)):
            return self._add_event(chunk)
        for choice in last_items(choices):
            delta = get(choice, "delta")
            index = get(choice, "index") or 0
            if delta is not None:
                self._add_delta(delta, index)
            elif (text := get(choice, "text")).__class__ is str:
                self._add_text(text, index)
            else:
                return False
            if index == 0:
                self.finish_reason = get_text(choice, "finish_reason") or self.finish_reason
        if self.model is None:
            self.model = get_text(chunk, "model") or None
        usage = get(chunk, "usage")
        if usage is not None:
            self.usage.update(read_usage(usage))
            self.extra.update(read_details(usage))
        return True

    def _add_event(self, event: Any) -> bool:
        """Read an event of the stream helper; all but `chunk` repeat what the chunks say."""
        kind = get(event, "type")
        if kind == "chunk":
            return self.add(get(event, "chunk"))
        return isinstance(kind, str) and kind.startswith(_EVENTS)

    def _add_delta(self, delta: Any, index: Any) -> None:
        text = get(delta, "content")
        if text.__class__ is str:
            self._add_text(text, index)
        elif text:
            self._add_text(content_text(text), index)
        elif refusal := get_text(delta, "refusal"):
            self._add_text(refusal, index)
            self.extra["refusal"] = True
        if index != 0:
            return
        for call in get_list(delta, "tool_calls"):
            inner = get(call, "function") or get(call, "custom")
            pieces = self.call(get_count(call, "index") or 0)
            pieces.add(
                get_text(inner, "name"), get_text(inner, "arguments") or get_text(inner, "input")
            )
        if (audio := get(delta, "audio")) is not None:
            self._transcript.append(get_text(audio, "transcript") or "")

    def _add_text(self, text: str, index: Any) -> None:
        if index == 0:
            self.texts.append(text)
        elif isinstance(index, int):
            self._others.setdefault(index, []).append(text)

    def text(self) -> str:
        """Return the first choice as a person read it."""
        return "".join(self.texts) or "".join(self._transcript) or super().text()

    def read(self) -> Extracted:
        """Return what the chunks so far amount to."""
        if self._others:
            self.extra["choices"] = ["".join(self._others[index]) for index in sorted(self._others)]
        return super().read()


# Types of the events that `chat.completions.stream()` makes of the chunks.
_EVENTS = ("content.", "refusal.", "tool_calls.", "logprobs.")


def read_details(usage: Any) -> dict[str, int]:
    """Return the counts inside a `usage` that tell what was thought and what came from a cache."""
    return {
        name: count
        for holder, name in (
            ("completion_tokens_details", "reasoning_tokens"),
            ("prompt_tokens_details", "cached_tokens"),
        )
        if (count := get_count(get(usage, holder), name))
    }


def _seen(message: Any) -> str:
    transcript = get_text(get(message, "audio"), "transcript")
    if transcript and not get(message, "content"):
        return transcript
    return message_text(message)


def _extra(value: Any, message: Any, choices: list[Any]) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if get_text(message, "refusal"):
        extra["refusal"] = True
    if len(choices) > 1:
        extra["choices"] = [_seen(get(choice, "message")) for choice in choices[1:]]
    return extra | read_details(get(value, "usage"))

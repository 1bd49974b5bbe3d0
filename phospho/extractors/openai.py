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
from phospho.extractors.messages import content_text, message_text, tool_calls_of
from phospho.hookspecs import hookimpl

COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")

_CHUNKS = frozenset({"chat.completion.chunk", "text_completion"})


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | None:
    """Return the first choice as a person read it: its content, refusal, transcript or calls."""
    if (choices := choices_in(value)) is not None:
        return read_completion({"choices": choices})
    if isinstance(value, (list, tuple)):
        return read_list(Chunks([]), last_items(value))
    if is_completion(value):
        return read_completion(value)
    if (error := error_of(value)) is not None:
        return Extracted(text="", error=error)
    chunks = Chunks([])
    is_whole = get_text(value, "object") in _CHUNKS or get_text(value, "model") is not None
    return chunks.read() if is_whole and get(value, "choices") and chunks.add(value) else None


def is_completion(value: Any) -> bool:
    """Know a completion by its `object`; or by its choices, as vendors leave that out."""
    if get(value, "object") == "chat.completion":
        return True
    choices = get_list(value, "choices")
    return bool(choices) and get(choices[0], "message") is not None


def choices_in(value: Any) -> list[Any] | None:
    """Return the choices of a completion where they, or one of them, are all there is."""
    choices = last_items(value) if isinstance(value, (list, tuple)) else [value]
    return choices if choices and all(map(_is_choice, choices)) else None


def _is_choice(value: Any) -> bool:
    is_placed = get_count(value, "index") is not None and get(value, "message") is not None
    return is_placed and get_text(value, "finish_reason") is not None


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
        error=error_of(value),
        extra=_extra(value, message, choices),
    )


def error_of(value: Any) -> dict[str, str] | None:
    """Return what `{"error": {"message": str, "type": str, "code": ...}}` says, or None.

    Some have no type but a code, and servers of others' models have the error itself.
    """
    is_itself = get(value, "object") == "error"
    error = value if is_itself else get(value, "error")
    code = get(error, "code")
    kind = first_text(error, "type", "code", "status") or (str(code) if code else None)
    message = get_text(error, "message")
    # Others say in the same place what kind of thing theirs is.
    is_response = get(value, "object") == "response"
    is_other = is_response or (not is_itself and get(value, "type") is not None)
    return (
        None if kind is None or message is None or is_other else {"type": kind, "message": message}
    )


def read_usage(usage: Any) -> dict[str, int]:
    """Return the token counts of a `usage` object under their own names."""
    return token_counts(*(get_count(usage, name) for name in COUNTS))


class Chunks(ChunkReader):
    """Reads the chunks of a chat completion, and the events of the library's stream helper."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__(texts)
        # Of the choices after the first one.
        self._others: dict[int, list[str]] = {}
        self._transcript: list[str] = []
        # The id of the last call at each index: some vendors give all calls the same index.
        self._ids: dict[Any, str | None] = {}
        self._has_chunks = False

    def add(self, chunk: Any) -> bool:
        """Read one chunk; of the helper's events only those that hold a chunk."""
        if self.model is not None and self._add_token(chunk):
            return True
        choices = get(chunk, "choices")
        if not isinstance(choices, (list, tuple)):
            return self._add_event(chunk)
        if not all(self._add_choice(choice) for choice in last_items(choices)):
            return False
        self._has_chunks = True
        if self.model is None:
            self.model = get_text(chunk, "model") or None
        if self.finish_reason is not None:
            self.error = error_of(chunk) or self.error
        usage = get(chunk, "usage")
        if usage is None and self.finish_reason is not None:
            # Groq tells it beside what is its own, at the end.
            usage = get(get(chunk, "x_groq"), "usage")
        if usage is not None:
            self.usage.update(read_usage(usage))
            self.extra.update(read_details(usage))
        return True

    def _add_token(self, chunk: Any) -> bool:
        """Read the usual chunk, which holds a piece of text and nothing else; False for others."""
        try:
            fields = chunk if chunk.__class__ is dict else chunk.__dict__
            choices = fields["choices"]
            if len(choices) != 1 or fields.get("usage") is not None:
                return False
            choice = choices[0]
            fields = choice if choice.__class__ is dict else choice.__dict__
            if fields.get("finish_reason") is not None or fields["index"] != 0:
                return False
            delta = fields["delta"]
            fields = delta if delta.__class__ is dict else delta.__dict__
            text = fields["content"]
            if text.__class__ is not str or fields.get("tool_calls"):
                return False
        except Exception:  # noqa: BLE001 - whatever it is, it is no usual chunk
            return False
        self.texts.append(text)
        return True

    def _add_choice(self, choice: Any) -> bool:
        delta, index = get(choice, "delta"), get(choice, "index") or 0
        if delta is not None:
            self._add_delta(delta, index)
        elif (text := get(choice, "text")).__class__ is str:
            self._add_text(text, index)
        else:
            return False
        if index == 0:
            self.finish_reason = get_text(choice, "finish_reason") or self.finish_reason
        return True

    def _add_event(self, event: Any) -> bool:
        """Read an event of the stream helper; all but `chunk` repeat what the chunks say."""
        kind = get(event, "type")
        if kind == "chunk":
            inner = get(event, "chunk")
            # One that holds itself has no choices.
            return get(inner, "choices") is not None and self.add(inner)
        if (error := error_of(event)) is not None:
            self.error = error
            return True
        if not isinstance(kind, str) or not kind.startswith(_EVENTS):
            return False
        if not self._has_chunks:
            self._add_repeated(kind, event)
        return True

    def _add_repeated(self, kind: str, event: Any) -> None:
        """Read an event that repeats, for an app that hands on no others."""
        if kind in {"content.delta", "refusal.delta"}:
            self._add_text(get_text(event, "delta") or "", 0)
        elif kind == "tool_calls.function.arguments.done":
            call = self.call(get_count(event, "index"))
            call.add(get_text(event, "name"), get_text(event, "arguments"))

    def _add_delta(self, delta: Any, index: Any) -> None:
        text = get(delta, "content")
        if text.__class__ is str:
            self._add_text(text, index)
        elif text:
            self._add_text(answer_text(text), index)
        if not text and (refusal := get_text(delta, "refusal")):
            self._add_text(refusal, index)
            self.extra["refusal"] = True
        if index != 0:
            return
        calls = get_list(delta, "tool_calls")
        for call in calls:
            self._add_call(call)
        if not (calls or text):
            self._add_rest(delta)

    def _add_rest(self, delta: Any) -> None:
        """Read what few models answer with: a function call of the older kind, or speech."""
        if (old := get(delta, "function_call")) is not None:
            self.call("function_call").add(get_text(old, "name"), get_text(old, "arguments"))
        if (audio := get(delta, "audio")) is not None:
            self._transcript.append(get_text(audio, "transcript") or "")
            if get(audio, "data") is not None:
                self.attach("audio", is_piece=True)

    def _add_call(self, call: Any) -> None:
        index, own_id = get_count(call, "index") or 0, get_text(call, "id")
        if own_id and own_id != "null":
            self._ids[index] = own_id
        pieces = self.call((index, self._ids.get(index)))
        inner = get(call, "function") or get(call, "custom")
        name = get_text(inner, "name")
        arguments = get(inner, "arguments")
        pieces.add(
            # Some vendors repeat it with each piece.
            None if name == pieces.name else name,
            json_text(get(inner, "input") if arguments is None else arguments),
        )

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
    content = get(message, "content")
    if transcript and not content:
        return transcript
    return answer_text(content) or message_text(message)


def answer_text(content: Any) -> str:
    """Return the text of an answer in parts, which references cut within its sentences."""
    if not isinstance(content, (list, tuple)):
        return content if isinstance(content, str) else ""
    found: list[str] = []
    is_apart = False
    for part in last_items(content):
        text = content_text([part])
        if text:
            found.append("\n" + text if is_apart and found else text)
        is_apart = not text and get_text(part, "type") not in _WITHIN
    return join_parts(found)


# Parts that may stand within a sentence.
_WITHIN = frozenset({"reference", "tool_reference"})


def _extra(value: Any, message: Any, choices: list[Any]) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if get_text(message, "refusal"):
        extra["refusal"] = True
    if get(message, "audio") is not None:
        extra["attachments"] = {"audio": 1}
    if len(choices) > 1:
        extra["choices"] = [_seen(get(choice, "message")) for choice in choices[1:]]
    return extra | read_details(get(value, "usage"))

"""Read text out of OpenAI's Responses API: requests, responses and stream events.

Source: openai 3.54, types/responses/response.py, response_output_item.py, response_input_param.py,
response_stream_event.py; the events of `responses.stream()` in lib/streaming/responses/_events.py,
which are the same with more fields. LiteLLM and others answer in this format too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from phospho import snapshot
from phospho.extraction import Extracted
from phospho.extractors.chunks import CallInPieces, ChunkReader, read_list
from phospho.extractors.fields import (
    first_text,
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
from phospho.extractors.messages import calls_text, content_text, read_hints
from phospho.hookspecs import hookimpl

# What calls a tool, with the field that holds what it is called with.
_CALLS = {
    "function_call": "arguments",
    "mcp_call": "arguments",
    "mcp_approval_request": "arguments",
    "custom_tool_call": "input",
    "web_search_call": "action",
    "file_search_call": "queries",
    "computer_call": "action",
    "code_interpreter_call": "code",
    "local_shell_call": "action",
    "shell_call": "action",
    "apply_patch_call": "operation",
    "tool_search_call": "arguments",
}

# What OpenAI runs by itself; the person saw only what came of it.
_OTHERS = frozenset({
    "reasoning", "image_generation_call", "mcp_list_tools", "compaction", "program",
    "program_output", "additional_tools", "item_reference", "mcp_approval_response",
    "tool_search_output", "compaction_trigger", "configuration_update",
})  # fmt: skip

_FILES = frozenset({"input_image", "input_file", "input_audio", "computer_screenshot"})
_ENDS = frozenset({"response.completed", "response.failed", "response.incomplete"})


@hookimpl
def phospho_extract_input(value: Any) -> Extracted | None:
    """Return the last that the user said in a request, a list of items, or one item."""
    asked = get(value, "input")
    is_request = asked is not None and _is_request(value)
    items = _items_of(asked if is_request else value)
    if not is_request and not any(map(_is_own, items)):
        return None
    texts = [_text_of(item) for item in items if get_text(item, "role") == "user"]
    said = asked if isinstance(asked, str) else texts[-1] if texts else ""
    # Results of tools alone are no words of the user's.
    are_results = all((get_text(item, "type") or "").endswith("_call_output") for item in items)
    if not (is_request or texts or are_results):
        return None
    return Extracted(
        text=said,
        model=get_text(value, "model"),
        system_prompt=_system_prompt(get(value, "instructions"), items),
        extra=_count(items) | (read_hints(value) if is_request else {}) | _read_links(value),
    )


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | None:
    """Return what a person saw of a response, of its output items, or of a stream's events."""
    if is_response(value):
        return read_response(value)
    values = last_items(value) if isinstance(value, (list, tuple)) else [value]
    if (streamed := read_list(Chunks([]), values)) is not None:
        return streamed
    if not any(map(_is_own, values)) or not all(map(_is_item, values)):
        return None
    return _read_items(_answer_of(values))


def is_response(value: Any) -> bool:
    """Know a response by its `object`; others leave that out, but have what it is made of."""
    if get(value, "object") == "response":
        return True
    output = get_list(value, "output")
    return bool(output) and all(map(_is_item, output)) and any(map(_is_own, output))


def read_response(response: Any) -> Extracted:
    """Return what a response says; a field that is not as expected counts as missing."""
    answer = _read_items(get_list(response, "output"))
    usage = get(response, "usage")
    return Extracted(
        text=answer.text,
        model=get_text(response, "model"),
        usage=read_usage(usage),
        system_prompt=_system_prompt(get(response, "instructions"), []),
        finish_reason=_finish_reason(response),
        tool_calls=answer.tool_calls,
        error=_error_of(response),
        extra={
            **answer.extra,
            **read_details(usage),
            **_read_links(response),
            **_read_id(response),
        },
    )


def read_usage(usage: Any) -> dict[str, int]:
    """Return the token counts of a response's `usage`."""
    names = ("input_tokens", "output_tokens", "total_tokens")
    return token_counts(*(get_count(usage, name) for name in names))


def read_details(usage: Any) -> dict[str, int]:
    """Return what of the tokens was thought and what came from a cache."""
    counts = {
        "reasoning_tokens": get_count(get(usage, "output_tokens_details"), "reasoning_tokens"),
        "cached_tokens": get_count(get(usage, "input_tokens_details"), "cached_tokens"),
    }
    return {name: count for name, count in counts.items() if count}


def _is_request(value: Any) -> bool:
    asked = get(value, "input")
    if get(value, "object") is not None or get(value, "output") is not None:
        return False
    if isinstance(asked, str):
        return any(get(value, name) is not None for name in ("model", "instructions", "prompt"))
    items = _items_of(asked)
    return bool(items) and all(map(_is_item, items))


def _items_of(value: Any) -> list[Any]:
    return last_items(value) if isinstance(value, (list, tuple)) else [value]


def _is_item(item: Any) -> bool:
    kind = get_text(item, "type")
    if kind is None or kind == "message":
        return get_text(item, "role") is not None and get(item, "content") is not None
    return kind in _CALLS or kind in _OTHERS or kind.endswith("_call_output")


def _is_own(item: Any) -> bool:
    """Tell whether an item is such that only this API has it."""
    kind = get_text(item, "type")
    if kind is not None and kind != "message":
        return _is_item(item)
    parts = {get_text(part, "type") for part in get_list(item, "content")}
    return not parts.isdisjoint({"input_text", "output_text", *_FILES}) or (
        kind == "message" and parts == {"refusal"}
    )


def _text_of(item: Any) -> str:
    return content_text(get(item, "content"))


def _system_prompt(instructions: Any, items: Sequence[Any]) -> str | None:
    texts = [instructions] if isinstance(instructions, str) else []
    inside = last_items(instructions) if isinstance(instructions, (list, tuple)) else []
    system = [i for i in [*inside, *items] if get_text(i, "role") in {"system", "developer"}]
    texts += map(_text_of, system)
    return "\n".join(filter(None, texts)) or None


def _answer_of(items: Sequence[Any]) -> list[Any]:
    """Return what came after the last that the user said."""
    users = [place for place, item in enumerate(items) if get_text(item, "role") == "user"]
    return list(items[users[-1] + 1 if users else 0 :])


def _read_items(items: Sequence[Any]) -> Extracted:
    calls = _calls_of(items)
    answers = [item for item in items if get_text(item, "role") == "assistant"]
    text = "\n".join(filter(None, map(_answer_text, answers)))
    return Extracted(
        text=text or calls_text(calls), tool_calls=calls, extra=_count(items) | _refusal(answers)
    )


def _answer_text(message: Any) -> str:
    """Join the parts of one message; it is cut anywhere."""
    content = get(message, "content")
    if isinstance(content, str):
        return content
    parts = get_list(message, "content")
    return join_parts(first_text(part, "text", "refusal") or "" for part in parts)


def _refusal(messages: Sequence[Any]) -> dict[str, bool]:
    is_refused = any(get_text(part, "refusal") for part in items_of(messages, "content"))
    return {"refusal": True} if is_refused else {}


def _calls_of(items: Sequence[Any]) -> list[dict[str, str]]:
    return [call for item in items if (call := _read_call(item)) is not None]


def _read_call(item: Any) -> dict[str, str] | None:
    """Read a call of the app's tool, or of one that OpenAI runs, which has no name but its type."""
    kind = get_text(item, "type")
    if kind not in _CALLS:
        return None
    name = get_text(item, "name") or kind.removesuffix("_call")
    arguments = get(item, _CALLS[kind])
    if arguments is None and kind == "computer_call":
        arguments = get(item, "actions")
    if not isinstance(arguments, (str, list)):
        fields = arguments if isinstance(arguments, dict) else snapshot.public_fields(arguments)
        arguments = {key: field for key, field in (fields or {}).items() if field is not None}
    return {"name": name, "arguments": json_text(arguments)}


def _count(items: Sequence[Any]) -> dict[str, Any]:
    """Count files, made images and results of tools."""
    parts = items_of(items, "content")
    kinds = Counter(kind for part in parts if (kind := get_text(part, "type")) in _FILES)
    made = sum(get_text(item, "type") == "image_generation_call" for item in items)
    results = sum((get_text(item, "type") or "").endswith("_call_output") for item in items)
    attached = dict(kinds) | ({"image": made} if made else {})
    extra: dict[str, Any] = {"attachments": attached} if attached else {}
    return extra | ({"tool_results": results} if results else {})


def _finish_reason(response: Any) -> str | None:
    """Return why a response is not complete, else its status."""
    reason = get_text(get(response, "incomplete_details"), "reason")
    return reason or get_text(response, "status")


def _error_of(response: Any) -> dict[str, str] | None:
    error, status = get(response, "error"), get_text(response, "status")
    if message := get_text(error, "message"):
        return {"type": first_text(error, "code", "type") or "failed", "message": message}
    if status in {"failed", "cancelled"}:
        return {"type": status, "message": f"The response was {status}."}
    return None


def _read_links(value: Any) -> dict[str, str]:
    """Return what tells to which conversation this belongs."""
    conversation = get(value, "conversation")
    links = {
        "conversation": conversation
        if isinstance(conversation, str)
        else get_text(conversation, "id"),
        "previous_response_id": get_text(value, "previous_response_id"),
    }
    return {name: link for name, link in links.items() if link}


def _read_id(response: Any) -> dict[str, str]:
    """Return by what the next request goes on from a response."""
    own = get_text(response, "id")
    return {"response_id": own} if own else {}


class Chunks(ChunkReader):
    """Reads the events of a stream; what the last one says of the whole goes before the pieces."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__(texts)
        self._is_apart = False
        self._transcript: list[str] = []
        # What the answers that ended say as a whole, and whether more was said since.
        self._wholes: list[str] = []
        self._is_open = False
        self._ended: Counter[str] = Counter()

    def add(self, chunk: Any) -> bool:
        """Read one event."""
        kind = get(chunk, "type")
        if kind == "response.output_text.delta":
            self._add_text(get(chunk, "delta"))
            return True
        if kind.__class__ is not str:
            return False
        if kind in _ENDS:
            self._end(get(chunk, "response"), is_complete=kind == "response.completed")
            return True
        read = _EVENTS.get(kind)
        if read is not None:
            read(self, chunk)
        elif kind == "error":
            return self._fail(chunk)
        return kind.startswith("response.")

    def _add_text(self, text: Any) -> None:
        if text.__class__ is not str:
            return
        if self._is_apart and text:
            self._is_apart = False
            if self.texts:
                self.texts.append("\n")
        self._is_open = True
        self.texts.append(text)

    def start(self, event: Any) -> None:
        """Read what a response is made by; a stream may go on with the next one."""
        self._is_apart = True
        response = get(event, "response")
        self.model = get_text(response, "model") or self.model
        self.extra.update(_read_links(response) | _read_id(response))

    def start_item(self, event: Any) -> None:
        """Part one message from the next, and note which tool is called."""
        item = get(event, "item")
        self._is_apart = get_text(item, "type") == "message"
        if (call := _read_call(item)) is not None:
            self.call(_key(item, "id", event)).add(call["name"], None)

    def add_arguments(self, event: Any) -> None:
        """Read a piece of what a tool is called with."""
        self.call(_key(event, "item_id", event)).add(None, get_text(event, "delta"))

    def end_item(self, event: Any) -> None:
        """Read a call, which is complete now."""
        item = get(event, "item")
        call = _read_call(item)
        if call is not None:
            self._set_call(_key(item, "id", event), call)
        elif get_text(item, "type") == "image_generation_call":
            self.attach("image")

    def _set_call(self, key: str, call: Mapping[str, str]) -> None:
        pieces = self.calls[key] = CallInPieces()
        pieces.add(call["name"], call["arguments"])

    def add_refusal(self, event: Any) -> None:
        """Read a piece of a refusal."""
        self._add_text(get(event, "delta"))
        self.extra["refusal"] = True

    def add_transcript(self, event: Any) -> None:
        """Read a piece of what is spoken."""
        self._transcript.append(get_text(event, "delta") or "")

    def add_audio(self, event: Any) -> None:  # noqa: ARG002 - as the others
        """Count what is spoken, of which this is a piece."""
        self.attach("audio", is_piece=True)

    def _fail(self, event: Any) -> bool:
        error = get(event, "error") or event
        message = get_text(error, "message")
        # Others have an event of this name without a number.
        if message is None or get_count(event, "sequence_number") is None:
            return False
        self.error = {"type": first_text(error, "code", "type") or "error", "message": message}
        return True

    def _end(self, response: Any, *, is_complete: bool) -> None:
        """Read the whole response; one that is complete goes before what came of it in pieces."""
        whole = read_response(response)
        self.model = whole.model or self.model
        self.system_prompt = whole.system_prompt or self.system_prompt
        self._ended.update(whole.usage)
        self.usage = dict(self._ended)
        self.finish_reason = whole.finish_reason
        self.error = dict(whole.error) if whole.error else self.error
        self.extra.update(whole.extra)
        items = get_list(response, "output")
        for place, item in enumerate(items):
            if (call := _read_call(item)) is not None:
                self._set_call(_key(item, "id", {"output_index": place}), call)
        is_said = bool(whole.text) and whole.text != calls_text(whole.tool_calls)
        if is_said and (is_complete or not self._is_open):
            self._wholes.append(whole.text)
            self._is_open = False

    def text(self) -> str:
        """Return what a person read or heard, or the calls."""
        if self._wholes and not self._is_open:
            return "\n".join(self._wholes)
        return "".join(self.texts) or "".join(self._transcript) or super().text()


_EVENTS: dict[str, Callable[[Chunks, Any], None]] = {
    "response.created": Chunks.start,
    "response.output_item.added": Chunks.start_item,
    "response.output_item.done": Chunks.end_item,
    "response.refusal.delta": Chunks.add_refusal,
    "response.audio.transcript.delta": Chunks.add_transcript,
    "response.audio.delta": Chunks.add_audio,
    "response.function_call_arguments.delta": Chunks.add_arguments,
    "response.custom_tool_call_input.delta": Chunks.add_arguments,
    "response.mcp_call_arguments.delta": Chunks.add_arguments,
}


def _key(holder: Any, name: str, event: Any) -> str:
    """Return what tells a call from the others of a stream."""
    return get_text(holder, name) or str(get(event, "output_index"))

"""Read text out of Pydantic AI: results of runs, messages, and the events of a streamed run.

Source: pydantic-ai 2.68, run.py, result.py, messages.py, usage.py, tools.py
(`DeferredToolRequests`). A message is a request or a response and has parts, each with its kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from phospho.extraction import Extracted
from phospho.extractors.chunks import ChunkReader, read_list
from phospho.extractors.fields import (
    get,
    get_count,
    get_list,
    get_text,
    json_text,
    last_items,
    token_counts,
)
from phospho.extractors.messages import calls_text
from phospho.hookspecs import hookimpl

_KINDS = frozenset({"request", "response"})
_TEXTS = frozenset({"text-content", "structured-content"})


@hookimpl
def phospho_extract_input(value: Any) -> Extracted | None:
    """Return the last prompt of a person: of a run, its messages, or its arguments."""
    if isinstance(value, (list, tuple)) and any(map(_is_content, last_items(value))):
        return Extracted(text=_prompt_text(value), extra=_attachments([value]))
    if isinstance(value, Mapping) and (prompt := get(value, "user_prompt")) is not None:
        return _arguments(value, prompt)
    messages = messages_of(value)
    return None if messages is None else _request(messages)


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | None:
    """Return what a run answered; of one that is still streamed, what was said so far."""
    if _is_run(value):
        return read_run(value)
    messages = messages_of(value)
    if messages is not None and not _is_streamed(messages):
        return _answer(_turn(messages))
    items = last_items(value) if isinstance(value, (list, tuple)) else [value]
    if items and all(map(_is_part, items)):
        return _answer([{"kind": "response", "parts": items}])
    return read_list(Chunks([]), items)


def _is_part(value: Any) -> bool:
    return _is_ours(value) and get_text(value, "part_kind") is not None


def _is_streamed(messages: Sequence[Any]) -> bool:
    """Know what `stream_response` gives: one response again and again, never a request."""
    return len(messages) > 1 and all(get(message, "kind") == "response" for message in messages)


def _turn(messages: Sequence[Any]) -> Sequence[Any]:
    """Return what follows the last prompt of a person."""
    for place in range(len(messages) - 1, -1, -1):
        if _parts([messages[place]], "user-prompt"):
            return messages[place:]
    return messages


def messages_of(value: Any) -> list[Any] | None:
    """Return the messages of a run, those in a list, or the message itself."""
    if _is_run(value):
        return _history(value)
    items = last_items(value) if isinstance(value, (list, tuple)) else [value]
    return items if items and all(map(_is_message, items)) else None


def _is_message(value: Any) -> bool:
    kind = get(value, "kind")
    return (
        isinstance(kind, str) and kind in _KINDS and isinstance(get(value, "parts"), (list, tuple))
    )


def _is_ours(value: Any) -> bool:
    return any(str(k.__module__).partition(".")[0] == "pydantic_ai" for k in type(value).__mro__)


def _is_run(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "output" in value and any(map(_is_message, get_list(value, "messages")))
    return _is_ours(value) and callable(get(value, "all_messages"))


def _history(run: Any, name: str = "all_messages") -> list[Any]:
    """Return messages of a run; they are fields of its JSON, and methods of the object."""
    if isinstance(run, Mapping):
        new = get_count(run, "new_message_index") or 0
        return get_list(run, "messages")[new if name == "new_messages" and new > 0 else 0 :]
    try:
        found = get(run, name)()
    except Exception:  # noqa: BLE001 - a run that is not under way has none
        return []
    return last_items(found) if isinstance(found, (list, tuple)) else []


def _is_content(value: Any) -> bool:
    """Tell whether a value is what Pydantic AI takes in a prompt besides text."""
    return not isinstance(value, str) and _is_ours(value) and get_text(value, "kind") not in _KINDS


def _arguments(value: Mapping[Any, Any], prompt: Any) -> Extracted:
    """Read what an app hands to `agent.run`."""
    return Extracted(
        text=_prompt_text(prompt),
        system_prompt=get_text(value, "instructions"),
        extra=_attachments([prompt]),
    )


def _request(messages: Sequence[Any]) -> Extracted:
    prompts = _parts(messages, "user-prompt")
    contents = [get(part, "content") for part in prompts]
    system = [text for p in _parts(messages, "system-prompt") if (text := get_text(p, "content"))]
    own = [text for message in messages if (text := get_text(message, "instructions"))]
    return Extracted(
        text=_prompt_text(contents[-1]) if contents else "",
        system_prompt="\n".join([*system, *own[-1:]]) or None,
        extra=_attachments(contents),
    )


def _parts(messages: Sequence[Any], kind: str) -> list[Any]:
    parts = (part for message in messages for part in get_list(message, "parts"))
    return [part for part in parts if get(part, "part_kind") == kind]


def _prompt_text(content: Any) -> str:
    """Return the texts of a prompt, which may have images between them."""
    items = last_items(content) if isinstance(content, (list, tuple)) else [content]
    texts = (item if isinstance(item, str) else _text_inside(item) for item in items)
    return "\n".join(text for text in texts if text)


def _text_inside(item: Any) -> str | None:
    return get_text(item, "content") if get_text(item, "kind") in _TEXTS else None


def _attachments(contents: Sequence[Any]) -> dict[str, Any]:
    """Count what the prompts hold besides text, by type: `image`, `audio`, `document`."""
    lists = (last_items(content) for content in contents if isinstance(content, (list, tuple)))
    kinds = Counter(kind for items in lists for item in items if (kind := _attached(item)))
    return {"attachments": dict(kinds)} if kinds else {}


def _attached(item: Any) -> str | None:
    kind = get_text(item, "kind")
    if isinstance(item, str) or kind is None or kind in _TEXTS or kind == "cache-point":
        return None
    if kind == "binary":
        return (get_text(item, "media_type") or kind).partition("/")[0]
    return kind.removesuffix("-url")


def read_run(run: Any) -> Extracted:
    """Return the output of a run with the facts of its own messages, not those before it."""
    messages = _history(run, "new_messages")
    response = get(run, "response")
    if _is_message(response) and not any(response is message for message in messages):
        messages = [*messages, response]
    read = _answer(messages)
    waiting = _deferred(get(run, "output"))
    output = None if waiting else get(run, "output")
    tool = get_text(run, "output_tool_name") or get_text(run, "_output_tool_name")
    calls = [call for call in read.tool_calls if call["name"] != tool]
    usage = get(run, "usage")
    return Extracted(
        text=read.text if output is None else json_text(output),
        model=read.model,
        usage=_usage(usage) or read.usage,
        finish_reason=read.finish_reason,
        tool_calls=calls,
        extra={**read.extra, **_details(usage), **({"interrupts": waiting} if waiting else {})},
    )


def _deferred(output: Any) -> int:
    """Count the calls that wait for a person, where that is what a run returned."""
    if type(output).__name__ != "DeferredToolRequests":
        return 0
    return len(get_list(output, "calls")) + len(get_list(output, "approvals"))


def _answer(messages: Sequence[Any]) -> Extracted:
    """Return what the last response says, with the tokens and calls of all of them."""
    answers = [message for message in messages if get(message, "kind") == "response"]
    last = answers[-1] if answers else None
    calls = [_call(part) for part in _parts(answers, "tool-call")]
    usage: Counter[str] = Counter()
    details: Counter[str] = Counter()
    for answer in answers:
        usage.update(_usage(get(answer, "usage")))
        details.update(_details(get(answer, "usage")))
    return Extracted(
        text=said(last) or calls_text([_call(part) for part in _parts(answers[-1:], "tool-call")]),
        model=get_text(last, "model_name"),
        usage=dict(usage),
        finish_reason=get_text(last, "finish_reason"),
        tool_calls=calls,
        extra=_counts(messages) | dict(details),
    )


def said(response: Any) -> str:
    """Return the text parts of a response as its `text` does; what was thought is none of them."""
    text = ""
    was_text = True
    for part in get_list(response, "parts"):
        is_text = get(part, "part_kind") == "text"
        if is_text and (piece := get_text(part, "content")):
            text += piece if was_text or not text else f"\n\n{piece}"
        was_text = is_text
    return text


def _call(part: Any) -> dict[str, str]:
    return {"name": get_text(part, "tool_name") or "", "arguments": json_text(get(part, "args"))}


def _counts(messages: Sequence[Any]) -> dict[str, Any]:
    counts = {
        "tool_results": len(_parts(messages, "tool-return")),
        "retries": len(_parts(messages, "retry-prompt")) + len(_parts(messages, "retry-feedback")),
        "files": len(_parts(messages, "file")),
    }
    return {name: count for name, count in counts.items() if count}


def _usage(usage: Any) -> dict[str, int]:
    """Return the tokens; a model that does not tell has none of either."""
    counts = token_counts(get_count(usage, "input_tokens"), get_count(usage, "output_tokens"))
    return counts if any(counts.values()) else {}


def _details(usage: Any) -> dict[str, int]:
    found = {
        "reasoning_tokens": get_count(usage, "output_reasoning_tokens"),
        "cached_tokens": get_count(usage, "cache_read_tokens"),
    }
    return {name: count for name, count in found.items() if count}


class Chunks(ChunkReader):
    """Reads the events of a run, and the responses that `stream_response` gives, each so far.

    The answer is what was said after the last tool answered.
    """

    def __init__(self, texts: list[str]) -> None:
        super().__init__(texts)
        self._is_step_over = False
        self._called: dict[str | None, dict[str, str]] = {}
        self._whole: Extracted | None = None

    def add(self, chunk: Any) -> bool:
        """Read one event or response."""
        kind = get(chunk, "event_kind")
        if kind == "part_delta":
            delta = get(chunk, "delta")
            if get(delta, "part_delta_kind") == "text":
                self._add_text(get_text(delta, "content_delta"))
        elif kind == "part_start":
            self._add_start(get(chunk, "part"), get(chunk, "previous_part_kind"))
        elif kind == "agent_run_result":
            self._whole = phospho_extract_output(get(chunk, "result"))
        elif isinstance(kind, str):
            self._add_event(kind, get(chunk, "part"))
        elif _is_message(chunk):
            self._whole = _answer([chunk])
        else:
            return False
        return True

    def _add_start(self, part: Any, previous: Any) -> None:
        if get(part, "part_kind") == "text":
            is_apart = previous not in (None, "text") and self.texts and not self._is_step_over
            self._add_text("\n\n" if is_apart else None)
            self._add_text(get_text(part, "content"))

    def _add_text(self, text: str | None) -> None:
        if not text:
            return
        if self._is_step_over:
            self._is_step_over = False
            self.texts.clear()
        self.texts.append(text)

    def _add_event(self, kind: str, part: Any) -> None:
        if kind == "function_tool_call" or (
            kind == "part_end" and get(part, "part_kind") == "tool-call"
        ):
            self._called[get_text(part, "tool_call_id")] = _call(part)
        elif kind == "output_tool_call":
            self._called.pop(get_text(part, "tool_call_id"), None)
        elif kind == "function_tool_result":
            self._is_step_over = True
            self.extra["tool_results"] = self.extra.get("tool_results", 0) + 1

    def text(self) -> str:
        """Return the last step's text, or the calls where nothing was said."""
        return "".join(self.texts) or calls_text(list(self._called.values()))

    def read(self) -> Extracted:
        """Return what the run's result says, or what the events so far amount to."""
        if self._whole is not None:
            return self._whole
        return Extracted(text=self.text(), tool_calls=list(self._called.values()), extra=self.extra)

"""Read text out of Ollama's chats and generated texts, and their streams, objects and dicts.

Source: ollama 0.6, _types.py (ChatResponse, GenerateResponse and their requests). What the model
thought is `thinking` beside the answer, and is not shown; images are counted.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from phospho.extraction import Extracted
from phospho.extractors import messages as general
from phospho.extractors.chunks import ChunkReader, read_list
from phospho.extractors.fields import (
    get,
    get_count,
    get_list,
    get_text,
    is_mapping,
    json_text,
    last_items,
    token_counts,
)  # fmt: skip
from phospho.hookspecs import hookimpl

# Names beside the `prompt` of a request that no other vendor has.
_OWN_NAMES = ("system", "images", "options", "keep_alive", "think", "template", "raw", "suffix")


# What stands beside an error that there is instead of an answer.
_FAILED = frozenset({"error", "status", "status_code", "code", "StatusCode", "Status"})


@hookimpl
def phospho_extract_input(value: Any) -> Extracted | None:
    """Return the prompt of a request, or the last user message of those that have images."""
    if isinstance(value, (list, tuple)):
        return _read_chat(value, last_items(value))
    if get_text(value, "role") is not None:
        return _read_chat([value], [value])
    messages = get_list(value, "messages")
    return _read_chat(value, messages) if messages else _read_prompt(value)


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | None:
    """Return what a person saw of an answer, or of the chunks of one."""
    chunks = value if isinstance(value, (list, tuple)) else [value]
    return read_list(Chunks([]), last_items(chunks))


def _read_chat(value: Any, messages: list[Any]) -> Extracted | None:
    """Add the number of images to what the messages say; without images they are not ours."""
    images = sum(_count_images(message) for message in messages)
    if not images:
        return None
    answer = general.phospho_extract_input(value) or _read_pictures(messages)
    if answer is None:
        return None
    attached = {**answer.extra.get("attachments", {}), "image": images}
    return dataclasses.replace(answer, extra={**answer.extra, "attachments": attached})


def _read_pictures(messages: list[Any]) -> Extracted | None:
    """Read messages of which some have images and no text."""
    spoken = [message for message in messages if general.is_message(message)]
    if not all(get_text(message, "role") for message in messages):
        return None
    is_last_silent = not general.is_message(messages[-1])
    answer = general.phospho_extract_input(spoken) if spoken else Extracted("")
    return dataclasses.replace(answer, text="") if answer and is_last_silent else answer


def _read_prompt(value: Any) -> Extracted | None:
    prompt = get_text(value, "prompt")
    if prompt is None or all(get(value, name) is None for name in _OWN_NAMES):
        return None
    images = _count_images(value)
    return Extracted(
        text=prompt,
        model=get_text(value, "model"),
        system_prompt=get_text(value, "system") or None,
        extra={"attachments": {"image": images}} if images else {},
    )


def _count_images(holder: Any) -> int:
    """Count what is encoded, a path, or an object that holds one of them."""
    images = get_list(holder, "images")
    return sum(isinstance(i, (str, bytes)) or get(i, "value") is not None for i in images)


class Chunks(ChunkReader):
    """Reads the chunks of a stream; a whole answer is a stream of one chunk."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__(texts)
        # Pydantic takes long to say that a field is not there.
        self._is_chat = True

    def add(self, chunk: Any) -> bool:
        """Read one chunk, which says whether it is the last."""
        done = get(chunk, "done")
        if done.__class__ is not bool:
            return self._fail(chunk)
        message = get(chunk, "message") if self._is_chat else None
        if message is None:
            text = get(chunk, "response")
            self._is_chat = text is None
        else:
            text = get(message, "content")
        if text.__class__ is str:
            self.texts.append(text)
        elif get(message, "role") is None and get_text(chunk, "image") is None:
            return get(chunk, "total") is not None and get(chunk, "completed") is not None
        if message is not None and (calls := get(message, "tool_calls")):
            self._add_calls(calls)
        if done:
            self._end(chunk)
        elif self.model is None:
            self.model = get_text(chunk, "model")
        return True

    def _fail(self, chunk: Any) -> bool:
        """Read why there is no answer, which stands by itself."""
        message = get_text(chunk, "error") if is_mapping(chunk) else None
        if not message or not _FAILED.issuperset(chunk):
            return False
        self.error = {"type": "error", "message": message}
        return True

    def _add_calls(self, calls: Any) -> None:
        """Read calls, which come whole, with arguments that are no text."""
        for call in last_items(calls) if isinstance(calls, (list, tuple)) else []:
            function = get(call, "function")
            name = get_text(function, "name")
            if name:
                arguments = json_text(get(function, "arguments"))
                self.call(len(self.calls)).add(name, arguments)

    def _end(self, chunk: Any) -> None:
        """Read what only the last chunk tells."""
        self.model = get_text(chunk, "model") or self.model
        self.finish_reason = get_text(chunk, "done_reason") or self.finish_reason
        self.usage = token_counts(
            get_count(chunk, "prompt_eval_count"), get_count(chunk, "eval_count")
        )
        if get_text(chunk, "image"):
            self.extra["attachments"] = {"image": 1}

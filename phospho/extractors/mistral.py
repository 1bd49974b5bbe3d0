"""Read text out of Mistral's chats, conversations and their streams, objects and dicts.

Source: mistralai 3.7, client/models: chatcompletionresponse.py and completionevent.py, which are
OpenAI's format (see `openai.py`) with contents that are lists of chunks, thoughts among them;
conversationresponse.py and conversationevents.py for agents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from phospho.extraction import Extracted
from phospho.extractors import messages as general
from phospho.extractors import openai
from phospho.extractors.chunks import read_list
from phospho.extractors.fields import get, get_list, get_text, json_text, last_items
from phospho.extractors.messages import calls_text, content_text
from phospho.hookspecs import hookimpl

# Names beside the `inputs` of a conversation.
_OWN_NAMES = ("agent_id", "instructions", "completion_args", "conversation_id", "handoff_execution")


@hookimpl
def phospho_extract_input(value: Any) -> Extracted | None:
    """Return what a conversation is asked; the messages of a chat are read as any others."""
    inputs = get(value, "inputs")
    if inputs is None or all(get(value, name) is None for name in _OWN_NAMES):
        return None
    answer = Extracted(inputs) if isinstance(inputs, str) else _read_entries(inputs)
    if answer is None:
        return None
    return Extracted(
        text=answer.text,
        model=get_text(value, "model"),
        system_prompt=get_text(value, "instructions") or answer.system_prompt,
        extra=answer.extra,
    )


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | None:
    """Return what a person saw of a chat, a conversation, or the events of a stream."""
    if (choices := openai.choices_in(value)) is not None:
        return openai.read_completion({"choices": choices})
    if isinstance(value, (list, tuple)):
        return read_list(Chunks([]), last_items(value))
    if get(value, "object") == "conversation.response":
        return _read_conversation(value)
    if openai.is_completion(value):
        return openai.read_completion(value)
    return read_list(Chunks([]), [value])


def _read_entries(inputs: Any) -> Extracted | None:
    """Read the messages among the entries; results of tools are no messages."""
    if not isinstance(inputs, (list, tuple)):
        return None
    said = [entry for entry in last_items(inputs) if general.is_message(entry)]
    return general.phospho_extract_input(said) if said else Extracted("")


def _read_conversation(value: Any) -> Extracted:
    """Read the entries of an answer: messages, and calls of the app's functions."""
    entries = get_list(value, "outputs")
    said = [entry for entry in entries if get(entry, "type") == "message.output"]
    calls = [
        {"name": name, "arguments": json_text(get(entry, "arguments"))}
        for entry in entries
        if get(entry, "type") == "function.call" and (name := get_text(entry, "name"))
    ]
    texts = [text for entry in said if (text := openai.answer_text(get(entry, "content")))]
    return Extracted(
        text="\n".join(texts) or calls_text(calls),
        model=next((name for entry in said if (name := get_text(entry, "model"))), None),
        usage=openai.read_usage(get(value, "usage")),
        tool_calls=calls,
    )


class Chunks(openai.Chunks):
    """Reads the events of a stream, each of which has its chunk in `data`."""

    def add(self, chunk: Any) -> bool:
        """Read one event, or what was in one."""
        if chunk.__class__ is not dict and self.model is not None:
            text = _only_text(chunk)
            if text is not None:
                self.texts.append(text)
                return True
        data = get(chunk, "data")
        if data is None:
            data = chunk
        kind = get(data, "type")
        if kind is None:
            return get(data, "choices") is not None and super().add(data)
        read = _EVENTS.get(kind) if isinstance(kind, str) else None
        if read is not None:
            read(self, data)
        return read is not None

    def add_text(self, event: Any) -> None:
        """Read a piece of a message: a text, or a chunk that may be a thought."""
        content = get(event, "content")
        text = content if isinstance(content, str) else content_text([content])
        self.texts.append(text)
        self.model = self.model or get_text(event, "model")

    def add_call(self, event: Any) -> None:
        """Read a piece of a call."""
        call = self.call(get_text(event, "tool_call_id"))
        call.add(None if call.name else get_text(event, "name"), get_text(event, "arguments"))

    def end(self, event: Any) -> None:
        """Read what the conversation cost."""
        self.usage = openai.read_usage(get(event, "usage"))

    def fail(self, event: Any) -> None:
        """Read why there is no answer."""
        message = get_text(event, "message") or ""
        self.error = {"type": str(get(event, "code") or "error"), "message": message}

    def skip(self, event: Any) -> None:
        """Leave out what is no text: tools of Mistral's own, changes of the agent."""


def _only_text(event: Any) -> str | None:
    """Return the text of an event object of a chat that has nothing else to tell, in a moment."""
    try:
        chunk = event.data
        (choice,) = chunk.choices
        delta = choice.delta
        text = delta.content
        is_plain = choice.index == 0 and choice.finish_reason is None and chunk.usage is None
        has_calls = isinstance(delta.tool_calls, list)
    except Exception:  # noqa: BLE001 - it is not such an object
        return None
    return text if text.__class__ is str and is_plain and not has_calls else None


_EVENTS: dict[str, Callable[[Chunks, Any], None]] = {
    "message.output.delta": Chunks.add_text,
    "function.call.delta": Chunks.add_call,
    "conversation.response.done": Chunks.end,
    "conversation.response.error": Chunks.fail,
    **dict.fromkeys(
        (
            "conversation.response.started", "tool.execution.started", "tool.execution.delta",
            "tool.execution.done", "agent.handoff.started", "agent.handoff.done",
        ),
        Chunks.skip,
    ),
}  # fmt: skip

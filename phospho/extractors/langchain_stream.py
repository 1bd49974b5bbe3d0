"""Puts together what LangChain and LangGraph stream, for `langchain.py`.

Source: langchain-core 1.7, messages/ai.py (`AIMessageChunk`), runnables/schema.py (the events of
`astream_events`), runnables/utils.py (`AddableDict`); langgraph 1.2, types.py (`StreamMode`, and
the parts of `version="v2"`). These may repeat one another: a model's pieces, then its message in an
update, then the whole state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from phospho.extractors.chunks import ChunkReader
from phospho.extractors.fields import get, get_list, get_text, json_text, last_items
from phospho.extractors.langchain_messages import (
    Message,
    block_text,
    details_of,
    finish_of,
    model_of,
    read_message,
    said,
    usage_of,
)
from phospho.extractors.messages import OUTPUT_KEYS

if TYPE_CHECKING:
    from phospho.extraction import Extracted

_CHUNK = "AIMessageChunk"
_MODES = frozenset({
    "messages", "updates", "values", "custom", "debug", "tasks", "checkpoints",
})  # fmt: skip

# What is in the metadata of every piece.
_NO_FACTS = frozenset({"model_provider", "output_version"})

# Of one dict of updates; a graph has few nodes that run at the same time.
_MAX_NODES = 100


class Chunks(ChunkReader):
    """Reads the pieces of messages, LangGraph's stream modes, and `astream_events`.

    What counts is the last message that says something: what came before it was said to a tool,
    or by a model that the person does not see.
    """

    def __init__(self, texts: list[str]) -> None:
        super().__init__(texts)
        # What each message said, in the order in which they began; the first one's are `texts`.
        self._messages: list[list[str]] = []
        # Those not complete yet, by the node or run they are of.
        self._open: dict[Any, list[str]] = {}
        self._final: str | None = None
        # What a graph that waits for a person wants to know.
        self._asked = ""
        self._streamed: Counter[str] = Counter()
        self._details: Counter[str] = Counter()
        # Of whole messages, by id: a state repeats those of the updates before.
        self._usage_of_whole: dict[Any, dict[str, int]] = {}
        self._call_ids: set[Any] = set()

    def add(self, chunk: Any) -> bool:
        """Read one chunk; what only repeats or reports is known and adds nothing."""
        kind = chunk.__class__
        if kind is tuple or kind is list:
            return self._add_tuple(chunk)
        if kind is dict or isinstance(chunk, Mapping):
            return self._add_mapping(chunk)
        return self._add_message(chunk, None)

    def _add_message(self, value: Any, key: Any) -> bool:
        """Read a message of any kind; one that is no answer ends those before it."""
        fields = value if value.__class__ is dict else getattr(value, "__dict__", None)
        if fields.__class__ is dict and fields.get("type") == _CHUNK and "content" in fields:
            self._add_piece(fields, key)
            return True
        message = read_message(value)
        if message is None or not message.is_own:
            return False
        if is_chunk(message.body):
            self._add_piece(_fields(message.body), key)
        elif message.role == "ai":
            self._add_whole(message)
        else:
            self._open.clear()
        return True

    def _add_piece(self, fields: Mapping[str, Any], key: Any) -> None:
        content = fields.get("content")
        if content:
            text = content if content.__class__ is str else _blocks_text(content)
            if text:
                self._pieces(key).append(text)
        if calls := fields.get("tool_call_chunks") or fields.get("tool_calls"):
            self._add_calls(calls, key)
        if fields.get("usage_metadata"):
            self._streamed.update(usage_of(fields))
            self._details.update(details_of(fields))
        metadata = fields.get("response_metadata")
        if metadata and isinstance(metadata, Mapping) and not metadata.keys() <= _NO_FACTS:
            self.model = model_of(metadata) or self.model
            self.finish_reason = finish_of(metadata) or self.finish_reason
        if fields.get("chunk_position") == "last":
            self._open.pop(key, None)

    def _pieces(self, key: Any) -> list[str]:
        pieces = self._open.get(key)
        if pieces is None:
            pieces = self._open[key] = [] if self._messages else self.texts
            self._messages.append(pieces)
        return pieces

    def _add_calls(self, calls: Any, key: Any) -> None:
        for call in last_items(calls) if isinstance(calls, (list, tuple)) else ():
            index, call_id = get(call, "index"), get_text(call, "id")
            if call_id:
                self._call_ids.add(call_id)
            place = (key, len(self._messages), index) if isinstance(index, (int, str)) else call_id
            self.call(place).add(get_text(call, "name"), json_text(get(call, "args")))

    def _add_whole(self, message: Message) -> None:
        """Read a message that is complete; it may have come in pieces, or in an update, before."""
        body = message.body
        own_id = get_text(body, "id") or f"#{len(self._usage_of_whole)}"
        if own_id in self._usage_of_whole:
            return
        self._usage_of_whole[own_id] = usage_of(body)
        if text := said(message):
            self._open.clear()
            self._messages.append([text])
        metadata = get(body, "response_metadata")
        self.model = model_of(metadata) or self.model
        self.finish_reason = finish_of(metadata) or self.finish_reason
        calls = [call for call in get_list(body, "tool_calls") if get_text(call, "name")]
        for call in calls:
            if get_text(call, "id") not in self._call_ids:
                self._add_calls([call], own_id)

    def _add_tuple(self, chunk: Any) -> bool:
        """Read `(message, metadata)`, `(mode, data)`, `(path, data)` or `(path, mode, data)`."""
        first, second = chunk[:2] if len(chunk) in {2, 3} else (None, None)
        if first.__class__ in {tuple, list}:
            return self._add_mode(second, chunk[2]) if chunk[2:] else self._add_inner(second)
        if first.__class__ is str:
            return self._add_mode(first, second)
        if second.__class__ is dict and len(chunk) == 2:  # noqa: PLR2004 - a pair
            return self._add_message(first, get_text(second, "langgraph_checkpoint_ns"))
        return False

    def _add_inner(self, chunk: Any) -> bool:
        """Read what a graph streams of a graph inside it; a path inside a path is no such thing."""
        if chunk.__class__ in {tuple, list} and chunk and chunk[0].__class__ in {tuple, list}:
            return False
        return self.add(chunk)

    def _add_mode(self, mode: Any, data: Any) -> bool:
        if not isinstance(mode, str) or mode not in _MODES:
            return False
        if mode == "messages" and isinstance(data, (tuple, list)):
            self._add_inner(data)
        elif mode == "values":
            self._add_state(data)
        elif mode == "updates":
            self._add_updates(data)
        return True

    def _add_mapping(self, chunk: Mapping[Any, Any]) -> bool:
        kind = chunk.get("event")
        if isinstance(kind, str) and kind.startswith("on_") and "data" in chunk:
            self._add_event(kind, chunk)
            return True
        if "ns" in chunk and "data" in chunk:
            return self._add_mode(chunk.get("type"), chunk.get("data"))
        if type(chunk).__name__ == "AddableDict":
            self._add_named(chunk)
            return True
        if "messages" in chunk:
            return self._add_state(chunk)
        return self._add_message(chunk, None) or self._add_updates(chunk)

    def _add_named(self, chunk: Mapping[Any, Any]) -> None:
        """Read what a chain adds to its result: pieces by name, of which one is the answer."""
        for name in OUTPUT_KEYS:
            found = chunk.get(name)
            if isinstance(found, str):
                self._pieces(name).append(found)
                return
            if found is not None and self._add_message(found, name):
                return
        self._add_state(chunk)

    def _add_state(self, state: Any) -> bool:
        """Read a whole state: the answers since the person's last message."""
        messages = [read_message(item) for item in _as_list(get(state, "messages"))]
        if not messages or None in messages:
            return False
        turn: list[Message] = []
        for message in messages:
            if message is not None:
                turn = [] if message.role == "user" else [*turn, message]
        for message in turn:
            if message.role == "ai":
                self._add_whole(message)
        self._note_interrupts(state)
        return any(message is not None and message.is_own for message in messages)

    def _add_updates(self, chunk: Any) -> bool:
        """Read what nodes add to a state: `{node: {"messages": [...]}}`."""
        if not isinstance(chunk, Mapping):
            return False
        is_known = self._note_interrupts(chunk)
        for update in list(chunk.values())[:_MAX_NODES]:
            for item in _as_list(get(update, "messages")):
                message = read_message(item)
                is_known = is_known or (message is not None and message.is_own)
                if message is not None and message.role == "ai":
                    self._add_whole(message)
        return is_known or bool(self._usage_of_whole)

    def _note_interrupts(self, chunk: Any) -> bool:
        waiting = get_list(chunk, "__interrupt__")
        if waiting:
            self.extra["interrupts"] = len(waiting)
            self._asked = "\n".join(json_text(get(interrupt, "value")) for interrupt in waiting)
        return bool(waiting)

    def _add_event(self, kind: str, event: Mapping[Any, Any]) -> None:
        """Read an event: the models' pieces, and at the end what the whole run returned."""
        data = event.get("data")
        run = get_text(event, "run_id")
        if kind == "on_chat_model_stream":
            self._add_message(get(data, "chunk"), run)
        elif kind == "on_llm_stream":
            chunk = get(data, "chunk")
            text = chunk if isinstance(chunk, str) else get_text(chunk, "text")
            self._pieces(run).append(text or "")
        elif kind in {"on_chat_model_end", "on_llm_end", "on_chain_end"}:
            self._open.pop(run, None)
            if not event.get("parent_ids"):
                self._add_final(get(data, "output"))

    def _add_final(self, output: Any) -> None:
        if isinstance(output, str):
            self._final = str.__str__(output)
        elif isinstance(output, Mapping):
            named = (output.get(name) for name in OUTPUT_KEYS)
            self._final = next((text for text in named if isinstance(text, str)), self._final)
            self._add_state(output)
        elif (message := read_message(output)) is not None and message.role == "ai":
            self._final = said(message) or self._final

    def text(self) -> str:
        """Return the last message that says something, or the calls where none does."""
        if self._final is not None:
            return self._final
        texts = ("".join(pieces) for pieces in reversed(self._messages))
        return next((text for text in texts if text), None) or self._asked or super().text()

    def read(self) -> Extracted:
        """Return what the chunks so far amount to."""
        whole: Counter[str] = Counter()
        for usage in self._usage_of_whole.values():
            whole.update(usage)
        # Pieces may lack what the message says, and a model's pieces what no message says.
        most = max(self._streamed, whole, key=lambda usage: usage["total_tokens"])
        self.usage = dict(most)
        self.extra.update(self._details)
        return super().read()


def _fields(body: Any) -> Mapping[str, Any]:
    return body if isinstance(body, Mapping) else vars(body)


def is_chunk(value: Any) -> bool:
    """Tell whether a value is a piece of a message, in one of its forms."""
    message = read_message(value)
    return message is not None and get(message.body, "type") == _CHUNK


def _blocks_text(content: Any) -> str:
    return "".join(map(block_text, content)) if isinstance(content, (list, tuple)) else ""


def _as_list(value: Any) -> list[Any]:
    """Return messages as a list; a node may return a single one."""
    if isinstance(value, (list, tuple)):
        return last_items(value)
    return [] if value is None else [value]

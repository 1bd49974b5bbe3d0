"""Read text out of LlamaIndex: chat messages, answers of engines and agents, and their JSON.

Source: llama-index-core 0.14, base/llms/types.py, base/response/schema.py, chat_engine/types.py,
agent/workflow/workflow_events.py, schema.py (`QueryBundle`, `NodeWithScore`); llama-index-workflows
2.26, workflows/events.py. A stream is never read here: of one that goes by, the text so far counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from phospho.extraction import Extracted
from phospho.extractors.chunks import ChunkReader, read_list
from phospho.extractors.fields import (
    first_text,
    get,
    get_count,
    get_list,
    get_text,
    json_text,
    last_items,
    token_counts,
)
from phospho.extractors.messages import INPUT_KEYS, OUTPUT_KEYS, calls_text, tool_calls_of
from phospho.hookspecs import hookimpl

_USER = frozenset({"user"})
_ANSWERS = frozenset({"assistant", "chatbot", "model"})
_SYSTEM = frozenset({"system", "developer"})

# What a dict has that is one of these, told apart by its names.
_NAMES: tuple[tuple[str, frozenset[str]], ...] = tuple(
    (kind, frozenset(names.split()))
    for kind, names in (
        ("ChatMessage", "role blocks"),
        ("AgentStream", "delta current_agent_name"),
        ("AgentOutput", "response current_agent_name"),
        ("Event", "input current_agent_name"),
        ("Event", "tool_name tool_kwargs tool_id"),
        ("ChatResponse", "message raw"),
        ("CompletionResponse", "text raw logprobs"),
        ("Response", "response source_nodes"),
        ("QueryBundle", "query_str custom_embedding_strs"),
        ("StartEvent", "user_msg"),
        ("StopEvent", "result _data"),
        ("NodeWithScore", "node score"),
    )
)
_ENGINES = frozenset({
    "Response", "PydanticResponse", "StreamingResponse", "AsyncStreamingResponse",
    "AgentChatResponse", "StreamingAgentChatResponse",
})  # fmt: skip
_KINDS = _ENGINES | {kind for kind, _ in _NAMES} | {"HumanResponseEvent", "Event"}
_PACKAGES = frozenset({"llama_index", "workflows"})

# Names under which engines, models and agents take what a person said.
_ASKED = ("user_msg", "str_or_query_bundle", "query_bundle", "messages", *INPUT_KEYS)

# A result inside an event inside a result; deeper is a mistake.
_MAX_DEPTH = 6

# Blocks that are the model's own business.
_INNER = frozenset({"text", "thinking", "tool_call", "cache"})


@hookimpl
def phospho_extract_input(value: Any) -> Extracted | None:
    """Return what a person asked an engine, a model, an agent or a workflow."""
    return _read_input(value, 0)


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | None:
    """Return what an engine, a model, an agent or a workflow answered."""
    if isinstance(value, (list, tuple)):
        items = last_items(value)
        return _last_answer(items) or _nodes(items) or read_list(Chunks([]), items)
    return _read_output(value, 0)


def kind_of(value: Any) -> str | None:
    """Return the class of LlamaIndex that a value, or what a dict was made of, is of."""
    if isinstance(value, Mapping):
        return next((k for k, names in _NAMES if all(name in value for name in names)), None)
    for kind in type(value).__mro__[:-1]:
        package = str(kind.__module__).partition(".")[0]
        if kind.__name__ in _KINDS and package in _PACKAGES:
            return kind.__name__
    return None


def _read_input(value: Any, depth: int) -> Extracted | None:
    if depth > _MAX_DEPTH or isinstance(value, str):
        return None
    kind = "ChatMessage" if isinstance(value, (list, tuple)) else kind_of(value)
    if kind == "ChatMessage":
        return _conversation(value)
    if kind == "QueryBundle":
        attached = {"attachments": {"image": 1}} if get(value, "image_path") else {}
        return Extracted(text=get_text(value, "query_str") or "", extra=attached)
    if kind == "HumanResponseEvent":
        return _named(value, ("response", *_ASKED), depth)
    if kind == "StartEvent":
        read = _named(value, _ASKED, depth) or _named(get(value, "_data"), _ASKED, depth)
        return read or _read_input(get(value, "chat_history"), depth + 1)
    return _named(value, _ASKED, depth, texts=False) if isinstance(value, Mapping) else None


def _named(value: Any, names: Sequence[str], depth: int, *, texts: bool = True) -> Extracted | None:
    """Return what is under the first of `names`; a text only where the value is surely ours."""
    for name in names:
        found = get(value, name)
        if isinstance(found, str):
            return Extracted(text=found) if texts else None
        if found is not None and (read := _read_input(found, depth + 1)) is not None:
            return read
    return None


def _conversation(value: Any) -> Extracted | None:
    messages = last_items(value) if isinstance(value, (list, tuple)) else [value]
    if not messages or any(kind_of(message) != "ChatMessage" for message in messages):
        return None
    system = [text for m in messages if _role(m) in _SYSTEM and (text := said(m))]
    asked = _last(messages, _USER) or messages[-1]
    return Extracted(
        text=said(asked), system_prompt="\n".join(system) or None, extra=_counts(messages)
    )


def _last(messages: Sequence[Any], roles: frozenset[str]) -> Any:
    return next((message for message in reversed(messages) if _role(message) in roles), None)


def _role(message: Any) -> str:
    role = get_text(message, "role")
    return "" if role is None else str.__str__(role)


def said(message: Any) -> str:
    """Return the text of a message, as its `content` gives it; other blocks are not said."""
    texts = [
        text
        for block in get_list(message, "blocks")
        if get(block, "block_type") == "text" and (text := get_text(block, "text"))
    ]
    return "\n".join(texts)


def _calls(message: Any) -> list[dict[str, str]]:
    """Return the calls in a message's blocks, else those that a vendor's format has."""
    blocks = [b for b in get_list(message, "blocks") if get(b, "block_type") == "tool_call"]
    return _selections(blocks) or tool_calls_of(get(message, "additional_kwargs"))


def _selections(calls: Sequence[Any]) -> list[dict[str, str]]:
    return [
        {"name": name, "arguments": json_text(get(call, "tool_kwargs"))}
        for call in calls
        if (name := get_text(call, "tool_name"))
    ]


def _counts(messages: Sequence[Any]) -> dict[str, Any]:
    kinds = (
        str.__str__(kind)
        for message in messages
        for block in get_list(message, "blocks")
        if (kind := get_text(block, "block_type")) and kind not in _INNER
    )
    attached = dict(Counter(kinds))
    results = sum(_role(message) in {"tool", "function"} for message in messages)
    extra: dict[str, Any] = {"attachments": attached} if attached else {}
    return extra | ({"tool_results": results} if results else {})


def _read_output(value: Any, depth: int) -> Extracted | None:
    kind = kind_of(value) if depth <= _MAX_DEPTH else None
    if kind in _READERS:
        return _READERS[kind](value)
    if kind == "StopEvent":
        return _result(value, depth)
    return _inside(value, depth) if kind is None and isinstance(value, Mapping) else None


def _answer(message: Any) -> Extracted:
    calls = _calls(message)
    return Extracted(
        text=said(message) or calls_text(calls), tool_calls=calls, extra=_counts([message])
    )


def _with_raw(read: Extracted, response: Any) -> Extracted:
    """Add the facts in what the model's vendor answered."""
    raw = get(response, "raw")
    return replace(
        read,
        model=get_text(raw, "model") or None,
        usage=usage_of(raw, get(response, "additional_kwargs")),
        finish_reason=finish_of(raw),
    )


def usage_of(*holders: Any) -> dict[str, int]:
    """Return the first token counts there are, in a vendor's `usage` or beside it."""
    for holder in holders:
        for usage in (get(holder, "usage"), get(holder, "usage_metadata"), holder):
            counts = [
                next((c for name in names if (c := get_count(usage, name)) is not None), None)
                for names in (
                    ("prompt_tokens", "input_tokens", "prompt_token_count"),
                    ("completion_tokens", "output_tokens", "candidates_token_count"),
                    ("total_tokens", "total_token_count"),
                )
            ]
            if found := token_counts(*counts):
                return found
    return {}


def finish_of(raw: Any) -> str | None:
    """Return why the model stopped, in the vendor's word."""
    choices = get_list(raw, "choices")
    if choices:
        return get_text(choices[0], "finish_reason")
    return first_text(raw, "stop_reason", "finish_reason", "done_reason")


def _of_engine(value: Any) -> Extracted:
    """Return the answer of a query or chat engine; of a stream that goes by, what came so far."""
    found = get(value, "response_txt")
    if found is None:
        found = get(value, "response") or get(value, "unformatted_response")
    failure = get(value, "exception")
    extra = {
        name: len(items)
        for name, field in (("source_nodes", "source_nodes"), ("tool_results", "sources"))
        if (items := get_list(value, field))
    }
    return Extracted(
        text=json_text(found),
        extra=extra,
        error={"type": type(failure).__name__, "message": str(failure)}
        if isinstance(failure, Exception)
        else None,
    )


def _of_agent(value: Any) -> Extracted:
    read = _with_raw(_answer(get(value, "response")), value)
    calls = _selections(get_list(value, "tool_calls")) or read.tool_calls
    name = get_text(value, "current_agent_name")
    text = read.text or json_text(get(value, "structured_response")) or calls_text(calls)
    extra = {**read.extra, "agent": name} if name else read.extra
    return replace(read, text=text, tool_calls=calls, extra=extra)


_READERS: dict[str | None, Callable[[Any], Extracted]] = {
    "ChatMessage": _answer,
    "ChatResponse": lambda value: _with_raw(_answer(get(value, "message")), value),
    "CompletionResponse": lambda v: _with_raw(Extracted(text=get_text(v, "text") or ""), v),
    "AgentOutput": _of_agent,
    **dict.fromkeys(_ENGINES, _of_engine),
}


def _result(event: Any, depth: int) -> Extracted:
    """Return the result of a workflow, or the answer in the fields of an event of the app's own."""
    result = get(event, "result")
    if result is None:
        result = next((found for name in OUTPUT_KEYS if (found := get(event, name))), None)
    if isinstance(result, str):
        return Extracted(text=str.__str__(result))
    read = _read_output(result, depth + 1)
    return Extracted(text=json_text(result)) if read is None else read


def _inside(value: Mapping[Any, Any], depth: int) -> Extracted | None:
    """Return the answer that an app has put into a dict."""
    for name in OUTPUT_KEYS:
        if (found := get(value, name)) is not None:
            return None if isinstance(found, str) else _read_output(found, depth + 1)
    return None


def _last_answer(items: list[Any]) -> Extracted | None:
    if not items or any(kind_of(item) != "ChatMessage" for item in items):
        return None
    message = _last(items, _ANSWERS)
    return Extracted(text="") if message is None else _answer(message)


def _nodes(items: list[Any]) -> Extracted | None:
    """Count what a retriever found; it is not an answer yet."""
    if not items or any(kind_of(item) != "NodeWithScore" for item in items):
        return None
    return Extracted(text=f"({len(items)} nodes)", extra={"source_nodes": len(items)})


class Chunks(ChunkReader):
    """Reads the responses of a model's stream, each with its `delta`, and an agent's events.

    An agent's answer is its last step's: what came before was said to its tools.
    """

    def __init__(self, texts: list[str]) -> None:
        super().__init__(texts)
        self._kinds: dict[type, str | None] = {}
        self._whole: Extracted | None = None
        self._is_step_over = False
        self._steps: Counter[str] = Counter()
        self._called: list[Mapping[str, str]] = []
        self._call_ids: set[str | None] = set()

    def add(self, chunk: Any) -> bool:
        """Read one response or event."""
        kind = self._kind(chunk)
        if kind in {"ChatResponse", "CompletionResponse"}:
            self._add_response(chunk, kind)
        elif kind == "AgentStream":
            self._add_delta(get_text(chunk, "delta"))
        elif kind in {"AgentOutput", "StopEvent"}:
            self._add_whole(chunk, kind)
        elif kind == "Event":
            self._add_delta(get_text(chunk, "delta"))
        return kind is not None and kind not in _ENGINES

    def _kind(self, chunk: Any) -> str | None:
        kind = chunk.__class__
        if isinstance(chunk, Mapping):
            is_end = self._is_step_over and chunk.keys() == {"result"}
            return "StopEvent" if is_end else kind_of(chunk)
        try:
            return self._kinds[kind]
        except KeyError:
            found = self._kinds[kind] = kind_of(chunk)
            return found

    def _add_response(self, chunk: Any, kind: str) -> None:
        delta = get(chunk, "delta")
        if delta.__class__ is str:
            self.texts.append(delta)
        elif delta is None and (whole := _whole_text(chunk, kind)):
            # The text of all so far, where a model gives no difference.
            self.texts[:] = [whole]
        if kind == "ChatResponse" and _may_call(message := get(chunk, "message")):
            self._called = list(_calls(message)) or self._called
        raw = get(chunk, "raw")
        if raw is not None:
            # Pydantic takes seven microseconds to say that a field is not there.
            self._add_raw(get(raw, "__dict__") or raw, chunk)

    def _add_raw(self, raw: Any, chunk: Any) -> None:
        if self.model is None:
            self.model = get_text(raw, "model") or None
        if get(raw, "usage") is not None or get(raw, "usage_metadata") is not None:
            self.usage = usage_of(raw) or self.usage
        elif kwargs := get(chunk, "additional_kwargs"):
            self.usage = usage_of(kwargs) or self.usage
        self.finish_reason = finish_of(raw) or self.finish_reason

    def _add_delta(self, delta: str | None) -> None:
        if not delta:
            return
        if self._is_step_over:
            self._is_step_over = False
            self._whole = None
            self.texts.clear()
        self.texts.append(delta)

    def _add_whole(self, event: Any, kind: str) -> None:
        read = _read_output(event, 0)
        if read is None:
            return
        if kind == "AgentOutput":
            self._steps.update(read.usage)
            self._add_calls(get_list(event, "tool_calls"))
            self._is_step_over = True
        self.model = read.model or self.model
        self.finish_reason = read.finish_reason or self.finish_reason
        self.extra.update(read.extra)
        self._whole = read if read.text else self._whole

    def _add_calls(self, calls: Sequence[Any]) -> None:
        """Read the calls of a step; the last step repeats those of all."""
        for call in calls:
            own_id = get_text(call, "tool_id")
            if own_id is None or own_id not in self._call_ids:
                self._called += _selections([call])
                self._call_ids.add(own_id)

    def text(self) -> str:
        """Return the last step's answer, or the calls where nothing was said."""
        text = "".join(self.texts) if self._whole is None else self._whole.text
        return text or calls_text(self._called)

    def read(self) -> Extracted:
        """Return what the chunks so far amount to."""
        usage = dict(self._steps) or self.usage
        return replace(super().read(), tool_calls=list(self._called), usage=usage)


def _may_call(message: Any) -> bool:
    """Tell whether a message has more than one text; most pieces of a stream do not."""
    blocks = get(message, "blocks")
    is_text = isinstance(blocks, list) and len(blocks) == 1 and hasattr(blocks[0], "text")
    return not is_text or bool(get(message, "additional_kwargs"))


def _whole_text(chunk: Any, kind: str) -> str | None:
    return said(get(chunk, "message")) if kind == "ChatResponse" else get_text(chunk, "text")

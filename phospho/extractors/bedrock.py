"""Read text out of what boto3 sends to and gets from Amazon Bedrock; all of it are dicts.

Source: botocore 1.44, data/bedrock-runtime/2023-09-30/service-2.json (`Converse`, `ConverseStream`,
`InvokeModel`, `InvokeModelWithResponseStream`) and data/bedrock-agent-runtime. What `InvokeModel`
carries has the format of the model's vendor. Bodies and streams that are not read yet stay so.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from phospho import snapshot
from phospho.extraction import Extracted
from phospho.extractors import anthropic, cohere, messages, openai
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
from phospho.hookspecs import hookimpl

_FILES = ("image", "document", "video", "audio", "searchResult")
_BLOCKS = (
    "text", "toolUse", "toolResult", "reasoningContent", "guardContent", "cachePoint",
    "citationsContent", *_FILES,
)  # fmt: skip

# A longer body is mostly files.
_MAX_BODY = 4 * snapshot.MAX_TEXT_CHARS

# Half as long as `json.loads`, and a stream has a body for each token.
_decode = json.JSONDecoder().raw_decode


@hookimpl
def phospho_extract_input(value: Any) -> Extracted | None:
    """Return the last user message of a request that a person wrote, or of a list of them."""
    body = _body_of(value)
    answer = _read_request(value) if body is None else _read_model_request(body)
    model = get_text(value, "modelId")
    if answer is None or model is None:
        return answer
    return dataclasses.replace(answer, model=model)


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | None:
    """Return what a person saw of an answer, of a conversation's last one, or of events."""
    if isinstance(value, (list, tuple)):
        values = last_items(value)
        return _read_last(values) or read_list(Chunks([]), values)
    if (unread := _unread(value)) is not None:
        return Extracted(text="", extra={"unread": unread})
    body = _body_of(value)
    if body is not None:
        return _read_model_answer(body)
    return (
        _read_answer(value)
        or _read_plain(value)
        or _read_error(value)
        or _read_last([value])
        or read_list(Chunks([]), [value])
    )


def _unread(value: Any) -> str | None:
    """Return the name under which a response has a stream that only the app may read."""
    if get(value, "ResponseMetadata") is None:
        return None
    streams = (name for name in ("body", "stream", "completion") if _is_stream(get(value, name)))
    return next(streams, None)


def _is_stream(value: Any) -> bool:
    return type(value).__module__ in {"botocore.eventstream", "botocore.response"} or (
        snapshot.is_unfinished(value)
    )


def _body_of(value: Any) -> dict[str, Any] | None:
    """Return the JSON that a request or a response of `InvokeModel` carries."""
    body = get(value, "body")
    return _parse(body) if isinstance(body, (str, bytes, bytearray)) else None


def _parse(text: str | bytes | bytearray) -> dict[str, Any] | None:
    if len(text) > _MAX_BODY:
        return None
    try:
        found = _decode(text if isinstance(text, str) else text.decode())[0]
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _read_request(value: Any) -> Extracted | None:
    """Read a request of `Converse`, a list of its messages, one, or what an agent is asked."""
    if isinstance(value, (list, tuple)):
        turns = last_items(value)
    else:
        turns = get_list(value, "messages") or [value]
    blocks = items_of(turns, "content")
    if not blocks or not all(map(_is_block, blocks)):
        return _read_question(value)
    spoken = [t for t in turns if get_text(t, "role") == "user" and not _is_results(t)]
    system = [get_list(value, "system")]
    system += [get_list(turn, "content") for turn in turns if get_text(turn, "role") == "system"]
    return Extracted(
        text=_said(get_list(spoken[-1], "content")) if spoken else "",
        system_prompt="\n".join(filter(None, map(_said, system))) or None,
        extra=_count_blocks(blocks),
    )


def _read_question(value: Any) -> Extracted | None:
    asked = get_text(value, "inputText") or get_text(get(value, "input"), "text")
    return None if asked is None else Extracted(text=asked)


def _read_model_request(body: dict[str, Any]) -> Extracted | None:
    answer: Extracted | None = (
        _read_request(body)
        or anthropic.phospho_extract_input(body)
        or cohere.phospho_extract_input(body)
        or messages.phospho_extract_input(body)
    )
    return answer


def _read_answer(value: Any) -> Extracted | None:
    """Read a response of `Converse`."""
    message = get(get(value, "output"), "message")
    if not isinstance(get(message, "content"), (list, tuple)):
        return None
    answer = _read_blocks(get_list(message, "content"))
    usage = get(value, "usage")
    return dataclasses.replace(
        answer,
        model=get_text(get(get(value, "trace"), "promptRouter"), "invokedModelId"),
        usage=_read_usage(usage),
        finish_reason=get_text(value, "stopReason"),
        extra={**answer.extra, **_read_details(usage)},
    )


def _read_last(turns: list[Any]) -> Extracted | None:
    """Read the last answer of a conversation."""
    blocks = items_of(turns, "content")
    answers = [turn for turn in turns if get_text(turn, "role") == "assistant"]
    if not blocks or not answers or not all(map(_is_block, blocks)):
        return None
    return _read_blocks(get_list(answers[-1], "content"))


def _read_plain(value: Any) -> Extracted | None:
    """Read what models of Meta, Amazon and Mistral answer, and what a knowledge base does."""
    results = get_list(value, "results") or get_list(value, "outputs")
    first = results[0] if results else None
    text = (
        get_text(value, "generation")
        or get_text(first, "outputText")
        or (get_text(first, "text") if get_text(first, "stop_reason") is not None else None)
        or (get_text(get(value, "output"), "text") if get_text(value, "sessionId") else None)
    )
    if text is None:
        return None
    return Extracted(text=text, usage=_read_plain_usage(value), finish_reason=_reason(value, first))


def _reason(value: Any, first: Any) -> str | None:
    return (
        get_text(value, "stop_reason")
        or get_text(first, "completionReason")
        or get_text(first, "stop_reason")
        or get_text(value, "completionReason")
    )


def _read_plain_usage(value: Any) -> dict[str, int]:
    results = get_list(value, "results")
    prompt = get_count(value, "prompt_token_count")
    completion = get_count(value, "generation_token_count")
    if prompt is None:
        prompt = get_count(value, "inputTextTokenCount")
    if completion is None and results:
        completion = get_count(results[0], "tokenCount")
    return token_counts(prompt, completion)


def _read_model_answer(body: dict[str, Any]) -> Extracted | None:
    answer: Extracted | None = (
        _read_answer(body)
        or _read_plain(body)
        or anthropic.phospho_extract_output(body)
        or openai.phospho_extract_output(body)
        or cohere.phospho_extract_output(body)
        or messages.phospho_extract_output(body)
    )
    return answer


def _read_error(value: Any) -> Extracted | None:
    """Read `{"Error": {"Code": str, "Message": str}}`, the `response` of a `ClientError`."""
    error = get(value, "Error")
    kind, message = get_text(error, "Code"), get_text(error, "Message")
    if kind is None or message is None:
        return None
    return Extracted(text="", error={"type": kind, "message": message})


def _is_block(block: Any) -> bool:
    """Know a block by its only field; those of others say of what type they are."""
    return (
        isinstance(block, dict)
        and "type" not in block
        and any(block.get(name) is not None for name in _BLOCKS)
    )


def _is_results(turn: Any) -> bool:
    """Tell whether a message of the user holds only what tools returned."""
    blocks = get_list(turn, "content")
    return bool(blocks) and all(get(b, "toolResult") or get(b, "cachePoint") for b in blocks)


def _said(blocks: Sequence[Any]) -> str:
    texts = [_text_in(block) for block in blocks]
    return "\n".join(text for text in texts if text)


def _text_in(block: Any) -> str | None:
    """Return a block's text; None where it holds something else."""
    text = get_text(block, "text")
    if text is not None:
        return text
    if (cited := get(block, "citationsContent")) is not None:
        return join_parts(get_text(part, "text") or "" for part in get_list(cited, "content"))
    return get_text(get(get(block, "guardContent"), "text"), "text")


def _read_blocks(blocks: Sequence[Any]) -> Extracted:
    calls = [
        {"name": name, "arguments": json_text(get(get(block, "toolUse"), "input"))}
        for block in blocks
        if (name := get_text(get(block, "toolUse"), "name")) is not None
    ]
    text = anthropic.join_texts(map(_text_in, blocks)) or messages.calls_text(calls)
    return Extracted(text=text, tool_calls=calls, extra=_count_blocks(blocks))


def _count_blocks(blocks: Sequence[Any]) -> dict[str, Any]:
    """Count files and tool results."""
    kinds = Counter(n for block in blocks for n in _FILES if get(block, n) is not None)
    results = sum(get(block, "toolResult") is not None for block in blocks)
    extra: dict[str, Any] = {"attachments": dict(kinds)} if kinds else {}
    return extra | ({"tool_results": results} if results else {})


def _read_usage(usage: Any) -> dict[str, int]:
    """Return the token counts; what is cached may count in the total only."""
    prompt, completion, total = (
        get_count(usage, name) for name in ("inputTokens", "outputTokens", "totalTokens")
    )
    if prompt is not None and completion is not None and total is not None:
        prompt = max(prompt, total - completion)
    return token_counts(prompt, completion, total)


def _read_details(usage: Any) -> dict[str, int]:
    names = {
        "cacheReadInputTokens": "cached_tokens",
        "cacheWriteInputTokens": "cache_creation_tokens",
    }
    return {ours: count for name, ours in names.items() if (count := get_count(usage, name))}


class Chunks(ChunkReader):
    """Reads the events of both kinds of streams; the second has bytes in the vendor's format."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__(texts)
        self._is_apart = False
        self._vendor: ChunkReader | None = None

    def add(self, chunk: Any) -> bool:
        """Read one event, a dict of one name; bytes of an agent are text."""
        if not isinstance(chunk, dict):
            return False
        if (event := chunk.get("contentBlockDelta")) is not None:
            return self._add_delta(event)
        if (part := chunk.get("chunk")) is not None:
            data = get(part, "bytes")
            return isinstance(data, (bytes, bytearray)) and self._add_bytes(data)
        return self._add_fact(chunk)

    def _add_delta(self, event: Any) -> bool:
        delta = get(event, "delta")
        text = get(delta, "text")
        if text.__class__ is str:
            self._add_text(text)
            return True
        call = get(delta, "toolUse")
        if call is not None:
            key = str(get(event, "contentBlockIndex"))
            self.call(key).add(None, get_text(call, "input"))
        # Sources come within a text.
        self._is_apart = self._is_apart or get(delta, "citation") is None
        return isinstance(delta, dict)

    def _add_text(self, text: str) -> None:
        if self._is_apart and text:
            self._is_apart = False
            if self.texts:
                self.texts.append("\n")
        self.texts.append(text)

    def _add_fact(self, chunk: dict[str, Any]) -> bool:
        if len(chunk) != 1:
            return False
        ((name, event),) = dict.items(chunk)
        if not isinstance(name, str) or not isinstance(event, dict):
            return False
        if name == "contentBlockStart":
            if (used := get_text(get(get(event, "start"), "toolUse"), "name")) is not None:
                self.call(str(get(event, "contentBlockIndex"))).add(used, None)
            self._is_apart = True
        elif name == "messageStop":
            self.finish_reason = get_text(event, "stopReason")
        elif name == "metadata":
            return self._add_metadata(event)
        elif name in _EXCEPTIONS:
            self.error = {"type": name, "message": get_text(event, "message") or name}
        return name in _EVENTS or name in _EXCEPTIONS

    def _add_metadata(self, event: dict[str, Any]) -> bool:
        usage = event.get("usage")
        self.usage.update(_read_usage(usage))
        self.extra.update(_read_details(usage))
        self.model = get_text(get(get(event, "trace"), "promptRouter"), "invokedModelId")
        return isinstance(usage, dict) or isinstance(event.get("metrics"), dict)

    def _add_bytes(self, data: bytes | bytearray) -> bool:
        # Saying where text is no JSON takes long, and an agent streams nothing but text.
        found = _parse(data) if data.startswith(b"{") else None
        if found is None:
            self.texts.append(data.decode("utf-8", "replace"))
            return True
        if "amazon-bedrock-invocationMetrics" in found:
            metrics = found.pop("amazon-bedrock-invocationMetrics")
            counts = (get_count(metrics, f"{side}TokenCount") for side in ("input", "output"))
            self.usage.update(token_counts(*counts))
        if self._vendor is not None:
            return self._vendor.add(found)
        return self._add_plain(found) or self.add(found) or self._add_vendor(found)

    def _add_plain(self, found: dict[str, Any]) -> bool:
        """Read a piece of what models of Meta, Amazon and Mistral answer."""
        if "type" in found or "event_type" in found:
            return False
        for holder in (found, *get_list(found, "outputs")[:1]):
            for name, reason in _PIECES:
                text = get(holder, name)
                if text.__class__ is str:
                    self.texts.append(text)
                    self.finish_reason = get_text(holder, reason) or self.finish_reason
                    return True
        return False

    def _add_vendor(self, found: dict[str, Any]) -> bool:
        for kind in (anthropic.Chunks, openai.Chunks, cohere.Chunks):
            reader: ChunkReader = kind(self.texts)
            if reader.add(found):
                self._vendor = reader
                return True
        return False

    def read(self) -> Extracted:
        """Return what the events so far amount to; Bedrock's own counts go before the vendor's."""
        if self._vendor is None:
            return super().read()
        answer = self._vendor.read()
        return dataclasses.replace(answer, usage=self.usage or answer.usage)


# Where the pieces of models of Meta, Amazon and Mistral have their text and why it ended.
_PIECES = (
    ("generation", "stop_reason"),
    ("outputText", "completionReason"),
    ("text", "stop_reason"),
)
_EVENTS = frozenset({
    "messageStart", "contentBlockStart", "contentBlockStop", "messageStop", "metadata",
})  # fmt: skip
_EXCEPTIONS = frozenset({
    "internalServerException", "modelStreamErrorException", "modelTimeoutException",
    "serviceUnavailableException", "throttlingException", "validationException",
})  # fmt: skip

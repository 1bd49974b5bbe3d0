"""Which built-in extractors may know a value: by the package it comes from, then by its shape.

To add one, write `phospho/extractors/<name>.py` and name it here. It is imported when such a value
first appears. What it answers is its own matter: None sends the value on to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from phospho import snapshot

PACKAGE = "phospho.extractors"


class Source(NamedTuple):
    """One extractor, and what it is asked about.

    Args:
        name: Its module in `phospho.extractors`.
        packages: Top-level packages whose objects it reads.
        fields: Sets of names; a dict, or an object, that has all of one set may be its value.
            `messages.parts` stands for a name in the first or last of a list of dicts, and
            `content/type` for one in a dict; `pair` for what a tuple of two texts has as a name.
            Of a list, that is the first and the last item.
        chunk_fields: Likewise, of the chunks of its streams.
        has_chunks: Whether the module has a class `Chunks`, which reads streams.
    """

    name: str
    packages: frozenset[str]
    fields: tuple[frozenset[str], ...]
    chunk_fields: tuple[frozenset[str], ...]
    has_chunks: bool


def _source(name: str, packages: str, *fields: str, chunks: Sequence[str] | None = None) -> Source:
    """Name a source; sets of names are written as words, and `chunks` is given if there are any."""

    def sets(words: Sequence[str]) -> tuple[frozenset[str], ...]:
        return tuple(frozenset(names.split()) for names in words)

    return Source(
        name, frozenset(packages.split()), sets(fields), sets(chunks or ()), chunks is not None
    )


# Asked in this order, so those with the most telling names come first.
SOURCES = (
    _source(
        "openai", "openai", "choices", "error/message", "finish_reason index message",
        "message object type",
        chunks=["choices", "error", "message object type"],
    ),
    _source(
        "openai_responses", "openai litellm", "output object", "input model", "input instructions",
        "input previous_response_id", "input conversation", "role type", "call_id type",
        "summary type", "output type",
        chunks=["sequence_number type", "response type", "delta type", "item type"],
    ),
    _source(
        "vercel", "", "parts role", "messages.parts", "messages.content.toolName",
        "messages.content.toolCallId", "messages.toolInvocations", "role content.toolName",
        "role content.toolCallId", "role toolInvocations", "id message", "finishReason text",
        "finishReason object", "finishReason toolCalls",
        chunks=["type"],
    ),
    _source(
        "bedrock", "boto3 botocore", "output stopReason", "body modelId", "messages modelId",
        "messages system", "role content.text", "role content.toolUse", "role content.toolResult",
        "role content.guardContent", "role content.citationsContent", "role content.image",
        "role content.document", "role content.video", "role content.reasoningContent",
        "ResponseMetadata", "generation stop_reason", "inputTextTokenCount results", "outputs",
        "inputText", "output sessionId",
        chunks=["contentBlockDelta", "contentBlockStart", "messageStart", "messageStop", "metadata",
                "chunk"],
    ),
    _source(
        "anthropic", "anthropic", "messages system", "max_tokens messages", "role content.source",
        "role content.tool_use_id", "role content.input", "role content.thinking",
        "messages.content.tool_use_id", "messages.content.source", "content stop_reason",
        "custom_id result", "error type", "text type", "id input type",
        chunks=["delta type", "content_block type", "message type", "index type", "error type"],
    ),
    _source(
        "google_genai", "google vertexai", "candidates", "contents", "parts", "usageMetadata",
        "promptFeedback", "prompt_feedback", "error/status", "content finishReason",
        "content finish_reason",
        chunks=["candidates", "usageMetadata", "promptFeedback"],
    ),
    _source(
        "cohere", "cohere", "finish_reason message", "chat_history message", "message preamble",
        "message tool_results", "chat_history text", "generation_id text", "meta text",
        "generations", "message role",
        chunks=["event_type", "delta type"],
    ),
    _source(
        "langchain", "langchain langchain_core langchain_community langchain_openai langgraph",
        "lc id kwargs", "content additional_kwargs response_metadata", "generations", "type data",
        "messages.lc", "messages.additional_kwargs", "messages.data", "messages.type",
        "messages.pair", "pair", "type content",
        chunks=["lc id kwargs", "content additional_kwargs response_metadata", "event data run_id",
                "ns type data"],
    ),
    _source(
        "mcp", "mcp mcp_types", "content isError", "content structuredContent", "content is_error",
        "content structured_content", "content.mimeType", "content.resource", "jsonrpc",
        "method params", "content/type", "messages.content/type", "contents", "text type",
        "arguments name",
    ),
    _source(
        "llama_index", "llama_index workflows", "role blocks", "messages.blocks",
        "current_agent_name", "message raw", "text raw logprobs", "response source_nodes",
        "query_str", "user_msg", "result _data", "node score",
        chunks=["message raw", "text raw logprobs", "current_agent_name"],
    ),
    _source(
        "openai_agents", "agents", "new_items raw_responses", "output usage response_id",
        chunks=["type data", "type name item", "type new_agent"],
    ),
    _source(
        "pydantic_ai", "pydantic_ai", "parts kind", "output usage messages", "user_prompt",
        chunks=["event_kind", "parts kind"],
    ),
    _source(
        "mistral", "mistralai", "data", "object outputs", "inputs", "content type", "type usage",
        chunks=["data", "content type", "type usage", "conversation_id type"],
    ),
    _source(
        "ollama", "ollama", "done message", "done response", "done image", "completed done",
        "model prompt", "prompt system", "images role", "messages.images", "error",
        chunks=["done message", "done response", "done image", "completed done", "error"],
    ),
    _source(
        "huggingface", "huggingface_hub transformers", "generated_text", "summary_text",
        "translation_text", "token", "inputs",
        chunks=["token"],
    ),
    _source("litellm", "litellm", chunks=[]),
)  # fmt: skip

_EVERY_PACKAGE = frozenset().union(*(source.packages for source in SOURCES))

# Asked about every value that none of these knows, in this order.
GENERAL = ("messages", "turns", "records", "elements")

# Reads whatever is left, so it is asked last of all.
FALLBACK = "text"

# Reads chunks of the app's own making; no extractor for whole values.
DELTAS = "deltas"

# How deep frameworks put their objects: `(mode, {node: {"messages": [message]}})`.
_MAX_LEVELS = 5

# Objects a framework put into a container are among the first ones of it.
_MAX_LOOKED_AT = 8

_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})

# The end of a conversation tells of tools; its beginning often does not.
_LAST_ITEMS = 3

# A dict with many more names is a table of data, not a message.
_MAX_NAMES = 1_000


def find(value: Any) -> Iterator[str]:
    """Yield the names of the extractors to ask about a value, the likeliest first."""
    yield from find_of_sources(value)
    yield from GENERAL


def find_of_sources(value: Any) -> Iterator[str]:
    """Yield the names of those among them that know the format of a library."""
    asked = set()
    for source in _find_sources(value):
        if source.name not in asked:
            asked.add(source.name)
            yield source.name


def _find_sources(value: Any) -> Iterator[Source]:
    yield from _of_packages(value)
    items = _ends(value)
    names = _names(value, _NESTING) if items is None else _names_of_all(items, _NESTING)
    for source in SOURCES:
        # A list may be one of chunks.
        known = source.fields + source.chunk_fields if items else source.fields
        if any(wanted <= names for wanted in known):
            yield source


def _of_packages(value: Any) -> Iterator[Source]:
    packages = _packages_within(value)
    if not packages.isdisjoint(_EVERY_PACKAGE):
        yield from (source for source in SOURCES if not source.packages.isdisjoint(packages))


def is_known_package(kind: type) -> bool:
    """Tell whether a class, or one it is derived from, is of a package that an extractor knows."""
    return not _packages(kind).isdisjoint(_EVERY_PACKAGE)


def find_chunk_readers(chunk: Any) -> Iterator[str]:
    """Yield the names of the extractors whose `Chunks` may know one chunk of a stream."""
    yield from (source.name for source in _of_packages(chunk) if source.has_chunks)
    names = _names(chunk, 0)
    for source in SOURCES:
        if any(wanted <= names for wanted in source.chunk_fields):
            yield source.name
    yield DELTAS


def every_name() -> tuple[str, ...]:
    """Return the names of all built-in extractors, in the order in which they are asked."""
    return (*(source.name for source in SOURCES), *GENERAL, FALLBACK)


def _ends(value: Any) -> list[Any] | None:
    """Return the first and the last items of a list, or None for anything else."""
    kind = type(value)
    for sequence in (list, tuple):
        if issubclass(kind, sequence) and not hasattr(kind, "_fields"):
            last = sequence.__getitem__(value, slice(-_LAST_ITEMS, None))
            return [*sequence.__getitem__(value, slice(1)), *last]
    return None


def _packages_within(value: Any) -> set[str]:
    """Return the packages that the value, and what the first dicts and lists in it hold, are of.

    Frameworks hand over their objects in plain containers: `{"messages": [HumanMessage(...)]}`.
    """
    found: set[str] = set()
    level = [value]
    for _ in range(_MAX_LEVELS):
        inner: list[Any] = []
        for item in level:
            if type(item) not in _PLAIN:
                found |= _packages(type(item))
                inner += _items(item)
        level = inner[:_MAX_LOOKED_AT]
    return found


def _items(value: Any) -> list[Any]:
    """Return the first items of a dict, list or tuple, without running code of a subclass."""
    kind = type(value)
    if issubclass(kind, dict):
        return list(islice(dict.values(value), _MAX_LOOKED_AT))
    for sequence in (list, tuple):
        if issubclass(kind, sequence):
            return list(sequence.__getitem__(value, slice(_MAX_LOOKED_AT)))
    return []


_packages_of_kinds: WeakKeyDictionary[type, frozenset[str]] = WeakKeyDictionary()


def _packages(kind: type) -> frozenset[str]:
    """Return the packages that a class and those it is derived from are of."""
    found = _packages_of_kinds.get(kind)
    if found is None:
        # `__module__` of a class may be anything.
        modules = [base.__module__ for base in kind.__mro__[:-1]]
        found = frozenset(m.partition(".")[0] for m in modules if type(m) is str)
        _packages_of_kinds[kind] = found
    return found


def _names_of_all(items: Sequence[Any], nesting: int) -> set[Any]:
    return set().union(*(_names(item, nesting) for item in items))


def _names(value: Any, nesting: int) -> set[Any]:
    """Return the names of a dict's items or an object's fields, without running its code."""
    kind = type(value)
    if kind in _PLAIN or issubclass(kind, (str, bytes, bytearray, int, float)):
        return set()
    if issubclass(kind, (list, tuple)):
        if kind is tuple and [type(item) for item in value[:3]] == [str, str]:
            return {"pair"}
        # A batch is a list of lists.
        return _names_of_all((_ends(value) or ())[:1], nesting - 1) if nesting else set()
    try:
        if isinstance(value, Mapping):
            names = set(islice(value, _MAX_NAMES))
        else:
            value = snapshot.public_fields(value) or {}
            names = set(value)
        for name in _NESTED & names if nesting else ():
            inner = value[name]
            items = _ends(inner)
            mark, items = ("/", [inner]) if items is None else (".", items)
            names |= {f"{name}{mark}{inside}" for inside in _names_of_all(items, nesting - 1)}
    except Exception:  # noqa: BLE001 - a stranger's mapping may raise anything
        return set()
    return names


# Looked into for names: messages, and the parts of their contents.
_NESTED = frozenset({"messages", "content", "error"})
_NESTING = 2

"""Which built-in extractors may know a value: by the package it comes from, then by its shape.

To add one, write `phospho/extractors/<name>.py` and name it here. It is imported when such a value
first appears. What it answers is its own matter: None sends the value on to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from phospho import snapshot

PACKAGE = "phospho.extractors"


class Source(NamedTuple):
    """One extractor, and what it is asked about.

    Args:
        name: Its module in `phospho.extractors`.
        packages: Top-level packages whose objects it reads.
        fields: Sets of names; a dict, or an object, that has all of one set may be its value.
            Of a list, that is the first item.
        has_chunks: Whether the module has a class `Chunks`, which reads streams.
    """

    name: str
    packages: frozenset[str] = frozenset()
    fields: tuple[frozenset[str], ...] = ()
    has_chunks: bool = False


def _source(name: str, packages: str = "", *fields: str, has_chunks: bool = False) -> Source:
    sets = tuple(frozenset(names.split()) for names in fields)
    return Source(name, frozenset(packages.split()), sets, has_chunks)


# Asked in this order, so those with the most telling names come first.
SOURCES = (
    _source("openai", "openai", "choices", has_chunks=True),
    _source(
        "vercel", "", "parts role", "messages", "content role", "id message", "finishReason text",
        "finishReason object", "finishReason toolCalls", "type",
        has_chunks=True,
    ),
    _source(
        "bedrock", "boto3 botocore", "output stopReason", "body modelId", "messages modelId",
        "messages system", "content role", "ResponseMetadata", "contentBlockDelta",
        "contentBlockStart", "messageStart", "messageStop", "metadata", "chunk",
        "generation stop_reason", "inputTextTokenCount results", "outputs", "inputText",
        "output sessionId",
        has_chunks=True,
    ),
    _source(
        "anthropic", "anthropic", "messages system", "max_tokens messages", "content role",
        "content stop_reason", "custom_id result", "delta type", "content_block type",
        "message type", "error type", "text type", "id input type",
        has_chunks=True,
    ),
    _source(
        "google_genai", "google vertexai", "candidates", "contents", "parts", "usageMetadata",
        "promptFeedback", "prompt_feedback", "error",
        has_chunks=True,
    ),
    _source(
        "cohere", "cohere", "event_type", "finish_reason message", "chat_history message",
        "message preamble", "message tool_results", "chat_history text", "generation_id text",
        "meta text", "generations", "message role", "delta type",
        has_chunks=True,
    ),
    _source(
        "langchain", "langchain langchain_core langchain_community langchain_openai langgraph",
        "lc id kwargs", "content additional_kwargs response_metadata", "generations",
        "event data run_id", "ns type data", "type data", "messages", "type content",
        has_chunks=True,
    ),
    _source(
        "mcp", "mcp mcp_types", "content isError", "content structuredContent", "jsonrpc",
        "method params", "content", "messages", "contents", "text type", "arguments name",
    ),
    _source(
        "llama_index", "llama_index workflows", "role blocks", "current_agent_name", "message raw",
        "text raw logprobs", "response source_nodes", "query_str", "user_msg", "result _data",
        "node score", "messages", has_chunks=True,
    ),
    _source(
        "openai_agents", "agents", "new_items raw_responses", "type data", "type name item",
        "type new_agent", "output usage response_id", has_chunks=True,
    ),
    _source(
        "pydantic_ai", "pydantic_ai", "parts kind", "output usage messages", "event_kind",
        "user_prompt", has_chunks=True,
    ),
)  # fmt: skip

_EVERY_PACKAGE = frozenset().union(*(source.packages for source in SOURCES))

# Asked about every value that none of these knows, in this order.
GENERAL = ("messages",)

# Reads whatever is left, so it is asked last of all.
FALLBACK = "text"

# Reads chunks of the app's own making; no extractor for whole values.
DELTAS = "deltas"

# How deep frameworks put their objects: `(mode, {node: {"messages": [message]}})`.
_MAX_LEVELS = 5

# Objects a framework put into a container are among the first ones of it.
_MAX_LOOKED_AT = 8

_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})

# A dict with many more names is a table of data, not a message.
_MAX_NAMES = 1_000


def find(value: Any) -> Iterator[str]:
    """Yield the names of the extractors to ask about a value, the likeliest first."""
    asked = set()
    for source in (*_of_packages(value), *_of_names(_sample(value))):
        if source.name not in asked:
            asked.add(source.name)
            yield source.name
    yield from GENERAL


def find_sources(item: Any) -> Iterator[Source]:
    """Yield the sources that one value, no list of them, may be from; some more than once."""
    yield from _of_packages(item)
    yield from _of_names(item)


def _of_packages(value: Any) -> Iterator[Source]:
    packages = _packages_within(value)
    yield from (source for source in SOURCES if not source.packages.isdisjoint(packages))


def _of_names(item: Any) -> Iterator[Source]:
    names = _names(item)
    if names:
        yield from (s for s in SOURCES if any(wanted <= names for wanted in s.fields))


def is_known_package(kind: type) -> bool:
    """Tell whether a class, or one it is derived from, is of a package that an extractor knows."""
    return not _packages(kind).isdisjoint(_EVERY_PACKAGE)


def find_chunk_readers(item: Any) -> Iterator[str]:
    """Yield the names of the extractors whose `Chunks` may know one chunk of a stream."""
    yield from (source.name for source in find_sources(item) if source.has_chunks)
    yield DELTAS


def every_name() -> tuple[str, ...]:
    """Return the names of all built-in extractors, in the order in which they are asked."""
    return (*(source.name for source in SOURCES), *GENERAL, FALLBACK)


def _sample(value: Any) -> Any:
    """Return what tells where a value is from: itself, or of a list the first item."""
    kind = type(value)
    if issubclass(kind, list):
        return list.__getitem__(value, 0) if list.__len__(value) else None
    if issubclass(kind, tuple) and not hasattr(kind, "_fields"):
        return tuple.__getitem__(value, 0) if tuple.__len__(value) else None
    return value


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


def _packages(kind: type) -> set[str]:
    # `__module__` of a class may be anything.
    modules = [base.__module__ for base in kind.__mro__[:-1]]
    return {module.partition(".")[0] for module in modules if type(module) is str}


def _names(value: Any) -> set[Any]:
    """Return the names of a dict's items or an object's fields, without running its code."""
    if isinstance(value, (str, bytes, int, float, bytearray)) or value is None:
        return set()
    try:
        if isinstance(value, Mapping):
            return set(islice(value, _MAX_NAMES))
        return set(snapshot.public_fields(value) or ())
    except Exception:  # noqa: BLE001 - a stranger's mapping may raise anything
        return set()

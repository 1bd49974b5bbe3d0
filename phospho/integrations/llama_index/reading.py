"""Reads what calls of LlamaIndex were asked, whom they are for, and what they answered.

Source: llama-index-core 0.14.25, the signatures of what `spans.py` names; schema.py
(`NodeWithScore`); tools/types.py (`ToolOutput`). What an app says by `instrument_tags`:
llama-index-instrumentation 0.6, dispatcher.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llama_index_instrumentation.dispatcher import active_instrument_tags

from phospho import guard
from phospho.extraction import Extracted, extract
from phospho.extractors.fields import first_text, get, get_text, last_items
from phospho.integrations.llama_index.spans import AGENT_RUN, UUID_CHARS, Role
from phospho.reading import Reading
from phospho.steps import short_text

if TYPE_CHECKING:
    from phospho.client import Client
    from phospho.plugins import Plugins

_ASKED: Mapping[str, tuple[str, ...]] = {
    "query": ("str_or_query_bundle",),
    "chat": ("message",),
    "synthesis": ("query",),
    "llm": ("messages", "prompt"),
    "workflow": ("start_event",),
    "retrieval": ("str_or_query_bundle",),
}


def find_asked(role: Role, arguments: Mapping[str, Any]) -> Any:
    """Return what a call was asked; of a tool, what it was called with.

    All else that stands beside it is left alone: the context of a workflow, and its state, which
    may be very large.
    """
    by_name: Mapping[str, Any] = arguments.get("kwargs") or {}
    by_place: Sequence[Any] = arguments.get("args") or ()
    if role.kind == "tool":
        named = {n: v for n, v in arguments.items() if n not in ("args", "kwargs")}
        return _without_context({**named, **by_name}) or _only(by_place)
    if role.kind == "agent":
        return get(arguments.get("ev"), "input")
    for name in _ASKED.get(role.kind, ()):
        for held in (arguments, by_name):
            if held.get(name) is not None:
                return held[name]
    return by_place[0] if by_place else None


def _without_context(named: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in named.items() if type(value).__name__ != "Context"}


def _only(values: Sequence[Any]) -> Any:
    return values[0] if len(values) == 1 else list(values)


def find_name(id_: str, role: Role, instance: Any, arguments: Mapping[str, Any]) -> str:
    """Return what a step is called: a model, a tool, an agent, or else its class."""
    found = None
    if role.kind == "llm":
        found = find_model(instance)
    elif role.kind == "tool":
        found = get_text(get(instance, "metadata"), "name")
    elif role.kind == "agent":
        found = get_text(arguments.get("ev"), "current_agent_name")
    elif role is AGENT_RUN:
        found = get_text(instance, "name")
    return found or id_[:-UUID_CHARS].rpartition(".")[0]


def find_model(instance: Any) -> str | None:
    """Return the name of the model that a class of LlamaIndex asks, where it says so."""
    return first_text(instance, "model", "model_name")


def read_asked_of_step(role: Role, asked: Any, plugins: Plugins) -> Any:
    """Return what a step is told to have been asked."""
    if asked is None or isinstance(asked, str) or role.kind == "tool":
        return asked
    facts = extract(asked, "input", plugins)
    return None if facts is None else facts.text


# Their responses hold each passage that was found, up to three times; the steps tell of them.
_HOLD_PASSAGES = frozenset({"query", "chat", "synthesis"})


def read_answer(kind: str, answer: Any, client: Client) -> Reading:
    """Read what a person was answered; of an engine, without the passages it was made from."""
    facts = extract(answer, "output", client.plugins) if kind in _HOLD_PASSAGES else None
    if facts is None:
        return client.read("output", answer)
    return client.read("output", facts.text)._replace(facts=facts)


def read_step(role: Role | None, result: Any, plugins: Plugins) -> Reading:
    """Read what a step gave; its text and facts will do."""
    kind = None if role is None else role.kind
    if kind == "retrieval":
        return Reading(_describe_nodes(result))
    if kind == "tool":
        return Reading(get_text(result, "content") or short_text(result))
    facts = extract(result, "output", plugins)
    return Reading(facts.text if facts else None, facts=facts)


def with_model(said: Reading, model: str | None) -> Reading:
    """Return what was said with the model's name, where the answer does not have it."""
    if model is None or (said.facts is not None and said.facts.model):
        return said
    return said._replace(facts=replace(said.facts or Extracted(said.text or ""), model=model))


def without_usage(said: Reading) -> Reading:
    """Return what was said without counts of tokens."""
    if said.facts is None:
        return said
    return said._replace(facts=replace(said.facts, usage={}))


# Enough to recognise a passage; a step is short.
_MAX_NODES = 5
_MAX_NODE_CHARS = 80


def _describe_nodes(nodes: Any) -> str:
    """Return how many passages were found, and of the first ones the score and the begin."""
    found = last_items(nodes) if isinstance(nodes, (list, tuple)) else []
    lines = [f"{len(found)} node{'' if len(found) == 1 else 's'}"]
    return "\n".join(lines + [_describe_node(node) for node in found[:_MAX_NODES]])


def _describe_node(found: Any) -> str:
    score = get(found, "score")
    node = get(found, "node")
    text = get_text(node, "text") or get_text(get(node, "text_resource"), "text") or ""
    begin = " ".join(text[: _MAX_NODE_CHARS * 2].split())[:_MAX_NODE_CHARS]
    return f"{score:.3f} {begin}" if isinstance(score, float) else begin


_SESSION_TAGS = ("session_id", "thread_id", "conversation_id")
_ID_TAGS = ("user_id", "version_id", "task_id")
_OWN_TAGS: Sequence[str] = (*_SESSION_TAGS, *_ID_TAGS)

# What LlamaIndex tags by itself: ids and summaries of a run.
_NOISE = "llamaindex."


def read_tags() -> dict[str, Any]:
    """Return whom and what a call is for, as the app told by `instrument_tags`.

    Returns:
        `session_id`, `user_id` and `version_id` where they were told; `metadata` in any case.
    """
    with guard.guarded("read the tags of LlamaIndex"):
        return _fields_of(active_instrument_tags.get())
    return {"metadata": {}}


def _fields_of(tags: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: tags[name] for name in _OWN_TAGS if issubclass(type(tags.get(name)), (str, int))}
    session_ids = [told[name] for name in _SESSION_TAGS if name in told]
    fields: dict[str, Any] = {name: told[name] for name in _ID_TAGS if name in told}
    metadata = {
        name: value
        for name, value in tags.items()
        if name not in told and not str(name).startswith(_NOISE)
    }
    if session_ids:
        fields["session_id"] = session_ids[0]
    return {**fields, "metadata": metadata}

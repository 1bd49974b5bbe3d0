"""Reads what LangChain tells of a call: whose it is, what it is called, what it found.

Source: langchain-core 1.0 to 1.8, callbacks/base.py, language_models/base.py
(`LangSmithParams`), documents/base.py; langgraph 1.2, pregel/main.py; langchain 1.5,
agents/factory.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from phospho import guard
from phospho.extraction import extract, is_fallback
from phospho.extractors.fields import first_text, get, get_list, get_text
from phospho.steps import describe_error

if TYPE_CHECKING:
    from phospho.client import Client
    from phospho.models import Side

# Names under which apps tell which conversation a call belongs to, in our order.
_SESSION_NAMES = ("session_id", "thread_id", "conversation_id")

# What LangChain, LangSmith and LangGraph add to an app's metadata and tags.
_NOISE = ("ls_", "lc_", "langgraph_", "checkpoint_", "__")
_KEPT = frozenset({"ls_provider", "ls_model_name"})
_NOISE_TAGS = ("seq:step:", "map:key:", "graph:step:", "langsmith:")

# Where loaders put what a person calls a document.
_DOCUMENT_NAMES = ("source", "title", "name", "file_name", "file_path", "url", "id")
_MAX_DOCUMENTS = 20

# The classic executor, and since langchain 1.1 each agent says its name.
_CLASSIC_AGENT = "AgentExecutor"


def fields_of(
    metadata: Mapping[str, Any] | None,
    tags: Sequence[str] | None,
    configurable: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> dict[str, Any]:
    """Return whom a call is for, and what else it tells, as `phospho.log` takes it.

    Args:
        metadata: Of the call; goes before the others.
        tags: Of the call.
        configurable: Of the call's config.
        defaults: What all calls have: `session_id`, `user_id`, `version_id`, `metadata`.
    """
    told = metadata or {}
    fields: dict[str, Any] = {}
    kept = {name: told[name] for name in told if _is_kept(name)}
    for field, names in (
        ("session_id", _SESSION_NAMES),
        ("user_id", ("user_id",)),
        ("version_id", ("version_id",)),
        ("task_id", ("task_id",)),
    ):
        name, value = _first(told, names)
        kept.pop(name, None)
        if value is None:
            value = _first(configurable, names)[1]
        fields[field] = defaults.get(field) if value is None else value
    texts = [tag for tag in tags or () if isinstance(tag, str)]
    if own_tags := [tag for tag in texts if not tag.startswith(_NOISE_TAGS)]:
        kept["tags"] = own_tags
    fields["metadata"] = {**defaults["metadata"], **kept}
    return fields


def _is_kept(name: Any) -> bool:
    return name in _KEPT or not (isinstance(name, str) and name.startswith(_NOISE))


def _first(told: Mapping[str, Any], names: Iterable[str]) -> tuple[str, Any]:
    """Return the first of some names that has a value, and that; else an empty name."""
    for name in names:
        value = get(told, name)
        if value is not None and not (type(value) is str and not value):
            return name, value
    return "", None


def model_of_call(metadata: Any, params: Any) -> str | None:
    """Return which model is called, from a call's metadata or `invocation_params`."""
    asked = get_text(metadata, "ls_model_name")
    return asked or first_text(params, "model", "model_name", "model_id")


def name_of(serialized: Any, name: Any, kind: str) -> str:
    """Return what a tool, a model or a retriever is called; the class where it has no name."""
    if isinstance(name, str) and name:
        return name
    path = [part for part in get_list(serialized, "id") if isinstance(part, str)]
    return get_text(serialized, "name") or (path[-1] if path else kind)


def is_agent(name: Any, metadata: Any) -> bool:
    """Tell whether a chain is an agent; its parts have the metadata of it, but their own names."""
    return isinstance(name, str) and name in {_CLASSIC_AGENT, get_text(metadata, "lc_agent_name")}


def text_of(client: Client, side: Side, value: Any) -> Any:
    """Return the text of a value for a step; the value itself where nobody knows it."""
    if isinstance(value, str) or value is None:
        return value
    facts = extract(value, side, client.plugins)
    return value if facts is None or is_fallback(facts) else facts.text


def documents_text(documents: Any) -> str:
    """Return how many documents were found, and the names of the first ones."""
    found = documents if isinstance(documents, (list, tuple)) else []
    names = [name for item in found[:_MAX_DOCUMENTS] if (name := _document_name(item))]
    count = f"{len(found)} document{'' if len(found) == 1 else 's'}"
    return f"{count}: {', '.join(names)}" if names else count


def _document_name(document: Any) -> str | None:
    return first_text(get(document, "metadata"), *_DOCUMENT_NAMES) or get_text(document, "id")


def outcome_of(error: BaseException) -> dict[str, Any]:
    """Return `status` and `error` of a run that raised; to be left by the app is no failure."""
    if isinstance(error, GeneratorExit):
        return {"status": "incomplete"}
    if is_pause(error):
        return {}
    status = "error" if isinstance(error, Exception) else "cancelled"
    return {"status": status, "error": describe_error(error)}


def is_pause(error: BaseException) -> bool:
    """Tell whether a graph raised to hand over: to a person, or to the graph around it."""
    return any(kind.__name__ == "GraphBubbleUp" for kind in type(error).__mro__)


def interrupts_of(error: BaseException) -> list[Any]:
    """Return what a graph that waits for a person asks."""
    with guard.guarded("read an interrupt"):
        return [*get_list({"asked": error.args[0]}, "asked")] if error.args else []
    return []

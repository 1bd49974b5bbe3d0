"""Tells what a span of LlamaIndex is: something a person did, a step on the way, or neither.

A span is known by the bases of its object's class and the name of its method, so that nothing of
LlamaIndex is imported. Source: llama-index-core 0.14.25, base/, chat_engine/types.py, llms/llm.py,
tools/types.py; llama-index-workflows 2.26, runtime/types/step_function.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

# A span's id is `Class.method-` and a UUID.
UUID_CHARS = 37

_PACKAGES = frozenset({"llama_index", "workflows"})


class Alone(Enum):
    """What a span is that no other one, and nothing else that is logged, stands around."""

    TURN = "something a person did: an interaction"
    WORK = "no interaction, and neither is what happens inside of it"
    NOTHING = "looked through: what happens inside of it may be an interaction"


class Role(NamedTuple):
    """What a span is.

    Args:
        kind: `query`, `chat`, `synthesis`, `llm`, `workflow`, `retrieval`, `tool`, `agent`,
            `writer` or `work`.
        step: The kind of step it is inside of an interaction, or None.
        alone: What it is by itself.
    """

    kind: str
    step: str | None
    alone: Alone


_QUERY = Role("query", None, Alone.TURN)
_CHAT = Role("chat", None, Alone.TURN)
_SYNTHESIS = Role("synthesis", None, Alone.TURN)
_LLM = Role("llm", "llm", Alone.TURN)
_WORKFLOW = Role("workflow", "other", Alone.TURN)
AGENT_RUN = Role("workflow", "agent", Alone.TURN)
_AGENT = Role("agent", "agent", Alone.NOTHING)
_RETRIEVAL = Role("retrieval", "retrieval", Alone.WORK)
_TOOL = Role("tool", "tool", Alone.NOTHING)
# Writes a chat engine's stream into its memory while the app reads it.
_WRITER = Role("writer", None, Alone.NOTHING)
_WORK = Role("work", None, Alone.WORK)

_ASK_LLM = frozenset(
    f"{prefix}{name}"
    for prefix in ("", "a", "stream_", "astream_")
    for name in ("chat", "complete")
)
_RUN = frozenset({"run"})

# By the name of a base class: the methods, or None for all.
_ROLES: Mapping[str, tuple[Role, frozenset[str] | None]] = {
    "BaseLLM": (_LLM, _ASK_LLM),
    "MultiModalLLM": (_LLM, _ASK_LLM),
    "BaseQueryEngine": (_QUERY, frozenset({"query", "aquery"})),
    "BaseChatEngine": (_CHAT, frozenset({"chat", "achat", "stream_chat", "astream_chat"})),
    "BaseSynthesizer": (_SYNTHESIS, frozenset({"synthesize", "asynthesize"})),
    "AgentWorkflow": (AGENT_RUN, _RUN),
    "BaseWorkflowAgent": (AGENT_RUN, _RUN),
    "Workflow": (_WORKFLOW, _RUN),
    "BaseRetriever": (_RETRIEVAL, frozenset({"retrieve", "aretrieve"})),
    "BaseTool": (_TOOL, frozenset({"__call__", "call", "acall"})),
    "StreamingAgentChatResponse": (
        _WRITER,
        frozenset({"write_response_to_history", "awrite_response_to_history"}),
    ),
    **dict.fromkeys(
        (
            "BaseEmbedding", "BaseSparseEmbedding", "BaseImageRetriever", "BaseNodePostprocessor",
            "BaseQueryTransform", "BaseQuestionGenerator", "BaseSelector", "IngestionPipeline",
            "TransformComponent",
        ),
        (_WORK, None),
    ),
}  # fmt: skip

# The method of `AgentWorkflow` in which one of its agents is asked; its span has no object.
_AGENT_METHOD = "AgentWorkflow.run_agent_step"


def find_role(id_: str, instance: Any, arguments: Mapping[str, Any]) -> Role | None:
    """Return what a span is, or None where it is looked through.

    Args:
        id_: Of the span.
        instance: The object whose method it is, or None.
        arguments: What the method is called with, by name.
    """
    qualified = id_[:-UUID_CHARS]
    method = qualified.rpartition(".")[2]
    if instance is not None:
        kind: Any = type(instance)
        return _find_role_of(kind, method)
    if qualified == _AGENT_METHOD:
        return _AGENT
    # The run of a workflow, in releases that keep its object to themselves.
    return _WORKFLOW if method == "run" and "start_event" in arguments else None


# Few classes of an app are of LlamaIndex; those made at run time are not kept for ever.
@lru_cache(maxsize=1_024)
def _find_role_of(kind: type, method: str) -> Role | None:
    for base in kind.__mro__:
        role, methods = _ROLES.get(base.__name__, (None, None))
        is_known = str(base.__module__).partition(".")[0] in _PACKAGES
        if role is not None and is_known and (methods is None or method in methods):
            return role
    return None

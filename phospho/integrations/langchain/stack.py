"""Reads off the stack what LangChain tells no callback.

Which run the code now running is part of is certain there: no variable that somebody forgot to
reset says that a run goes on which was cancelled. Nothing here waits or changes anything.
Source: langchain-core 1.0 to 1.8, runnables/base.py, runnables/config.py, language_models/,
callbacks/manager.py. A run holds its manager in a local variable or parameter `run_manager`, by
which LangChain's own classes and those of apps are called.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from types import FrameType
from typing import Any
from uuid import UUID

from langchain_core.callbacks.manager import BaseRunManager
from langchain_core.runnables.config import var_child_runnable_config

_MANAGER = "run_manager"

# This module, the property and what asks for it, which before Python 3.12 is a function of its own.
_MAX_ASKING = 5

_PACKAGES = frozenset({"phospho", "langchain", "langchain_core", "langgraph"})


def running_ids() -> Iterator[UUID]:
    """Return the runs that the code now running is part of, the innermost first."""
    for frame in _stack():
        # To look at an app's own variables would keep what it deletes, before Python 3.13.
        manager = _local(frame, _MANAGER) if _package(frame) in _PACKAGES else None
        if isinstance(manager, BaseRunManager):
            yield manager.run_id
    # Tasks and threads that a run has started have a stack of their own, but inherit its context.
    config = var_child_runnable_config.get()
    parent_id = getattr((config or {}).get("callbacks"), "parent_run_id", None)
    if isinstance(parent_id, UUID):
        yield parent_id


def find_configurable() -> Mapping[str, Any]:
    """Return `configurable` of the call that is about to start a run; callbacks do not see it."""
    for frame in _stack():
        if _package(frame) not in _PACKAGES:
            break
        config = _local(frame, "config")
        configurable = config.get("configurable") if type(config) is dict else None
        if type(configurable) is dict and configurable:
            return configurable
    return {}


def find_streamed_input() -> tuple[Any] | None:
    """Return the input of a chain that is about to be streamed, whose start is told without it."""
    for frame in _stack():
        if _package(frame) not in _PACKAGES:
            break
        if frame.f_code.co_name in {"stream", "astream"}:
            return (_local(frame, "input"),)
    return None


def find_async_call() -> object:
    """Return what lives just as long as an async call of a chat model, or None where there is none.

    Where that is cancelled, LangChain tells nothing of its end.
    """
    for frame in _stack():
        if _package(frame) not in _PACKAGES:
            break
        if frame.f_code.co_name == "agenerate":
            return _local(frame, "callback_manager")
    return None


def find_left_chunk(run_id: UUID) -> tuple[Any] | None:
    """Return the chunk at which the app left the sync stream of a chain; None if it did not.

    LangChain ends such a run as if all was well, with an output that lacks this chunk.
    """
    for frame in _stack():
        if frame.f_code.co_name != "_transform_stream_with_config":
            continue
        if getattr(_local(frame, _MANAGER), "run_id", None) != run_id:
            return None
        iterator = _local(frame, "iterator")
        is_left = inspect.isgenerator(iterator) and iterator.gi_frame is not None
        return (_local(frame, "chunk"),) if is_left else None
    return None


def silences_others(run_inline: Callable[[Iterable[Any]], bool]) -> bool:
    """Tell whether ours, by running inline, would keep the app's own handlers from hearing.

    Where some run inline and some do not, LangChain tells only the former that a text model was
    called. Source: callbacks/manager.py, `AsyncCallbackManager.on_llm_start`, which asks here.

    Args:
        run_inline: Tells of handlers whether any of the app's own runs inline.
    """
    for frame in islice(_stack(), _MAX_ASKING):
        if frame.f_code.co_name == "on_llm_start":
            return not run_inline(getattr(_local(frame, "self"), "handlers", ()))
    return False


def _stack() -> Iterator[FrameType]:
    frame = inspect.currentframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


def _local(frame: FrameType, name: str) -> Any:
    code = frame.f_code
    is_there = name in code.co_varnames or name in code.co_cellvars
    return frame.f_locals.get(name) if is_there else None


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]

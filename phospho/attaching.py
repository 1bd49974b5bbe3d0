"""Attaches a watch to a stream so that what the app holds stays what it is.

Most streams are watched where they are: the object is the same, and an instance of its class. Only
a generator, and what is made in C, has a generator of ours stand in front of it.
"""

from __future__ import annotations

import asyncio
import inspect
import types
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, cast

from phospho import guard, snapshot
from phospho.extractors import catalogue
from phospho.streaming import Watch, watch_async_generator, watch_generator
from phospho.watched_objects import WATCH, gives_by_property, watch_object

_GENERATORS = (types.GeneratorType, types.AsyncGeneratorType)


def is_stream(value: Any, *, declared: bool) -> bool:
    """Tell whether a value is the answer still to come.

    Args:
        value: What was logged, or returned by a wrapped function.
        declared: Whether the app says so; else only generators and the streams of libraries that
            extractors know are, for an iterator may be anything, as an open file.
    """
    kind = type(value)
    if issubclass(kind, _GENERATORS):
        return not is_awaitable(value)
    is_known = catalogue.is_known_package(kind)
    if is_known and (
        _is_iterator(getattr(value, "__dict__", {}).get("response_gen")) or gives_by_property(kind)
    ):
        return True
    if not declared:
        return is_known and (
            _is_iterator(value) or ("Stream" in kind.__name__ and _is_read_once(kind))
        )
    if hasattr(kind, "model_fields") or issubclass(kind, _WHOLE):
        return False
    return _is_iterator(value) or _gives_items(kind)


def find_stream(value: Any, *, declared: bool) -> Any:
    """Return the stream that a value is or holds, or None.

    Source: botocore 1.44 answers `converse_stream` with a dict that has a `stream`, and
    `invoke_model_with_response_stream` with one that has it as its `body`.
    """
    if type(value) is dict:
        held = (value.get(name) for name in ("stream", "body"))
        # A generator would need another one in its place, and the dict is the app's.
        known = (item for item in held if not isinstance(item, _GENERATORS))
        return next((item for item in known if is_stream(item, declared=False)), None)
    return value if is_stream(value, declared=declared) else None


def is_awaitable(value: Any) -> bool:
    """Tell whether a value is a coroutine or a future, whose result is the answer."""
    kind = type(value)
    if issubclass(kind, types.GeneratorType):
        # What `types.coroutine` makes is awaited, and not iterated.
        return bool(value.gi_code.co_flags & inspect.CO_ITERABLE_COROUTINE)
    return issubclass(kind, (types.CoroutineType, asyncio.Future))


def attach(stream: Any, watch: Watch) -> Any:
    """Return what the app is to iterate over: `stream` itself, or a generator before it."""
    watch.is_of(stream)
    kind = type(stream)
    if issubclass(kind, types.GeneratorType):
        return _named(watch_generator(lambda: (stream, watch))(), stream)
    if issubclass(kind, types.AsyncGeneratorType):
        return _named(watch_async_generator(lambda: (stream, watch))(), stream)
    with guard.guarded("watch a stream"):
        # What others put in front of a stream reads it, and has this name for it.
        inner = getattr(stream, "__wrapped__", stream)
        watched = inner if is_stream(inner, declared=False) else stream
        if _attach_to_source(watched, watch) or watch_object(watched, watch):
            return stream
    if _is_only_iterated(kind):
        if hasattr(kind, "__next__"):
            return watch_generator(lambda: (stream, watch))()
        if hasattr(kind, "__anext__"):
            return watch_async_generator(lambda: (stream, watch))()
    guard.report_once(
        f"attach:{snapshot.type_name(stream)}",
        "phospho cannot watch %s go by. It is left as it is and logged without its answer; log it "
        "when it is complete.",
        snapshot.describe(stream),
    )
    return stream


def _is_only_iterated(kind: type) -> bool:
    """Tell whether a generator can do all that objects of a class can; an open file does more."""
    return not any(hasattr(kind, name) for name in ("__enter__", "__aenter__")) and all(
        name.startswith("_") for name in dir(kind)
    )


def attach_to_awaitable(value: Awaitable[Any], settle: Callable[..., Any]) -> Any:
    """Have the result of a coroutine or future told to `settle(result)`, or `settle(exc=...)`.

    Returns:
        What the app is to await: a coroutine, or the same future. What `settle` returns is the
        result of the coroutine; a future keeps its own.
    """
    if isinstance(value, asyncio.Future):
        value.add_done_callback(lambda done: _settle_future(done, settle))
        return value

    async def run() -> Any:
        try:
            result = await value
        except BaseException as exc:
            settle(None, exc)
            raise
        return settle(result, None)

    ours = _named(run(), value)
    if isinstance(value, types.CoroutineType):
        weakref.finalize(ours, _close_unstarted, value).atexit = False
    return ours


def _close_unstarted(value: Any) -> None:
    """Let a coroutine that is closed or dropped before its start be told of once, as it would."""
    if inspect.getcoroutinestate(value) == inspect.CORO_CREATED:
        value.close()


def _settle_future(done: asyncio.Future[Any], settle: Callable[..., Any]) -> None:
    if done.cancelled():
        settle(None, asyncio.CancelledError())
    elif (exc := _exception_of(done)) is not None:
        settle(None, exc)
    else:
        settle(done.result(), None)


def _exception_of(done: asyncio.Future[Any]) -> BaseException | None:
    """Return what a future failed with; to ask it would count as the app having seen that."""
    found: BaseException | None = done._exception  # noqa: SLF001
    return found


def _named(ours: Any, original: Any) -> Any:
    ours.__name__, ours.__qualname__ = original.__name__, original.__qualname__
    return ours


def _is_iterator(value: Any) -> bool:
    return hasattr(type(value), "__next__") or hasattr(type(value), "__anext__")


def _is_read_once(kind: type) -> bool:
    """Tell whether a class gives its items, or a stream, without being a container or a value."""
    keeps = ("__len__", "__getitem__", "model_fields")
    return _gives_items(kind) and not any(hasattr(kind, name) for name in keeps)


def _gives_items(kind: type) -> bool:
    gives = ("__iter__", "__aiter__", "__enter__", "__aenter__")
    return any(hasattr(kind, name) for name in gives)


# Are there as a whole, even where the app says that they are to come.
_WHOLE = (str, bytes, bytearray, list, tuple, Mapping, AbstractSet)


def _attach_to_source(stream: Any, watch: Watch) -> bool:
    """Watch what a stream reads from, where a library keeps that in an attribute.

    Sources: `_iterator` of what Stainless generates (openai 3.54, anthropic 2.12, _streaming.py
    and lib/streaming); `response_gen` of llama-index-core 0.14, base/response/schema.py.
    """
    name = "_iterator" if hasattr(type(stream), "__stream__") else "response_gen"
    if not _is_from_a_library(stream, name) or gives_by_property(type(stream)):
        return False
    held = getattr(stream, "__dict__", {})
    if WATCH in held:
        held[WATCH].tell(watch)
        return True
    source = getattr(stream, name, None)
    if hasattr(type(source), "__next__"):
        watched = watch_generator(lambda: (cast("Iterator[Any]", source), watch))()
    elif hasattr(type(source), "__anext__"):
        watched = watch_async_generator(lambda: (cast("AsyncIterator[Any]", source), watch))()
    else:
        return False
    setattr(stream, name, watched)
    held[WATCH] = watch
    # A helper closes the response, not the stream. It is closed too when all is read, which is
    # while the app waits for the last piece.
    watch_object(getattr(stream, "response", None), watch)
    return True


def _is_from_a_library(stream: Any, name: str) -> bool:
    return name == "_iterator" or catalogue.is_known_package(type(stream))

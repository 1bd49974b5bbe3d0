"""Attaches a watch to a stream so that what the app holds stays what it is.

Most streams are watched where they are: the object is the same, and an instance of its class. Only
a generator, and what is made in C, has a generator of ours stand in front of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import types
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextvars import ContextVar, Token
from typing import Any, cast

from phospho import guard, snapshot
from phospho.extractors import catalogue
from phospho.streaming import Watch, watch_async_generator, watch_generator


def is_stream(value: Any, *, declared: bool) -> bool:
    """Tell whether a value is the answer still to come.

    Args:
        value: What was logged, or returned by a wrapped function.
        declared: Whether the app says so; else only generators and the streams of libraries that
            extractors know are, for an iterator may be anything, as an open file.
    """
    kind = type(value)
    if issubclass(kind, (types.GeneratorType, types.AsyncGeneratorType)):
        return True
    is_known = catalogue.is_known_package(kind)
    if is_known and _is_iterator(getattr(value, "__dict__", {}).get("response_gen")):
        return True
    if not declared:
        return is_known and (
            _is_iterator(value) or ("Stream" in kind.__name__ and _is_read_once(kind))
        )
    return _is_iterator(value) or _is_read_once(kind)


def find_stream(value: Any, *, declared: bool) -> Any:
    """Return the stream that a value is or holds, or None.

    Source: botocore 1.44 answers `converse_stream` with a dict that has a `stream`, and
    `invoke_model_with_response_stream` with one that has it as its `body`.
    """
    if type(value) is dict:
        held = (value.get(name) for name in ("stream", "body"))
        return next((item for item in held if is_stream(item, declared=False)), None)
    return value if is_stream(value, declared=declared) else None


def is_awaitable(value: Any) -> bool:
    """Tell whether a value is a coroutine or a future, whose result is the answer."""
    return isinstance(value, (types.CoroutineType, asyncio.Future))


def attach(stream: Any, watch: Watch) -> Any:
    """Return what the app is to iterate over: `stream` itself, or a generator before it."""
    watch.is_of(stream)
    kind = type(stream)
    if issubclass(kind, types.GeneratorType):
        return _named(watch_generator(lambda: (stream, watch))(), stream)
    if issubclass(kind, types.AsyncGeneratorType):
        return _named(watch_async_generator(lambda: (stream, watch))(), stream)
    with guard.guarded("watch a stream"):
        if _attach_to_source(stream, watch) or _attach_to_object(stream, watch):
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
    is_made_in_c = not kind.__flags__ & _IS_HEAP_TYPE
    return not (is_made_in_c and any(not name.startswith("_") for name in dir(kind)))


def attach_to_body(response: Any, watch: Watch) -> None:
    """Watch the body of an HTTP response, which the app has not read, go by as bytes.

    Source: `iter_bytes` and `aiter_bytes` of httpx 0.28 and httpx2 2.16, _models.py, by which all
    else of a response reads.
    """
    watch.is_of(response)
    for name, watch_pieces in (
        ("iter_bytes", watch_generator),
        ("aiter_bytes", watch_async_generator),
    ):
        setattr(response, name, _watched_method(getattr(response, name), watch_pieces, watch))
    _attach_to_object(response, watch)


def _watched_method(
    method: Callable[..., Any], watch_pieces: Callable[..., Any], watch: Watch
) -> Callable[..., Any]:
    @functools.wraps(method)
    def run(*args: Any, **kwargs: Any) -> Any:
        return watch_pieces(lambda: (method(*args, **kwargs), watch))()

    return run


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
    weakref.finalize(ours, _close_unstarted, value).atexit = False
    return ours


def _close_unstarted(value: Any) -> None:
    """Let a coroutine that is closed or dropped before its start be told of once, as it would."""
    if inspect.getcoroutinestate(value) == inspect.CORO_CREATED:
        value.close()


def _settle_future(done: asyncio.Future[Any], settle: Callable[..., Any]) -> None:
    if done.cancelled():
        settle(None, asyncio.CancelledError())
    elif (exc := done.exception()) is not None:
        settle(None, exc)
    else:
        settle(done.result(), None)


def _named(ours: Any, original: Any) -> Any:
    ours.__name__, ours.__qualname__ = original.__name__, original.__qualname__
    return ours


def _is_iterator(value: Any) -> bool:
    return hasattr(type(value), "__next__") or hasattr(type(value), "__anext__")


def _is_read_once(kind: type) -> bool:
    """Tell whether a class gives its items, or a stream, without being a container or a value."""
    gives = ("__iter__", "__aiter__", "__enter__", "__aenter__")
    keeps = ("__len__", "__getitem__", "model_fields")
    return any(hasattr(kind, n) for n in gives) and not any(hasattr(kind, n) for n in keeps)


def _attach_to_source(stream: Any, watch: Watch) -> bool:
    """Watch what a stream reads from, where a library keeps that in an attribute.

    Sources: `_iterator` of what Stainless generates (openai 3.54, anthropic 2.12, _streaming.py
    and lib/streaming); `response_gen` of llama-index-core 0.14, base/response/schema.py.
    """
    name = "_iterator" if hasattr(type(stream), "__stream__") else "response_gen"
    source = getattr(stream, name, None) if _is_from_a_library(stream, name) else None
    if hasattr(type(source), "__next__"):
        watched = watch_generator(lambda: (cast("Iterator[Any]", source), watch))()
    elif hasattr(type(source), "__anext__"):
        watched = watch_async_generator(lambda: (cast("AsyncIterator[Any]", source), watch))()
    else:
        return False
    setattr(stream, name, watched)
    # A helper closes the response, not the stream. It is closed too when all is read, which is
    # while the app waits for the last piece.
    _attach_to_object(getattr(stream, "response", None), watch)
    return True


def _is_from_a_library(stream: Any, name: str) -> bool:
    return name == "_iterator" or catalogue.is_known_package(type(stream))


_watched_kinds: weakref.WeakKeyDictionary[type, type] = weakref.WeakKeyDictionary()

# Where an object of a watched kind has its watch, and what its context manager gave.
_WATCH = "_phospho_watch"
_ENTERED = "_phospho_entered"

# `Py_TPFLAGS_HEAPTYPE` of CPython: a class made in Python.
_IS_HEAP_TYPE = 1 << 9


def _attach_to_object(stream: Any, watch: Watch) -> bool:
    """Make the object one of a subclass of its class, which tells the watch what it does."""
    kind = type(stream)
    held = getattr(stream, "__dict__", None)
    if not isinstance(held, dict) or not kind.__flags__ & _IS_HEAP_TYPE:
        return False
    if _WATCH in held:
        held[_WATCH] = held[_WATCH].joined_by(watch)
        return True
    watched = _watched_kinds.get(kind) or _make_watched_kind(kind)
    held[_WATCH] = watch
    try:
        _CLASS.__set__(stream, watched)
    except TypeError:
        del held[_WATCH]
        return False
    _watched_kinds[kind] = watched
    return True


# Sets the class of an object whatever the app's own `__setattr__` does.
_CLASS: Any = vars(object)["__class__"]
_BASES: Any = vars(type)["__bases__"]


class _Blank:
    """Of the layout that most classes have."""


def _make_watched_kind(kind: type) -> type:
    body: dict[str, Any] = {
        "__slots__": (),
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
        "__reduce_ex__": _make_reduce_ex(kind),
    }
    if inspect.getattr_static(kind, "__class__") is _CLASS:
        body["__class__"] = property(lambda _: kind, _CLASS.__set__)
    body |= {name: make(kind) for name, make in _METHODS.items() if _is_method(kind, name)}
    with contextlib.suppress(TypeError):
        # The app's metaclass and `__init_subclass__`, which may refuse a subclass or register it,
        # are not told of this one: it is no class of the app.
        watched = type.__new__(type(kind), kind.__name__, (_Blank,), dict(body))
        _BASES.__set__(watched, (kind,))
        return watched
    return types.new_class(kind.__name__, (kind,), {}, lambda namespace: namespace.update(body))


def _is_method(kind: type, name: str) -> bool:
    """Tell whether a class has a method of that name which takes the object, and nothing else."""
    found = inspect.getattr_static(kind, name, None)
    is_bound = callable(found) and hasattr(type(found), "__get__")
    return is_bound and not isinstance(found, staticmethod)


def _watch_of(stream: Any) -> Watch | None:
    """Return what watches an object; None for one that the app made as `type(stream)(...)`."""
    watch: Watch | None = stream.__dict__.get(_WATCH)
    return watch


def _make_reduce_ex(kind: Any) -> Callable[[Any, Any], Any]:
    def __reduce_ex__(self: Any, protocol: Any) -> Any:  # noqa: N807 - becomes the method of that name
        """Let a copy, and what is pickled, be of the app's class and not be watched."""
        reduced = kind.__reduce_ex__(self, protocol)
        if not isinstance(reduced, tuple):
            return reduced
        make, given, *rest = reduced
        given = tuple(kind if item is type(self) else item for item in given)
        if rest and isinstance(rest[0], tuple):
            rest[0] = tuple(map(_without_watch, rest[0]))
        elif rest:
            rest[0] = _without_watch(rest[0])
        return (kind if make is type(self) else make, given, *rest)

    return __reduce_ex__


def _without_watch(state: Any) -> Any:
    if type(state) is not dict:
        return state
    return {name: value for name, value in state.items() if name not in (_WATCH, _ENTERED)}


# Whose next piece the code now running waits for. Per thread and task: others may read meanwhile.
_reading: ContextVar[Watch | None] = ContextVar("phospho_reading", default=None)


def _stop_reading(token: Token[Watch | None]) -> None:
    try:
        _reading.reset(token)
    except ValueError:
        # It waited in a context of another task.
        _reading.set(None)


def _make_next(kind: Any) -> Callable[[Any], Any]:
    def __next__(self: Any) -> Any:  # noqa: N807 - becomes the method of that name
        watch = _watch_of(self)
        if watch is None or _reading.get() is watch:
            return kind.__next__(self)
        token = _reading.set(watch)
        watch.is_inside = True
        try:
            piece = kind.__next__(self)
        except StopIteration:
            watch.end()
            raise
        except BaseException as exc:
            watch.fail(exc)
            raise
        finally:
            watch.is_inside = False
            _stop_reading(token)
        watch.add(piece)
        return piece

    return __next__


def _make_anext(kind: Any) -> Callable[[Any], Any]:
    async def __anext__(self: Any) -> Any:  # noqa: N807 - becomes the method of that name
        watch = _watch_of(self)
        if watch is None or _reading.get() is watch:
            return await kind.__anext__(self)
        token = _reading.set(watch)
        watch.is_inside = True
        try:
            piece = await kind.__anext__(self)
        except StopAsyncIteration:
            watch.end()
            raise
        except BaseException as exc:
            watch.fail(exc)
            raise
        finally:
            watch.is_inside = False
            _stop_reading(token)
        watch.add(piece)
        return piece

    return __anext__


def _make_iter(kind: Any) -> Callable[[Any], Any]:
    def __iter__(self: Any) -> Any:  # noqa: N807 - becomes the method of that name
        found = kind.__iter__(self)
        watch = _watch_of(self)
        if found is self or watch is None:
            return found
        # What is left of the object, if anything, may be read by another loop.
        return watch_generator(lambda: (found, watch), is_all=False)()

    return __iter__


def _make_aiter(kind: Any) -> Callable[[Any], Any]:
    def __aiter__(self: Any) -> Any:  # noqa: N807 - becomes the method of that name
        found = kind.__aiter__(self)
        watch = _watch_of(self)
        if found is self or watch is None:
            return found
        return watch_async_generator(lambda: (found, watch), is_all=False)()

    return __aiter__


def _make_close(name: str) -> Callable[[Any], Any]:
    def make(kind: Any) -> Callable[..., Any]:
        method = getattr(kind, name)

        @functools.wraps(method)
        def close(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return method(self, *args, **kwargs)
            finally:
                _closed(self)

        @functools.wraps(method)
        async def close_async(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return await method(self, *args, **kwargs)
            finally:
                _closed(self)

        return close_async if inspect.iscoroutinefunction(method) else close

    return make


def _make_enter(kind: Any) -> Callable[[Any], Any]:
    def __enter__(self: Any) -> Any:  # noqa: N807 - becomes the method of that name
        return _entered(self, kind.__enter__(self))

    return __enter__


def _make_aenter(kind: Any) -> Callable[[Any], Any]:
    async def __aenter__(self: Any) -> Any:  # noqa: N807 - becomes the method of that name
        return _entered(self, await kind.__aenter__(self))

    return __aenter__


def _make_exit(kind: Any) -> Callable[..., Any]:
    def __exit__(self: Any, *raised: Any) -> Any:  # noqa: N807 - becomes the method of that name
        try:
            return kind.__exit__(self, *raised)
        finally:
            _exited(self, raised)

    return __exit__


def _make_aexit(kind: Any) -> Callable[..., Any]:
    async def __aexit__(self: Any, *raised: Any) -> Any:  # noqa: N807 - becomes the method of that name
        try:
            return await kind.__aexit__(self, *raised)
        finally:
            _exited(self, raised)

    return __aexit__


_METHODS: dict[str, Callable[[Any], Callable[..., Any]]] = {
    "__next__": _make_next,
    "__anext__": _make_anext,
    "__iter__": _make_iter,
    "__aiter__": _make_aiter,
    "__enter__": _make_enter,
    "__aenter__": _make_aenter,
    "__exit__": _make_exit,
    "__aexit__": _make_aexit,
    "close": _make_close("close"),
    "aclose": _make_close("aclose"),
}


def _closed(stream: Any) -> None:
    watch = _watch_of(stream)
    if watch is not None and not watch.is_inside:
        watch.leave()


def _entered(manager: Any, value: Any) -> Any:
    """Watch the stream that a context manager gave; what is no stream is read when it is left."""
    watch = _watch_of(manager)
    if value is manager or watch is None:
        return value
    with guard.guarded("watch a stream"):
        if is_stream(value, declared=True):
            return attach(value, watch)
        manager.__dict__[_ENTERED] = value
    return value


def _exited(manager: Any, raised: tuple[Any, ...]) -> None:
    watch = _watch_of(manager)
    if watch is None:
        return
    exc = raised[1] if len(raised) > 1 else None
    if exc is not None and not isinstance(exc, Exception):
        watch.fail(exc)
    value = manager.__dict__.pop(_ENTERED, None)
    if value is None:
        watch.leave()
    else:
        watch.end_with(value)

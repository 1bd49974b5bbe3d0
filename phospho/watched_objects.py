"""Makes objects tell a watch what goes by in them, in place: they stay the same objects.

An object becomes one of a subclass of its class, whose methods pass on what the app does with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import types
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from phospho import guard
from phospho.streaming import Watch, watch_async_generator, watch_generator

# Where an object of a watched kind has its watch, and what its context manager gave.
WATCH = "_phospho_watch"
_ENTERED = "_phospho_entered"
# Where an HTTP response has what watches its body.
_BODY_WATCH = "_phospho_body_watch"

# `Py_TPFLAGS_HEAPTYPE` of CPython: a class made in Python.
_IS_HEAP_TYPE = 1 << 9


def watch_object(stream: Any, watch: Watch) -> bool:
    """Make the object one of a subclass of its class, which tells the watch what it does."""
    kind: Any = type(stream)
    held = getattr(stream, "__dict__", None)
    if not isinstance(held, dict) or not kind.__flags__ & _IS_HEAP_TYPE:
        return False
    if WATCH in held:
        held[WATCH] = held[WATCH].joined_by(watch)
        return True
    watched = _make_watched_kind(kind)
    held[WATCH] = watch
    try:
        _CLASS.__set__(stream, watched)
    except TypeError:
        del held[WATCH]
        return False
    return True


def watch_body(response: Any, watch: Watch) -> bool:
    """Watch the body of an HTTP response, which the app has not read, go by as bytes.

    Source: `iter_bytes` and `aiter_bytes` of httpx 0.28 and httpx2 2.16, _models.py, by which all
    else of a response reads.
    """
    is_watched = watch_object(response, watch.is_of(response))
    if is_watched:
        response.__dict__[_BODY_WATCH] = watch
    return is_watched


# Sets the class of an object whatever the app's own `__setattr__` does.
_CLASS: Any = vars(object)["__class__"]
_BASES: Any = vars(type)["__bases__"]


class _Blank:
    """Of the layout that most classes have."""


# Few classes of streams live in an app; those it makes at run time are not kept for ever.
@functools.lru_cache(maxsize=128)
def _make_watched_kind(kind: Any) -> type:
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
    if gives_by_property(kind):
        body["response_gen"] = _make_response_gen(kind)
    with contextlib.suppress(TypeError):
        # The app's metaclass and `__init_subclass__`, which may refuse a subclass or register it,
        # are not told of this one: it is no class of the app.
        watched: type = type.__new__(type(kind), kind.__name__, (_Blank,), dict(body))
        _BASES.__set__(watched, (kind,))
        return watched
    return types.new_class(kind.__name__, (kind,), {}, lambda namespace: namespace.update(body))


def _is_method(kind: type, name: str) -> bool:
    """Tell whether a class has a method of that name which takes the object, and nothing else."""
    found = inspect.getattr_static(kind, name, None)
    is_bound = callable(found) and hasattr(type(found), "__get__")
    return is_bound and not isinstance(found, staticmethod)


def gives_by_property(kind: type) -> bool:
    """Tell whether a class makes its stream when it is asked for it, as chats of LlamaIndex do.

    Source: llama-index-core 0.14, chat_engine/types.py, StreamingAgentChatResponse; an answer that
    is there as a whole, AgentChatResponse, only pretends to be streamed.
    """
    is_made = isinstance(inspect.getattr_static(kind, "response_gen", None), property)
    return is_made and hasattr(kind, "write_response_to_history")


def _watch_of(stream: Any) -> Watch | None:
    """Return what watches an object; None for one that the app made as `type(stream)(...)`."""
    watch: Watch | None = stream.__dict__.get(WATCH)
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
    ours = (WATCH, _ENTERED, _BODY_WATCH)
    return {name: value for name, value in state.items() if name not in ours}


# Whose next piece the code now running waits for. Per thread and task: others may read meanwhile.
_reading: ContextVar[Watch | None] = ContextVar("phospho_reading", default=None)


class _reading_for:  # noqa: N801 - reads as a statement
    """Waits for the next piece of a stream; tells its watch how it ends where none comes."""

    __slots__ = ("_outer", "_watch")

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._outer: Watch | None = None

    def __enter__(self) -> None:
        self._outer = _reading.get()
        _reading.set(self._watch)
        self._watch.resume()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: object
    ) -> None:
        if isinstance(exc, (StopIteration, StopAsyncIteration)):
            self._watch.end()
        elif isinstance(exc, asyncio.CancelledError):
            self._watch.interrupt()
        elif exc is not None:
            self._watch.fail(exc)
        self._watch.pause()
        # Elsewhere, if the garbage collector found it waiting.
        if _reading.get() is self._watch:
            _reading.set(self._outer)


def _make_next(kind: Any) -> Callable[[Any], Any]:
    def __next__(self: Any) -> Any:  # noqa: N807 - becomes the method of that name
        watch = _watch_of(self)
        if watch is None or _reading.get() is watch:
            return kind.__next__(self)
        with _reading_for(watch):
            piece = kind.__next__(self)
        watch.add(piece)
        return piece

    return __next__


def _make_send(kind: Any) -> Callable[[Any, Any], Any]:
    def send(self: Any, value: Any) -> Any:
        watch = _watch_of(self)
        if watch is None or _reading.get() is watch:
            return kind.send(self, value)
        with _reading_for(watch):
            piece = kind.send(self, value)
        watch.add(piece)
        return piece

    return send


def _make_anext(kind: Any) -> Callable[[Any], Any]:
    async def __anext__(self: Any) -> Any:  # noqa: N807 - becomes the method of that name
        watch = _watch_of(self)
        if watch is None or _reading.get() is watch:
            return await kind.__anext__(self)
        with _reading_for(watch):
            piece = await kind.__anext__(self)
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


def _make_response_gen(kind: Any) -> property:
    def response_gen(self: Any) -> Any:
        found, watch = kind.response_gen.fget(self), _watch_of(self)
        if watch is None:
            return found
        return watch_generator(lambda: (found, watch), is_all=False)()

    return property(response_gen)


def _make_async_response_gen(kind: Any) -> Callable[[Any], Any]:
    def async_response_gen(self: Any) -> Any:
        found, watch = kind.async_response_gen(self), _watch_of(self)
        if watch is None:
            return found
        return watch_async_generator(lambda: (found, watch), is_all=False)()

    return async_response_gen


def _make_body(name: str, watch_pieces: Callable[..., Any]) -> Callable[[Any], Any]:
    """Make what gives the body of an HTTP response as bytes; see `watch_body`."""

    def make(kind: Any) -> Callable[..., Any]:
        method = getattr(kind, name)

        @functools.wraps(method)
        def run(self: Any, *args: Any, **kwargs: Any) -> Any:
            found, watch = method(self, *args, **kwargs), self.__dict__.get(_BODY_WATCH)
            return found if watch is None else watch_pieces(lambda: (found, watch))()

        return run

    return make


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
    "send": _make_send,
    "iter_bytes": _make_body("iter_bytes", watch_generator),
    "aiter_bytes": _make_body("aiter_bytes", watch_async_generator),
    "async_response_gen": _make_async_response_gen,
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
    from phospho.attaching import attach, is_stream

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

"""Log every call of a function: its arguments as input, what it returns as output."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from phospho import guard, snapshot
from phospho.default import get_client
from phospho.reading import NO_ANSWER
from phospho.stand_in import StandIn
from phospho.underway import Underway, inside

if TYPE_CHECKING:
    from phospho.client import Client
    from phospho.reading import Reading
    from phospho.streaming import Watch

_OWNERS = frozenset({"self", "cls"})


F = TypeVar("F", bound=Callable[..., Any])


@overload
def wrap(
    fn: F, *, stream: bool = False, stop: Callable[[Any], bool] | None = None, **fields: Any
) -> F: ...


@overload
def wrap(
    fn: None = None,
    *,
    stream: bool = False,
    stop: Callable[[Any], bool] | None = None,
    **fields: Any,
) -> Callable[[F], F]: ...


def wrap(
    fn: Callable[..., Any] | None = None,
    *,
    stream: bool = False,
    stop: Callable[[Any], bool] | None = None,
    **fields: Any,
) -> Any:
    """Log every call of `fn`, without changing what it takes, returns or raises.

    Use it as `@phospho.wrap`, `@phospho.wrap(user_id="u1")` or `phospho.wrap(fn)(...)`, for sync
    and async functions, generators and methods. The input is the only argument, or the one that is
    text or messages; where there are several, all of them. A call that raises is logged with status
    `error`. An answer that is streamed is logged when it is over; the caller reads it as before.

    Args:
        fn: The function; None when used with arguments.
        stream: Whether what `fn` returns is the answer still to come, whatever it is: an iterator
            or a context manager of any class. Generators, and the streams of libraries that
            phospho knows, need no word.
        stop: Tells of a chunk whether the answer is complete with it, for a stream that goes on;
            it is logged then. What the caller reads is the same.
        **fields: What else `phospho.log` takes, for each call: `session_id`, `metadata`,
            `output_to_str_function` (of a stream, it reads each chunk), any keyword of yours. The
            call itself gives `input`, `output` and what they were read from.
    """
    if fn is None:
        return functools.partial(wrap, stream=stream, stop=stop, **fields)
    if isinstance(fn, (classmethod, staticmethod)):
        return type(fn)(wrap(fn.__func__, stream=stream, stop=stop, **fields))
    if not callable(fn):
        guard.report_once(
            "wrap:not_callable",
            "phospho.wrap got %s, which is not a function. It is left as it is.",
            snapshot.describe(fn),
        )
        return fn
    if fields.pop("task_id", None) is not None:
        guard.report_once(
            "wrap:task_id",
            "phospho.wrap got a task_id, which would be that of each call; only the first would be "
            "kept. It is left out: each call has one of its own.",
        )
    make_call = functools.partial(_Call, fn, fields, is_stream=stream, stop=stop)
    run, is_plain = _wrap(fn, make_call)
    return functools.wraps(fn)(run) if is_plain else StandIn(fn, run)


def _wrap(
    fn: Callable[..., Any], make_call: Callable[..., _Call]
) -> tuple[Callable[..., Any], bool]:
    """Return what is called instead of `fn`, and whether it is of the same kind as that."""
    if isinstance(fn, type):
        return _wrap_sync(fn, make_call), True
    for is_kind, wrap_kind in _KINDS:
        if is_kind(fn) or is_kind(getattr(fn, "__call__", None)):  # noqa: B004 - of an object
            is_plain = wrap_kind is _wrap_async and isinstance(fn, types.FunctionType)
            return wrap_kind(fn, make_call), is_plain
    return _wrap_sync(fn, make_call), isinstance(fn, types.FunctionType)


def _wrap_sync(fn: Callable[..., Any], make_call: Callable[..., _Call]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        call = make_call(args, kwargs)
        try:
            with inside(call.underway):
                returned = fn(*args, **kwargs)
        except BaseException as exc:
            call.underway.fail(exc)
            raise
        return call.returned(returned)

    return run


def _wrap_async(fn: Callable[..., Any], make_call: Callable[..., _Call]) -> Callable[..., Any]:
    async def run(*args: Any, **kwargs: Any) -> Any:
        call = make_call(args, kwargs)
        try:
            with inside(call.underway):
                returned = await fn(*args, **kwargs)
        except BaseException as exc:
            call.underway.fail(exc)
            raise
        return call.returned(returned)

    return run


def _wrap_generator(fn: Callable[..., Any], make_call: Callable[..., _Call]) -> Callable[..., Any]:
    # Loaded before the first call, which a signal handler may interrupt.
    from phospho.streaming import watch_generator

    return _wrap_opening(fn, make_call, watch_generator)


def _wrap_async_generator(
    fn: Callable[..., Any], make_call: Callable[..., _Call]
) -> Callable[..., Any]:
    from phospho.streaming import watch_async_generator

    return _wrap_opening(fn, make_call, watch_async_generator)


def _wrap_opening(
    fn: Callable[..., Any], make_call: Callable[..., _Call], watching: Callable[..., Any]
) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        call = make_call(args, kwargs)
        try:
            stream = fn(*args, **kwargs)
        except BaseException as exc:
            call.underway.fail(exc)
            raise
        # One that nobody starts is not watched, and not logged: nothing ran.
        ours = watching(lambda: (stream, call.watch().is_of(stream)))()
        ours.__name__, ours.__qualname__ = stream.__name__, stream.__qualname__
        return ours

    return run


def _is_generator_function(fn: Any) -> bool:
    """Tell whether a call gives a generator that is iterated; what is awaited has a mark."""
    if not inspect.isgeneratorfunction(fn):
        return False
    while isinstance(fn, functools.partial):
        fn = fn.func
    return not inspect.unwrap(fn).__code__.co_flags & inspect.CO_ITERABLE_COROUTINE


_KINDS: tuple[tuple[Callable[[Any], bool], Callable[..., Callable[..., Any]]], ...] = (
    (inspect.iscoroutinefunction, _wrap_async),
    (_is_generator_function, _wrap_generator),
    (inspect.isasyncgenfunction, _wrap_async_generator),
)


class _Call:
    """One call: its input read before it starts, for the function may change its arguments."""

    __slots__ = ("_fields", "_fn", "_is_stream", "_stop", "underway")

    def __init__(
        self,
        fn: Callable[..., Any],
        fields: Mapping[str, Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        is_stream: bool,
        stop: Callable[[Any], Any] | None,
    ) -> None:
        self._fn = fn
        self._fields = fields
        self._is_stream = is_stream
        self._stop = stop
        client = heard = None
        with guard.guarded("read the arguments of a wrapped function"):
            client = get_client()
            heard = _hear(client, fn, args, kwargs, fields.get("input_to_str_function"))
        told = {name: fields[name] for name in fields if name not in _SIDES}
        self.underway = Underway(client, heard, told)

    def returned(self, value: Any) -> Any:
        """Log the call with its answer, or when that is there; return what the caller gets."""
        with guard.guarded("log a wrapped call"):
            if self._is_stream or snapshot.is_unfinished(value) or _may_hold_a_stream(value):
                return self._returned_unfinished(value)
            self._log_answer(value)
        return value

    def _returned_unfinished(self, value: Any) -> Any:
        from phospho.attaching import attach, attach_to_awaitable, find_stream, is_awaitable

        if is_awaitable(value):
            return attach_to_awaitable(value, self._settled)
        stream = find_stream(value, declared=self._is_stream)
        if stream is not None:
            attached = attach(stream, self.watch())
            return attached if stream is value else value
        if snapshot.is_unfinished(value):
            guard.report_once(
                f"wrap:unfinished:{snapshot.type_name(value)}",
                "%s returned %s, which may be an answer still to come or anything else. It is "
                "passed on untouched and logged without an answer; if it is the answer, write "
                "phospho.wrap(stream=True).",
                getattr(self._fn, "__qualname__", "A wrapped function"),
                snapshot.describe(value),
            )
            self.underway.log(NO_ANSWER)
        else:
            self._log_answer(value)
        return value

    def _settled(self, result: Any, exc: BaseException | None) -> Any:
        if exc is not None:
            self.underway.fail(exc)
            return None
        return self.returned(result)

    def watch(self) -> Watch:
        """Return what watches the answer go by."""
        return self.underway.watch(self._fields.get("output_to_str_function"), self._stop)

    def _log_answer(self, value: Any) -> None:
        client = self.underway.client
        if client is not None:
            times = self.underway.elapsed()
            to_text = self._fields.get("output_to_str_function")
            self.underway.log(client.read("output", value, to_text=to_text), times=times)


def _hear(
    client: Client,
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    to_text: Callable[[Any], Any] | None,
) -> Reading:
    """Read what was passed: the only argument, the one that is text or messages, or all."""
    passed = _passed(fn, args, kwargs)
    if len(passed) == 1:
        (value,), raw = passed.values(), None
    elif (name := _spoken_name(passed)) is not None:
        value, raw = passed[name], passed
    else:
        value, raw = passed, None
    return client.read("input", value, raw=raw, to_text=to_text)


def _may_hold_a_stream(value: Any) -> bool:
    """Tell whether it is worth to look for a stream; most answers are plain."""
    kind = type(value)
    return "tream" in kind.__name__ or (kind is dict and not _STREAM_KEYS.isdisjoint(value))


# Where an answer of AWS Bedrock has its stream.
_STREAM_KEYS = frozenset({"stream", "body"})


# What the call itself gives, and how to read it.
_SIDES = frozenset(
    {
        *("input", "raw_input", "input_to_str_function"),
        *("output", "raw_output", "output_to_str_function"),
    }
)


def _passed(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """Return what was passed by parameter name; `**kwargs` under their own names."""
    try:
        bound = inspect.signature(fn).bind(*args, **kwargs)
    except Exception:  # noqa: BLE001 - annotations of the app may raise anything
        # Built-ins without a signature, or a call that is about to fail.
        return {**{str(place): value for place, value in enumerate(args)}, **kwargs}
    passed: dict[str, Any] = {}
    for place, (name, value) in enumerate(bound.arguments.items()):
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            passed.update(value)
        elif not (place == 0 and name in _OWNERS):
            passed[name] = value
    return passed


def _spoken_name(passed: Mapping[str, Any]) -> str | None:
    """Return the name of the one argument that may be what the user said, if it is one."""
    from phospho.extractors.messages import INPUT_KEYS, is_label

    spoken = [name for name in passed if not is_label(name) and _is_spoken(passed[name])]
    asked = [name for name in (*INPUT_KEYS, "messages") if passed.get(name) is not None]
    # What has such a name goes first, whatever it is: extractors find it in all that was passed,
    # with what stands beside messages.
    is_alone = len(spoken) == 1 and (asked == [] or passed[spoken[0]].__class__ is str)
    return spoken[0] if is_alone and set(asked) <= set(spoken) else None


def _is_spoken(value: Any) -> bool:
    """Tell whether an argument may be what the user said: text, or messages."""
    # Of its class, not of what it says its class is: to ask a lazy object would evaluate it.
    kind = type(value)
    if issubclass(kind, str):
        return True
    return (
        issubclass(kind, (list, tuple))
        and bool(value)
        and all(issubclass(type(item), Mapping) and "role" in item for item in value)
    )

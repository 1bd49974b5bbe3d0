"""Log every call of a function: its arguments as input, what it returns as output."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from phospho import guard, snapshot
from phospho.default import get_client
from phospho.reading import NO_ANSWER
from phospho.record import as_mapping

if TYPE_CHECKING:
    from phospho.client import Client
    from phospho.reading import Reading

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
    and async functions and methods. The input is the one argument that is text or messages;
    where there are several, all of them. A call that raises is logged with status `error`.

    Args:
        fn: The function; None when used with arguments.
        stream: Accepted for later; a stream that is returned is passed on and not logged.
        stop: Reserved for streams; not available in this version.
        **fields: What else `phospho.log` takes, for each call: `session_id`, `metadata`,
            `output_to_str_function`, any keyword of yours. The call itself gives `input`,
            `output` and what they were read from.
    """
    if stop is not None:
        guard.report_once(
            "wrap:stop", "phospho.wrap(stop=...) has no effect in this version. Leave it out."
        )
    if fn is None:
        return functools.partial(wrap, stream=stream, **fields)
    if isinstance(fn, (classmethod, staticmethod)):
        return type(fn)(wrap(fn.__func__, stream=stream, **fields))
    if not callable(fn):
        guard.report_once(
            "wrap:not_callable",
            "phospho.wrap got %s, which is not a function. It is left as it is.",
            snapshot.describe(fn),
        )
        return fn
    return _wrap_async(fn, fields) if _is_async(fn) else _wrap_sync(fn, fields)


def _is_async(fn: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(
        getattr(fn, "__call__", None)  # noqa: B004 - an object whose `__call__` is async
    )


def _wrap_sync(fn: Callable[..., Any], fields: Mapping[str, Any]) -> Callable[..., Any]:
    @functools.wraps(fn)
    def run(*args: Any, **kwargs: Any) -> Any:
        call = _Call(fn, fields, args, kwargs)
        try:
            returned = fn(*args, **kwargs)
        except BaseException as exc:
            call.failed(exc)
            raise
        call.returned(returned)
        return returned

    return run


def _wrap_async(fn: Callable[..., Any], fields: Mapping[str, Any]) -> Callable[..., Any]:
    @functools.wraps(fn)
    async def run(*args: Any, **kwargs: Any) -> Any:
        call = _Call(fn, fields, args, kwargs)
        try:
            returned = await fn(*args, **kwargs)
        except BaseException as exc:
            call.failed(exc)
            raise
        call.returned(returned)
        return returned

    return run


class _Call:
    """One call: its input read before it starts, for the function may change its arguments."""

    __slots__ = ("_at_ms", "_client", "_fields", "_fn", "_heard", "_started")

    def __init__(
        self,
        fn: Callable[..., Any],
        fields: Mapping[str, Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self._fn = fn
        self._fields = fields
        self._client: Client | None = None
        self._heard: Reading | None = None
        self._at_ms = time.time_ns() // 1_000_000
        with guard.guarded("read the arguments of a wrapped function"):
            self._client = get_client()
            passed = _passed(fn, args, kwargs)
            spoken = [value for value in passed.values() if _is_spoken(value)]
            if len(spoken) == 1:
                value, raw = spoken[0], passed if len(passed) > 1 else None
            else:
                value, raw = passed, None
            to_text = fields.get("input_to_str_function")
            self._heard = self._client.read("input", value, raw=raw, to_text=to_text)
        self._started = time.perf_counter()

    def returned(self, value: Any) -> None:
        """Log the call with its answer; leave alone what is still to come."""
        with guard.guarded("log a wrapped call"):
            if snapshot.is_unfinished(value):
                guard.report_once(
                    f"wrap:unfinished:{snapshot.type_name(value)}",
                    "%s returned %s, which is still to come; phospho.wrap does not read streams "
                    "yet. It is passed on untouched and not logged; call phospho.log when it is "
                    "complete.",
                    getattr(self._fn, "__qualname__", "A wrapped function"),
                    snapshot.describe(value),
                )
                return
            if self._client is not None:
                to_text = self._fields.get("output_to_str_function")
                self._log(self._client.read("output", value, to_text=to_text), {})

    def failed(self, exc: BaseException) -> None:
        """Log the call with what it raised."""
        with guard.guarded("log a failed call"):
            status = "error" if isinstance(exc, Exception) else "cancelled"
            message = guard.words_of(exc, snapshot.MAX_RAW_CHARS)
            error = {"type": type(exc).__name__, "message": message}
            self._log(NO_ANSWER, {"status": status, "error": error})

    def _log(self, said: Reading, outcome: dict[str, Any]) -> None:
        latency_ms = round((time.perf_counter() - self._started) * 1000, 1)
        if self._client is None or self._heard is None:
            return
        fields = {**self._fields, **outcome}
        known = {name: fields.pop(name, None) for name in _KNOWN_FIELDS}
        given = known.pop("metadata")
        self._client.log_readings(
            self._heard,
            said,
            self._at_ms,
            metadata={**(as_mapping(given) if given else {}), "latency_ms": latency_ms},
            **known,
            anything={name: fields[name] for name in fields if name not in _SIDES},
        )


_KNOWN_FIELDS = (
    "session_id",
    "task_id",
    "user_id",
    "version_id",
    "metadata",
    "flag",
    "created_at",
)

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
    except (TypeError, ValueError):
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


def _is_spoken(value: Any) -> bool:
    """Tell whether an argument may be what the user said: text, or messages."""
    if isinstance(value, str):
        return True
    return (
        isinstance(value, (list, tuple))
        and bool(value)
        and all(isinstance(item, Mapping) and "role" in item for item in value)
    )

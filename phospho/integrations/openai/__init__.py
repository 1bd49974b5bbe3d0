"""Log what an app asks OpenAI by one line: `instrument_openai()`.

Chat completions, responses and completions, with all their helpers and accessors, sync and async,
of OpenAI, Azure and the module itself, pass through the `request` of a client once, retries
included. That is where phospho listens; what a call takes, returns and raises stays as it is.
Source: openai 3.57, _base_client.py (`request`).
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar, overload

from phospho import guard, snapshot
from phospho.errors import ConfigurationError, MissingDependencyError
from phospho.integrations import auto
from phospho.integrations.openai import patches
from phospho.integrations.openai.calls import Call, Poll, background, open_step, open_turn
from phospho.integrations.openai.fields import take_headers
from phospho.integrations.openai.patches import Switch
from phospho.underway import find_outer

try:
    import openai
except ImportError as exc:
    raise MissingDependencyError("openai", extra="openai") from exc

# What users see the answer of; embeddings, files and all else is no interaction.
_URLS = frozenset({"/chat/completions", "/completions", "/responses"})

T = TypeVar("T")

# The request that is being made now: a client and its class may both listen to it.
_asked: ContextVar[Any] = ContextVar("phospho_openai_request", default=None)


@overload
def instrument_openai(client: None = None) -> None: ...


@overload
def instrument_openai(client: T) -> T: ...


def instrument_openai(client: Any = None) -> Any:
    """Log every answer of OpenAI: of one client, or of all clients of this process.

    A call inside a function of `phospho.wrap`, or inside of LangChain or LlamaIndex where they are
    instrumented, is a step of that interaction. To instrument twice changes nothing.

    Args:
        client: A client, sync or async, of OpenAI or Azure; copies made by `with_options` log as
            well. None for all clients, those that exist and those to come.

    Returns:
        The client that was passed.

    Raises:
        ConfigurationError: When it is no client of OpenAI.
    """
    if client is None:
        for kind in (openai.OpenAI, openai.AsyncOpenAI):
            _instrument_class(kind)
        return None
    if not isinstance(client, (openai.OpenAI, openai.AsyncOpenAI)):
        raise ConfigurationError(
            f"instrument_openai takes a client of openai, not {snapshot.describe(client)}. Pass "
            "openai.OpenAI(...) or openai.AsyncOpenAI(...), or nothing for all clients."
        )
    _instrument_client(client, Switch())
    return client


def uninstrument_openai(client: Any = None) -> None:
    """Log no more of one client, or of those that log because all do; restores what was there.

    What others have put in front of it meanwhile stays. Copies of a client log no more either.
    """
    if client is None:
        for kind in (openai.OpenAI, openai.AsyncOpenAI):
            patches.take_out(kind, "request")
        return
    for name in ("request", "copy", "with_options"):
        patches.take_out(client, name)


def _instrument_class(kind: Any) -> None:
    if not patches.switch_on(kind, "request"):
        switch = Switch()
        patches.put(kind, "request", _listening(kind.request, switch), switch)


def _instrument_client(client: Any, switch: Switch) -> None:
    if patches.switch_on(client, "request"):
        return
    patches.put(client, "request", _listening(client.request, switch), switch)
    for name in ("copy", "with_options"):
        patches.put(client, name, _copying(getattr(client, name), switch), switch)


def _copying(copy: Callable[..., Any], switch: Switch) -> Callable[..., Any]:
    @functools.wraps(copy)
    def run(*args: Any, **kwargs: Any) -> Any:
        copied = copy(*args, **kwargs)
        if switch.is_on:
            _instrument_client(copied, switch)
        return copied

    return run


def _listening(request: Callable[..., Any], switch: Switch) -> Callable[..., Any]:
    """Return a `request` that logs what it answers."""

    @functools.wraps(request)
    def run(*args: Any, **kwargs: Any) -> Any:
        call = _begin(args, kwargs) if switch.is_on else None
        if call is None:
            return request(*args, **kwargs)
        with _Asking(call):
            answer = request(*args, **kwargs)
        call.answered(answer)
        return answer

    @functools.wraps(request)
    async def run_async(*args: Any, **kwargs: Any) -> Any:
        call = _begin(args, kwargs) if switch.is_on else None
        if call is None:
            return await request(*args, **kwargs)
        with _Asking(call):
            answer = await request(*args, **kwargs)
        call.answered(answer)
        return answer

    return run_async if inspect.iscoroutinefunction(request) else run


class _Asking:
    """Asks OpenAI; a request that goes through a client and its class is listened to once."""

    def __init__(self, call: Call | Poll) -> None:
        self._call = call
        self._outer: Any = None

    def __enter__(self) -> None:
        self._outer = _asked.get()
        _asked.set(self._call.options)

    def __exit__(self, kind: object, exc: BaseException | None, traceback: object) -> None:
        # Elsewhere, if the garbage collector found it waiting.
        if _asked.get() is self._call.options:
            _asked.set(self._outer)
        # A stream may go on for long after it.
        self._call.options = None
        if exc is not None:
            self._call.failed(exc)


def _begin(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call | Poll | None:
    """Return the call that a request is, or None where it is no interaction of its own."""
    with guard.guarded("read a request to OpenAI"):
        given = (*args, *kwargs.values())
        options = next((value for value in given if hasattr(value, "json_data")), None)
        if options is not None and options is not _asked.get():
            told = take_headers(options)
            if options.method.lower() == "get":
                return background.find(options)
            return _begin_to_ask(options, told)
    return None


def _begin_to_ask(options: Any, told: Mapping[str, Any]) -> Call | None:
    body = options.json_data
    if options.url not in _URLS or not isinstance(body, Mapping):
        return None
    outer = find_outer()
    if outer is None:
        return open_turn(options, body, told)
    # A framework tells of the models that it calls.
    return None if outer.is_model_call else open_step(options, body, outer.underway)


auto.loaded(sys.modules[__name__])

"""Log what an app asks OpenAI by one line: `instrument_openai()`.

Chat completions, responses and completions, with all their helpers and accessors, sync and async,
of OpenAI, Azure and the module itself, pass through the `request` of a client once, retries
included. That is where phospho listens; what a call takes, returns and raises stays as it is.
Source: openai 3.57, _base_client.py (`request`).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar, overload

from phospho import guard, snapshot
from phospho.errors import ConfigurationError, MissingDependencyError
from phospho.integrations.openai.calls import Call, Poll, background, open_step, open_turn
from phospho.integrations.openai.fields import take_headers
from phospho.underway import find_outer

try:
    import openai
except ImportError as exc:
    raise MissingDependencyError("openai", extra="openai") from exc

# What users see the answer of; embeddings, files and all else is no interaction.
_URLS = frozenset({"/chat/completions", "/completions", "/responses"})

T = TypeVar("T")

# Whether the code now running is a request already: a client and its class may both listen.
_is_inside: ContextVar[bool] = ContextVar("phospho_in_openai_request", default=False)

_MARK = "__phospho_listens__"
_INSTANCE_NAMES = ("request", "copy", "with_options")


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
    _instrument_client(client)
    return client


def uninstrument_openai(client: Any = None) -> None:
    """Log no more of one client, or of those that log because all do; restores what was there."""
    if client is None:
        for kind in (openai.OpenAI, openai.AsyncOpenAI):
            _restore(kind, "request")
        return
    for name in _INSTANCE_NAMES:
        _restore(client, name)


def _instrument_class(kind: type) -> None:
    if not hasattr(vars(kind).get("request"), _MARK):
        _put(kind, "request", _listening(kind.request))  # type: ignore[attr-defined]


def _instrument_client(client: Any) -> None:
    if hasattr(vars(client).get("request"), _MARK):
        return
    _put(client, "request", _listening(client.request))
    for name in ("copy", "with_options"):
        _put(client, name, _copying(getattr(client, name)))


def _put(owner: Any, name: str, ours: Any) -> None:
    """Set an attribute, and remember in it what it stands in front of."""
    setattr(ours, _MARK, vars(owner).get(name))
    setattr(owner, name, ours)


def _restore(owner: Any, name: str) -> None:
    ours = vars(owner).get(name)
    if not hasattr(ours, _MARK):
        return
    former = getattr(ours, _MARK)
    if former is None:
        delattr(owner, name)
    else:
        setattr(owner, name, former)


def _copying(copy: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(copy)
    def run(*args: Any, **kwargs: Any) -> Any:
        return instrument_openai(copy(*args, **kwargs))

    return run


def _listening(request: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `request` that logs what it answers."""

    @functools.wraps(request)
    def run(*args: Any, **kwargs: Any) -> Any:
        call = _begin(args, kwargs)
        if call is None:
            return request(*args, **kwargs)
        _is_inside.set(True)
        try:
            answer = request(*args, **kwargs)
        except BaseException as exc:
            call.failed(exc)
            raise
        finally:
            _is_inside.set(False)
        call.answered(answer)
        return answer

    @functools.wraps(request)
    async def run_async(*args: Any, **kwargs: Any) -> Any:
        call = _begin(args, kwargs)
        if call is None:
            return await request(*args, **kwargs)
        _is_inside.set(True)
        try:
            answer = await request(*args, **kwargs)
        except BaseException as exc:
            call.failed(exc)
            raise
        finally:
            _is_inside.set(False)
        call.answered(answer)
        return answer

    return run_async if inspect.iscoroutinefunction(request) else run


def _begin(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call | Poll | None:
    """Return the call that a request is, or None where it is no interaction of its own."""
    with guard.guarded("read a request to OpenAI"):
        given = (*args, *kwargs.values())
        options = next((value for value in given if hasattr(value, "json_data")), None)
        if options is not None and not _is_inside.get():
            is_read = options.method.lower() == "get"
            return background.find(options.url) if is_read else _begin_to_ask(options)
    return None


def _begin_to_ask(options: Any) -> Call | None:
    body = options.json_data
    if options.url not in _URLS or not isinstance(body, Mapping):
        return None
    told = take_headers(options)
    outer = find_outer()
    if outer is None:
        return open_turn(options, body, told)
    # A framework tells of the models that it calls.
    return None if outer.is_model_call else open_step(options, body, outer.underway)

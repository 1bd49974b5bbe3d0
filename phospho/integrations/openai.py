"""Log what an app asks OpenAI by one line: `instrument_openai()`.

Chat completions, responses and completions, with all their helpers and accessors, sync and async,
of OpenAI, Azure and the module itself, pass through the `request` of a client once, retries
included. That is where phospho listens; what a call takes, returns and raises stays as it is.
Source: openai 3.57, _base_client.py (`request`), _legacy_response.py, _response.py, _streaming.py.
"""

from __future__ import annotations

import functools
import inspect
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar, overload

from phospho import guard, snapshot
from phospho.attaching import attach, attach_to_body
from phospho.context import find_context
from phospho.default import get_client
from phospho.errors import ConfigurationError, MissingDependencyError
from phospho.extractors.fields import first_text, get_text
from phospho.reading import NO_ANSWER, Reading
from phospho.steps import describe_error
from phospho.streaming import Watch
from phospho.underway import Underway, find_outer

try:
    import openai
except ImportError as exc:
    raise MissingDependencyError("openai", extra="openai") from exc

if TYPE_CHECKING:
    from phospho.client import Client

# What users see the answer of; embeddings, files and all else is no interaction.
_URLS = frozenset({"/chat/completions", "/completions", "/responses"})

# Fields of one call, told in `extra_headers` and never sent to OpenAI.
_HEADER = "phospho-"
_HEADER_FIELDS = ("session-id", "user-id", "version-id", "task-id")
_HEADER_METADATA = "phospho-metadata-"

# A response goes on where an earlier one ended; so many are remembered with their session.
_MAX_REMEMBERED = 10_000

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


def _begin(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Call | None:
    """Return the call that a request is, or None where it is no interaction of its own."""
    with guard.guarded("read a request to OpenAI"):
        given = (*args, *kwargs.values())
        options = next((value for value in given if hasattr(value, "json_data")), None)
        if _is_inside.get() or options is None or options.url not in _URLS:
            return None
        told = _take_headers(options)
        outer = find_outer()
        body = options.json_data
        if not isinstance(body, Mapping) or (outer is not None and outer.is_model_call):
            return None
        if outer is not None:
            return _open_step(options, body, outer.underway)
        return _open_turn(options, body, told)
    return None


class _Call:
    """One request and its answer, whatever form that has.

    Args:
        client: Whose extractors read the answer.
        finish: Takes note of it: what was said, `status` and `error`, and the times if it was
            streamed.
        options: The request as the client was given it.
        body: What is sent.
    """

    def __init__(
        self, client: Client, finish: _Finish, options: Any, body: Mapping[str, Any]
    ) -> None:
        self._client = client
        self._finish = finish
        self._started = time.perf_counter()
        self._is_stream = bool(body.get("stream"))
        # What the helpers for structured answers were to parse, where they raise.
        self._unparsed: Any = None
        parse = getattr(options, "post_parser", None)
        if callable(parse):
            options.post_parser = self._keep_unparsed(parse)

    def _keep_unparsed(self, parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
        @functools.wraps(parse)
        def run(answer: Any) -> Any:
            self._unparsed = answer
            return parse(answer)

        return run

    def failed(self, exc: BaseException) -> None:
        """Log what was raised, with the answer that could not be parsed."""
        with guard.guarded("log a failed request to OpenAI"):
            said = NO_ANSWER if self._unparsed is None else self._read(self._unparsed)
            status = "error" if isinstance(exc, Exception) else "cancelled"
            self._finish(said, {"status": status, "error": describe_error(exc)}, None)

    def answered(self, answer: Any) -> None:
        """Log the answer, now or when it has gone by; the app has the same object."""
        with guard.guarded("log an answer of OpenAI"):
            response = getattr(answer, "http_response", None)
            body = None if response is None else _body_of(response)
            if hasattr(type(answer), "__stream__"):
                attach(answer, self._watch())
            elif response is None:
                self._finish(self._read(answer), {}, None)
            elif body is None:
                attach_to_body(response, self._watch())
            else:
                self._finish(self._read(_parse(body)), {}, None)

    def _watch(self) -> Watch:
        return Watch(self._client, self._went_by, self._started)

    def _went_by(
        self, said: Reading | None, outcome: Mapping[str, Any], times: Mapping[str, float]
    ) -> None:
        """Take note of an answer that the app has read, or left."""
        said = said or NO_ANSWER
        if not self._is_stream and (parsed := _parse(said.text or "")) is not None:
            said = self._read(parsed)
        is_whole = said.facts is not None and said.facts.finish_reason is not None
        if is_whole and outcome.get("status") == "incomplete":
            # What a body has after its last event is read by nobody.
            outcome = {}
        self._finish(said, outcome, times)

    def _read(self, answer: Any) -> Reading:
        return self._client.read("output", answer)


_Finish = Callable[[Reading, Mapping[str, Any], "Mapping[str, float] | None"], None]


def _open_turn(options: Any, body: Mapping[str, Any], told: Mapping[str, Any]) -> _Call:
    """Begin a request that is an interaction of its own."""
    client = get_client()
    heard = client.read("input", body)
    underway = Underway(client, heard, {**_fields_of(body), **told})

    def finish(
        said: Reading, outcome: Mapping[str, Any], times: Mapping[str, float] | None
    ) -> None:
        record = underway.log(said, outcome, times, is_late=times is not None)
        if record is not None:
            _sessions.remember(record["metadata"].get("response_id"), record["session_id"])

    return _Call(client, finish, options, body)


def _open_step(options: Any, body: Mapping[str, Any], outer: Underway) -> _Call:
    """Begin a request that is a step of the interaction it is made in."""
    client = outer.client or get_client()
    heard = client.read("input", body)
    step = outer.steps.begin("llm", get_text(body, "model") or "model", heard.text)

    def finish(
        said: Reading, outcome: Mapping[str, Any], _times: Mapping[str, float] | None
    ) -> None:
        step.end_with(said, outcome.get("error"))

    return _Call(client, finish, options, body)


def _body_of(response: Any) -> bytes | None:
    """Return the body of a response that was read, or None."""
    try:
        body = response.content
    except Exception:  # noqa: BLE001 - httpx and httpx2 each have an error of their own for that
        return None
    return body if isinstance(body, bytes) else None


def _parse(body: bytes | str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _take_headers(options: Any) -> dict[str, Any]:
    """Return the fields of a call that stand in `extra_headers`, and take them out of there."""
    headers = getattr(options, "headers", None)
    if not isinstance(headers, Mapping):
        return {}
    ours = {name: value for name, value in headers.items() if name.lower().startswith(_HEADER)}
    if not ours:
        return {}
    options.headers = {name: value for name, value in headers.items() if name not in ours}
    told: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    for header, value in ours.items():
        name = header.lower().removeprefix(_HEADER)
        if name in _HEADER_FIELDS:
            told[name.replace("-", "_")] = value
        elif header.lower().startswith(_HEADER_METADATA):
            metadata[header[len(_HEADER_METADATA) :]] = value
    return {**told, "metadata": metadata} if metadata else told


def _fields_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return whom a request is for: what it tells by our names, then by those of OpenAI."""
    told = body.get("metadata")
    conversation = body.get("conversation")
    context = find_context()
    fields: dict[str, Any] = {
        "session_id": first_text(told, "session_id", "thread_id", "conversation_id"),
        "user_id": get_text(told, "user_id"),
        "version_id": get_text(told, "version_id"),
    }
    if context is None:
        fields["session_id"] = (
            fields["session_id"]
            or (conversation if isinstance(conversation, str) else get_text(conversation, "id"))
            or _sessions.find(body.get("previous_response_id"))
        )
    if context is None or context.user_id is None:
        fields["user_id"] = fields["user_id"] or first_text(body, "safety_identifier", "user")
    return {name: value for name, value in fields.items() if value}


class _Sessions:
    """Which session each of the newest responses belongs to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, str] = OrderedDict()

    def remember(self, response_id: Any, session_id: str) -> None:
        if not isinstance(response_id, str):
            return
        with self._lock:
            self._sessions[response_id] = session_id
            if len(self._sessions) > _MAX_REMEMBERED:
                self._sessions.popitem(last=False)

    def find(self, response_id: Any) -> str | None:
        if not isinstance(response_id, str):
            return None
        with self._lock:
            return self._sessions.get(response_id)


_sessions = _Sessions()

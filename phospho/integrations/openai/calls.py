"""Takes note of requests to OpenAI and their answers, whatever form those have.

Source: openai 3.57, _legacy_response.py, _response.py, _streaming.py; of a response that is made in
the background, resources/responses/responses.py.
"""

from __future__ import annotations

import functools
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from phospho import guard, lifecycle
from phospho.attaching import attach
from phospho.default import get_client
from phospho.extractors.fields import get_text
from phospho.integrations.openai.fields import fields_of, sessions
from phospho.reading import NO_ANSWER, Reading
from phospho.steps import describe_error
from phospho.streaming import Watch
from phospho.underway import Underway
from phospho.watched_objects import watch_body

if TYPE_CHECKING:
    from phospho.client import Client


class Call:
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
        self.options = options
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
                self._take(answer)
            elif body is None:
                watch_body(response, self._watch())
            else:
                self._take(_parse(body))

    def _take(self, answer: Any) -> None:
        own_id = get_text(answer, "id")
        if get_text(answer, "status") in _WAITING and own_id:
            background.keep(own_id, self)
        else:
            background.forget(own_id)
            self._finish(self._read(answer), {}, None)

    def leave(self) -> None:
        """Log a request whose answer the app did not ask for again."""
        self._finish(NO_ANSWER, {"status": "incomplete"}, None)

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


class Poll:
    """A request for the answer to an earlier one, which goes on in the background."""

    def __init__(self, options: Any, call: Call) -> None:
        self.options = options
        self.answered = call.answered

    def failed(self, exc: BaseException) -> None:
        """Take no note: the app may ask again."""


class Background:
    """The newest requests that OpenAI answers in the background, by the id of the response.

    Without a lock, which a forked child could inherit held: each use of the dict is atomic.
    """

    def __init__(self) -> None:
        self._calls: OrderedDict[str, Call] = OrderedDict()

    def keep(self, response_id: str, call: Call) -> None:
        """Keep a request until its answer is there."""
        self._calls[response_id] = call
        lifecycle.open_streams.add(self)
        if len(self._calls) > _MAX_WAITING:
            self._calls.popitem(last=False)[1].leave()

    def find(self, options: Any) -> Poll | None:
        """Return what takes note of the answer that a GET asks for, if it is one of these."""
        path, _, response_id = options.url.rpartition("/")
        if path != "/responses":
            return None
        call = self._calls.get(response_id)
        return None if call is None else Poll(options, call)

    def forget(self, response_id: str | None) -> None:
        """Let go of a request that was answered."""
        self._calls.pop(response_id or "", None)

    def leave(self) -> None:
        """Log all of them, as the process ends."""
        while self._calls:
            self._calls.popitem()[1].leave()


background = Background()

_WAITING = frozenset({"queued", "in_progress"})
_MAX_WAITING = 1_000

_Finish = Callable[[Reading, Mapping[str, Any], "Mapping[str, float] | None"], None]


def open_turn(options: Any, body: Mapping[str, Any], told: Mapping[str, Any]) -> Call:
    """Begin a request that is an interaction of its own."""
    client = get_client()
    heard = client.read("input", body)
    underway = Underway(client, heard, {**fields_of(body), **told})

    def finish(
        said: Reading, outcome: Mapping[str, Any], times: Mapping[str, float] | None
    ) -> None:
        record = underway.log(said, outcome, times, is_late=times is not None)
        if record is not None:
            sessions.remember(record["metadata"].get("response_id"), record["session_id"])

    return Call(client, finish, options, body)


def open_step(options: Any, body: Mapping[str, Any], outer: Underway) -> Call:
    """Begin a request that is a step of the interaction it is made in."""
    client = outer.client or get_client()
    heard = client.read("input", body)
    step = outer.steps.begin("llm", get_text(body, "model") or "model", heard.text)

    def finish(
        said: Reading, outcome: Mapping[str, Any], _times: Mapping[str, float] | None
    ) -> None:
        step.end_with(said, outcome.get("error"))

    return Call(client, finish, options, body)


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

"""What a call does when the network or the server fails, and what it says then."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import pytest

import phospho
from phospho.api.calls import PAUSES_S, Calls
from phospho.errors import (
    AccessRefusedError,
    AnswerError,
    ApiError,
    ConfigurationError,
    InvalidRequestError,
    PhosphoError,
    ServerAwayError,
)
from phospho.testing import CaptureClient

PROJECT = {"id": "p", "name": "Bot", "created_at": "2026-11-27T00:00:00.000Z", "interactions": 1}
BUSY = {"error": {"code": "busy", "message": "The server has too much to do. Send it again."}}

Answers = Sequence[httpx.Response | Exception]


class Server:
    """Answers one after the other, and keeps what it was asked and how long nobody asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: Answers) -> None:
        self.requests: list[httpx.Request] = []
        self.pauses_s: list[float] = []
        self._answers = iter(answers)
        monkeypatch.setattr(time, "sleep", self.pauses_s.append)
        self.client = phospho.Client("secret-key", "p", base_url="http://phospho.test/team")
        transport = httpx.MockTransport(self._answer)
        self.client._calls_made = Calls(self.client._settings, transport)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*answers: httpx.Response | Exception) -> Server:
        servers.append(Server(monkeypatch, answers))
        return servers[-1]

    yield start
    for server in servers:
        server.client.close()


def refusal(status: int, message: str = "No.", **headers: str) -> httpx.Response:
    problem = {"error": {"code": "word", "message": message}}
    return httpx.Response(status, json=problem, headers=headers)


def test_the_key_is_sent_to_where_the_server_is(serve: Callable[..., Server]) -> None:
    server = serve(httpx.Response(200, json=PROJECT | {"of_a_newer_server": True}))
    assert server.client.project().name == "Bot"
    (request,) = server.requests
    assert request.url == "http://phospho.test/team/api/projects/p"
    assert request.headers["Authorization"] == "Bearer secret-key"


@pytest.mark.parametrize(
    "passing",
    [
        pytest.param(httpx.ConnectError("refused"), id="not-there-yet"),
        pytest.param(httpx.RemoteProtocolError("cut off"), id="cut-off"),
        pytest.param(httpx.Response(502, text="<html>"), id="nothing-behind-the-proxy"),
        pytest.param(httpx.Response(503, json=BUSY), id="busy"),
        pytest.param(httpx.Response(429, json=BUSY), id="too-often"),
    ],
)
def test_a_read_is_tried_again_until_the_server_is_back(
    serve: Callable[..., Server], passing: httpx.Response | Exception
) -> None:
    server = serve(passing, passing, httpx.Response(200, json=PROJECT))
    assert server.client.project().id == "p"
    assert server.pauses_s == [0.5, 1.0]


def test_the_server_says_when_to_come_again(serve: Callable[..., Server]) -> None:
    server = serve(refusal(503, **{"Retry-After": "7"}), httpx.Response(200, json=PROJECT))
    server.client.project()
    assert server.pauses_s == [7.0]


def test_a_server_that_stays_away_is_named(serve: Callable[..., Server]) -> None:
    server = serve(*[httpx.ConnectError("Connection refused")] * (1 + len(PAUSES_S)))
    with pytest.raises(
        ServerAwayError, match=r"phospho\.test/team does not answer: Connection ref"
    ):
        server.client.project()
    assert server.pauses_s == list(PAUSES_S)


def test_a_server_that_is_too_slow_is_asked_once(serve: Callable[..., Server]) -> None:
    server = serve(httpx.ReadTimeout(""))
    with pytest.raises(ServerAwayError, match="ReadTimeout"):
        server.client.project()


def test_nobody_waits_for_minutes(serve: Callable[..., Server]) -> None:
    server = serve(refusal(503, "Busy until tomorrow.", **{"Retry-After": "3600"}))
    with pytest.raises(ServerAwayError, match="Busy until tomorrow"):
        server.client.project()
    assert server.pauses_s == []


def test_a_change_is_sent_once_unless_nothing_came_of_it(serve: Callable[..., Server]) -> None:
    for broken in (httpx.ReadTimeout("no answer"), httpx.RemoteProtocolError("cut off")):
        server = serve(broken)
        with pytest.raises(ServerAwayError):
            server.client.define("refund", "The user wants a refund")
    busy = serve(httpx.ConnectError("refused"), httpx.Response(503, json=BUSY), refusal(422))
    with pytest.raises(InvalidRequestError):
        busy.client.define("refund", "The user wants a refund")
    assert len(busy.requests) == 3


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        pytest.param(refusal(401, "Send a key."), AccessRefusedError, "Send a key.", id="401"),
        pytest.param(refusal(422, "secret-key?"), InvalidRequestError, r"^\.\.\.\?$", id="echo"),
        pytest.param(refusal(507), ServerAwayError, "No", id="full"),
        pytest.param(refusal(500), ApiError, "No", id="its-own-failure"),
        pytest.param(httpx.Response(404, text="<html>"), AnswerError, "404", id="another-server"),
        pytest.param(httpx.Response(301, text=""), AnswerError, "base_url", id="moved"),
        pytest.param(httpx.Response(200, text="<html>"), AnswerError, "base_url", id="a-web-page"),
        pytest.param(httpx.Response(200, json={}), AnswerError, "same version", id="other-fields"),
        pytest.param(
            httpx.Response(
                200, stream=httpx.ByteStream(b"junk"), headers={"Content-Encoding": "gzip"}
            ),
            AnswerError,
            "base_url",
            id="not-gzip",
        ),
    ],
)
def test_a_refusal_says_what_to_do(
    serve: Callable[..., Server], answer: httpx.Response, kind: type[ApiError], said: str
) -> None:
    with pytest.raises(kind, match=said) as refused:
        serve(answer).client.project()
    assert isinstance(refused.value, PhosphoError)
    assert "secret-key" not in str(refused.value)


def test_an_export_that_breaks_off_leaves_what_was_there(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    class Broken(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b"user_id\r\n"
            raise httpx.RemoteProtocolError("peer closed connection")

    path = tmp_path / "users.csv"
    path.write_text("before")
    with pytest.raises(ServerAwayError, match="peer closed"):
        serve(httpx.Response(200, stream=Broken())).client.export("users", path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [
        ("users.csv", "before")
    ]


def test_a_file_that_cannot_be_written_ends_the_export(serve: Callable[..., Server]) -> None:
    closed: list[bool] = []

    class Endless(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b"user_id\r\n"

        def close(self) -> None:
            closed.append(True)

    class Full(io.BytesIO):
        def write(self, part: object, /) -> int:
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        serve(httpx.Response(200, stream=Endless())).client.export("users", Full())
    assert closed == [True]


def test_a_proxy_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.test:port")
    client = phospho.Client("key", "p", base_url="http://phospho.test")
    with pytest.raises(ConfigurationError, match="HTTP_PROXY"):
        client.project()


def test_certificates_that_are_not_there_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    client = phospho.Client("key", "p", base_url="https://phospho.test")
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
        client.project()


@pytest.mark.parametrize("an_id", ["\ud800", "x" * 70_000], ids=["half-a-character", "endless"])
def test_what_no_address_can_say_is_refused(serve: Callable[..., Server], an_id: str) -> None:
    with pytest.raises(InvalidRequestError, match="cannot be sent"):
        serve().client.user(an_id)


def test_what_is_no_json_is_refused(serve: Callable[..., Server]) -> None:
    with pytest.raises(InvalidRequestError, match="cannot be sent"):
        serve().client.define("a", "b", settings={"limit": float("nan")})


def test_reading_needs_a_key_also_where_logging_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOSPHO_DISABLED", "1")
    monkeypatch.delenv("PHOSPHO_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="PHOSPHO_API_KEY"):
        phospho.Client().project()


def test_a_client_of_tests_reads_no_server() -> None:
    with pytest.raises(ConfigurationError, match=r"phospho\.testing"):
        CaptureClient().sessions()


def test_threads_share_one_client(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = serve().client._calls
    connect, never, made = calls._connect, threading.Event(), []

    def connect_slowly() -> httpx.Client:
        never.wait(0.05)
        made.append(connect())
        return made[-1]

    monkeypatch.setattr(calls, "_connect", connect_slowly)
    threads = [threading.Thread(target=calls._connected) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [calls._http]


def test_a_child_process_opens_connections_of_its_own(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(*[httpx.Response(200, json=PROJECT)] * 2)
    server.client.project()
    parents = server.client._calls._http
    monkeypatch.setattr(os, "getpid", lambda: -1)
    server.client.project()
    assert server.client._calls._http is not parents

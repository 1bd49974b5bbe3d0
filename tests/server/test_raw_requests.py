"""Bytes that are hardly HTTP, at a real server: each is refused, and the server lives on."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Iterator, Mapping

import httpx
import pytest

from phospho_server.serving import _SETTINGS
from tests.server.processes import ServerProcess, log, serving
from tests.waiting import PATIENCE_S

_POST = b"POST /v2/log/x HTTP/1.1\r\nHost: a\r\n"
_IN_CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n"
_CHUNKED = _POST + _IN_CHUNKS
_GET = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"

RAW: Mapping[str, bytes] = {
    "nothing": b"",
    "line-ends": b"\r\n" * 500,
    "nul": b"\x00" * 5000,
    "binary": bytes(range(256)) * 40,
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 500,
    "http-2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "ssh": b"SSH-2.0-OpenSSH_9.0\r\n",
    "smtp": b"EHLO a\r\nMAIL FROM:<a@b>\r\n",
    "redis": b"*1\r\n$4\r\nPING\r\n",
    "no-version": b"GET /healthz\r\n\r\n",
    "odd-version": b"GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n",
    "no-such-version": b"GET /healthz HTTP/x\r\nHost: a\r\n\r\n",
    "no-path": b"GET  HTTP/1.1\r\nHost: a\r\n\r\n",
    "no-method": b" /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    "five-words": b"GET / a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "lower-case": b"get /healthz http/1.1\r\nhost: a\r\n\r\n",
    "star": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "connect": b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    "whole-address": b"GET http://evil.example/healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    "broken-address": b"GET http://[::1/healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    "raw-bytes-in-path": b"GET /\xff\xfe\x80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "nul-in-path": b"GET /a\x00b HTTP/1.1\r\nHost: a\r\n\r\n",
    "long-path": b"GET /" + b"a" * 500_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "no-host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two-hosts": b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "odd-host": b"GET /login HTTP/1.1\r\nHost: a/b@c:d#e\r\n\r\n",
    "many-headers": _GET + b"X: y\r\n" * 20_000 + b"\r\n",
    "long-header": _GET + b"X: " + b"y" * 400_000 + b"\r\n\r\n",
    "no-colon": _GET + b"nothing here\r\n\r\n",
    "folded": _GET + b"X: a\r\n b\r\n\tc\r\n\r\n",
    "space-before-colon": _GET + b"Content-Length : 5\r\n\r\nabcde",
    "nul-in-header": _GET + b"X: a\x00b\r\n\r\n",
    "bare-line-feeds": b"GET /healthz HTTP/1.1\nHost: a\n\n",
    "negative-length": _POST + b"Content-Length: -5\r\n\r\nabcde",
    "word-as-length": _POST + b"Content-Length: abc\r\n\r\nabcde",
    "signed-length": _POST + b"Content-Length: +5\r\n\r\nabcde",
    "two-lengths": _POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "huge-length": _POST + b"Content-Length: 999999999999999999999\r\n\r\nabc",
    "over-the-limit": _POST + b"Content-Length: 99999999999\r\n\r\nabc",
    "length-and-chunks": _POST + b"Content-Length: 5\r\n" + _IN_CHUNKS + b"0\r\n\r\nX",
    "unknown-coding": _POST + b"Transfer-Encoding: gzip\r\n\r\nabc",
    "coding-twice": _POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "odd-coding": _POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "word-as-chunk": _CHUNKED + b"xyz\r\nabc\r\n0\r\n\r\n",
    "negative-chunk": _CHUNKED + b"-1\r\nabc\r\n0\r\n\r\n",
    "huge-chunk": _CHUNKED + b"f" * 40 + b"\r\nabc\r\n",
    "half-chunk": _CHUNKED + b"10\r\nabc",
    "chunk-too-long": _CHUNKED + b"2\r\nabcdef\r\n0\r\n\r\n",
    "long-extension": _CHUNKED + b"1;" + b"a" * 300_000 + b"\r\nx\r\n0\r\n\r\n",
    "half-body": _POST + b"Content-Length: 500\r\n\r\n{",
    "continue": _POST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    "odd-expectation": _POST + b"Content-Length: 2\r\nExpect: wonders\r\n\r\n{}",
    "many-at-once": (_GET + b"\r\n") * 300,
    "a-second-that-is-none": _GET + b"\r\n" + b"\x00\xff" * 100,
    "upgrade": _GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x85abcd",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with serving(tmp_path_factory.mktemp("raw") / "phospho.db") as running:
        yield running


def connect(server: ServerProcess) -> socket.socket:
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_S)


def send(server: ServerProcess, data: bytes) -> bytes:
    """Return what comes back before the server ends it."""
    answer = b""
    with connect(server) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(65_536):
            answer += part
    return answer


def is_well(server: ServerProcess) -> bool:
    return (
        server.process.poll() is None
        and httpx.get(f"{server.url}/healthz", timeout=PATIENCE_S).is_success
    )


def test_the_server_survives_whatever_is_sent(server: ServerProcess) -> None:
    answered = 0
    for name, data in RAW.items():
        began = time.monotonic()
        answer = send(server, data)
        # It waits no longer for more, as it does where a connection only says nothing.
        assert time.monotonic() - began < _SETTINGS["channel_timeout"], name
        statuses = re.findall(rb"^HTTP/1\.[01] (\d{3}) ", answer, re.MULTILINE)
        answered += bool(statuses)
        for status in statuses:
            # 501 is what the standard asks for where a transfer coding is not known.
            assert int(status) < 500 or (int(status) == 501 and "coding" in name), name
        assert b"Traceback" not in answer, name
        assert b"site-packages" not in answer, name
    assert is_well(server)
    assert answered > 40
    assert len(RAW) > 50


def test_who_hangs_up_in_the_middle_hurts_nobody(server: ServerProcess) -> None:
    project_id, key = server.setting("PHOSPHO_PROJECT_ID"), server.setting("PHOSPHO_API_KEY")
    head = f"POST /v2/log/{project_id} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n"
    body = b'{"batched_log_events": [{"input": "never whole"}]}'
    for length in (0, 1, len(body) - 1):
        for _ in range(5):
            with connect(server) as connection:
                announced = f"Content-Length: {len(body)}\r\n\r\n".encode()
                connection.sendall(head.encode() + announced + body[:length])
    for _ in range(10):
        with connect(server) as connection:
            connection.sendall(_GET + b"\r\n")  # and is not there to read the answer
    answer = log(server, key, project_id, {"input": "whole"})
    assert answer.status_code == 200


def test_connections_that_never_say_anything_leave_room_for_others(server: ServerProcess) -> None:
    connections: list[socket.socket] = []
    with contextlib.ExitStack() as held:
        for number in range(150):
            connection = held.enter_context(connect(server))
            if number % 2:
                connection.sendall(_POST + b"Content-Length: 100\r\n\r\n{")
            connection.setblocking(False)
            connections.append(connection)
        assert is_well(server)
        for connection in connections:
            with pytest.raises(BlockingIOError):  # it is still open
                connection.recv(1)
    assert is_well(server)

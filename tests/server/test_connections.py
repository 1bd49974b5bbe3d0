"""Connections that bring their requests slowly, at a server that waits for a second only."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from waitress.channel import HTTPChannel

from phospho_server import connections
from phospho_server.connections import SLOWEST_BYTES_S, Bell, HttpServer, TimelyChannel
from phospho_server.serving import _SETTINGS
from tests.server.processes import wait_until

PATIENCE_S = 15.0
HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"


def app(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    """Answer how many bytes there were."""
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"%d bytes" % len(environ["wsgi.input"].read())]


@pytest.fixture
def port() -> Iterator[int]:
    quick = {**_SETTINGS, "channel_timeout": 1, "cleanup_interval": 1}
    server = HttpServer(app, host="127.0.0.1", port=0, **quick)
    running = threading.Thread(target=server.run, daemon=True)
    running.start()
    yield server.effective_port
    server.close()


def say(port: int, first: bytes, then: bytes, *, every_s: float) -> bytes:
    """Send something, then more again and again; return the answer, empty where none came.

    All of the answer, which may come in parts.
    """
    until = time.monotonic() + PATIENCE_S
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as talking:
        talking.sendall(first)
        talking.settimeout(every_s)
        while time.monotonic() < until:
            with contextlib.suppress(TimeoutError):
                return _read(talking, talking.recv(65_536))
            try:
                talking.sendall(then)
            except OSError:
                return b""
    pytest.fail("The connection was neither answered nor closed.")


def _read(talking: socket.socket, answer: bytes) -> bytes:
    """Return an answer of which the beginning is there."""
    talking.settimeout(PATIENCE_S)
    while answer and len(answer.partition(b"\r\n\r\n")[2]) < _length(answer):
        answer += talking.recv(65_536)
    return answer


def _length(answer: bytes) -> int:
    found = re.search(rb"Content-Length: (\d+)\r\n", answer)
    return int(found[1]) if found else 1


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(HEAD + b"X: ", id="header"),
        pytest.param(HEAD + b"Content-Length: 1000\r\n\r\n", id="body"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n", id="chunk"),
    ],
)
def test_a_letter_now_and_then_holds_no_connection(port: int, first: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        assert say(port, first, b"a", every_s=0.2) == b""


def test_a_long_body_on_a_slow_line_is_waited_for(port: int) -> None:
    size = 4 * SLOWEST_BYTES_S
    first = HEAD + b"Content-Length: %d\r\n\r\n" % size
    answer = say(port, first, b"a" * (size // 10), every_s=0.3)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"%d bytes" % size in answer


def test_waitress_alone_would_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """When this fails, waitress closes such connections itself, and ours can go."""
    monkeypatch.setattr(connections, "TimelyChannel", HTTPChannel)
    quick = {**_SETTINGS, "channel_timeout": 1, "cleanup_interval": 1}
    server = HttpServer(app, host="127.0.0.1", port=0, **quick)
    threading.Thread(target=server.run, daemon=True).start()
    monkeypatch.setattr(f"{__name__}.PATIENCE_S", 4.0)
    with pytest.raises(pytest.fail.Exception):
        say(server.effective_port, HEAD + b"X: ", b"a", every_s=0.2)
    server.close()


def test_the_beginning_of_an_answer_waits_for_more_and_keeps_nobody_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    going_on, tries = threading.Event(), 0

    def slow(environ: dict[str, Any], start: Any) -> Iterator[bytes]:
        start("200 OK", [("Content-Type", "text/plain")])
        yield b"one, "
        if environ["PATH_INFO"] == "/slow":
            going_on.wait(PATIENCE_S)
        yield b"two"

    def write(channel: TimelyChannel) -> None:
        nonlocal tries
        tries += 1
        handle_write(channel)

    handle_write = TimelyChannel.handle_write
    monkeypatch.setattr(TimelyChannel, "handle_write", write)
    server = HttpServer(slow, host="127.0.0.1", port=0, **_SETTINGS)
    threading.Thread(target=server.run, daemon=True).start()
    url = f"http://127.0.0.1:{server.effective_port}"
    with ThreadPoolExecutor(1) as pool, contextlib.closing(server):
        asked = pool.submit(httpx.get, f"{url}/slow", timeout=PATIENCE_S)
        # Each of these has the thread that reads from sockets look at all connections.
        quick = [httpx.get(f"{url}/quick").text for _ in range(20)]
        going_on.set()
        assert {asked.result().text, *quick} == {"one, two"}
    assert tries < 100


def test_an_answer_that_never_comes_keeps_no_server_from_ending() -> None:
    began, going_on = threading.Event(), threading.Event()

    def stuck(_environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        began.set()
        going_on.wait(PATIENCE_S)
        start("200 OK", [("Content-Type", "text/plain")])
        return [b"late"]

    server = HttpServer(stuck, host="127.0.0.1", port=0, **_SETTINGS)
    running = threading.Thread(target=server.run, kwargs={"drain_s": 0.1}, daemon=True)
    running.start()
    with socket.create_connection(("127.0.0.1", server.effective_port)) as asking:
        asking.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert began.wait(PATIENCE_S)
        began_s = time.monotonic()
        server.close()
        assert time.monotonic() - began_s < PATIENCE_S / 3
    going_on.set()
    running.join(PATIENCE_S)
    # What such a thread writes into stays open, for as long as the process.
    wait_until(server.lanes.shutdown, what="its thread has ended")
    for each in server._listening:
        each.trigger.close()


def test_who_is_to_be_woken_is_woken_once_until_they_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rung: list[bytes] = []
    write = os.write

    def ring(file: int, data: bytes) -> int:
        rung.append(data)
        return write(file, data)

    monkeypatch.setattr(os, "write", ring)
    bell = Bell({})
    for _ in range(3):
        bell.pull_trigger()
    assert len(rung) == 1
    bell.handle_read()
    bell.pull_trigger()
    assert len(rung) == 2
    bell.close()

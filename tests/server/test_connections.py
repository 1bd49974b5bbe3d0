"""Connections that bring their requests slowly, and answers that take long."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
import time
import types
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from waitress import channel, server
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer

from phospho_server import connections
from phospho_server.connections import SLOWEST_BYTES_S, Bell, HttpServer, TimelyChannel
from phospho_server.serving import _SETTINGS
from tests.waiting import HELD_S, PATIENCE_S, wait_until

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"


def app(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    """Answer how many bytes there were."""
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"%d bytes" % len(environ["wsgi.input"].read())]


class Served:
    """A server whose time goes by as a test says; it is patient for a second of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1_000_000.0
        self.received_bytes = self.rounds = 0
        receive, is_readable = HTTPChannel.received, BaseWSGIServer.readable
        clock = types.SimpleNamespace(time=lambda: self.now_s, monotonic=time.monotonic)

        def received(channel: HTTPChannel, data: bytes) -> bool:
            taken = bool(receive(channel, data))
            self.received_bytes += len(data)
            return taken

        def readable(server: BaseWSGIServer) -> bool:
            self.rounds += 1
            return bool(is_readable(server))

        for module in (channel, server, connections):
            monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr(HTTPChannel, "received", received)
        monkeypatch.setattr(BaseWSGIServer, "readable", readable)
        quick = {**_SETTINGS, "channel_timeout": 1, "cleanup_interval": 1}
        self.http = HttpServer(app, host="127.0.0.1", port=0, **quick)
        self.thread = threading.Thread(target=self.http.run, daemon=True)
        self.thread.start()

    def say(self, first: bytes, then: bytes, *, times: int, every_s: float) -> socket.socket | None:
        """Send something, then more again and again; return the connection if it is still open."""
        talking = socket.create_connection(("127.0.0.1", self.http.effective_port), PATIENCE_S)
        talking.sendall(first)
        sent_bytes = len(first)
        for _ in range(times):
            self._take(sent_bytes)
            self._pass(every_s)
            if not self.http.connections:
                talking.close()
                return None
            talking.sendall(then)
            sent_bytes += len(then)
        return talking

    def _take(self, sent_bytes: int) -> None:
        wait_until(lambda: self.received_bytes == sent_bytes, what="the server takes what is sent")

    def _pass(self, seconds: float) -> None:
        """Let time go by, and the server look at its connections, and close some."""
        self.now_s += seconds
        seen = self.rounds + 4

        def has_seen() -> bool:
            self.http._listening[0].pull_trigger()
            return self.rounds >= seen

        wait_until(has_seen, what="the server looks at its connections")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    found = Served(monkeypatch)
    yield found
    found.http.close()
    found.thread.join()


def read(talking: socket.socket) -> bytes:
    """Return an answer, which may come in parts."""
    answer = b""
    with talking:
        while len(answer.partition(b"\r\n\r\n")[2]) < _length(answer):
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
def test_a_letter_now_and_then_holds_no_connection(served: Served, first: bytes) -> None:
    assert served.say(first, b"a", times=60, every_s=0.2) is None


def test_a_long_body_on_a_slow_line_is_waited_for(served: Served) -> None:
    size = 4 * SLOWEST_BYTES_S
    first = HEAD + b"Content-Length: %d\r\n\r\n" % size
    talking = served.say(first, b"a" * (size // 10), times=10, every_s=0.3)
    assert talking
    answer = read(talking)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"%d bytes" % size in answer


def test_waitress_alone_would_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """When this fails, waitress closes such connections itself, and ours can go."""
    monkeypatch.setattr(connections, "TimelyChannel", HTTPChannel)
    alone = Served(monkeypatch)
    talking = alone.say(HEAD + b"X: ", b"a", times=60, every_s=0.2)
    assert talking
    talking.close()
    alone.http.close()


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
        quick = [httpx.get(f"{url}/quick", timeout=PATIENCE_S).text for _ in range(20)]
        going_on.set()
        assert {asked.result().text, *quick} == {"one, two"}
    assert tries < 100


def test_an_answer_that_never_comes_keeps_no_server_from_ending() -> None:
    began, going_on, ended = threading.Event(), threading.Event(), threading.Event()

    def stuck(_environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        began.set()
        going_on.wait(HELD_S)
        ended.set()
        start("200 OK", [("Content-Type", "text/plain")])
        return [b"late"]

    server = HttpServer(stuck, host="127.0.0.1", port=0, **_SETTINGS)
    running = threading.Thread(target=server.run, kwargs={"drain_s": 0.1}, daemon=True)
    running.start()
    with socket.create_connection(("127.0.0.1", server.effective_port)) as asking:
        asking.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert began.wait(PATIENCE_S)
        server.close()
        assert not ended.is_set()
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

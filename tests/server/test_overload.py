"""More than the server can do: it refuses the rest at once, and goes on with what it has taken."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from phospho_server import connections, create_app
from phospho_server.connections import HttpServer
from phospho_server.lanes import Bounds, Lane, Lanes
from phospho_server.serving import _SETTINGS
from phospho_server.store import sqlite
from phospho_server.store.projects import create_key, create_project
from phospho_server.store.sqlite import SqliteStore
from tests.waiting import HELD_S, PATIENCE_S, wait_until

MIB = 1024 * 1024
TIGHT = Bounds(threads=2, most_requests=3, most_bytes=MIB)


@contextlib.contextmanager
def running(app: Any, **bounds: Bounds) -> Iterator[HttpServer]:
    lanes = Lanes(**{"storing": TIGHT, **bounds})
    server = HttpServer(app, lanes, host="127.0.0.1", port=0, **_SETTINGS)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


class Gate:
    """An application that answers requests which store something once it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "POST":
            self.opened.wait(HELD_S)
        start("200 OK", [("Content-Type", "text/plain")])
        return [b"done"]


@pytest.fixture
def gate() -> Iterator[Gate]:
    found = Gate()
    yield found
    found.opened.set()


def address(server: HttpServer, path: str = "/v2/log/x") -> str:
    return f"http://127.0.0.1:{server.effective_port}{path}"


def connect(server: HttpServer, sent: bytes) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", server.effective_port), timeout=PATIENCE_S)
    found.sendall(sent)
    return found


def post(length: int, body: bytes = b"", path: str = "/v2/log/x") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
    return head.encode() + body


def test_under_saturation_programs_come_again_and_pages_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program holds the database, so that nothing can be stored for a while."""
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 1_000 * PATIENCE_S)
    store = SqliteStore(tmp_path / "phospho.db")
    project = store.write(lambda db: create_project(db, "Bot"))
    _, key = store.write(lambda db: create_key(db, project.id, "key"))
    app = create_app(store, detectors={})
    acknowledged: list[str] = []

    def log(client: httpx.Client, name: str) -> httpx.Response:
        answer = client.post(
            f"/v2/log/{project.id}",
            json={"batched_log_events": [{"input": "hi", "task_id": name}]},
            headers={"Authorization": f"Bearer {key}"},
        )
        if answer.status_code == 200:
            acknowledged.append(name)
        return answer

    with (
        running(app) as server,
        httpx.Client(base_url=address(server, ""), timeout=PATIENCE_S) as client,
        ThreadPoolExecutor(20) as pool,
        contextlib.closing(sqlite3.connect(store.path)) as other,
    ):
        log(client, "first")  # notes that the key is used, which is a change of its own
        other.execute("begin immediate")
        asked = [pool.submit(log, client, f"t{n}") for n in range(20)]
        wait_until(lambda: sum(each.done() for each in asked) == 17, what="17 are refused")
        refused = [each.result() for each in asked if each.done()]
        assert {each.status_code for each in refused} == {503}
        assert {each.headers["Retry-After"] for each in refused} == {"2"}
        assert refused[0].json()["error"]["code"] == "busy"
        assert client.get("/healthz").status_code == 200
        assert client.get("/login").status_code == 200
        other.rollback()
        statuses = [each.result().status_code for each in asked]
        assert statuses.count(200) == 3
        assert log(client, "last").status_code == 200
    store.close()
    with contextlib.closing(sqlite3.connect(store.path)) as stored:
        kept = [row[0] for row in stored.execute("select task_id from interactions")]
    assert sorted(kept) == sorted(acknowledged)
    assert len(kept) == 5


def test_a_body_there_is_no_room_for_is_refused_before_it_is_sent(gate: Gate) -> None:
    with running(gate) as server, connect(server, post(MIB, b"a" * MIB)) as first:
        wait_until(lambda: server.lanes.storing.bytes == MIB, what="the lane is full")
        with connect(server, post(10 * MIB)) as second:
            answer = b"".join(iter(lambda: second.recv(65_536), b""))
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "busy"
        gate.opened.set()
        assert first.recv(65_536).startswith(b"HTTP/1.1 200")


def test_who_is_refused_while_sending_reads_why(gate: Gate) -> None:
    with running(gate) as server, connect(server, post(MIB, b"a" * MIB)):
        wait_until(lambda: server.lanes.storing.bytes == MIB, what="the lane is full")
        answer = httpx.post(address(server), content=b"a" * 20 * MIB, timeout=PATIENCE_S)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert server.lanes.storing.refused == 1
        gate.opened.set()


def test_probes_are_answered_while_all_threads_wait(gate: Gate) -> None:
    held = [post(1, b"a", path) for path in ("/login", "/v2/log/p") for _ in range(20)]
    with running(gate) as server, contextlib.ExitStack() as opened:
        for request in held:
            opened.enter_context(connect(server, request))
        lanes = (server.lanes.looking, server.lanes.storing)
        wait_until(
            lambda: all(lane.requests >= lane.bounds.threads for lane in lanes), what="all wait"
        )
        for path in ("/healthz", "/readyz", "/metrics"):
            assert httpx.get(address(server, path), timeout=30).text == "done"
        gate.opened.set()


def test_people_who_are_refused_read_a_sentence(gate: Gate) -> None:
    tight = Bounds(threads=1, most_requests=1, most_bytes=MIB)
    with running(gate, looking=tight) as server, connect(server, post(1, b"a", "/login")):
        wait_until(lambda: server.lanes.looking.requests == 1, what="one is worked at")
        answer = httpx.get(address(server, "/account"), timeout=PATIENCE_S)
        assert answer.status_code == 503
        assert answer.headers["Content-Type"] == "text/plain"
        assert "Send this again" in answer.text
        gate.opened.set()


def test_requests_behind_each_other_in_one_connection_are_answered_in_order(gate: Gate) -> None:
    gate.opened.set()
    with running(gate) as server, connect(server, post(1, b"a") * 20) as talking:
        answer = b""
        while answer.count(b"done") < 20:
            answer += talking.recv(65_536)
        assert answer.count(b"HTTP/1.1 200 OK") == 20
        assert server.lanes.storing.requests <= 1


def test_what_stands_behind_a_refused_request_is_not_worked_at(gate: Gate) -> None:
    with running(gate) as server, contextlib.ExitStack() as held:
        for _ in range(3):
            held.enter_context(connect(server, post(1, b"a")))
        wait_until(lambda: server.lanes.storing.requests == 3, what="the lane is full")
        with connect(server, post(1, b"a") * 5) as talking:
            answer = b"".join(iter(lambda: talking.recv(65_536), b""))
        assert answer.count(b"HTTP/1.1") == answer.count(b"HTTP/1.1 503 ") == 1
        gate.opened.set()
    assert server.lanes.storing.requests == server.lanes.storing.bytes == 0


def test_of_bodies_that_are_half_there_the_slowest_makes_room(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_HALF_BYTES", 250_000)
    half = post(100_001, b"a" * 100_000)
    with running(gate) as server, connect(server, half) as first, connect(server, half) as second:
        with connect(server, half):
            assert first.recv(65_536).startswith(b"HTTP/1.1 503 ")
        gate.opened.set()
        second.sendall(b"a")
        assert second.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_more_files_than_select_knows_do_not_end_the_server(gate: Gate) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    others = [os.open(os.devnull, os.O_RDONLY) for _ in range(1030)]
    try:
        with running(gate) as server:
            assert httpx.get(address(server), timeout=PATIENCE_S).text == "done"
    finally:
        for each in others:
            os.close(each)


def test_a_stopped_server_answers_what_it_has_taken_and_takes_no_more(gate: Gate) -> None:
    with (
        running(gate) as server,
        ThreadPoolExecutor(1) as pool,
        httpx.Client(timeout=PATIENCE_S) as kept,
    ):
        assert kept.get(address(server)).status_code == 200  # its connection stays open
        asked: Future[httpx.Response] = pool.submit(httpx.post, address(server), timeout=PATIENCE_S)
        wait_until(lambda: server.lanes.storing.requests == 1, what="it is worked at")
        server.stop()
        wait_until(lambda: not _is_open(server), what="the door is closed")
        answer = kept.get(address(server))
        assert (answer.status_code, answer.headers["Connection"]) == (503, "close")
        assert "stopping" in answer.text
        gate.opened.set()
        assert asked.result().status_code == 200


def _is_open(server: HttpServer) -> bool:
    try:
        socket.create_connection(("127.0.0.1", server.effective_port), timeout=PATIENCE_S).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_body_of_any_size_is_taken_while_there_is_room_and_nothing_after_it() -> None:
    lane = Lane("storing", TIGHT)
    assert lane.enter(1)
    assert lane.enter(20 * MIB)
    assert not lane.enter(1)
    lane.leave(20 * MIB)
    assert lane.enter(MIB - 1)
    assert not lane.enter(1)
    lane.crew.begin_end()

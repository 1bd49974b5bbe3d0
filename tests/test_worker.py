"""Delivery: what the server and the network can do, and that nothing is lost or sent twice."""

from __future__ import annotations

import email.utils
import gzip
import json
import logging
import threading
import time
import types
from collections.abc import Callable
from typing import Any

import pytest

from phospho import Client, backlog, connection, lifecycle, transport, worker
from phospho.backlog import Backlog, Item
from phospho.config import MAX_TICK_S
from phospho.transport import read_retry_after
from tests.conftest import ClientFactory
from tests.loopback import Loopback, Reply, Request, free_port, serve_phospho
from tests.waiting import GIVEN_UP_S, HELD_S, PATIENCE_S, wait_until


def log_many(client: Client, count: int = 250) -> list[str]:
    return [client.log(f"input {number}")["task_id"] for number in range(count)]


def ids(loopback: Loopback) -> list[str]:
    return [event["task_id"] for event in loopback.events]


OUTAGES = {
    "five-500s": [Reply(500)] * 5,
    "503-retry-after": [Reply(503, {"Retry-After": "0.1"})] * 2,
    "429-retry-after": [Reply(429, {"Retry-After": "0.1"})] * 3,
    "408": [Reply(408)],
    "key-refused-then-repaired": [Reply(401), Reply(403)],
    "unknown-project-then-created": [Reply(404)] * 2,
    "redirect": [Reply(307, {"Location": "/elsewhere"})],
    "web-page": [
        Reply(200, {"Content-Type": "text/html"}, b"<html>hotel wifi</html>", is_stored=False)
    ],
    "web-pages-in-disguise": [
        Reply(200, headers, body, is_stored=False)
        for headers, body in (
            ({}, b"\xef\xbb\xbf <!doctype html>"),
            ({}, "<html>".encode("utf-16")),
            ({"Content-Encoding": "gzip"}, gzip.compress(b"<html>")),
            ({"Content-Type": "text/html"}, b""),
        )
    ],
    "reset": [Reply(misbehaviour="reset")] * 3,
    "truncated": [Reply(misbehaviour="truncate")] * 3,
    "stored-but-answer-lost": [Reply(misbehaviour="reset", is_stored=True)] * 3,
    "one-400": [Reply(400)],
}


@pytest.mark.parametrize("name", OUTAGES)
@pytest.mark.usefixtures("quick")
def test_everything_is_delivered_in_the_end_with_its_own_identity(
    name: str, client: Client, loopback: Loopback
) -> None:
    loopback.replies.extend(OUTAGES[name])
    task_ids = log_many(client)
    assert client.flush(PATIENCE_S)
    assert list(dict.fromkeys(ids(loopback))) == task_ids
    if name != "stored-but-answer-lost":
        assert len(ids(loopback)) == len(task_ids)
    assert client.stats().sent == client.stats().logged == len(task_ids)
    assert client.stats().last_error is None


@pytest.mark.parametrize("misbehaviour", ["hang", "trickle_body", "trickle_headers"])
@pytest.mark.usefixtures("quick")
def test_a_request_is_over_after_its_time_however_slowly_it_is_answered(
    misbehaviour: str, client: Client, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "REQUEST_TIMEOUT_S", 0.3)
    loopback.replies.append(Reply(misbehaviour=misbehaviour))
    task_ids = log_many(client, 10)
    assert client.flush(GIVEN_UP_S)
    assert sorted(set(ids(loopback))) == sorted(task_ids)


@pytest.mark.usefixtures("quick")
def test_a_server_that_starts_late_gets_everything() -> None:
    port = free_port()
    client = Client("key", "proj", base_url=f"http://127.0.0.1:{port}", tick=0.01)
    task_ids = log_many(client)
    wait_until(lambda: "ConnectError" in (client.stats().last_error or ""))
    assert client.flush(0.05) is False
    assert client.stats().queued == 250
    with serve_phospho(port) as loopback:
        assert client.flush(PATIENCE_S)
        assert ids(loopback) == task_ids
        assert client.close(PATIENCE_S)


@pytest.mark.parametrize(
    ("variable", "value", "url"),
    [
        ("SSL_CERT_FILE", "/nowhere.pem", "https://localhost:1"),
        ("ALL_PROXY", "socks5://localhost:1", "http://phospho.example"),
        ("ALL_PROXY", "http://localhost:port", "http://phospho.example"),
        ("ALL_PROXY", "ftp://localhost:1", "http://phospho.example"),
    ],
)
def test_an_environment_that_allows_no_connection_is_an_outage(
    variable: str,
    value: str,
    url: str,
    make_client: ClientFactory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(variable, value)
    client = make_client(base_url=url)
    client.log("i")
    wait_until(lambda: caplog.records)
    assert client.flush(0.05) is False
    assert client.stats().queued == 1
    assert client.stats().last_error
    (told,) = caplog.records
    assert "cannot deliver" in told.getMessage()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({"message": "The disk takes no more.\nFree some\tspace."},
         "HTTP 507: The disk takes no more. Free some space"),
        ({"message": "x" * 1_000}, "HTTP 507: " + "x" * 300),
        ({"message": "You sent Bearer key"}, "HTTP 507: You sent Bearer ..."),
        ({"message": ["no", "text"]}, "HTTP 507"),
        ({"message": None}, "HTTP 507"),
        ("not what phospho answers", "HTTP 507"),
    ],
)  # fmt: skip
def test_what_the_server_says_is_told(
    error: object,
    said: str,
    make_client: ClientFactory,
    loopback: Loopback,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = make_client()
    loopback.replies.append(Reply(507, body=json.dumps({"error": error}).encode()))
    client.log("i")
    wait_until(lambda: f"{said}. What is logged is kept" in caplog.text)
    assert client.stats().last_error == said
    assert client.flush()


def test_an_unknown_host_is_an_outage(make_client: ClientFactory) -> None:
    client = make_client(base_url="http://phospho.invalid")
    client.log("i")
    wait_until(lambda: client.stats().last_error)
    assert client.flush(0.05) is False
    assert client.stats().queued == 1


def test_only_the_poison_interaction_is_lost(
    client: Client, loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse_poison(request: Request) -> Reply | None:
        return Reply(422) if any(e["input"] == "poison" for e in request.events) else None

    loopback.decide = refuse_poison
    before = log_many(client, 150)
    poison = client.log("poison")["task_id"]
    after = log_many(client, 150)
    assert client.flush() is False
    assert ids(loopback) == before + after
    assert client.stats().dropped == {"rejected": 1}
    assert poison in caplog.text


@pytest.mark.parametrize("status", [422, 413])
def test_a_server_that_rejects_everything_does_not_get_everything_thrown_away(
    status: int,
    client: Client,
    loopback: Loopback,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "MAX_REJECTED_IN_A_ROW", 5)
    loopback.decide = lambda request: Reply(status)
    log_many(client, 50)
    wait_until(lambda: "to each interaction" in caplog.text)
    assert client.flush(0.05) is False
    assert client.stats().queued >= 40
    loopback.decide = lambda request: None
    assert client.flush(PATIENCE_S) is True
    assert client.stats().sent >= 40
    assert client._worker._rejected_in_a_row == 0


def test_a_batch_too_large_for_the_server_is_halved(client: Client, loopback: Loopback) -> None:
    loopback.decide = lambda request: Reply(413) if request.size > 65_536 else None
    task_ids = [client.log("x" * 5000)["task_id"] for _ in range(60)]
    assert client.flush()
    assert ids(loopback) == task_ids
    client.log("x" * 100_000)
    assert client.flush() is False
    assert client.stats().dropped == {"too_large": 1}


def test_what_the_server_says_it_could_not_store_is_counted(
    client: Client, loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    body = b'{"logged_events": [{"task_id": "a"}, {"error_in_log": "clock of 1970"}]}'
    loopback.replies.append(Reply(200, body=body))
    client.log("good")
    client.log("bad")
    assert client.flush() is False
    assert client.stats().dropped == {"refused_by_server": 1}
    assert client.stats().sent == 1
    assert "clock of 1970" in caplog.text


@pytest.mark.parametrize("body", [b'"error_in_log"', b'{"logged_events": "error_in_log"}', b""])
def test_an_answer_in_another_form_is_an_acknowledgement(
    client: Client, loopback: Loopback, body: bytes
) -> None:
    loopback.replies.append(Reply(201, body=body))
    client.log("i")
    assert client.flush()


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.usefixtures("quick")
def test_feedback_that_is_refused_is_kept_like_an_interaction(
    status: int, client: Client, loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    loopback.replies.extend([Reply(status)] * 8)
    client.user_feedback("t", "success")
    client.log("after")
    assert client.flush()
    assert len(loopback.feedback) == 1
    assert client.stats().dropped == {}
    assert len(caplog.records) == 1
    assert "PHOSPHO_PROJECT_ID" in caplog.text


@pytest.mark.parametrize("status", [404, 409, 410, 415])
def test_feedback_that_the_server_has_no_place_for_holds_up_nothing(
    status: int, client: Client, loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    loopback.decide = lambda request: Reply(status) if "human-eval" in request.path else None
    client.user_feedback("t/1", "success")
    client.log("after")
    assert client.flush() is False
    assert len(loopback.events) == 1
    assert client.stats().dropped == {"feedback_rejected": 1}
    assert "the feedback on t/1" in caplog.text


def test_feedback_that_is_given_up_is_not_taken_for_its_interaction(
    client: Client, loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    loopback.replies.append(Reply(422))
    client.user_feedback("t", "success")
    assert client.flush() is False
    assert client.stats().dropped == {"feedback_rejected": 1}
    assert "gave up the feedback on t: the server answered HTTP 422" in caplog.text


def test_batches_are_bounded_in_number_and_size(make_client: ClientFactory) -> None:
    with serve_phospho() as loopback:
        client = make_client(base_url=loopback.url, tick=5)
        log_many(client, 1000)
        for _ in range(8):
            client.log("x" * 400_000)
        assert client.flush()
        assert max(len(request.events) for request in loopback.requests) == 100
        assert max(request.size for request in loopback.requests) < 1_300_000
        assert loopback.connections == 1


def test_a_batch_is_bounded_in_bytes_whatever_the_script(
    make_client: ClientFactory, loopback: Loopback
) -> None:
    client = make_client(tick=3000)
    for _ in range(30):
        client.log("\N{GRINNING FACE}" * 9_000, "Grüße, 世界 " * 3_000)
    assert client.flush()
    assert max(request.size for request in loopback.requests) < 1_300_000


def test_a_tick_gathers_what_comes_together(
    make_client: ClientFactory, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 0.0
    monkeypatch.setattr(backlog, "time", types.SimpleNamespace(monotonic=lambda: now_s))
    client = make_client(tick=0.05)
    client.log("first")
    time.sleep(0.3)
    assert loopback.requests == []
    log_many(client, 19)
    now_s = 0.05
    wait_until(lambda: len(loopback.events) == 20)
    assert len(loopback.requests) == 1


def test_a_full_batch_does_not_wait_for_the_tick(
    make_client: ClientFactory, loopback: Loopback
) -> None:
    client = make_client(tick=MAX_TICK_S)
    log_many(client, 100)
    wait_until(lambda: len(loopback.events) == 100)
    client.log("x" * 900_000)
    client.log("x" * 900_000)
    wait_until(lambda: len(loopback.events) >= 101)


def test_flush_drains_what_was_logged_before_while_others_go_on(
    make_client: ClientFactory, loopback: Loopback
) -> None:
    client = make_client(tick=MAX_TICK_S)
    stop = threading.Event()

    def go_on() -> None:
        while not stop.is_set():
            client.log("other")
            time.sleep(0.0002)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        mine = client.log("mine")["task_id"]
        assert client.flush(PATIENCE_S)
        assert mine in ids(loopback)
    finally:
        stop.set()
        thread.join()


def test_threads_lose_nothing(client: Client, loopback: Loopback) -> None:
    threads = [threading.Thread(target=log_many, args=(client, 500)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.flush(PATIENCE_S)
    assert len(set(ids(loopback))) == len(ids(loopback)) == 4000


def test_the_sender_outlives_a_mistake_of_ours(
    client: Client, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "FIRST_PAUSE_S", 0.01)
    send, calls = transport.Transport.send, []

    def fail_once(self: Any, *args: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("a mistake")
        return send(self, *args)

    monkeypatch.setattr(transport.Transport, "send", fail_once)
    client.log("i")
    assert client.flush()
    assert len(loopback.events) == 1


def test_a_record_that_cannot_be_encoded_costs_only_itself(
    client: Client, loopback: Loopback
) -> None:
    client.log("good")
    client._worker.put(Item(1, {"task_id": "t", "input": {1, 2}}))
    client.log("good")
    assert client.flush() is False
    assert len(loopback.events) == 2
    assert client.stats().dropped == {"rejected": 1}


def test_without_threads_flush_sends_from_the_caller(
    client: Client, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def refuse(self: threading.Thread) -> None:
        if self.name == "phospho-sender":
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    log_many(client, 120)
    assert client.flush()
    assert len(loopback.events) == 120
    assert client.close(PATIENCE_S)


def test_without_threads_flush_keeps_to_its_time(
    client: Client, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.Worker, "_start", lambda self: None)
    monkeypatch.setattr(worker, "_chance", lambda: 1.0)
    for name in ("FIRST_PAUSE_S", "MAX_PAUSE_S"):
        monkeypatch.setattr(worker, name, HELD_S)
    loopback.replies.append(Reply(500))
    client.log("i")
    started = time.monotonic()
    assert client.flush(0.3) is False
    assert time.monotonic() - started < GIVEN_UP_S
    assert loopback.events == []


def count_attempts(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note when each attempt is made."""
    attempts: list[float] = []
    send = transport.Transport.send

    def note(self: Any, *args: Any) -> Any:
        attempts.append(time.monotonic())
        return send(self, *args)

    monkeypatch.setattr(transport.Transport, "send", note)
    return attempts


def test_a_flush_after_close_pauses_between_its_attempts(
    make_client: ClientFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_chance", lambda: 1.0)
    client = make_client(base_url=f"http://127.0.0.1:{free_port()}")
    client.log("i")
    client.close(0.1)
    attempts = count_attempts(monkeypatch)
    started = time.monotonic()
    assert client.flush(0.8) is False
    assert time.monotonic() - started > 0.7
    assert 1 <= len(attempts) <= 2


def test_retry_after_is_kept_where_there_is_no_sender(
    client: Client, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.Worker, "_start", lambda self: None)
    loopback.replies.append(Reply(503, {"Retry-After": "0.4"}))
    attempts = count_attempts(monkeypatch)
    client.log("i")
    assert client.flush(PATIENCE_S)
    assert len(attempts) == 2
    assert attempts[1] - attempts[0] > 0.35


def test_a_second_close_does_not_wait_for_a_request_the_first_one_left(
    client: Client, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "REQUEST_TIMEOUT_S", PATIENCE_S)
    loopback.decide = lambda request: Reply(misbehaviour="hang")
    client.log("i")
    wait_until(lambda: len(loopback.requests) == 1)
    client.close(0.05)
    assert client.close(0.3) is False
    assert client._worker.sending_thread is not None, "the request is not under way any more"


@pytest.mark.usefixtures("quick")
def test_a_flush_goes_on_when_another_thread_closes_the_client(
    client: Client, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "MAX_PAUSE_S", 0.05)
    loopback.decide = lambda request: Reply(500)
    client.log("i")
    wait_until(lambda: len(loopback.requests) > 0)
    flushed: list[bool] = []
    thread = threading.Thread(target=lambda: flushed.append(client.flush(PATIENCE_S)))
    thread.start()
    client.close(0.1)
    loopback.decide = lambda request: None
    thread.join()
    assert flushed == [True]


def test_an_outage_after_a_flush_has_its_first_pause() -> None:
    queue = Backlog()
    queue.put(Item(1, {}))
    flush = queue.begin_flush()
    queue.take()
    queue.settle(1)
    assert queue.end_flush(flush)
    started = time.monotonic()
    queue.pause(0.1, may_hurry=True)
    assert time.monotonic() - started > 0.08


def test_a_failure_after_an_interaction_is_put_does_not_log_it_again(
    make_client: ClientFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: worker.Worker) -> None:
        raise RuntimeError("no sender")

    monkeypatch.setattr(worker.Worker, "_start", fail)
    client = make_client()
    assert client.log("i")["metadata"] == {}
    assert client.stats().logged == 1


def test_a_full_queue_drops_the_oldest_and_says_so_once_a_minute(
    make_client: ClientFactory, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(base_url="http://127.0.0.1:9")
    client._worker._backlog = Backlog(max_items=50)
    log_many(client, 80)
    stats = client.stats()
    assert stats.queued + stats.dropped["queue_full"] == stats.logged == 80
    assert 49 <= stats.queued <= 51
    assert len([r for r in caplog.records if "queue is full" in r.getMessage()]) == 1


def test_the_queue_is_bounded_in_bytes() -> None:
    queue = Backlog(max_bytes=1000)
    dropped = sum(queue.put(Item(300, {"n": number})) for number in range(5))
    assert dropped == 2
    assert [item.body["n"] for item in queue.take()] == [2, 3, 4]


def test_a_flush_does_not_mistake_newer_losses_for_its_own() -> None:
    queue = Backlog(max_items=3)
    queue.put(Item(1, {}))
    queue.take()
    flush = queue.begin_flush()
    for _ in range(5):
        queue.put(Item(1, {}))
    assert queue.stats().dropped == {"queue_full": 3}
    assert not queue.is_reached(flush)
    queue.settle(1)
    assert queue.end_flush(flush) is True


def test_a_flush_knows_what_it_lost() -> None:
    queue = Backlog(max_items=1)
    queue.put(Item(1, {}))
    flush = queue.begin_flush()
    queue.put(Item(1, {}))
    assert queue.is_reached(flush)
    assert queue.end_flush(flush) is False


def test_the_cost_of_a_call_does_not_grow_with_the_queue(make_client: ClientFactory) -> None:
    client = make_client(base_url="http://127.0.0.1:9")

    def cost() -> float:
        started = time.thread_time()
        log_many(client, 2000)
        return time.thread_time() - started

    empty = min(cost() for _ in range(3))
    log_many(client, 20_000)
    full = min(cost() for _ in range(3))
    assert full < 5 * empty


def test_retry_after_is_kept_even_when_a_flush_hurries(client: Client, loopback: Loopback) -> None:
    loopback.replies.append(Reply(503, {"Retry-After": "0.4"}))
    client.log("i")
    wait_until(lambda: len(loopback.requests) == 1)
    started = time.monotonic()
    assert client.flush()
    assert time.monotonic() - started > 0.3


@pytest.mark.parametrize("header", ["0", "-3", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_retry_after_that_is_over_does_not_make_the_sender_spin(
    header: str, client: Client, loopback: Loopback
) -> None:
    loopback.decide = lambda request: Reply(503, {"Retry-After": header})
    client.log("i")
    wait_until(lambda: loopback.requests)
    time.sleep(0.5)
    assert len(loopback.requests) < 10


def test_a_flush_tries_at_once_where_the_server_asked_for_no_patience(
    make_client: ClientFactory, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FIRST_REFUSED_PAUSE_S", "MAX_REFUSED_PAUSE_S"):
        monkeypatch.setattr(worker, name, 3600.0)
    client = make_client()
    loopback.replies.append(Reply(401))
    client.log("i")
    wait_until(lambda: client.stats().last_error == "HTTP 401")
    assert client.flush(PATIENCE_S)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("3", 3.0),
        ("-3", 0.0),
        ("99999", 300.0),
        ("nan", None),
        ("soon", None),
        ("Mon, 01 Jan 1990 00:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read(value: str | None, seconds: float | None) -> None:
    assert read_retry_after(value) == seconds


def test_retry_after_may_be_a_date() -> None:
    seconds = read_retry_after(email.utils.formatdate(time.time() + 60, usegmt=True))
    assert seconds is not None
    assert 50 < seconds <= 60


def test_the_key_is_in_no_log_record(
    make_client: ClientFactory, loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    loopback.replies.extend([Reply(401), Reply(500), Reply(400)])
    client = Client("key-of-the-host", "proj", base_url=loopback.url)
    client.log("i")
    client.flush(PATIENCE_S)
    client.close(1)
    assert caplog.records
    assert "key-of-the-host" not in caplog.text + str(client.stats())


def test_a_log_handler_that_logs_to_phospho_does_not_feed_itself(
    client: Client, loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    class ToPhospho(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            client.log(record.getMessage())

    handler = ToPhospho()
    root = logging.getLogger()
    root.addHandler(handler)
    caplog.set_level(logging.DEBUG)
    try:
        client.log("i")
        for _ in range(5):
            assert client.flush()
    finally:
        root.removeHandler(handler)
    assert [event["input"] for event in loopback.events] == ["i"]


def test_what_our_own_request_logs_is_not_sent(
    client: Client, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = transport.Transport.send

    def instrumented(self: Any, *args: Any) -> Any:
        client.log("about our own request")
        assert client.flush() is False
        return send(self, *args)

    monkeypatch.setattr(transport.Transport, "send", instrumented)
    client.log("i")
    assert client.flush()
    assert [event["input"] for event in loopback.events] == ["i"]
    assert client.stats().dropped == {"own_traffic": 1}


def test_an_outage_is_told_in_one_line(
    make_client: ClientFactory, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(base_url="http://127.0.0.1:9")
    client.log("i")
    wait_until(lambda: caplog.records)
    client.flush(0.3)
    client.flush(0.1)
    assert len(caplog.records) == 1
    assert "phospho serve" in caplog.text


@pytest.mark.usefixtures("quick")
def test_pauses_double_and_keep_their_bound(
    client: Client, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    pause: Callable[..., None] = Backlog.pause

    def note(self: Backlog, pause_s: float, *, may_hurry: bool) -> None:
        pauses.append(pause_s)
        pause(self, 0, may_hurry=may_hurry)

    monkeypatch.setattr(Backlog, "pause", note)
    monkeypatch.setattr(worker, "_chance", lambda: 1.0)
    loopback.replies.extend([Reply(500)] * 9)
    client.log("i")
    assert client.flush()
    assert pauses == [min(0.005 * 2**number, 0.3) for number in range(9)]


def test_the_constants_are_those_documented() -> None:
    assert (worker.FIRST_PAUSE_S, worker.MAX_PAUSE_S) == (0.5, 30)
    assert (transport.REQUEST_TIMEOUT_S, lifecycle.EXIT_TIMEOUT_S) == (10, 2)
    assert (backlog.MAX_ITEMS, backlog.MAX_BYTES) == (100_000, 64 * 2**20)
    assert (connection.CONNECT_TIMEOUT_S, transport.REQUEST_TIMEOUT_S) == (3, 10)

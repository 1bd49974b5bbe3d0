"""What a server and a network can do to a host that lives on: everything arrives in the end.

Each host is a real process and the SDK is as it is, so a row takes as long as its fault does.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.hosts import (
    Host,
    check,
    check_complaint,
    check_quiet,
    deaf,
    refused_port,
    run_host,
)
from tests.loopback import Loopback, Reply, Request, serve_phospho
from tests.waiting import GIVEN_UP_S, HELD_S

LIVES_ON = """
    import phospho
    phospho.init()
    log_many(300)
    live_until_sent()
    """


class Fault(NamedTuple):
    """What the server does with the first requests, and what the client says of it.

    Args:
        replies: Its answers; each must have been given.
        complaint: A regular expression for the one line on stderr; empty for none at all.
        gap_s: How long the client waits at least between one of them and the next request.
    """

    replies: Sequence[Reply]
    complaint: str
    gap_s: float = 0.0


LOST_ANSWER = Reply(misbehaviour="reset", is_stored=True)

FAULTS = {
    "five-500s": Fault([Reply(500)] * 5, "cannot deliver.*HTTP 500"),
    "503-with-retry-after": Fault(
        [Reply(503, {"Retry-After": "2"})] * 2, "cannot deliver.*HTTP 503", 2.0
    ),
    "429-with-retry-after": Fault(
        [Reply(429, {"Retry-After": "1.5"})] * 3, "cannot deliver.*HTTP 429", 1.5
    ),
    "401-then-repaired": Fault([Reply(401)] * 2, "refuses what is sent: HTTP 401", 1.0),
    "403-then-repaired": Fault([Reply(403)], "refuses what is sent: HTTP 403", 1.0),
    "one-400": Fault([Reply(400)], ""),
    "reset-mid-request": Fault(
        [Reply(misbehaviour="reset_request")] * 3,
        "cannot deliver.*(Read|Write|RemoteProtocol)Error",
    ),
    "reset-before-the-answer": Fault(
        [Reply(misbehaviour="reset")] * 3, "cannot deliver.*ReadError"
    ),
    "reset-mid-answer": Fault([Reply(misbehaviour="reset_body")] * 3, "cannot deliver.*ReadError"),
    "truncated-answer": Fault(
        [Reply(misbehaviour="truncate")] * 3, "cannot deliver.*RemoteProtocolError"
    ),
    "stored-but-answer-lost": Fault([LOST_ANSWER] * 3, "cannot deliver.*ReadError"),
    "garbage-instead-of-http": Fault(
        [Reply(misbehaviour="garbage")] * 3, "cannot deliver.*RemoteProtocolError"
    ),
    "garbage-json-in-a-200": Fault([Reply(body=b'{"logged_events": [')] * 3, ""),
}


@pytest.mark.parametrize("name", FAULTS)
def test_everything_arrives_once_the_server_behaves(name: str, loopback: Loopback) -> None:
    fault = FAULTS[name]
    loopback.replies.extend(fault.replies)
    ended = run_host(LIVES_ON, loopback.url)
    check(ended, loopback, 300, repeats=name == "stored-but-answer-lost")
    assert loopback.faults == fault.replies
    assert bool(fault.complaint) == bool(ended.stderr), ended.stderr
    check_complaint(ended, fault.complaint)
    times = [request.at_s for request in loopback.requests]
    assert all(b - a >= fault.gap_s for a, b in pairwise(times[: len(fault.replies) + 1]))


def test_an_answer_that_was_lost_makes_the_client_send_the_same_identities_again(
    loopback: Loopback,
) -> None:
    loopback.replies.extend([LOST_ANSWER] * 2)
    check(run_host(LIVES_ON, loopback.url), loopback, 300, repeats=True)
    first, second, third, *_ = loopback.stored
    assert first.events == second.events == third.events


@pytest.mark.slow
@pytest.mark.parametrize("misbehaviour", ["hang", "trickle_headers", "trickle_body"])
def test_a_server_that_never_finishes_its_first_answer_holds_up_nothing_for_ever(
    misbehaviour: str, loopback: Loopback
) -> None:
    loopback.replies.append(Reply(misbehaviour=misbehaviour))
    ended = run_host(LIVES_ON, loopback.url)
    check(ended, loopback, 300)
    assert [reply.misbehaviour for reply in loopback.faults] == [misbehaviour]
    check_complaint(ended, "ReadTimeout")
    assert loopback.requests[1].at_s - loopback.requests[0].at_s < GIVEN_UP_S


def test_a_date_to_retry_after_is_kept(loopback: Loopback) -> None:
    def in_two_seconds(request: Request) -> Reply | None:
        if len(loopback.requests) > 2:
            return None
        return Reply(503, {"Retry-After": email.utils.formatdate(time.time() + 2, usegmt=True)})

    loopback.decide = in_two_seconds
    check(run_host(LIVES_ON, loopback.url), loopback, 300)
    assert len(loopback.faults) == 2
    first, second, third, *_ = (request.at_s for request in loopback.requests)
    # A date has no fractions: up to a second is lost.
    assert min(second - first, third - second) > 0.9


def test_a_healthy_server_gets_everything(loopback: Loopback) -> None:
    ended = run_host(LIVES_ON, loopback.url)
    check(ended, loopback, 300)
    assert ended.stderr == ""
    assert ended.values("dropped") == ["{}"]


def test_sixteen_threads_lose_nothing(loopback: Loopback) -> None:
    ended = run_host("log_in_threads(16, 200)", loopback.url)
    check(ended, loopback, 3200)
    assert ended.stderr == ""


@pytest.mark.parametrize(
    ("count", "every_s"),
    [
        pytest.param(500, 0.004, id="at-a-steady-pace"),
        pytest.param(20_000, 0.0, id="in-a-burst"),
    ],
)
def test_a_server_that_is_down_gets_everything_once_it_is_up(count: int, every_s: float) -> None:
    with refused_port() as port:
        program = f"log_many({count}, every_s={every_s})\ntell('all')\nlive_until_sent()"
        with Host(program, f"http://127.0.0.1:{port}") as host:
            host.wait_for_complaint("Connection refused")
            host.wait_for_line("all")
            time.sleep(2)
            with serve_phospho(port) as loopback:
                check(host.wait(), loopback, count)


@pytest.mark.slow
@pytest.mark.parametrize("has_spool", [False, True], ids=["in-memory", "on-disk"])
def test_fifty_thousand_wait_for_the_server_within_bounds(has_spool: bool, tmp_path: Path) -> None:
    program = """
        import phospho, resource, time
        phospho.init()
        phospho.log("warm")
        while not phospho.stats().last_error: time.sleep(0.01)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in range(50_000):
            phospho.log("%04d" % number * 250, session_id="s", user_id="u", metadata={"n": number})
        tell("megabytes", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
        tell("dropped", phospho.stats().dropped.get("queue_full", 0))
        assert not set(phospho.stats().dropped) - {"queue_full"}
        tell("all")
        live_until_sent()
        tell("sent", phospho.stats().sent)
        """
    folder = str(tmp_path) if has_spool else ""
    with (
        refused_port() as port,
        Host(program, f"http://127.0.0.1:{port}", PHOSPHO_SPOOL_DIR=folder) as host,
    ):
        host.wait_for_line("all")
        with serve_phospho(port) as loopback:
            ended = host.wait()
    assert ended.code == 0, ended.stderr
    check_quiet(ended)
    assert float(ended.values("megabytes")[0]) < 100
    dropped = int(ended.values("dropped")[0])
    assert dropped == 0 if has_spool else dropped < 15_000
    arrived = [event["task_id"] for event in loopback.events]
    assert len(arrived) == len(set(arrived)) == int(ended.values("sent")[0]) == 50_001 - dropped


def test_a_syn_that_nobody_answers_is_an_outage() -> None:
    program = f"""
        from phospho import transport
        transport.REQUEST_TIMEOUT_S = {HELD_S}
        log_many(300)
        live_until_sent()
        """
    with (
        refused_port() as port,
        deaf(port) as hear_again,
        Host(program, f"http://127.0.0.1:{port}") as host,
    ):
        started = time.monotonic()
        host.wait_for_complaint("ConnectTimeout")
        # A connection has seconds, of all that a request has.
        assert time.monotonic() - started < GIVEN_UP_S
        hear_again()
        with serve_phospho(port) as loopback:
            ended = host.wait()
    check(ended, loopback, 300)
    assert "refused" not in ended.stderr


def test_a_name_that_does_not_resolve_for_a_while_is_an_outage(loopback: Loopback) -> None:
    port = loopback.url.rpartition(":")[2]
    ended = run_host(
        """
        import itertools, socket
        resolve, lookups = socket.getaddrinfo, itertools.count()
        def getaddrinfo(host, *args, **kwargs):
            if host not in ("phospho.test", b"phospho.test"):
                return resolve(host, *args, **kwargs)
            is_away = next(lookups) < 3
            tell("looked up", is_away)
            if is_away:
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            return resolve("127.0.0.1", *args, **kwargs)
        socket.getaddrinfo = getaddrinfo
        log_many(300)
        live_until_sent()
        """,
        f"http://phospho.test:{port}",
    )
    check(ended, loopback, 300)
    check_complaint(ended, "name resolution")
    lookups = ended.values("looked")
    assert lookups[0] == "up True"
    assert lookups[-1] == "up False"


def test_a_batch_above_the_servers_limit_is_cut_until_it_fits(loopback: Loopback) -> None:
    loopback.decide = lambda request: Reply(413) if request.size > 65_536 else None
    ended = run_host("log_many(600, output='x' * 5000)\nlive_until_sent()", loopback.url)
    check(ended, loopback, 600)
    assert len(loopback.faults) >= 6
    assert max(request.size for request in loopback.stored) <= 65_536


def test_one_poisonous_interaction_is_lost_and_reported_and_no_other(loopback: Loopback) -> None:
    loopback.decide = lambda request: (
        Reply(422) if any(event["input"] == "poison" for event in request.events) else None
    )
    ended = run_host(
        """
        log_many(150, "before")
        log("poison")
        log_many(199, "after")
        live_until_sent()
        """,
        loopback.url,
    )
    check(ended, loopback, 350, lost=1)
    assert {event["input"] for event in loopback.events} == {
        *(f"before {number}" for number in range(150)),
        *(f"after {number}" for number in range(199)),
    }
    assert ended.logged[150] in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert ended.values("dropped") == ["{'rejected': 1}"]


@pytest.mark.parametrize("days", [pytest.param(-1, id="back"), pytest.param(1, id="ahead")])
def test_a_clock_that_jumps_by_a_day_neither_delays_nor_hurries(
    days: int, loopback: Loopback
) -> None:
    loopback.replies.extend([Reply(503, {"Retry-After": "1"})] * 2)
    ended = run_host(
        f"""
        import time, phospho
        jump_s, real, real_ns = 0, time.time, time.time_ns
        time.time = lambda: real() + jump_s
        time.time_ns = lambda: real_ns() + jump_s * 10**9
        log_many(150, "before")
        while not phospho.stats().last_error: time.sleep(0.01)
        # The sender now waits for what it was asked to wait for.
        jump_s = {days} * 86_400
        log_many(150, "after")
        live_until_sent()
        """,
        loopback.url,
    )
    check(ended, loopback, 300)
    assert len(loopback.faults) == 2
    first, second, third, *_ = (request.at_s for request in loopback.requests)
    assert min(second - first, third - second) >= 1
    created = [event["client_created_at_ms"] for event in loopback.events]
    assert max(created) - min(created) > 80_000_000


def test_a_process_that_may_write_no_file_logs_all_the_same(loopback: Loopback) -> None:
    ended = run_host(
        """
        import resource, tempfile
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        try:
            with tempfile.TemporaryFile() as file:
                file.write(b"x")
        except OSError as exc:
            tell("refused", exc.errno)
        log_many(300)
        live_until_sent()
        """,
        loopback.url,
    )
    check(ended, loopback, 300)
    assert ended.values("refused")
    assert ended.stderr == ""


def test_hostile_values_hurt_no_neighbour(loopback: Loopback) -> None:
    ended = run_host(
        """
        from tests.hostile import HOSTILE
        for number, (name, make) in enumerate(HOSTILE.items()):
            log(f"neighbour {number}")
            log(make(), make(), metadata={"which": name, "value": make()}, raw_input=make())
            log("i", metadata=make(), session_id=make(), user_id=make(), flag=make(), more=make())
        log("neighbour last")
        live_until_sent()
        tell("hostile", len(HOSTILE))
        """,
        loopback.url,
    )
    hostile = int(ended.values("hostile")[0])
    assert hostile >= 22
    check(ended, loopback, 3 * hostile + 1)
    inputs = [str(event["input"]) for event in loopback.events]
    assert sum(text.startswith("neighbour") for text in inputs) == hostile + 1
    assert ended.values("dropped") == ["{}"]

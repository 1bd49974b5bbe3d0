"""How programs end: nothing is lost where a server answers, nobody waits long where none does."""

from __future__ import annotations

import signal
import textwrap
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.hosts import (
    AS_IT_IS,
    Host,
    check,
    check_quiet,
    deaf,
    refused_port,
    run_host,
)
from tests.loopback import Loopback, Reply
from tests.waiting import GIVEN_UP_S, HELD_S


class Ending(NamedTuple):
    """How a program that has logged 200 ends.

    Args:
        program: The rest of its source.
        code: Its exit code.
        more: How many it logs besides.
    """

    program: str = ""
    code: int = 0
    more: int = 0


ENDINGS = {
    "falls-off-the-end": Ending(),
    "sys-exit": Ending("import sys; sys.exit(3)", code=3),
    "unhandled-exception": Ending(
        "import sys; sys.tracebacklimit = 0; raise RuntimeError('unhandled')", code=1
    ),
    "interrupted": Ending(
        """
        import os, signal, time
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)
        except KeyboardInterrupt:
            raise SystemExit(130) from None
        """,
        code=130,
    ),
    "atexit-after-import": Ending("import atexit; atexit.register(log, 'late')", more=1),
    "daemon-thread-alive": Ending(
        """
        import threading, time
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        """
    ),
    "thread-outlives-main": Ending(
        """
        import threading, time
        def work():
            time.sleep(0.5)
            log("from a thread")
        threading.Thread(target=work).start()
        """,
        more=1,
    ),
    "shutdown-then-log": Ending("phospho.shutdown(); log('after shutdown')", more=1),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_an_ending_sends_everything(name: str, loopback: Loopback) -> None:
    ending = ENDINGS[name]
    program = "import phospho\nphospho.init()\nlog_many(200)\nend()\n"
    ended = run_host(program + textwrap.dedent(ending.program), loopback.url)
    check(ended, loopback, 200 + ending.more, code=ending.code)
    assert "phospho:" not in ended.stderr
    assert ended.exit_s < GIVEN_UP_S


@pytest.mark.parametrize(
    "is_warm", [pytest.param(True, id="after-a-first-request"), pytest.param(False, id="at-once")]
)
def test_a_log_in_the_last_function_of_the_exit_is_sent(is_warm: bool, loopback: Loopback) -> None:
    # Registered first, so it runs after phospho's own: from 3.12 on no thread can start there.
    ended = run_host(
        f"""
        import atexit
        atexit.register(end)
        atexit.register(log, "really last")
        atexit.register(log, "last")
        import phospho
        phospho.init()
        if {is_warm}:
            log("first")
            phospho.flush()
        """,
        loopback.url,
    )
    check(ended, loopback, 3 if is_warm else 2)
    assert ended.stderr == ""
    assert ended.exit_s < GIVEN_UP_S


@pytest.mark.parametrize("has_spool", [False, True], ids=["in-memory", "on-disk"])
def test_an_object_that_logs_as_the_interpreter_ends_does_not_keep_it(
    has_spool: bool, loopback: Loopback, tmp_path: Path
) -> None:
    folder = str(tmp_path) if has_spool else ""
    ended = run_host(
        """
        import phospho
        phospho.init()
        log("first")
        class Late:
            def __del__(self):
                phospho.log("late")
        late = Late()
        end()
        """,
        loopback.url,
        PHOSPHO_SPOOL_DIR=folder,
    )
    assert ended.code == 0
    assert ended.exit_s < GIVEN_UP_S
    assert "first" in [event["input"] for event in loopback.events]
    if has_spool:
        run_host("import phospho\nphospho.init()", loopback.url, PHOSPHO_SPOOL_DIR=folder)
        assert [event["input"] for event in loopback.events] == ["first", "late"]


def test_an_asyncio_app_ends_well(loopback: Loopback) -> None:
    ended = run_host(
        """
        import asyncio, phospho
        async def answer(n):
            with phospho.session(f"s{n}"):
                await asyncio.sleep(0)
                log(f"i{n}")
        async def main():
            await asyncio.gather(*map(answer, range(300)))
        asyncio.run(main())
        end()
        """,
        loopback.url,
    )
    check(ended, loopback, 300)
    assert all(event["session_id"][1:] == event["input"][1:] for event in loopback.events)
    assert ended.exit_s < GIVEN_UP_S


def test_a_terminated_program_that_exits_in_its_handler_sends_everything(
    loopback: Loopback,
) -> None:
    program = """
        import signal, sys, time, phospho
        def leave(*args):
            end()
            sys.exit(0)
        signal.signal(signal.SIGTERM, leave)
        phospho.init(tick=3000)
        log_many(90)
        tell("ready")
        time.sleep(60)
        """
    with Host(program, loopback.url) as host:
        host.wait_for_line("ready")
        assert loopback.requests == []
        host.send_signal(signal.SIGTERM)
        ended = host.wait()
    check(ended, loopback, 90)
    assert ended.stderr == ""
    assert ended.exit_s < GIVEN_UP_S


def test_a_healthy_exit_waits_for_nothing_more(loopback: Loopback) -> None:
    ended = run_host("log('warm')\nlive_until_sent()\nlog_many(99)\nend()", loopback.url)
    check(ended, loopback, 100)
    assert ended.stderr == ""
    assert ended.exit_s < GIVEN_UP_S


UNANSWERED: dict[str, Callable[[], Reply]] = {
    "hanging": lambda: Reply(misbehaviour="hang"),
    "trickling": lambda: Reply(misbehaviour="trickle_headers"),
    "trickling-body": lambda: Reply(misbehaviour="trickle_body"),
    "answering-500": lambda: Reply(500),
    "answering-503-with-retry-after": lambda: Reply(503, {"Retry-After": "60"}),
    "refusing-the-key": lambda: Reply(401),
}

# Without the limit of the exit, a request would have all the time that a fault takes.
LEAVES_300 = f"""
    import phospho
    from phospho import connection, transport
    connection.CONNECT_TIMEOUT_S = transport.REQUEST_TIMEOUT_S = {HELD_S}
    phospho.init()
    log_many(300)
    """


@pytest.mark.parametrize("name", UNANSWERED)
def test_an_exit_gives_up_in_time_and_one_line_says_what_was_not_sent(
    name: str, loopback: Loopback, tmp_path: Path
) -> None:
    loopback.decide = lambda request: UNANSWERED[name]()
    program = f"{LEAVES_300}wait_for_file({str(tmp_path / 'go')!r})\n    end()"
    with Host(program, loopback.url, HOST_EXIT_S=AS_IT_IS) as host:
        host.wait_for(lambda: loopback.faults)
        (tmp_path / "go").touch()
        ended = host.wait()
    check(ended, loopback, 300, lost=300)
    assert ended.exit_s < GIVEN_UP_S
    unsent = [line for line in ended.stderr.splitlines() if "not sent before exit" in line]
    assert len(unsent) == 1
    assert "300 interactions" in unsent[0]


@pytest.mark.parametrize("is_deaf", [False, True], ids=["server-down", "syn-unanswered"])
def test_an_exit_without_a_server_gives_up_in_time(is_deaf: bool) -> None:
    with refused_port() as port, (deaf if is_deaf else nullcontext)(port):
        url = f"http://127.0.0.1:{port}"
        ended = run_host(f"{LEAVES_300}end()", url, HOST_EXIT_S=AS_IT_IS)
    assert (ended.code, len(ended.logged), ended.values("raised")) == (0, 300, [])
    check_quiet(ended)
    assert "300 interactions were not sent before exit" in ended.stderr
    assert ended.exit_s < GIVEN_UP_S


def test_a_daemon_thread_that_goes_on_logging_does_not_keep_the_process(
    loopback: Loopback,
) -> None:
    ended = run_host(
        """
        import threading, time, phospho
        phospho.init()
        def go_on():
            while True:
                phospho.log("on and on")
                # As fast as it could, it would fill the queue, which gives up the oldest.
                time.sleep(0.0005)
        threading.Thread(target=go_on, daemon=True).start()
        log_many(200)
        end()
        """,
        loopback.url,
    )
    assert (ended.code, len(ended.logged), ended.values("raised")) == (0, 200, [])
    assert set(ended.logged) <= {event["task_id"] for event in loopback.events}
    check_quiet(ended)
    assert ended.exit_s < GIVEN_UP_S

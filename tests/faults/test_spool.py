"""With a spool folder nothing is lost however a process ends: the next one sends what it left."""

from __future__ import annotations

import itertools
import signal
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.hosts import (
    AS_IT_IS,
    KEY,
    Ended,
    Host,
    check,
    check_quiet,
    check_stored,
    refused_port,
    run_host,
)
from tests.loopback import Loopback, Reply, serve_phospho
from tests.waiting import GIVEN_UP_S


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def run(program: str, url: str, spool: Path, **environ: str) -> Ended:
    return run_host(program, url, None, PHOSPHO_SPOOL_DIR=str(spool), **environ)


def check_all_stored(hosts: list[Ended], loopback: Loopback, *, lost: int = 0) -> list[str]:
    """Check all hosts together; returns what they logged.

    What was sent just before a kill may be sent again: under the same identity, so a server
    keeps one.
    """
    for ended in hosts:
        assert ended.values("raised") == []
        check_quiet(ended)
    logged = [task_id for ended in hosts for task_id in ended.logged]
    assert len(set(logged)) == len(logged)
    check_stored(logged, loopback, lost=lost, repeats=True)
    return logged


def check_nothing_is_left(url: str, spool: Path, loopback: Loopback) -> None:
    """Check that what was sent was also removed: one more process finds nothing to send."""
    before = len(loopback.events)
    ended = run("import phospho\nphospho.init()\nassert phospho.flush(100)", url, spool)
    assert (ended.code, ended.stderr) == (0, "")
    assert len(loopback.events) == before


class End(NamedTuple):
    """How a process ends that has logged 300, and what its parent sees of that."""

    program: str
    code: int
    is_server_down: bool = False


KILL = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
TERMINATE = "import os, signal, time; os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)"

ENDS = {
    "kill-9-at-once": End(KILL, -signal.SIGKILL),
    "kill-9-while-down": End(f"time.sleep(1)\n{KILL}", -signal.SIGKILL, is_server_down=True),
    "sigterm-without-handler": End(TERMINATE, -signal.SIGTERM),
    "sigterm-while-down": End(f"time.sleep(1)\n{TERMINATE}", -signal.SIGTERM, is_server_down=True),
    "os-exit": End("import os; os._exit(3)", 3),
    "exit-while-down": End("end()", 0, is_server_down=True),
}


@pytest.mark.parametrize("name", ENDS)
def test_the_next_process_sends_what_one_left_behind(name: str, spool: Path) -> None:
    end = ENDS[name]
    program = f"import time, phospho\nphospho.init()\nlog_many(300, 'first')\n{end.program}"
    with refused_port() as port:
        url = f"http://127.0.0.1:{port}"
        if end.is_server_down:
            first = run(program, url, spool, HOST_EXIT_S=AS_IT_IS)
            assert KEY.encode() not in b"".join(
                path.read_bytes() for path in spool.rglob("*") if path.is_file()
            )
        with serve_phospho(port) as loopback:
            if not end.is_server_down:
                first = run(program, url, spool)
            assert (first.code, len(first.logged)) == (end.code, 300)
            second = run("log_many(10, 'second')\nlive_until_sent()", url, spool)
            assert (second.code, len(second.logged)) == (0, 10)
            check_all_stored([first, second], loopback)
            check_nothing_is_left(url, spool, loopback)
    if name == "exit-while-down":
        assert first.exit_s < GIVEN_UP_S


NEXT = {
    "logs": "log('mine')\nlive_until_sent()",
    "flushes": "import phospho\nphospho.init()\nassert phospho.flush(100)",
    "exits": "import phospho\nphospho.init()\nallow_exit()",
}


@pytest.mark.parametrize("name", NEXT)
def test_a_process_takes_over_what_is_left_as_soon_as_it(
    name: str, spool: Path, loopback: Loopback
) -> None:
    first = run(f"log_many(300)\n{KILL}", loopback.url, spool)
    second = run(NEXT[name], loopback.url, spool)
    assert (first.code, second.code) == (-signal.SIGKILL, 0), second.stderr
    assert len(check_all_stored([first, second], loopback)) == 300 + (name == "logs")
    check_nothing_is_left(loopback.url, spool, loopback)


def test_a_process_of_another_project_leaves_them_alone(spool: Path, loopback: Loopback) -> None:
    first = run(f"log_many(90)\n{KILL}", loopback.url, spool)
    before = len(loopback.events)
    other = run("log('mine')\nlive_until_sent()", loopback.url, spool, PHOSPHO_PROJECT_ID="other")
    assert [event["task_id"] for event in loopback.events[before:]] == other.logged
    second = run("log('last')\nlive_until_sent()", loopback.url, spool)
    check_all_stored([first, other, second], loopback)


def test_processes_that_live_side_by_side_send_each_their_own(spool: Path) -> None:
    with refused_port() as port, ExitStack() as stack:
        url = f"http://127.0.0.1:{port}"
        hosts = []
        for number in range(3):
            program = f"log_many(200, 'host {number}')\ntell('all')\nlive_until_sent()"
            hosts.append(stack.enter_context(Host(program, url, PHOSPHO_SPOOL_DIR=str(spool))))
        for host in hosts:
            host.wait_for_line("all")
        with serve_phospho(port) as loopback:
            ended = [host.wait() for host in hosts]
            logged = check_all_stored(ended, loopback)
            # All of them lived until they had sent it: there was nothing to take over.
            check_stored(logged, loopback)
            assert len(logged) == 600
            check_nothing_is_left(url, spool, loopback)


def log_for_a_while_and_kill(name: str, loopback: Loopback, spool: Path) -> list[Ended]:
    """Run three processes side by side, which log all the time until they are killed."""
    with ExitStack() as stack:
        hosts = []
        for number in range(3):
            program = f"log_many(100_000, '{name} host {number}', every_s=0.002)"
            host = Host(program, loopback.url, PHOSPHO_SPOOL_DIR=str(spool))
            hosts.append(stack.enter_context(host))
        for host in hosts:
            host.wait_for_line("logged")
        for host in hosts:
            enough = len(loopback.requests) + 2
            host.wait_for(lambda enough=enough: len(loopback.requests) >= enough)  # type: ignore[misc]
            host.send_signal(signal.SIGKILL)
        return [host.wait() for host in hosts]


def test_processes_that_are_killed_and_restarted_lose_nothing_to_a_flaky_server(
    spool: Path, loopback: Loopback
) -> None:
    moods = itertools.cycle(
        [
            Reply(),
            Reply(500),
            Reply(misbehaviour="reset", is_stored=True),
            Reply(),
            Reply(misbehaviour="truncate"),
            Reply(429, {"Retry-After": "0.2"}),
        ]
    )
    loopback.decide = lambda request: next(moods)
    killed = [
        ended
        for round_ in range(3)
        for ended in log_for_a_while_and_kill(f"round {round_}", loopback, spool)
    ]
    loopback.decide = lambda request: None
    hosts = [*killed, run("log('last')\nlive_until_sent()", loopback.url, spool)]
    assert len(loopback.faults) >= 3
    logged = {task_id for host in hosts for task_id in host.logged}
    identities = defaultdict(set)
    for event in loopback.events:
        identities[event["input"]].add(event["task_id"])
    assert all(len(task_ids) == 1 for task_ids in identities.values())
    stored = {event["task_id"] for event in loopback.events}
    assert logged <= stored
    # A process may be killed after it has logged one and before it has told so.
    assert len(stored - logged) <= len(killed)
    for host in hosts:
        assert host.values("raised") == []
        check_quiet(host)
    check_nothing_is_left(loopback.url, spool, loopback)


def test_what_a_killed_child_left_is_sent_and_its_parents_only_once(
    spool: Path, loopback: Loopback
) -> None:
    first = run(
        f"""
        import os, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork while the sender runs
        import phospho
        phospho.init(tick=3000)
        log_many(50, "parent before")
        pid = os.fork()
        if pid == 0:
            log_many(60, "child")
            {KILL}
        assert os.waitpid(pid, 0)[1] == 9
        log_many(40, "parent after")
        """,
        loopback.url,
        spool,
    )
    assert (first.code, len(first.logged)) == (0, 150)
    second = run("log('last')\nlive_until_sent()", loopback.url, spool)
    logged = check_all_stored([first, second], loopback)
    # Nobody but the child was killed, and it had sent nothing.
    check_stored(logged, loopback)
    check_nothing_is_left(loopback.url, spool, loopback)


def test_a_torn_record_is_counted_and_all_others_arrive(spool: Path) -> None:
    with refused_port() as port:
        url = f"http://127.0.0.1:{port}"
        first = run(f"log_many(300)\n{KILL}", url, spool)
        largest = max(
            (path for path in spool.rglob("*") if path.is_file()),
            key=lambda path: path.stat().st_size,
        )
        with largest.open("r+b") as file:
            file.truncate(largest.stat().st_size - 7)
        with serve_phospho(port) as loopback:
            program = """
                import phospho
                log("mine")
                live_until_sent()
                tell("lost", sum(phospho.stats().dropped.values()))
                """
            second = run(program, url, spool)
            check_all_stored([first, second], loopback, lost=1)
            assert first.logged[-1] not in {event["task_id"] for event in loopback.events}
            assert second.values("lost") == ["1"]
            check_nothing_is_left(url, spool, loopback)


@pytest.mark.parametrize(
    "max_bytes", [pytest.param(0, id="from-the-start"), pytest.param(30_000, id="after-a-while")]
)
def test_a_full_disk_is_told_once_and_memory_takes_over(max_bytes: int, spool: Path) -> None:
    # A limit on files is a full disk that needs no rights: a write fails, or is cut short.
    program = f"""
        import resource, phospho
        phospho.init()
        resource.setrlimit(resource.RLIMIT_FSIZE, ({max_bytes}, {max_bytes}))
        log_many(300, output="x" * 500)
        tell("all")
        live_until_sent()
        """
    with (
        refused_port() as port,
        Host(program, f"http://127.0.0.1:{port}", PHOSPHO_SPOOL_DIR=str(spool)) as host,
    ):
        host.wait_for_line("all")
        with serve_phospho(port) as loopback:
            ended = host.wait()
            check(ended, loopback, 300)
            check_told_of_the_spool_once(ended)
            check_nothing_is_left(f"http://127.0.0.1:{port}", spool, loopback)


def test_a_folder_that_cannot_be_written_is_told_once_and_memory_takes_over(
    tmp_path: Path, loopback: Loopback
) -> None:
    # Root may write to any folder, so this one cannot even be made.
    (tmp_path / "file").touch()
    program = "import phospho\nphospho.init()\nlog_many(300)\nlive_until_sent()"
    ended = run(program, loopback.url, tmp_path / "file" / "spool")
    check(ended, loopback, 300)
    check_told_of_the_spool_once(ended)


def test_a_folder_that_is_removed_meanwhile_costs_nothing(spool: Path) -> None:
    program = f"""
        import shutil, phospho
        phospho.init()
        log_many(150, "before")
        shutil.rmtree({str(spool)!r})
        log_many(150, "after")
        tell("all")
        live_until_sent()
        """
    with (
        refused_port() as port,
        Host(program, f"http://127.0.0.1:{port}", PHOSPHO_SPOOL_DIR=str(spool)) as host,
    ):
        host.wait_for_line("all")
        with serve_phospho(port) as loopback:
            check(host.wait(), loopback, 300)


def test_a_healthy_run_leaves_nothing_behind(spool: Path, loopback: Loopback) -> None:
    ended = run("log_many(300)\nend()", loopback.url, spool)
    check(ended, loopback, 300)
    assert ended.stderr == ""
    assert ended.exit_s < GIVEN_UP_S
    check_nothing_is_left(loopback.url, spool, loopback)


def check_told_of_the_spool_once(ended: Ended) -> None:
    told = [line for line in ended.stderr.splitlines() if "spool" in line.lower()]
    assert len(told) == 1, ended.stderr

"""Hosts of several processes: each sends its own, also where it ends without `atexit`."""

from __future__ import annotations

import http.client
import signal
import socket
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.hosts import PRELUDE, Ended, Host, check, run_host
from tests.loopback import Loopback, free_port
from tests.waiting import PATIENCE_S


def write(folder: Path, name: str, program: str) -> Path:
    path = folder / name
    path.write_text(PRELUDE + textwrap.dedent(program))
    return path


def run_file(program: str, loopback: Loopback, folder: Path) -> Ended:
    """Run a program that children can import again, which `-c` does not allow."""
    path = write(folder, "main.py", program)
    with Host([sys.executable, "-W", "error", str(path)], loopback.url) as host:
        return host.wait()


def inputs(loopback: Loopback) -> list[str]:
    return sorted(event["input"] for event in loopback.events)


def numbered(*names: str, count: int) -> list[str]:
    return sorted(f"{name} {number}" for name in names for number in range(count))


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param("sys.exit(0)", id="sys-exit"),
        pytest.param("os._exit(0 if phospho.flush() else 1)", id="flush-then-os-exit"),
    ],
)
def test_a_forked_child_sends_its_own_and_never_its_parents(
    ending: str, loopback: Loopback
) -> None:
    ended = run_host(
        f"""
        import os, sys, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork while the sender runs
        import phospho
        phospho.init(tick=3000)
        log_many(50, "parent before")
        pid = os.fork()
        if pid == 0:
            assert phospho.stats().logged == 0
            log_many(50, "child")
            {ending}
        assert os.waitpid(pid, 0)[1] == 0
        log_many(40, "parent after")
        """,
        loopback.url,
    )
    check(ended, loopback, 140)
    assert inputs(loopback) == sorted(
        numbered("child", "parent before", count=50) + numbered("parent after", count=40)
    )


@pytest.mark.parametrize(
    ("library", "method"),
    [
        pytest.param("multiprocessing", "fork", id="fork"),
        pytest.param("multiprocessing", "spawn", id="spawn"),
        pytest.param("multiprocessing", "forkserver", id="forkserver"),
        pytest.param("billiard", "fork", id="billiard"),
    ],
)
def test_multiprocessing_children_send_their_own(
    library: str, method: str, loopback: Loopback, tmp_path: Path
) -> None:
    ended = run_file(
        f"""
        import {library}, phospho
        def work(number):
            phospho.init(tick=3000)
            log_many(50, f"child {{number}}")
        if __name__ == "__main__":
            log("parent 0")
            context = {library}.get_context("{method}")
            children = [context.Process(target=work, args=(number,)) for number in range(2)]
            for child in children: child.start()
            for child in children: child.join()
        """,
        loopback,
        tmp_path,
    )
    check(ended, loopback, 101)
    assert inputs(loopback) == sorted([*numbered("child 0", "child 1", count=50), "parent 0"])
    assert ended.stderr == ""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_a_process_pool_executor_send_their_own(
    method: str, loopback: Loopback, tmp_path: Path
) -> None:
    ended = run_file(
        f"""
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        import phospho
        def set_up():
            phospho.init(tick=3000)
        def work(number):
            log_many(10, f"job {{number}}")
        if __name__ == "__main__":
            log("parent 0")
            context = multiprocessing.get_context("{method}")
            with ProcessPoolExecutor(2, mp_context=context, initializer=set_up) as pool:
                list(pool.map(work, range(8)))
        """,
        loopback,
        tmp_path,
    )
    check(ended, loopback, 81)
    jobs = [f"job {number}" for number in range(8)]
    assert inputs(loopback) == sorted([*numbered(*jobs, count=10), "parent 0"])
    assert ended.stderr == ""


def test_gunicorn_workers_send_what_they_logged_when_the_master_is_terminated(
    loopback: Loopback, tmp_path: Path
) -> None:
    write(
        tmp_path,
        "app.py",
        """
        import os, time, phospho
        phospho.init(tick=3000)
        log_many(30, "preload")
        def application(environ, start_response):
            time.sleep(0.01)
            log(environ["PATH_INFO"], str(os.getpid()))
            start_response("200 OK", [])
            return [str(os.getpid()).encode()]
        """,
    )
    port = free_port()
    with Host(
        [
            *(sys.executable, "-m", "gunicorn", "--preload", "--workers", "2"),
            *("--bind", f"127.0.0.1:{port}", "--log-level", "error", "--chdir", str(tmp_path)),
            *("--no-control-socket", "--worker-tmp-dir", str(tmp_path), "app:application"),
        ],
        loopback.url,
        tmp_path,
    ) as host:
        host.wait_for(lambda: is_listening(port))
        with ThreadPoolExecutor(4) as users:
            asked = range(100)
            served = set(users.map(lambda number: get(port, f"/{number}"), asked))
            while len(served) < 2:
                asked = range(len(asked) + 1)
                served.add(get(port, f"/{len(asked)}"))
        assert loopback.requests == []
        host.send_signal(signal.SIGTERM)
        ended = host.wait()
    check(ended, loopback, 30 + len(asked))
    assert served == {e["output"] for e in loopback.events if e["input"].startswith("/")}


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def get(port: int, path: str) -> str:
    """Return which worker has served it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("GET", path, headers={"Connection": "close"})
    answer = connection.getresponse().read()
    connection.close()
    return answer.decode()


# Its own warnings, about being root or the next Python, are none of ours.
CELERY_WORKER = [
    *(sys.executable, "-W", "ignore", "-m", "celery", "-q", "-A", "jobs", "worker"),
    *("-P", "prefork", "-c", "2", "-l", "ERROR"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
]


def queue_jobs(folder: Path, count: int) -> None:
    """Queue jobs in a folder that is their broker; each logs one interaction."""
    jobs = write(
        folder,
        "jobs.py",
        """
        import os, sys, time, celery, phospho
        os.makedirs("control", exist_ok=True)
        os.makedirs("begun", exist_ok=True)
        app = celery.Celery("jobs", broker="filesystem://")
        app.conf.broker_transport_options = {
            "data_folder_in": ".", "data_folder_out": ".", "control_folder": "control",
        }
        phospho.init(tick=3000)
        @app.task
        def work(number):
            log(f"job {number}", str(os.getpid()))
            open(f"begun/{os.getpid()}", "w").close()
            # Another child has some of them too, also where it has started late.
            while len(os.listdir("begun")) < 2: time.sleep(0.01)
        if __name__ == "__main__":
            for number in range(int(sys.argv[1])):
                work.delay(number)
        """,
    )
    program = [sys.executable, "-W", "ignore", str(jobs), str(count)]
    with Host(program, cwd=folder, PHOSPHO_DISABLED="1") as host:
        assert host.wait().code == 0


def test_celery_children_send_what_they_logged_at_a_warm_shutdown(
    loopback: Loopback, tmp_path: Path
) -> None:
    queue_jobs(tmp_path, 40)
    with Host(CELERY_WORKER, loopback.url, tmp_path) as host:
        host.wait_for(lambda: sum(line.startswith("logged") for line in list(host.out)) == 40)
        assert loopback.requests == []
        host.send_signal(signal.SIGTERM)
        ended = host.wait()
    check(ended, loopback, 40)
    assert inputs(loopback) == numbered("job", count=40)
    assert len({event["output"] for event in loopback.events}) == 2


def test_celery_children_that_are_replaced_send_what_they_logged(
    loopback: Loopback, tmp_path: Path
) -> None:
    # The shutdown itself is not tested here: the kernel kills a replacement as soon as the
    # thread that forked it ends, as Celery has asked it to (PR_SET_PDEATHSIG).
    queue_jobs(tmp_path, 6)
    options = ["--max-tasks-per-child", "1"]
    with Host([*CELERY_WORKER, *options], loopback.url, tmp_path) as host:
        host.wait_for(lambda: len(loopback.events) == 6)
        host.send_signal(signal.SIGTERM)
        ended = host.wait()
    check(ended, loopback, 6)
    assert len({event["output"] for event in loopback.events}) == 6

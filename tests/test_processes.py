"""Exits, forks and children, in real processes."""

from __future__ import annotations

import re
import textwrap
import threading
import time
import weakref
from pathlib import Path

import pytest

from phospho import Client, ids, lifecycle, worker
from tests.loopback import Loopback, Reply, free_port
from tests.processes import run_script


def inputs(loopback: Loopback) -> list[str]:
    return sorted(event["input"] for event in loopback.events)


ENDINGS = {
    "falls-off-the-end": "",
    "sys-exit": "import sys; sys.exit(0)",
    "exception": "raise RuntimeError('unhandled')",
    "atexit-after": "import atexit; atexit.register(phospho.log, 'late')",
    "daemon-thread": """
        import threading, time
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        """,
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_normal_exit_sends_everything(ending: str, loopback: Loopback) -> None:
    done = run_script(
        "import phospho\nfor n in range(200): phospho.log(f'i{n:03}')\n"
        + textwrap.dedent(ENDINGS[ending]),
        loopback.url,
    )
    assert [text for text in inputs(loopback) if text != "late"] == [f"i{n:03}" for n in range(200)]
    assert ("late" in inputs(loopback)) is (ending == "atexit-after")
    assert "phospho" not in done.stderr.replace("RuntimeError: unhandled", "")


def test_a_log_in_the_very_last_atexit_function_is_sent(loopback: Loopback) -> None:
    done = run_script(
        """
        import atexit
        def last():
            phospho.log("last")
            phospho.log("really last")
        atexit.register(last)
        import phospho
        phospho.init()
        """,
        loopback.url,
    )
    assert inputs(loopback) == ["last", "really last"]
    assert done.stderr == ""


def test_an_asyncio_app_ends_well(loopback: Loopback) -> None:
    run_script(
        """
        import asyncio, phospho
        async def answer(n):
            with phospho.session(f"s{n}"):
                await asyncio.sleep(0)
                phospho.log(f"i{n}")
        async def main():
            await asyncio.gather(*map(answer, range(50)))
        asyncio.run(main())
        """,
        loopback.url,
    )
    assert sorted((e["session_id"], e["input"]) for e in loopback.events) == sorted(
        (f"s{n}", f"i{n}") for n in range(50)
    )


@pytest.mark.parametrize("fault", ["down", "hang", "trickle_headers", "500"])
def test_exit_takes_two_seconds_at_most_and_says_what_was_not_sent(
    fault: str, loopback: Loopback
) -> None:
    loopback.decide = lambda request: (
        Reply(500) if fault == "500" else Reply(misbehaviour=fault, is_stored=False)
    )
    url = f"http://127.0.0.1:{free_port()}" if fault == "down" else loopback.url
    done = run_script(
        """
        import phospho, time, atexit, sys
        def tell(): print(time.monotonic() - ended)
        atexit.register(tell)
        import phospho
        phospho.init()
        for n in range(7): phospho.log("i")
        ended = time.monotonic()
        """.replace("import phospho, time", "import time"),
        url,
    )
    assert float(done.stdout) < 2.5
    assert re.search(r"7 interactions were not sent before exit", done.stderr)
    assert len(done.stderr.splitlines()) <= 2
    assert "key-of-the-host" not in done.stderr


def test_a_healthy_exit_is_quick(loopback: Loopback) -> None:
    done = run_script(
        """
        import time, atexit
        atexit.register(lambda: print(time.monotonic() - ended))
        import phospho
        phospho.init()
        phospho.log("warm"); phospho.flush()
        phospho.log("i")
        ended = time.monotonic()
        """,
        loopback.url,
    )
    assert float(done.stdout) < 0.5
    assert inputs(loopback) == ["i", "warm"]


def test_a_forked_child_sends_its_own_and_never_its_parents(loopback: Loopback) -> None:
    done = run_script(
        """
        import os, sys, phospho
        phospho.init(tick=30)
        first = phospho.log("parent before")
        pid = os.fork()
        if pid == 0:
            assert phospho.stats().logged == 0
            record = phospho.log("child")
            assert record["task_id"][-10:] != first["task_id"][-10:]
            sys.exit(0 if phospho.flush() else 1)
        assert os.waitpid(pid, 0)[1] == 0
        phospho.log("parent after")
        """,
        loopback.url,
    )
    assert done.returncode == 0, done.stderr
    assert inputs(loopback) == ["child", "parent after", "parent before"]


def test_a_fork_while_threads_log_does_not_block_the_child(loopback: Loopback) -> None:
    done = run_script(
        """
        import os, sys, threading, phospho
        phospho.init()
        def work():
            for n in range(3000): phospho.log("parent")
        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads: t.start()
        pids = []
        for n in range(5):
            pid = os.fork()
            if pid == 0:
                phospho.log(f"child {n}")
                os._exit(0 if phospho.flush(10) else 1)
            pids.append(pid)
        assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 5
        for t in threads: t.join()
        assert phospho.flush(20)
        """,
        loopback.url,
    )
    assert done.returncode == 0, done.stderr
    assert inputs(loopback) == [f"child {n}" for n in range(5)] + ["parent"] * 12_000


@pytest.mark.parametrize("timeout_s", [5.0, 0.05])
def test_a_fork_while_another_thread_finds_the_client_does_not_block_the_child(
    timeout_s: float, loopback: Loopback
) -> None:
    done = run_script(
        f"""
        import os, threading, time
        import phospho, phospho.plugins
        from phospho import lifecycle
        lifecycle.LOADING_TIMEOUT_S = {timeout_s}
        entry_points = phospho.plugins.metadata.entry_points
        def slow(**kwargs):
            time.sleep(0.5)
            return entry_points(**kwargs)
        phospho.plugins.metadata.entry_points = slow
        thread = threading.Thread(target=phospho.log, args=("parent",))
        thread.start()
        time.sleep(0.2)
        pid = os.fork()
        if pid == 0:
            phospho.log("child")
            os._exit(0 if phospho.flush() else 1)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                break
            time.sleep(0.02)
        else:
            os.kill(pid, 9)
            raise SystemExit("the child hangs")
        assert status == 0
        thread.join()
        """,
        loopback.url,
    )
    assert done.returncode == 0, done.stderr
    assert inputs(loopback) == ["child", "parent"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_children_send_their_own(
    method: str, loopback: Loopback, tmp_path: Path
) -> None:
    script = tmp_path / "main.py"
    script.write_text(
        "import multiprocessing, phospho\n"
        "def work(n):\n"
        "    for i in range(20): phospho.log(f'child {n}')\n"
        "if __name__ == '__main__':\n"
        "    phospho.log('parent')\n"
        f"    context = multiprocessing.get_context({method!r})\n"
        "    children = [context.Process(target=work, args=(n,)) for n in range(2)]\n"
        "    for child in children: child.start()\n"
        "    for child in children: child.join()\n"
    )
    done = run_script(
        f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, {str(script)!r}]))",
        loopback.url,
    )
    assert done.returncode == 0, done.stderr
    assert inputs(loopback) == sorted(["child 0"] * 20 + ["child 1"] * 20 + ["parent"])


def test_a_terminated_program_that_exits_in_its_handler_sends_everything(
    loopback: Loopback,
) -> None:
    run_script(
        """
        import os, signal, sys, phospho
        signal.signal(signal.SIGTERM, lambda *args: sys.exit(0))
        for n in range(100): phospho.log("i")
        os.kill(os.getpid(), signal.SIGTERM)
        import time; time.sleep(5)
        """,
        loopback.url,
    )
    assert inputs(loopback) == ["i"] * 100


def test_a_signal_handler_may_log_and_flush(loopback: Loopback) -> None:
    done = run_script(
        """
        import signal, time, phospho
        phospho.init(tick=0.01)
        handled = []
        def handle(*args):
            phospho.log("from the handler")
            handled.append(phospho.flush(5))
            signal.setitimer(signal.ITIMER_REAL, 0.005)
        signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.005)
        deadline = time.monotonic() + 10
        while len(handled) < 20 and time.monotonic() < deadline:
            phospho.log("from the program")
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert len(handled) >= 20 and all(handled), handled
        assert phospho.flush(10)
        """,
        loopback.url,
    )
    assert done.returncode == 0, done.stderr
    assert inputs(loopback).count("from the handler") >= 20


def test_50_000_logs_with_the_server_down_are_quick_and_bounded() -> None:
    done = run_script(
        """
        import phospho, resource, time
        phospho.init()
        phospho.log("warm"); phospho.flush(0.5)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.process_time()
        for n in range(50_000): phospho.log("%04d" % n * 250, session_id="s")
        print(time.process_time() - started)
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
        print(phospho.stats().queued + phospho.stats().dropped.get("queue_full", 0))
        """,
        f"http://127.0.0.1:{free_port()}",
        timeout_s=60,
    )
    seconds, megabytes, kept = map(float, done.stdout.split())
    assert seconds < 10
    assert megabytes < 110
    assert kept == 50_001


def test_a_program_that_never_logs_starts_no_thread_and_ends_at_once() -> None:
    started = time.monotonic()
    done = run_script("import phospho, threading; phospho.init(); print(threading.active_count())")
    assert done.stdout == "1\n"
    assert time.monotonic() - started < 5


def test_a_child_starts_with_other_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_tail", ids._tail)
    monkeypatch.setattr(ids, "_count", ids._count)
    before = ids.new_id("task", 0)
    ids._start_afresh()
    assert ids.new_id("task", 0)[-10:] != before[-10:]


def test_a_child_starts_with_an_empty_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.Worker, "_start", lambda self: None)
    client = Client("key", "proj", base_url="http://127.0.0.1:9")
    monkeypatch.setattr(lifecycle, "_workers", weakref.WeakSet([client._worker]))
    client.log("parent's")
    lifecycle._after_fork_in_child()
    assert client.stats().logged == 0
    client.log("child's")
    assert client.stats().queued == 1


def test_a_fork_waits_until_the_sender_has_loaded_its_modules() -> None:
    lifecycle._before_fork()
    taken = []
    thread = threading.Thread(target=lambda: taken.append(lifecycle.loading.acquire(timeout=0.01)))
    thread.start()
    thread.join()
    assert taken == [False]
    lifecycle._after_fork_in_parent()
    lifecycle._after_fork_in_parent()
    assert lifecycle.loading.acquire(timeout=0.01)
    lifecycle.loading.release()


def test_at_exit_what_waits_is_sent_and_later_logs_too(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client("key", "proj", base_url=loopback.url, tick=60)
    monkeypatch.setattr(lifecycle, "_workers", [client._worker])
    monkeypatch.setattr(lifecycle, "exit_deadline", None)
    client.log("waiting")
    lifecycle._drain()
    client.log("late")
    assert inputs(loopback) == ["late", "waiting"]
    assert caplog.records == []
    monkeypatch.setattr(lifecycle, "EXIT_TIMEOUT_S", 0.0)
    lifecycle.exit_deadline = time.monotonic()
    loopback.decide = lambda request: Reply(500)
    client.log("lost")
    lifecycle._drain()
    assert "1 interactions were not sent before exit" in caplog.text
    client.close(0)


def test_a_multiprocessing_child_is_watched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    finalizers: list[object] = []
    monkeypatch.setattr(lifecycle, "_watched_child", None)
    monkeypatch.setattr("multiprocessing.process.parent_process", object)
    monkeypatch.setattr(
        "multiprocessing.util.Finalize",
        lambda owner, drain, exitpriority: finalizers.append(drain),
    )
    lifecycle.watch_child()
    lifecycle.watch_child()
    assert finalizers == [lifecycle._drain]

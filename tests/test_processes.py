"""Exits, forks and children, in real processes."""

from __future__ import annotations

import sys
import threading
import time
import types
import weakref
from collections.abc import Callable

import pytest

from phospho import Client, ids, lifecycle, worker
from tests.loopback import Loopback, Reply, serve_phospho
from tests.processes import PATIENT, run_script
from tests.waiting import GIVEN_UP_S, PATIENCE_S


def inputs(loopback: Loopback) -> list[str]:
    return sorted(event["input"] for event in loopback.events)


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
                os._exit(0 if phospho.flush(100) else 1)
            pids.append(pid)
        assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 5
        for t in threads: t.join()
        assert phospho.flush(100)
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
        lifecycle.EXIT_TIMEOUT_S = 100
        entry_points = phospho.plugins.metadata.entry_points
        began = threading.Event()
        def slow(**kwargs):
            began.set()
            time.sleep(0.5)
            return entry_points(**kwargs)
        phospho.plugins.metadata.entry_points = slow
        thread = threading.Thread(target=phospho.log, args=("parent",))
        thread.start()
        began.wait()
        pid = os.fork()
        if pid == 0:
            phospho.log("child")
            os._exit(0 if phospho.flush(60) else 1)
        deadline = time.monotonic() + 80
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


def test_a_signal_handler_may_log_and_flush(loopback: Loopback) -> None:
    done = run_script(
        """
        import signal, time, phospho
        phospho.init(tick=0.01)
        phospho.log("first, so that plugins are loaded")
        handled = []
        def handle(*args):
            phospho.log("from the handler")
            handled.append(phospho.flush(60))
            signal.setitimer(signal.ITIMER_REAL, 0.005)
        signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.005)
        deadline = time.monotonic() + 80
        while len(handled) < 20 and time.monotonic() < deadline:
            phospho.log("from the program")
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert len(handled) >= 20 and all(handled), handled
        assert phospho.flush(100)
        """,
        loopback.url,
    )
    assert done.returncode == 0, done.stderr
    assert inputs(loopback).count("from the handler") >= 20


def test_what_a_signal_handler_logs_while_plugins_load_is_sent_after_that(
    loopback: Loopback,
) -> None:
    done = run_script(
        """
        import signal, phospho, phospho.plugins
        phospho.init()
        handled = []
        def handle(*args):
            phospho.log("from the handler")
            handled.append(phospho.flush(1))
        signal.signal(signal.SIGALRM, handle)
        def interrupted(**kwargs):
            signal.raise_signal(signal.SIGALRM)
            return ()
        phospho.plugins.metadata.entry_points = interrupted
        phospho.log("from the program")
        # What redacts may be among the plugins, so nothing could be delivered yet.
        assert handled == [False], handled
        assert phospho.flush(100)
        """,
        loopback.url,
    )
    assert done.returncode == 0, done.stderr
    assert inputs(loopback) == ["from the handler", "from the program"]


def test_a_program_that_never_logs_starts_no_thread_and_ends_at_once() -> None:
    started = time.monotonic()
    done = run_script(
        PATIENT + "import phospho, threading; phospho.init(); print(threading.active_count())"
    )
    assert done.stdout == "1\n"
    assert time.monotonic() - started < GIVEN_UP_S


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
    monkeypatch.setattr(lifecycle, "EXIT_TIMEOUT_S", PATIENCE_S)
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


def test_a_client_whose_server_is_down_leaves_the_others_their_time_to_exit(
    loopback: Loopback,
) -> None:
    with serve_phospho() as other:
        # It is up again as soon as the others were served.
        other.decide = lambda request: None if len(loopback.events) == 3 else Reply(503)
        done = run_script(
            PATIENT
            + f"""
import phospho
clients = [
    phospho.Client(base_url=url, tick=3000) for url in [{other.url!r}, {loopback.url!r}] * 3
]
for client in clients: client.log("i")
""",
        )
        assert inputs(loopback) == inputs(other) == ["i"] * 3
    assert "not sent" not in done.stderr


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


def test_a_child_of_celery_drains_when_celery_says_that_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    receivers: list[Callable[..., None]] = []
    signal = types.SimpleNamespace(connect=lambda receiver, weak: receivers.append(receiver))
    signals = types.SimpleNamespace(worker_process_shutdown=signal)
    drained: list[bool] = []
    monkeypatch.setitem(sys.modules, "celery.signals", signals)
    monkeypatch.setattr(lifecycle, "_watched_child", None)
    monkeypatch.setattr(lifecycle, "_drain", lambda: drained.append(True))
    lifecycle.watch_child()
    lifecycle.watch_child()
    [receiver] = receivers
    receiver(sender=None, pid=1, exitcode=0)
    assert drained == [True]

"""Streams that are open when a program ends, forks, or is interrupted: each is logged once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.loopback import Loopback
from tests.processes import PATIENT, run_script

OPEN = (
    PATIENT
    + """
import phospho
phospho.init()

def words(question):
    yield "a "
    yield "b "
    yield "c"

class Words:
    def __init__(self):
        self.left = ["c", "b ", "a "]
    def __iter__(self):
        return self
    def __next__(self):
        if not self.left:
            raise StopIteration
        return self.left.pop()

streams = [
    phospho.log("generator", words("q"), stream=True)["output"],
    phospho.wrap(lambda question: Words(), stream=True)("object"),
    phospho.wrap(words)("wrapped"),
]
for stream in streams:
    next(stream)
"""
)

ENDINGS = {
    "falls-off-the-end": "",
    "sys-exit": "import sys; sys.exit(0)",
    "unhandled": "import sys; sys.excepthook = lambda *_: None; raise RuntimeError",
    "in-a-cycle": "cycle = [streams]; cycle.append(cycle); del stream, streams, cycle",
    "in-a-thread": """
import threading
threading.Thread(target=lambda kept: threading.Event().wait(), args=(streams,), daemon=True).start()
""",
}


def stored(loopback: Loopback) -> list[tuple[str, str | None, str | None]]:
    return sorted((e["input"], e["output"], e.get("status")) for e in loopback.events)


@pytest.mark.parametrize("name", ENDINGS)
def test_what_is_open_at_the_end_is_logged_as_far_as_it_came(name: str, loopback: Loopback) -> None:
    done = run_script(OPEN + ENDINGS[name], loopback.url)
    assert done.stderr == ""
    assert stored(loopback) == [
        ("generator", "a ", "incomplete"),
        ("object", "a ", "incomplete"),
        ("wrapped", "a ", "incomplete"),
    ]


def test_a_forked_child_leaves_its_parents_streams_alone(loopback: Loopback) -> None:
    done = run_script(
        OPEN
        + """
import os, gc
pid = os.fork()
if pid == 0:
    del stream, streams
    gc.collect()
    phospho.log("child", "of its own")
    phospho.flush()
    raise SystemExit(0)
assert os.waitpid(pid, 0)[1] == 0
rest = [list(stream) for stream in streams]
assert rest == [["b ", "c"]] * 3, rest
""",
        loopback.url,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert stored(loopback) == [
        ("child", "of its own", None),
        ("generator", "a b c", None),
        ("object", "a b c", None),
        ("wrapped", "a b c", None),
    ]


def test_a_stream_that_is_found_by_the_garbage_collector_is_logged_by_any_thread(
    loopback: Loopback,
) -> None:
    done = run_script(
        """
        import gc, threading, phospho
        from phospho.transport import Transport
        phospho.init(tick=0.01)
        gc.disable()
        def words(question):
            yield "a "
            yield "b"
        def abandon(number):
            stream = phospho.log(f"dropped {number}", words("q"), stream=True)["output"]
            next(stream)
            cycle = [stream]
            cycle.append(cycle)
        for number in range(50):
            abandon(number)
        phospho.log("plain", "x")
        # In the sender's own thread, as the collector may run in any.
        done = threading.Event()
        send = Transport.send
        def collecting(*args, **kwargs):
            if not done.is_set():
                gc.collect()
                done.set()
            return send(*args, **kwargs)
        Transport.send = collecting
        phospho.log("plain", "y")
        assert done.wait(100)
        assert phospho.flush(100)
        assert phospho.stats().logged == 52, phospho.stats()
        """,
        loopback.url,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sum(said == "a " for _, said, _ in stored(loopback)) == 50


def test_a_signal_handler_may_drop_and_log_streams(loopback: Loopback, tmp_path: Path) -> None:
    done = run_script(
        """
        import signal, time, phospho
        phospho.init(tick=0.01)
        def words(question):
            for _ in range(5):
                yield "a "
        answer = phospho.wrap(words)
        handled = []
        def handle(*args):
            stream = answer("handler")
            next(stream)
            del stream
            list(answer("handler"))
            handled.append(1)
            signal.setitimer(signal.ITIMER_REAL, 0.003)
        signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.003)
        count, deadline = 0, time.monotonic() + 100
        while len(handled) < 50 and time.monotonic() < deadline:
            list(answer("program"))
            count += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert phospho.flush(100)
        assert phospho.stats().logged == count + 2 * len(handled), (phospho.stats(), count)
        """,
        loopback.url,
        PHOSPHO_SPOOL_DIR=str(tmp_path),
    )
    assert (done.returncode, done.stderr) == (0, "")
    outputs = [said for asked, said, _ in stored(loopback) if asked == "handler"]
    assert len(outputs) == 100
    assert sorted(set(map(str, outputs))) == ["a ", "a a a a a "]


def test_many_threads_may_stream_at_once(loopback: Loopback) -> None:
    done = run_script(
        """
        import threading, phospho
        phospho.init()
        @phospho.wrap
        def words(question):
            for number in range(50):
                yield f"{question}.{number} "
        def work(name):
            for turn in range(20):
                assert len(list(words(f"{name}-{turn}"))) == 50
        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert phospho.flush(100)
        """,
        loopback.url,
    )
    assert (done.returncode, done.stderr) == (0, "")
    events = stored(loopback)
    assert len(events) == 160
    for asked, said, _ in events:
        assert said == "".join(f"{asked}.{number} " for number in range(50))


def test_what_streamed_before_a_kill_is_on_disk(loopback: Loopback, tmp_path: Path) -> None:
    """A stream that was over is kept by the spool; one that was not is lost with its process."""
    run_script(
        """
        import os, signal, phospho
        phospho.init(base_url="http://127.0.0.1:1")
        @phospho.wrap
        def words(question):
            yield "a "
            yield "b"
        list(words("over"))
        stream = words("open")
        next(stream)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        PHOSPHO_SPOOL_DIR=str(tmp_path),
    )
    run_script(
        "import phospho; phospho.init(); phospho.log('next', 'x'); assert phospho.flush(100)",
        loopback.url,
        PHOSPHO_SPOOL_DIR=str(tmp_path),
    )
    assert stored(loopback) == [("next", "x", None), ("over", "a b", None)]

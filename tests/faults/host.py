"""What host programs share: they log through these, and tell the test what happened.

A host is a program of a few lines in an interpreter of its own, with the SDK as it is: nothing
patched, nothing quickened. Its exit alone may take longer, where a test is not about that: a busy
machine has the time it needs. This module must not import phospho before the program does.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

_STDOUT = 1


def tell(what: str, value: object = "") -> None:
    """Write one line for the test. A single write: children share the pipe with their parent."""
    os.write(_STDOUT, f"{what} {value}\n".encode())


def log(input: Any, output: Any = "answer", **fields: Any) -> None:
    """Log an interaction; tell its identity, or what no app should ever see."""
    import phospho

    try:
        record = phospho.log(input, output, **fields)
    except BaseException as exc:
        tell("raised", repr(exc))
        raise
    allow_exit()
    tell("logged", record["task_id"])


def allow_exit() -> None:
    """Give the exit as many seconds as `HOST_EXIT_S` says, if it does; after phospho is loaded."""
    if seconds := os.environ.get("HOST_EXIT_S"):
        from phospho import lifecycle

        lifecycle.EXIT_TIMEOUT_S = float(seconds)


def log_many(count: int, name: str = "i", *, every_s: float = 0.0, output: str = "answer") -> None:
    """Log interactions whose inputs are told apart by their number."""
    for number in range(count):
        log(f"{name} {number}", output)
        if every_s:
            time.sleep(every_s)


def log_in_threads(threads: int, count: int) -> None:
    """Log from several threads at once."""
    started = [
        threading.Thread(target=log_many, args=(count, f"thread {number}"))
        for number in range(threads)
    ]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


def live_until_sent(timeout_s: float = 200) -> None:
    """Go on, as an app does, until nothing waits any more: no flush hurries the sender."""
    import phospho

    deadline = time.monotonic() + timeout_s
    while phospho.stats().queued + phospho.stats().spooled:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not sent in {timeout_s} s: {phospho.stats()}")
        time.sleep(0.01)
    tell("dropped", phospho.stats().dropped)


def wait_for_file(path: str) -> None:
    """Go on until the test makes a file."""
    while not os.path.exists(path):  # noqa: PTH110 - nothing is imported that a host may lack
        time.sleep(0.01)


def end() -> None:
    """Tell that the program has nothing left to do; the test measures how long its exit takes."""
    tell("ending", time.monotonic())

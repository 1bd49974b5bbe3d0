"""What a process does to its senders: forks, exits, and ends as a multiprocessing child."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Protocol

from phospho import guard

if TYPE_CHECKING:
    from phospho.worker import Worker

SENDER_NAME = "phospho-sender"

# People notice a program that takes longer to end.
EXIT_TIMEOUT_S = 2.0

LOADING_TIMEOUT_S = 5.0

# Held while a sender loads its modules and makes its TLS context: a child forked meanwhile would
# inherit the locks of the import system, or of OpenSSL, and wait for ever for who holds them.
loading = threading.RLock()


class Unfinished(Protocol):
    """An answer that the app has not yet come to the end of."""

    def leave(self) -> None:
        """Log what came of it."""


# Streams, and runs of frameworks, that are not over.
open_streams: weakref.WeakSet[Unfinished] = weakref.WeakSet()

_workers: weakref.WeakSet[Worker] = weakref.WeakSet()
# When the process must be gone, on the monotonic clock; None while it is not ending.
exit_deadline: float | None = None
_watched_child: int | None = None


def watch(worker: Worker) -> None:
    """Drain this worker at exit and empty it in forked children."""
    _workers.add(worker)


def watch_child() -> None:
    """Drain at the end of a child that runs no `atexit` functions: multiprocessing's, Celery's.

    Called when a sender starts: in the parent this does nothing.
    """
    global _watched_child  # noqa: PLW0603 - one exit for the process
    if _watched_child == os.getpid():
        return
    _watched_child = os.getpid()
    with guard.guarded("prepare for the end of this process"):
        util = sys.modules.get("multiprocessing.util")
        if util is not None and _is_multiprocessing_child():
            util.Finalize(None, _drain, exitpriority=0)
        # Children of Celery's pool run no finalizers either; only they are sent this signal.
        signals = sys.modules.get("celery.signals")
        if signals is not None:
            signals.worker_process_shutdown.connect(_drain_celery_child, weak=False)


def _is_multiprocessing_child() -> bool:
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        return True
    # Celery's fork of multiprocessing, which shares its finalizers.
    billiard = sys.modules.get("billiard.process")
    return billiard is not None and billiard.current_process().name != "MainProcess"


def _drain_celery_child(**_: object) -> None:
    _drain()


def seconds_left_of_exit() -> float | None:
    """Return how long a late log may still take, or None while the process is not ending."""
    return None if exit_deadline is None else max(0.0, exit_deadline - time.monotonic())


def _drain() -> None:
    """Send what waits, within the exit's time, and say in one line what could not be sent."""
    global exit_deadline  # noqa: PLW0603 - one exit for the process
    exit_deadline = time.monotonic() + EXIT_TIMEOUT_S
    _leave_streams()
    for worker in list(_workers):
        # All at once: one whose server is down must not use up the time of the others.
        with guard.guarded("deliver what was logged at exit"):
            worker.hurry()
    for worker in list(_workers):
        with guard.guarded("deliver what was logged before exit"):
            worker.close(max(0.0, exit_deadline - time.monotonic()))
    unsent = [worker for worker in _workers if worker.stats().queued]
    spooled = [worker for worker in _workers if worker.stats().spooled]
    if spooled:
        guard.warn(
            "phospho: %d interactions were not sent before exit; they are kept in %s for the next "
            "process that has it as its spool_dir. %s gave: %s.",
            sum(worker.stats().spooled for worker in spooled),
            spooled[0].spool_dir,
            spooled[0].base_url,
            spooled[0].stats().last_error or "no answer in time",
        )
    if unsent:
        guard.warn(
            "phospho: %d interactions were not sent before exit; %s gave: %s. Check that a phospho "
            "server answers there.",
            sum(worker.stats().queued for worker in unsent),
            unsent[0].base_url,
            unsent[0].stats().last_error or "no answer in time",
        )


def _leave_streams() -> None:
    """Log what came of the streams that are open."""
    with guard.guarded("log the streams that are open at exit"):
        for stream in list(open_streams):
            stream.leave()


def _before_fork() -> None:
    # Loading takes a tenth of a second; a fork never waits longer than a slow disk.
    loading.acquire(timeout=LOADING_TIMEOUT_S)


def _after_fork_in_parent() -> None:
    # Not held where waiting for it took too long.
    with contextlib.suppress(RuntimeError):
        loading.release()


def _after_fork_in_child() -> None:
    """A child has none of its parent's threads, and must not send its parent's interactions."""
    global exit_deadline, loading, open_streams  # noqa: PLW0603 - one of each for the process
    loading = threading.RLock()
    exit_deadline = None
    # They are the parent's to log.
    open_streams = weakref.WeakSet()
    guard.renew_lock()
    for worker in list(_workers):
        worker.start_afresh()


atexit.register(_drain)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )

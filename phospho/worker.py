"""One background thread that delivers a backlog, whatever the server and the process do to it."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from contextlib import nullcontext
from typing import TYPE_CHECKING

from phospho import guard, lifecycle
from phospho.backlog import Backlog, Flush, Item, Stats, Waiting

if TYPE_CHECKING:
    from pathlib import Path

    from phospho.config import Settings
    from phospho.transport import Answer, Transport

# After a failure of the network or the server; doubled each time, with full jitter.
FIRST_PAUSE_S = 0.5
MAX_PAUSE_S = 30.0

# After a refusal, which somebody has to repair; doubled each time.
FIRST_REFUSED_PAUSE_S = 1.0
MAX_REFUSED_PAUSE_S = 60.0

# A server that refuses each interaction by itself is none of ours, or broken: what is logged is not
# thrown at it at full speed.
MAX_REJECTED_IN_A_ROW = 100

# One line a minute tells of a full queue without filling the host's log.
DROP_WARNING_INTERVAL_S = 60.0

# What a thread that is told to return takes, unless it is in a request.
LAST_WORDS_S = 0.05

# What a lock's `acquire` takes for: as long as it needs.
_NO_LIMIT = -1.0


class Worker:
    """Delivers what is put, in order, from a thread that starts with the first item.

    Args:
        settings: Where to send, with which key, and how long to wait for more.
        backlog: Where items wait; by default one of its own.
    """

    def __init__(self, settings: Settings, backlog: Backlog | None = None) -> None:
        self._settings = settings
        # Transports of parent processes. Kept, not closed: closing could say goodbye on a
        # connection that is the parent's.
        self._inherited: list[Transport] = []
        self._begin(backlog or self._make_backlog())
        lifecycle.watch(self)

    def _make_backlog(self) -> Backlog:
        if self._settings.spool_dir is None or self._settings.is_disabled:
            return Backlog()
        from phospho.spool import Spool

        return Backlog(
            spool=Spool(
                self._settings.spool_dir,
                self._settings.project_id,
                fsync=self._settings.spool_fsync,
            )
        )

    def _begin(self, backlog: Backlog) -> None:
        """Take on a backlog, with no thread, no connection and nothing under way."""
        self._backlog = backlog
        self._start_lock = threading.RLock()
        # Held during an attempt: a thread that ends and its successor may meet.
        self._turn_lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._transport: Transport | None = None
        # The batch under way, in the pieces that rejections have cut it into.
        self._pieces: deque[list[Item]] = deque()
        self._failures = 0
        self._rejected_in_a_row = 0
        self._next_drop_warning = 0.0
        self.sending_thread: int | None = None

    @property
    def base_url(self) -> str:
        """Where this worker sends."""
        return self._settings.base_url

    @property
    def spool_dir(self) -> Path | None:
        """Where it keeps what it has not sent, if not in memory."""
        return self._settings.spool_dir

    def put(self, item: Waiting) -> None:
        """Hand over an item; returns at once."""
        dropped = self._backlog.put(item)
        if dropped or self._thread is None or lifecycle.exit_deadline is not None:
            # The item is put: a failure here must not look as if it were not.
            with guard.guarded("start its sender"):
                if dropped:
                    self._warn_of_drops()
                if self._thread is None or lifecycle.exit_deadline is not None:
                    self._start()

    def count_unsent(self, reason: str | None) -> None:
        """Count what will not be sent; see `Backlog.count_unsent`."""
        self._backlog.count_unsent(reason)

    def stats(self) -> Stats:
        """Return what became of everything so far."""
        return self._backlog.stats()

    def flush(self, timeout_s: float) -> bool:
        """Deliver what was put before; True when the server has acknowledged all of it."""
        if threading.get_ident() == self.sending_thread:
            return False
        deadline = time.monotonic() + timeout_s
        # What others left on disk may be more than is taken over at once.
        while (is_all_sent := self._flush_once(deadline)) and self._backlog.has_more_on_disk:
            pass
        return is_all_sent

    def _flush_once(self, deadline: float) -> bool:
        flush = self._backlog.begin_flush()
        try:
            if self._is_running():
                left_s = max(0.0, deadline - time.monotonic())
                self._backlog.await_flush(flush, left_s, by_sender=True)
            self._deliver_here(flush, deadline)
        finally:
            is_all_sent = self._backlog.end_flush(flush)
        return is_all_sent

    def hurry(self) -> None:
        """Deliver without waiting for more from now on, as the process ends."""
        self._backlog.begin_flush()

    def close(self, timeout_s: float) -> bool:
        """Flush, then end the thread; a later `put` starts another one."""
        deadline = time.monotonic() + timeout_s
        is_all_sent = self.flush(timeout_s)
        with self._start_lock:
            thread, self._thread = self._thread, None
            self._backlog.close()
        if thread is None:
            self._close_transport(max(0.0, deadline - time.monotonic()))
        elif thread is not threading.current_thread():
            # A request under way ends within its own limit; nobody has to wait for that.
            thread.join(max(LAST_WORDS_S, deadline - time.monotonic()))
        return is_all_sent

    def release_spool(self) -> None:
        """Leave what is on disk to another worker; after `close`."""
        self._backlog.release_spool()

    def start_afresh(self) -> None:
        """Become new in a forked child: what waits is the parent's to send."""
        if self._transport is not None:
            self._inherited.append(self._transport)
        self._begin(self._make_backlog())

    def _is_running(self) -> bool:
        thread = self._thread
        return thread is not None and thread.is_alive()

    def _start(self) -> None:
        left_s = lifecycle.seconds_left_of_exit()
        if left_s is None:
            self._start_thread()
        elif not sys.is_finalizing():
            # The exit's own flush has been, and nothing else would wait for this item. A thread
            # that is started now may never run, and nobody would close the connection.
            self.close(left_s)

    def _start_thread(self) -> None:
        with self._start_lock:
            if self._thread is None:
                lifecycle.watch_child()
                self._backlog.open()
                self._thread = threading.Thread(
                    target=self._run, args=(self._backlog,), name=lifecycle.SENDER_NAME, daemon=True
                )
                try:
                    self._thread.start()
                except RuntimeError:
                    # The interpreter is ending, or the system has no thread left.
                    self._thread = None

    def _run(self, backlog: Backlog) -> None:
        me = threading.current_thread()
        while not backlog.is_closing:
            try:
                if self._pieces or backlog.await_batch(self._settings.tick_s):
                    pause_s, may_hurry = self._turn()
                    if pause_s:
                        backlog.pause(pause_s, may_hurry=may_hurry)
            except Exception as exc:  # noqa: BLE001 - this thread outlives any mistake of ours
                guard.report_failure("deliver what was logged", exc)
                backlog.pause(FIRST_PAUSE_S, may_hurry=False)
            if self._thread is not me:
                break
        self._close_transport()

    def _close_transport(self, timeout_s: float = _NO_LIMIT) -> None:
        # A thread that is still in an attempt, and ends after it, closes the transport itself.
        if not self._turn_lock.acquire(timeout=timeout_s):
            return
        try:
            transport, self._transport = self._transport, None
            if transport is not None:
                transport.close()
        finally:
            self._turn_lock.release()

    def _deliver_here(self, flush: Flush, deadline: float) -> None:
        """Deliver from the caller's thread, where there is no other; keeps each pause in full."""
        while not self._backlog.is_reached(flush) and (left_s := deadline - time.monotonic()) > 0:
            pause_s, _ = self._turn(left_s)
            pause_s = min(pause_s, deadline - time.monotonic())
            self._backlog.await_flush(flush, pause_s, by_sender=False)

    def _turn(self, timeout_s: float = _NO_LIMIT) -> tuple[float, bool]:
        """Make one attempt; return how long to pause, and whether a flush may cut that short."""
        if not self._turn_lock.acquire(timeout=timeout_s):
            return 0.0, True
        try:
            self.sending_thread = threading.get_ident()
            if not self._pieces and (batch := self._backlog.take()):
                self._pieces.append(batch)
            if not self._pieces:
                return 0.0, True
            batch = self._pieces[0]
            return self._conclude(batch, self._send(batch, timeout_s))
        finally:
            self.sending_thread = None
            self._turn_lock.release()

    def _send(self, batch: list[Item], timeout_s: float) -> Answer:
        with lifecycle.loading if self._transport is None else nullcontext():
            from phospho.transport import REQUEST_TIMEOUT_S, Answer, Transport, Verdict

            try:
                self._transport = self._transport or Transport(self._settings)
            except Exception as exc:  # noqa: BLE001 - a proxy or a certificate of the environment
                return Answer(Verdict.LATER, f"{type(exc).__name__}: {guard.words_of(exc)}")
        if timeout_s == _NO_LIMIT:
            timeout_s = REQUEST_TIMEOUT_S
        return self._transport.send(batch, min(timeout_s, REQUEST_TIMEOUT_S))

    def _conclude(self, batch: list[Item], answer: Answer) -> tuple[float, bool]:
        from phospho.transport import Verdict

        self._backlog.last_error = answer.reason or None
        if answer.verdict is Verdict.SENT:
            self._failures = self._rejected_in_a_row = 0
            self._report_errors(answer.errors)
            self._settle(dict.fromkeys(answer.errors or (), "refused_by_server"))
            return 0.0, True
        if answer.verdict in {Verdict.REJECTED, Verdict.TOO_LARGE}:
            self._halve(batch, answer)
            return self._pause_of_rejections(answer), True
        return self._keep(answer, is_refused=answer.verdict is Verdict.REFUSED)

    def _keep(self, answer: Answer, *, is_refused: bool) -> tuple[float, bool]:
        """Return how long to wait until the same batch is tried again."""
        self._failures += 1
        (self._report_refusal if is_refused else self._report_outage)(answer.reason)
        doubled = 2.0 ** min(self._failures - 1, 16)
        if is_refused:
            pause_s = min(FIRST_REFUSED_PAUSE_S * doubled, MAX_REFUSED_PAUSE_S)
        else:
            pause_s = min(FIRST_PAUSE_S * doubled, MAX_PAUSE_S) * _chance()
        # A server whose clock is behind names a date that has passed.
        asked_s = answer.retry_after_s or 0.0
        return max(pause_s, asked_s), not asked_s

    def _halve(self, batch: list[Item], answer: Answer) -> None:
        """Cut the batch in two, so that the one item at fault is found and alone is given up."""
        from phospho.transport import Verdict

        if len(batch) == 1:
            self._give_up(
                "too_large" if answer.verdict is Verdict.TOO_LARGE else "rejected", answer
            )
            return
        middle = len(batch) // 2
        self._pieces[0] = batch[middle:]
        self._pieces.appendleft(batch[:middle])

    def _pause_of_rejections(self, answer: Answer) -> float:
        """Return how long to wait where it is not this or that interaction that is refused."""
        beyond = self._rejected_in_a_row - MAX_REJECTED_IN_A_ROW
        if beyond < 0:
            return 0.0
        guard.report_once(
            f"rejects:{self.base_url}",
            "%s answers %s to each interaction: what is logged is kept, and tried one by one. "
            "Check PHOSPHO_BASE_URL, and that the server there is a phospho server.",
            self.base_url,
            answer.reason,
        )
        return min(FIRST_REFUSED_PAUSE_S * 2.0 ** min(beyond, 16), MAX_REFUSED_PAUSE_S)

    def _give_up(self, reason: str, answer: Answer) -> None:
        self._rejected_in_a_row += 1
        item = self._pieces[0][0]
        about = (
            item.body.get("task_id") if item.task_id is None else f"the feedback on {item.task_id}"
        )
        guard.report_once(
            f"give_up:{reason}:{item.task_id is None}",
            "phospho gave up %s: the server answered %s. Others like it are only counted: see "
            "phospho.stats().dropped.",
            about,
            answer.reason,
        )
        self._settle({0: reason})

    def _settle(self, lost: dict[int, str]) -> None:
        self._backlog.settle(len(self._pieces.popleft()), lost)

    def _report_errors(self, errors: dict[int, str] | None) -> None:
        for reason in (errors or {}).values():
            guard.report_once(
                f"refused_by_server:{reason[:80]}",
                "The phospho server did not take an interaction: %s. Others like it are only "
                "counted: see phospho.stats().dropped.",
                reason[:300],
            )

    def _report_refusal(self, reason: str) -> None:
        guard.report_once(
            f"refused:{self.base_url}:{reason}",
            "The phospho server at %s refuses what is sent: %s. It is kept, and sent once this "
            "is repaired. Check PHOSPHO_API_KEY (401), PHOSPHO_PROJECT_ID (403, 404) and "
            "PHOSPHO_BASE_URL.",
            self.base_url,
            reason,
        )

    def _report_outage(self, reason: str) -> None:
        guard.report_once(
            f"outage:{self.base_url}",
            "phospho cannot deliver to %s now: %s. What is logged is kept and sent when the server "
            "answers. Start one with `phospho serve`, or check PHOSPHO_BASE_URL.",
            self.base_url,
            reason,
        )

    def _warn_of_drops(self) -> None:
        now = time.monotonic()
        if now < self._next_drop_warning:
            return
        self._next_drop_warning = now + DROP_WARNING_INTERVAL_S
        guard.warn(
            "phospho's queue is full: the oldest interactions are given up, %d so far. Last "
            "answer of %s: %s. Check that the server is up and fast enough.",
            self.stats().dropped.get("queue_full", 0),
            self.base_url,
            self.stats().last_error or "none yet",
        )


def _chance() -> float:
    """Return a number from 0 to 1 without touching the host's `random` state."""
    return int.from_bytes(os.urandom(4), "big") / 0xFFFFFFFF

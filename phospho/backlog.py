"""The bounded queue between the app's threads and the sender, and the count of what became of it.

It has two lanes: memory and, where there is one, the spool on disk, which goes first. Each is
settled in the order in which it was put, so one number says how far its delivery is.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from phospho.encoding import encode
from phospho.record import unpack

if TYPE_CHECKING:
    from phospho.spool import Spool

# About ten minutes of 150 interactions a second while a server is down ...
MAX_ITEMS = 100_000

# ... as long as they are small: the app's memory is not ours.
MAX_BYTES = 64 * 1024 * 1024

# A request this large is answered in well under a second; larger ones are slow to repeat.
MAX_BATCH_ITEMS = 100
MAX_BATCH_BYTES = 1024 * 1024

_WAKING_LENGTHS = frozenset({1, MAX_BATCH_ITEMS})


class Item(NamedTuple):
    """Something to deliver: an interaction's record, or the body of a feedback.

    Args:
        size: About how many bytes it takes.
        held: What is sent, which nobody else holds; of a plain record what `pack` made of it; of
            one that was on disk its JSON.
        task_id: The interaction a feedback is about; None for an interaction itself.
    """

    size: int
    held: dict[str, Any] | tuple[Any, ...] | str
    task_id: str | None = None

    @property
    def body(self) -> dict[str, Any]:
        """What is sent: an interaction's record, or the body of a feedback."""
        match self.held:
            case str():
                return cast("dict[str, Any]", json.loads(self.held))
            case tuple():
                return unpack(self.held)
        return self.held

    @property
    def text(self) -> str:
        """The same as JSON; raises one of `NOT_JSON` where that cannot be encoded."""
        return self.held if isinstance(self.held, str) else encode(self.body)


# An item as it waits. A plain tuple is one that the garbage collector may leave alone.
Waiting = tuple[int, dict[str, Any] | tuple[Any, ...] | str, str | None]


@dataclass(frozen=True)
class Stats:
    """What became of what one client was given, in this process.

    A second `init` makes another client, which counts from zero; so does a forked child.
    `logged` and `adopted` together are the sum of `sent`, `queued`, `spooled`, `not_sampled` and
    the values of `dropped`, except for reasons that start with `feedback`.

    Args:
        logged: Interactions passed to `log`.
        sent: Interactions the server acknowledged.
        queued: Interactions waiting in memory, or under way from there.
        spooled: Interactions on disk, waiting or under way.
        adopted: Interactions that processes which are gone had left on disk.
        dropped: How many were given up, by reason.
        not_sampled: Interactions left out by `sample_rate`.
        last_error: Why the last request failed; None where the last one succeeded.
        plugin_failures: How often each plugin failed, by its name; none for those that did not.
    """

    logged: int = 0
    sent: int = 0
    queued: int = 0
    spooled: int = 0
    adopted: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    not_sampled: int = 0
    last_error: str | None = None
    plugin_failures: dict[str, int] = field(default_factory=dict)


class Flush:
    """Somebody waits until everything up to a number, in either lane, is settled."""

    __slots__ = ("is_lost", "spool_target", "target")

    def __init__(self, target: int, spool_target: int) -> None:
        self.target = target
        self.spool_target = spool_target
        self.is_lost = False


class Backlog:
    """A first-in first-out queue; the oldest give way when it is full.

    The lock is reentrant: a signal handler, or a `__del__`, may log while this thread is logging.

    Args:
        max_items: How many may wait in memory.
        max_bytes: How many bytes they may take.
        spool: Where items are kept first; what it does not take waits in memory.
    """

    def __init__(
        self,
        max_items: int = MAX_ITEMS,
        max_bytes: int = MAX_BYTES,
        spool: Spool | None = None,
    ) -> None:
        self._spool = spool
        self._is_from_spool = False
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._lock = threading.RLock()
        self._work = threading.Condition(self._lock)
        self._progress = threading.Condition(self._lock)
        self._waiting: deque[Waiting] = deque()
        self._taken: deque[Item] = deque()
        self._bytes = 0
        self._put = 0
        # The number of the oldest item under way; items are numbered from 1 as they are put.
        self._first_taken = 1
        self._feedback = 0
        self._flushes: list[Flush] = []
        self._is_hurried = False
        self._is_closing = False
        self._logged = 0
        self._sent = 0
        self._not_sampled = 0
        self._dropped: dict[str, int] = {}
        self.last_error: str | None = None

    def put(self, item: Waiting) -> int:
        """Append an item; return how many old ones had to give way."""
        waiting = self._waiting
        with self._lock:
            if self._spool is not None and self._spool.append(Item(*item)):
                self._logged += item[2] is None
                if self._spool.unread in _WAKING_LENGTHS:
                    self._work.notify()
                return 0
            waiting.append(item)
            self._put += 1
            before = self._bytes
            self._bytes = size = before + item[0]
            if item[2] is None:
                self._logged += 1
            else:
                self._feedback += 1
            length = len(waiting)
            # The sender sleeps until there is something, then until there is a full batch.
            if length in _WAKING_LENGTHS or before < MAX_BATCH_BYTES <= size:
                self._work.notify()
            if length + len(self._taken) <= self._max_items and size <= self._max_bytes:
                return 0
            return self._make_room()

    def _make_room(self) -> int:
        count = 0
        while self._waiting and (
            len(self._waiting) + len(self._taken) > self._max_items or self._bytes > self._max_bytes
        ):
            item = Item(*self._waiting.popleft())
            self._lose(item, "queue_full", number=self._put - len(self._waiting))
            count += 1
        return count

    def count_unsent(self, reason: str | None) -> None:
        """Count what is not put at all; an interaction without a reason was not sampled.

        A reason that starts with `feedback` is that of a feedback.
        """
        with self._lock:
            self._logged += reason is None or not reason.startswith("feedback")
            if reason is None:
                self._not_sampled += 1
            else:
                self._dropped[reason] = self._dropped.get(reason, 0) + 1

    @property
    def settled(self) -> int:
        """The number up to which every item was sent or given up."""
        return self._first_taken - 1 if self._taken else self._put - len(self._waiting)

    @property
    def _length(self) -> int:
        return len(self._waiting) + (0 if self._spool is None else self._spool.unread)

    def await_batch(self, linger_s: float) -> bool:
        """Block until a batch, or a look at the spool, is due; False when closing instead."""
        with self._lock:
            while not self._length:
                if self._is_closing:
                    return False
                if self._spool is None:
                    self._work.wait()
                elif self._spool.is_scan_due():
                    return True
                else:
                    self._work.wait(self._spool.seconds_to_scan())
            deadline = time.monotonic() + linger_s
            while not self._is_due() and (left_s := deadline - time.monotonic()) > 0:
                self._work.wait(left_s)
            return not self._is_closing

    def _is_due(self) -> bool:
        return (
            bool(self._flushes)
            or self._is_closing
            or self._length >= MAX_BATCH_ITEMS
            or self._bytes >= MAX_BATCH_BYTES
        )

    def pause(self, pause_s: float, *, may_hurry: bool) -> None:
        """Block before the next attempt; a flush cuts it short once, if it may."""
        deadline = time.monotonic() + pause_s
        with self._lock:
            while (left_s := deadline - time.monotonic()) > 0 and not self._is_closing:
                if may_hurry and self._is_hurried:
                    break
                self._work.wait(left_s)
            self._is_hurried = False

    def take(self) -> list[Item]:
        """Take the next batch: interactions up to the limits, or one feedback by itself.

        Called by one thread at a time. All of a batch is from one lane; where both have some they
        take turns.
        """
        spool = self._spool
        if spool is not None:
            if spool.is_scan_due():
                self.adopt()
            while spool.unread and not (self._waiting and self._is_from_spool):
                if batch := self._take_from(spool):
                    return batch
        with self._lock:
            self._is_from_spool = False
            size = count = 0
            for item_size, _, task_id in islice(self._waiting, MAX_BATCH_ITEMS):
                size += item_size
                if count and (size > MAX_BATCH_BYTES or task_id is not None):
                    break
                count += 1
                if task_id is not None:
                    break
            self._first_taken = self._put - len(self._waiting) + 1
            batch = [Item(*self._waiting.popleft()) for _ in range(count)]
            self._taken.extend(batch)
            return batch

    def _take_from(self, spool: Spool) -> list[Item]:
        """Take a batch from disk; one that is empty holds only damaged ones."""
        with self._lock:
            self._is_from_spool = True
            found = spool.next_unread()
        if found is None:
            return []
        # Without the lock: nobody who logs waits for the disk to be read.
        entries = found[0].read(found[1], MAX_BATCH_ITEMS, MAX_BATCH_BYTES)
        with self._lock:
            for entry in entries:
                if entry.item is None:
                    self._count_lost("damaged_on_disk", is_feedback=entry.is_feedback)
                    for flush in self._flushes:
                        flush.is_lost = flush.is_lost or spool.settled < flush.spool_target
            batch = spool.take(found[0], entries)
            self._progress.notify_all()
            return batch

    def adopt(self) -> None:
        """Take over what processes that are gone have left in the spool's folder."""
        if self._spool is not None and (found := self._spool.find_abandoned()):
            with self._lock:
                self._spool.adopt(found)

    def settle(self, count: int, lost: dict[int, str] | None = None) -> None:
        """Note that the oldest `count` items under way need no more work.

        Args:
            count: How many.
            lost: Why, for each position among them that was given up; the others were sent.
        """
        with self._lock:
            if self._is_from_spool and self._spool is not None:
                self._settle_in(self._spool, count, lost or {})
                return
            for position in range(count):
                item = self._taken.popleft()
                self._first_taken += 1
                if lost and position in lost:
                    self._lose(item, lost[position], number=self._first_taken - 1)
                    continue
                self._forget(item)
                self._sent += item.task_id is None
            self._progress.notify_all()

    def _settle_in(self, spool: Spool, count: int, lost: dict[int, str]) -> None:
        for position, (number, is_feedback) in enumerate(spool.settle(count)):
            if position not in lost:
                self._sent += not is_feedback
                continue
            self._count_lost(lost[position], is_feedback=is_feedback)
            for flush in self._flushes:
                flush.is_lost = flush.is_lost or number <= flush.spool_target
        self._progress.notify_all()

    def _lose(self, item: Item, reason: str, *, number: int) -> None:
        self._forget(item)
        self._count_lost(reason, is_feedback=item.task_id is not None)
        for flush in self._flushes:
            flush.is_lost = flush.is_lost or number <= flush.target

    def _count_lost(self, reason: str, *, is_feedback: bool) -> None:
        if is_feedback:
            reason = f"feedback_{reason}"
        self._dropped[reason] = self._dropped.get(reason, 0) + 1

    def _forget(self, item: Item) -> None:
        self._bytes -= item.size
        self._feedback -= item.task_id is not None

    def begin_flush(self) -> Flush:
        """Ask the sender to hurry until everything put so far is settled."""
        self.adopt()
        with self._lock:
            flush = Flush(self._put, 0 if self._spool is None else self._spool.put)
            self._flushes.append(flush)
            self._is_hurried = True
            self._work.notify()
            return flush

    def await_flush(self, flush: Flush, timeout_s: float, *, by_sender: bool) -> None:
        """Block until that flush is reached, or for `timeout_s`.

        Where it is up to the sender, it is over as well when that one is told to return.
        """
        deadline = time.monotonic() + timeout_s
        with self._lock:
            while not self.is_reached(flush) and not (by_sender and self._is_closing):
                if (left_s := deadline - time.monotonic()) <= 0:
                    break
                self._progress.wait(left_s)

    def is_reached(self, flush: Flush) -> bool:
        """Tell whether everything the flush asked for is settled."""
        return self.settled >= flush.target and (
            self._spool is None or self._spool.settled >= flush.spool_target
        )

    def end_flush(self, flush: Flush) -> bool:
        """Stop hurrying; return whether all was settled and nothing of it lost."""
        with self._lock:
            self._flushes.remove(flush)
            # One that met no pause must not cut short the first pause of a later outage.
            self._is_hurried = self._is_hurried and bool(self._flushes)
            return self.is_reached(flush) and not flush.is_lost

    def close(self) -> None:
        """Make the sender return; what waits stays and can be taken by another one."""
        with self._lock:
            self._is_closing = True
            self._work.notify()
            self._progress.notify_all()
            if self._spool is not None:
                self._spool.close()

    @property
    def has_more_on_disk(self) -> bool:
        """Whether others have left more than was taken over so far."""
        return self._spool is not None and self._spool.has_more_to_adopt

    def release_spool(self) -> None:
        """Leave what is on disk to others, and count it as on disk."""
        if self._spool is not None:
            with self._lock:
                self._spool.release()

    def open(self) -> None:
        """Let a sender work again."""
        with self._lock:
            self._is_closing = False

    @property
    def is_closing(self) -> bool:
        """Whether the sender is to return."""
        return self._is_closing

    def stats(self) -> Stats:
        """Return the counts, consistent with each other."""
        with self._lock:
            return Stats(
                logged=self._logged,
                sent=self._sent,
                queued=len(self._waiting) + len(self._taken) - self._feedback,
                spooled=0 if self._spool is None else self._spool.interactions,
                adopted=0 if self._spool is None else self._spool.adopted,
                dropped=dict(self._dropped),
                not_sampled=self._not_sampled,
                last_error=self.last_error,
            )

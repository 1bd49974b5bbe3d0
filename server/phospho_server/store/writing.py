"""One writer thread with group commit: changes wait in a queue and share a transaction.

The writer takes all that wait, runs each in a savepoint of one transaction, and answers them after
one COMMIT. So a sync to disk is shared by all who wait, the queue is fair, and a change that fails
hurts nobody else. Changes that can be joined are one change, with one set of statements.
"""

from __future__ import annotations

import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

from phospho_server.errors import BusyError, ServerError, StorageFullError
from phospho_server.metrics.instruments import COMMITS, FAILURES, GROUPS, TRANSACTIONS
from phospho_server.store import Connection, Result

if TYPE_CHECKING:
    from typing_extensions import Self

# Changes that share one COMMIT at the most: bounds how long the first of them waits.
MAX_GROUP = 64

# Rows with which a group is full: they take a twentieth of a second. More would save nothing of
# their COMMIT, and the first would wait for the last. What comes meanwhile is read meanwhile.
_FULL_ROWS = 800

# Who was answered together comes again together, with those who waited meanwhile: all of them are
# waited for, longer where they are many. A change that comes alone is made at once.
_GATHER_S = 0.001
_MOST_GATHER_S = 0.01

_Change = Callable[[Connection], Any]


class _Answer:
    """What somebody waits for: one lock, where a `Future` has three and wakes who waits twice."""

    __slots__ = ("_given", "_problem", "_result")

    def __init__(self) -> None:
        self._result: Any = None
        self._problem: BaseException | None = None
        self._given = threading.Lock()
        self._given.acquire()

    def give(self, result: Any, problem: BaseException | None) -> None:
        """Let go on who waits, with a result, or with what was wrong."""
        self._result, self._problem = result, problem
        self._given.release()

    def wait(self) -> Any:
        """Return the result once it is there, or raise what was wrong."""
        self._given.acquire()
        if self._problem is not None:
            raise self._problem
        return self._result


_Waiting = tuple[_Change, _Answer]
# Who waits, for what, or what was wrong.
_Answered = tuple[_Answer, Any, "BaseException | None"]


class Joinable(ABC):
    """A change that costs less together with others."""

    @property
    @abstractmethod
    def joins(self) -> Hashable:
        """What those have in common that it can be joined with, among those of its type."""

    @property
    def rows(self) -> int:
        """Return how many rows it adds, by which it takes long or not."""
        return 1

    @abstractmethod
    def together(self, db: Connection, others: Sequence[Self]) -> Sequence[Any]:
        """Make this change and others; return the result of each, in their order."""

    def __call__(self, db: Connection) -> Any:
        """Make the change."""
        return self.together(db, [])[0]


class Transactions(Protocol):
    """What a writer needs of a database besides running changes; used in its thread alone."""

    def translated_errors(self) -> AbstractContextManager[None]:
        """Raise the database's errors as ours, where an operator can mend what is wrong."""
        ...

    def begin(self) -> Connection:
        """Begin a transaction that nobody else writes beside."""
        ...

    def commit(self) -> None:
        """Make it durable."""
        ...

    def rollback(self) -> None:
        """Take back what was not committed; nothing where the transaction has ended."""
        ...

    def save(self) -> None:
        """Begin a change within the transaction."""
        ...

    def take_back(self) -> bool:
        """Undo the change; False where the database has ended the whole transaction."""
        ...

    def keep(self) -> None:
        """End the change."""
        ...

    def rest(self) -> None:
        """Do what is due between two transactions, when all who waited are answered."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...


class Writer:
    """Carries out changes, one group after the other, in a thread of its own."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._changes: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        # How many changes are expected together, and whether they are there.
        self._expected = 0
        self._are_there = threading.Event()
        # Whether the group at hand is full: where some are left, nobody is waited for after it.
        self._is_full = False
        # Nothing may be put behind the end of the changes: nobody would answer it.
        self._put_lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="phospho-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many changes wait."""
        return self._changes.qsize()

    @property
    def is_alive(self) -> bool:
        """Whether its thread lives."""
        return self._thread.is_alive()

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more changes."""
        return self._closed.is_set()

    def write(self, change: Callable[[Connection], Result]) -> Result:
        """Run `change` in a transaction and return its result once it is durable.

        Raises:
            BusyError: The store is closed, or the database cannot be had.
            StorageFullError: The disk is full; nothing was changed.
            Exception: What `change` raised; nothing was changed.
        """
        answer = _Answer()
        with self._put_lock:
            if self._closed.is_set():
                raise BusyError("The server is stopping. Send this again in a moment.")
            if not self._thread.is_alive():
                raise BusyError("Nothing can be stored until the server is started again.")
            self._changes.put((change, answer))
            if self._changes.qsize() >= self._expected - 1 and not self._are_there.is_set():
                self._are_there.set()
        return cast("Result", answer.wait())

    def close(self) -> None:
        """Finish the changes under way."""
        with self._put_lock:
            if self._closed.is_set():
                return
            self._closed.set()
            self._changes.put(None)
            self._are_there.set()
        self._thread.join()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            group, stopping = self._next_group()
            if group:
                self._commit_group(group)
                self._transactions.rest()
        self._transactions.close()

    def _next_group(self) -> tuple[list[_Waiting], bool]:
        """Wait for a change, then take all that wait with it, and tell whether to stop after."""
        group: list[_Waiting] = []
        rows = 0
        item = self._changes.get()
        self._gather()
        while item is not None:
            group.append(item)
            rows += _rows_of(item[0])
            self._is_full = rows >= _FULL_ROWS
            if self._is_full or len(group) == MAX_GROUP:
                return group, False
            try:
                item = self._changes.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _gather(self) -> None:
        """Wait until all are there who are expected besides the one that is, or for too long."""
        if self._expected > 1 and self._changes.qsize() < self._expected - 1:
            self._are_there.clear()
            self._are_there.wait(min(self._expected * _GATHER_S, _MOST_GATHER_S))

    def _commit_group(self, group: Sequence[_Waiting]) -> None:
        """Run each change in its savepoint, commit once, then answer every caller."""
        answers: list[_Answered] = []
        began_s = time.perf_counter()
        try:
            with self._transactions.translated_errors():
                db = self._transactions.begin()
                for change, waiting in _join(group):
                    answers += self._run_together(db, change, waiting)
                changed_s = time.perf_counter()
                self._transactions.commit()
            COMMITS.observe(time.perf_counter() - changed_s)
        except BaseException as exc:  # noqa: BLE001 - whatever it was, every caller must hear of it
            self._transactions.rollback()
            answers = [(answer, None, exc) for _, answer in group]
            FAILURES.add(exc.code if isinstance(exc, ServerError) else "error")
        GROUPS.observe(len(group))
        TRANSACTIONS.observe(time.perf_counter() - began_s)
        left = self._changes.qsize()
        self._expected = 0 if self._is_full and left else len(group) + left
        for answer, result, problem in answers:
            answer.give(result, problem)

    def _run_together(
        self, db: Connection, change: _Change, waiting: Sequence[_Waiting]
    ) -> list[_Answered]:
        """Run the change that several wait for, or where it fails each one by itself."""
        result, problem = self._run_change(db, change)
        if len(waiting) == 1:
            return [(waiting[0][1], result, problem)]
        if problem is None:
            return [(answer, each, None) for (_, answer), each in zip(waiting, result, strict=True)]
        return [(answer, *self._run_change(db, each)) for each, answer in waiting]

    def _run_change(self, db: Connection, change: _Change) -> tuple[Any, BaseException | None]:
        """Return a change's result, or what it raised after taking back what it had done.

        Raises:
            ServerError: The database has ended the whole transaction, as on a full disk.
        """
        self._transactions.save()
        try:
            with self._transactions.translated_errors():
                result, problem = change(db), None
        except Exception as exc:  # it is handed to the caller who sent the change
            if isinstance(exc, StorageFullError) or not self._transactions.take_back():
                raise
            result, problem = None, exc
        self._transactions.keep()
        return result, problem


def _rows_of(change: _Change) -> int:
    return change.rows if isinstance(change, Joinable) else 1


def _join(group: Sequence[_Waiting]) -> Iterator[tuple[_Change, Sequence[_Waiting]]]:
    """Yield the changes of a group, each with all who wait for it.

    One that several wait for has a result for each. Nobody waits for two, so their order is free.
    """
    joined: dict[Hashable, list[_Waiting]] = {}
    for change, answer in group:
        key = (type(change), change.joins) if isinstance(change, Joinable) else answer
        joined.setdefault(key, []).append((change, answer))
    for waiting in joined.values():
        first, *others = (change for change, _ in waiting)
        if others and isinstance(first, Joinable):
            same = cast("Sequence[Joinable]", others)
            yield partial(first.together, others=same), waiting
        else:
            yield first, waiting

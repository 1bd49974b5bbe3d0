"""What calls answered and what they cost, kept together: what is paid for is never asked again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from phospho.detectors.llm.cost import Usage

# A hundred bytes each, so some megabytes.
_MAX_REMEMBERED = 50_000


@dataclass(frozen=True)
class Call:
    """One call that was answered, or that was sent and broke off.

    Args:
        event_ids: The events it asked for, each once; they share its cost evenly.
        usage: Its tokens.
        cost_nanos: Its cost in billionths of the currency; 0 where no price is known.
        answers: What it answered, as JSON texts by the key of `prompt.cache_key`.
    """

    event_ids: Sequence[str]
    usage: Usage
    cost_nanos: int = 0
    answers: Mapping[str, str] = field(default_factory=dict)


class Ledger(Protocol):
    """Remembers answers and books costs. Both methods are called from several threads."""

    def find(self, keys: Sequence[str]) -> dict[str, str]:
        """Return the answers to those of the keys that are known."""
        ...

    def keep(self, call: Call) -> None:
        """Remember the answers of a call and book its cost, in one step."""
        ...


class MemoryLedger:
    """Remembers for as long as the process runs."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()
        self.calls = 0
        self.usage = Usage()

    def find(self, keys: Sequence[str]) -> dict[str, str]:
        """Return the answers to those of the keys that are known."""
        with self._lock:
            return {key: self._answers[key] for key in keys if key in self._answers}

    def keep(self, call: Call) -> None:
        """Remember the answers of a call."""
        with self._lock:
            self.calls += 1
            self.usage += call.usage
            self._answers.update(call.answers)
            while len(self._answers) > _MAX_REMEMBERED:
                self._answers.popitem(last=False)


class Flights:
    """The questions that are being asked now: who wants the answer to one of them waits for it.

    Whoever claims keys must land each of them. Nobody waits before those of its own have landed, so
    two that wait for each other cannot be.
    """

    def __init__(self) -> None:
        self._flying: dict[str, Future[str | None]] = {}
        self._lock = threading.Lock()

    def claim(self, keys: Iterable[str]) -> tuple[list[str], dict[str, Future[str | None]]]:
        """Return the keys to ask for, and those that somebody asks for already."""
        mine: list[str] = []
        others: dict[str, Future[str | None]] = {}
        with self._lock:
            for key in keys:
                if key in self._flying:
                    others[key] = self._flying[key]
                elif key not in mine:
                    mine.append(key)
                    self._flying[key] = Future()
        return mine, others

    def land(self, key: str, answer: str | None) -> None:
        """Tell who waits for a key what was answered; None: nothing that can be used."""
        with self._lock:
            future = self._flying.pop(key, None)
        if future is not None:
            future.set_result(answer)

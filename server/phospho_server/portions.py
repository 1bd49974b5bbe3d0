"""Changes of many rows, a portion at a time, so that nobody who stores something waits for long."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from phospho_server.store import Connection, Store

# Changes wait for each other: one of ours is to take this long, and is made smaller if it takes
# twice as long.
_WANTED_S = 0.01

_FEWEST, _MOST = 10, 2_000


@dataclass
class Portion:
    """How much is done at once, by how long it took before."""

    size: int = 50

    def note(self, took_s: float) -> None:
        """Take more next time if it was quick, less if it was slow."""
        if took_s > 2 * _WANTED_S:
            self.size = max(_FEWEST, self.size // 2)
        elif took_s < _WANTED_S / 2:
            self.size = min(_MOST, self.size * 2)


@dataclass
class Carrier:
    """Carries out changes of a fitting size, and leaves as much time to others as each took.

    Args:
        store: Where everything is kept.
        pause: Waits so many seconds.
    """

    store: Store
    pause: Callable[[float], object] = time.sleep
    portion: Portion = field(default_factory=Portion)

    def __call__(self, change: Callable[[Connection, int], int]) -> int:
        """Carry out a change in a transaction, which is told how much to do; return what it did."""
        took_s = 0.0

        def timed(db: Connection) -> int:
            nonlocal took_s
            started_s = time.perf_counter()
            done = change(db, self.portion.size)
            took_s = time.perf_counter() - started_s
            return done

        done = self.store.write(timed)
        self.portion.note(took_s)
        self.pause(took_s)
        return done

"""How often somebody may try a password: so many times a minute, of each account and address."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, NamedTuple

MOST = 10
WINDOW_S = 60.0

# Beyond it the longest quiet are forgotten: strangers must not fill the memory.
_MOST_KEYS = 20_000

# Addresses of a household or a machine in the cloud are of one network of this size.
_IPV6_PREFIX = 64


class Refusal(NamedTuple):
    """Why a try is not taken.

    Args:
        key: What was tried too often.
        wait_s: In how many seconds another try is possible.
    """

    key: str
    wait_s: int


class Tries:
    """Counts tries in memory, over the last minute exactly.

    A try counts when it begins, so that many at once are no more than ten, and is taken back when
    it succeeds, so that nobody who knows the password is kept waiting.

    Args:
        clock: Returns seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tries: OrderedDict[str, deque[float]] = OrderedDict()
        self._failed: OrderedDict[str, int] = OrderedDict()
        self._told: OrderedDict[str, float] = OrderedDict()

    def begin(self, *keys: str) -> Refusal | None:
        """Count a try for each key, or for none of them where one was tried too often."""
        with self._lock:
            now = self._clock()
            waits = {key: self._wait_of(key, now) for key in keys}
            if any(waits.values()):
                longest = max(reversed(keys), key=waits.__getitem__)
                return Refusal(longest, math.ceil(waits[longest]))
            for key in keys:
                self._tries.setdefault(key, deque()).append(now)
                self._tries.move_to_end(key)
            _shorten(self._tries)
        return None

    def take_back(self, *keys: str) -> None:
        """Forget the last try of each key: it succeeded."""
        with self._lock:
            for key in keys:
                if tries := self._tries.get(key):
                    tries.pop()

    def fail(self, key: str) -> None:
        """Note that a try failed, for whoever succeeds next."""
        with self._lock:
            self._failed[key] = self._failed.pop(key, 0) + 1
            _shorten(self._failed)

    def pop_failed(self, key: str) -> int:
        """Return how many tries have failed since this was asked last."""
        with self._lock:
            return self._failed.pop(key, 0)

    def tell_once(self, key: str) -> bool:
        """Tell whether this is the first time within a minute that this was asked."""
        with self._lock:
            now = self._clock()
            is_first = self._told.get(key, -WINDOW_S) <= now - WINDOW_S
            if is_first:
                self._told[key] = now
                self._told.move_to_end(key)
                _shorten(self._told)
        return is_first

    def _wait_of(self, key: str, now: float) -> float:
        tries = self._tries.get(key, deque())
        while tries and tries[0] <= now - WINDOW_S:
            tries.popleft()
        return tries[0] + WINDOW_S - now if len(tries) >= MOST else 0.0


def _shorten(kept: OrderedDict[str, Any]) -> None:
    while len(kept) > _MOST_KEYS:
        kept.popitem(last=False)


def network_of(address: str | None) -> str:
    """Return an address as tries are counted for it: that of IPv6 is its network."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return address or ""
    if found.version == 4:  # noqa: PLR2004 - the version of the protocol
        return str(found)
    # Proxies write those of IPv4 so, too: all of them would be one network.
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _IPV6_PREFIX), strict=False))

"""Time and identifiers as the server makes them."""

from __future__ import annotations

import secrets
import threading
import time

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

# Crockford's base 32: no letters that look alike, safe in URLs and on the phone.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def now_ms() -> int:
    """Return the current time in UTC milliseconds."""
    return time.time_ns() // 1_000_000


_id_lock = threading.Lock()
_last_id = 0


def new_id(prefix: str) -> str:
    """Return `prefix` and 16 characters: 45 bits of milliseconds, then 35 random ones.

    Ids that this process makes later sort later, so that they keep their order in lists and sit
    together in an index.
    """
    global _last_id  # noqa: PLW0603 - the order holds for the whole process
    with _id_lock:
        _last_id = number = max((now_ms() << 35) | secrets.randbits(35), _last_id + 1)
    return prefix + "".join(_ALPHABET[(number >> shift) & 31] for shift in range(75, -1, -5))


def hour_of(at_ms: int) -> int:
    """Return the start of the UTC hour, in milliseconds."""
    return at_ms - at_ms % HOUR_MS


def day_of(at_ms: int) -> int:
    """Return the start of the UTC day, in milliseconds."""
    return at_ms - at_ms % DAY_MS


def minute_of(at_ms: int) -> int:
    """Return the start of the minute, in milliseconds."""
    return at_ms - at_ms % MINUTE_MS

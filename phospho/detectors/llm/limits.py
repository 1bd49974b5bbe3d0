"""How fast to ask: as many calls at once as go well, and no more than the provider allows.

Calls at once grow by one with each that goes well, until the first that meets a limit or a
failure; then they are halved, and grow slowly (AIMD, as TCP does). Requests and tokens a minute
are read from the `x-ratelimit-*` headers and kept in buckets that fill up again; a `Retry-After`
holds back every call. Source of the headers: OpenAI's guide to rate limits.
"""

from __future__ import annotations

import email.utils
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

# More calls at once would hide a slow judge behind many threads.
MOST_AT_ONCE = 16

# A wait is looked at this often, so that who stops the server does not wait for it.
_STEP_S = 0.25

# However long a header says it takes until all is left again, the provider is asked after this: it
# refuses if it meant it.
_LONGEST_WAIT_S = 60.0

# A `Retry-After` may mean hours. One that means years is a mistake, which nobody would notice.
_LONGEST_RETRY_AFTER_S = 3600.0

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class GivenUpError(Exception):
    """The wait for a call's turn was given up; nothing was sent."""


@dataclass
class _Bucket:
    """What a provider allows in a while: it fills up by `rate` a second, up to `most`."""

    most: float
    level: float
    rate: float
    at_s: float

    def wait_for(self, amount: float, now_s: float) -> float:
        """Return how long until so much is there; what is more than `most` never would be."""
        self.level = min(self.most, self.level + (now_s - self.at_s) * self.rate)
        self.at_s = now_s
        missing = min(amount, self.most) - self.level
        return missing / self.rate if missing > 0 else 0.0


class Pace:
    """Lets calls begin, one after the other or many at once.

    Args:
        most: How many at once at the most.
        clock: Seconds that only grow.
    """

    def __init__(
        self, *, most: int = MOST_AT_ONCE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._clock = clock
        self._at_once = 1.0
        self._is_starting = True
        self._running = 0
        self._not_before_s = 0.0
        self._buckets: dict[str, _Bucket] = {}
        self._change = threading.Condition()

    @property
    def at_once(self) -> int:
        """How many calls may run at once now."""
        return int(self._at_once)

    @property
    def wait_s(self) -> float:
        """How long the provider wants to be left alone."""
        return max(0.0, self._not_before_s - self._clock())

    @contextmanager
    def turn(self, tokens: int, give_up: Callable[[], bool]) -> Iterator[None]:
        """Wait until a call of about so many tokens may begin, and count it while it runs.

        Raises:
            GivenUpError: `give_up` said so meanwhile.
        """
        with self._change:
            while (wait_s := self._wait_s(tokens)) is None or wait_s > 0:
                if give_up():
                    raise GivenUpError
                self._change.wait(_STEP_S if wait_s is None else min(wait_s, _STEP_S))
            self._running += 1
            for kind, bucket in self._buckets.items():
                bucket.level -= 1 if kind == "requests" else tokens
        try:
            yield
        finally:
            with self._change:
                self._running -= 1
                self._change.notify_all()

    def went_well(self, headers: Mapping[str, str]) -> None:
        """Note a call that was answered, and what its headers say is left."""
        with self._change:
            step = 1.0 if self._is_starting else 1.0 / self._at_once
            self._at_once = min(self._most, self._at_once + step)
            self._read_buckets(headers)
            self._change.notify_all()

    def met_a_limit(self, headers: Mapping[str, str]) -> None:
        """Note a call that met a limit or a failure, and how long to leave the provider alone."""
        with self._change:
            self._is_starting = False
            self._at_once = max(1.0, self._at_once / 2)
            wait_s = read_retry_after(headers)
            if wait_s is not None:
                until_s = self._clock() + min(wait_s, _LONGEST_RETRY_AFTER_S)
                self._not_before_s = max(self._not_before_s, until_s)
            self._read_buckets(headers)

    def _wait_s(self, tokens: int) -> float | None:
        """Return how long a call has to wait; None: until another one ends."""
        if self._running >= self.at_once:
            return None
        now_s = self._clock()
        waits = [
            bucket.wait_for(1 if kind == "requests" else tokens, now_s)
            for kind, bucket in self._buckets.items()
        ]
        return max([self._not_before_s - now_s, *waits])

    def _read_buckets(self, headers: Mapping[str, str]) -> None:
        for kind in ("requests", "tokens"):
            most = _number(headers.get(f"x-ratelimit-limit-{kind}"))
            left = _number(headers.get(f"x-ratelimit-remaining-{kind}"))
            if most is None or left is None or most < 1:
                continue
            reset_s = read_duration(headers.get(f"x-ratelimit-reset-{kind}", ""))
            # Without a time, what providers count is a minute.
            seconds = min(reset_s or _LONGEST_WAIT_S, _LONGEST_WAIT_S)
            rate = (most - left) / seconds if left < most else most / _LONGEST_WAIT_S
            self._buckets[kind] = _Bucket(most, min(left, most), rate, self._clock())


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `Retry-After` asks for, or None where there is none to be read."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    given = headers.get("retry-after")
    seconds = _number(given)
    if seconds is not None or not given:
        return seconds
    try:
        at = email.utils.parsedate_to_datetime(given)
    except ValueError:
        return None
    return max(0.0, at.timestamp() - time.time())


def read_duration(text: str) -> float | None:
    """Return the seconds of `1s`, `6m0s`, `120ms` or `3`; None where it is none of them."""
    seconds = _number(text)
    if seconds is not None:
        return seconds
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _number(text: str | None) -> float | None:
    """Return a number that is not negative and not endless."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < 1e12 else None  # noqa: PLR2004 - NaN and infinity are neither

"""How tests wait: a slow machine, or one that stands still for seconds, is no failure.

No test says how long something takes: figures live in `benchmarks`. Who did not wait for something
is known by what has still not happened then; a clock tells only who would wait for ever.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# For what will come: it costs nothing where it comes soon.
PATIENCE_S = 240.0

# Stubs that keep a caller waiting do so for this long, or until the test is over.
HELD_S = 100.0

# By then, whoever gives up after a second or two has done so on any machine; whoever waits for such
# a stub has not.
GIVEN_UP_S = 40.0


def wait_until(is_so: Callable[[], Any], *, what: str = "it happens") -> Any:
    """Return the first true answer of `is_so`."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := is_so():
            return found
        time.sleep(0.01)
    raise AssertionError(f"not within {PATIENCE_S} s: {what}")


@contextmanager
def not_endless() -> Iterator[None]:
    """Fail what takes a minute of CPU: it should take a second or two, and would go on for hours.

    What waits for others meanwhile, or is kept from the CPU by them, has all the time it needs.
    """

    def end(*_: object) -> None:
        # Apps whose environment lacks it wait as well. No other error comes through everything.
        import pytest

        pytest.fail("It goes on and on.")

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, 60)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


async def until(is_so: Callable[[], Any], *, what: str = "it happens") -> None:
    """Let other tasks go on until something is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        await asyncio.sleep(0.001)

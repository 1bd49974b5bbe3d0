"""What something costs, so that it can be compared on any machine."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable


def count_calls(work: Callable[[], object]) -> int:
    """Return how many functions are called, those of C among them: the same on each machine."""
    count = 0

    def note(_frame: object, event: str, _of: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def least_cpu_s(work: Callable[[], object]) -> float:
    """Return the CPU time of this thread that the best of three times has taken.

    It says something only beside that of something else, taken in the same test.
    """

    def once() -> float:
        started = time.thread_time()
        work()
        return time.thread_time() - started

    return min(once() for _ in range(3))

"""Keeps what is logged while plugins are being loaded: they are to see it before it is sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

# Loading takes a moment.
_MAX_ITEMS = 1_000


class HeldBack:
    """What waits to be handed over, in order; several threads may add and release."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], object]] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, hand_over: Callable[[], object]) -> bool:
        """Keep a call for later, and tell whether there was room."""
        if len(self._waiting) >= _MAX_ITEMS:
            return False
        self._waiting.append(hand_over)
        return True

    def release(self) -> None:
        """Make the calls that wait."""
        while self._waiting:
            try:
                hand_over = self._waiting.popleft()
            except IndexError:  # another thread took the last one
                return
            hand_over()

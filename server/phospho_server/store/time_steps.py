"""A stretch of time in steps of one length, as charts are drawn from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TimeSteps:
    """Steps counted from the end, so that the newest is whole and the oldest may be shorter."""

    since_ms: int
    until_ms: int
    step_ms: int

    @property
    def count(self) -> int:
        """How many there are."""
        return -(-(self.until_ms - self.since_ms) // self.step_ms)

    @property
    def origin_ms(self) -> int:
        """Where the oldest step would begin if it were whole."""
        return self.until_ms - self.count * self.step_ms

    @property
    def starts_ms(self) -> list[int]:
        """Where each step begins."""
        starts = range(self.origin_ms, self.until_ms, self.step_ms)
        return [max(start, self.since_ms) for start in starts]

    @property
    def params(self) -> dict[str, object]:
        """Return what a query that counts by step needs."""
        return {
            "since": self.since_ms,
            "until": self.until_ms,
            "origin": self.origin_ms,
            "step": self.step_ms,
        }

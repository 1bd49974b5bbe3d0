"""The periods a page may show, and the steps their charts take."""

from __future__ import annotations

from dataclasses import dataclass

from phospho_server.clock import DAY_MS, HOUR_MS, day_of
from phospho_server.store.counters import whole_hours
from phospho_server.views.formats import day_and_month, to_datetime

WEEK_MS = 7 * DAY_MS

NAMES = {"24h": "24 hours", "7d": "7 days", "30d": "30 days", "all": "All time"}

_LENGTHS_MS = {"24h": DAY_MS, "7d": 7 * DAY_MS, "30d": 30 * DAY_MS}

# A chart of more days than this is drawn by weeks, and of more weeks by several at once.
_MOST_DAYS = 92
_MOST_WEEKS = 120

# Beyond this a day and a month could be two days.
_SAME_YEAR_MS = 300 * DAY_MS


@dataclass(frozen=True)
class Period:
    """A stretch of time, from a whole UTC hour or day to another."""

    name: str
    since_ms: int
    until_ms: int
    step_ms: int

    @property
    def before_ms(self) -> int | None:
        """Start of the period of the same length before this one; None before all time."""
        if self.name == "all":
            return None
        return 2 * self.since_ms - self.until_ms

    @property
    def step_name(self) -> str:
        """What one bar of the chart stands for."""
        if self.step_ms == HOUR_MS:
            return "hour"
        if self.step_ms == DAY_MS:
            return "day"
        weeks = self.step_ms // WEEK_MS
        return "week" if weeks == 1 else f"{weeks} weeks"

    def label(self, start_ms: int) -> str:
        """Return the name of the step that starts at a time."""
        at = to_datetime(start_ms)
        if self.step_ms == HOUR_MS:
            is_day = self.until_ms - self.since_ms <= DAY_MS
            return f"{at:%H:%M}" if is_day else f"{day_and_month(at)} {at:%H:%M}"
        is_long = self.until_ms - self.since_ms > _SAME_YEAR_MS
        return f"{day_and_month(at)} {at.year}" if is_long else day_and_month(at)


def get_period(name: str, now_ms: int, first_ms: int | None = None) -> Period:
    """Return a period that ends with the current hour or day.

    Args:
        name: One of `NAMES`.
        now_ms: The current time.
        first_ms: Where `all` begins.
    """
    if name == "24h":
        until_ms = whole_hours(now_ms)
        return Period(name, until_ms - DAY_MS, until_ms, HOUR_MS)
    until_ms = day_of(now_ms) + DAY_MS
    if name != "all":
        return Period(name, until_ms - _LENGTHS_MS[name], until_ms, DAY_MS)
    first_day_ms = min(day_of(now_ms if first_ms is None else first_ms), until_ms - WEEK_MS)
    step_ms = _step_for(until_ms - first_day_ms)
    steps = -(-(until_ms - first_day_ms) // step_ms)
    return Period(name, until_ms - steps * step_ms, until_ms, step_ms)


def _step_for(length_ms: int) -> int:
    if length_ms <= _MOST_DAYS * DAY_MS:
        return DAY_MS
    return WEEK_MS * -(-length_ms // (_MOST_WEEKS * WEEK_MS))

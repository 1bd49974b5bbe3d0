"""By which steps of time a chart may be drawn, and the one a reader chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from phospho_server.clock import DAY_MS, HOUR_MS
from phospho_server.store.time_steps import TimeSteps
from phospho_server.views.periods import WEEK_MS, Period

STEPS_MS = {"hour": HOUR_MS, "day": DAY_MS, "week": WEEK_MS}

# One bar is no course, and beyond a week by the hour bars are thinner than a pixel on a phone.
FEWEST_BARS, MOST_BARS = 2, 168

# A chart in half of the page has room for so many.
_MOST_IN_HALF = 60


def list_steps(period: Period) -> Sequence[str]:
    """Return the names of the steps that give a period at least two bars and not too many."""
    own = name_of(period)
    return [
        name
        for name, step_ms in STEPS_MS.items()
        if name == own or FEWEST_BARS <= count_bars(period, step_ms) <= MOST_BARS
    ]


def with_step(period: Period, name: str) -> Period:
    """Return a period by another step; by its own where that is of the same name."""
    return period if name == name_of(period) else replace(period, step_ms=STEPS_MS[name])


def for_half_a_page(period: Period) -> Period:
    """Return a period whose days are not too many for a chart in half of the page: else by week."""
    is_dense = period.step_ms == DAY_MS and count_bars(period, DAY_MS) > _MOST_IN_HALF
    return with_step(period, "week") if is_dense else period


def name_of(period: Period) -> str:
    """Return the step of a period by the name it has in an address; several weeks are `week`."""
    return next(name for name in ("week", "day", "hour") if period.step_ms % STEPS_MS[name] == 0)


def count_bars(period: Period, step_ms: int) -> int:
    """Return how many bars a period has, the first of which may be of a shorter time."""
    return TimeSteps(period.since_ms, period.until_ms, step_ms).count

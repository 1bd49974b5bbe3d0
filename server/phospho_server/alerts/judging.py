"""Whether a rule fires: the arithmetic, and what follows from it. No I/O, no clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from phospho_server.store.alert_rules import AlertRule, Terms
from phospho_server.store.windows import Window

# Days that must be known before anything is called usual: one of each weekday.
FEWEST_DAYS = 7

# Of the square root of the usual number: chance alone brings more in one of some ten thousand
# windows (where events come one by one, independently).
_CHANCE = 4

# An alert is over when there was no reason for it for half of its window, within these.
_SHORTEST_CALM_MS, _LONGEST_CALM_MS = 900_000, 43_200_000

Step = Literal["fire", "end", "calm", "stir"]


@dataclass(frozen=True)
class Reading:
    """What was counted for a rule.

    Args:
        now: What there is in its window.
        past: The same of the days before; empty where nothing is compared.
        known_days: Days that can be compared; None while past interactions are being looked at.
    """

    now: Window
    past: Sequence[Window] = ()
    known_days: int | None = 0

    @property
    def missing_days(self) -> int:
        """Days until anything can be called usual."""
        return max(0, FEWEST_DAYS - (self.known_days or 0))

    @property
    def usual(self) -> float | None:
        """How many events are usual; None where that is not known."""
        return None if self.missing_days else find_usual(self.now, self.past)


def find_usual(now: Window, past: Sequence[Window]) -> float:
    """Return how many events are usual in a window: the larger of two medians of the days before.

    One is of the events themselves, the other of events as they would be among as many
    interactions as now. So neither a product that grows is unusual, nor a quiet hour in which the
    few who are there need the same as ever.
    """
    events = median(each.events for each in past) if past else 0
    shares = [
        each.events * now.interactions / each.interactions for each in past if each.interactions
    ]
    return max(events, median(shares)) if shares else events


def find_needed(terms: Terms, usual: float | None) -> int | None:
    """Return at how many events a rule fires; None where what is usual must be known first."""
    if terms.factor is None:
        return terms.at_least
    if usual is None:
        return None
    by_chance = usual + _CHANCE * math.sqrt(usual + 1)
    return max(terms.at_least, math.ceil(terms.factor * usual), math.ceil(by_chance))


def is_over(terms: Terms, reading: Reading) -> bool:
    """Tell whether there are as many events as a rule fires at."""
    needed = find_needed(terms, reading.usual)
    return needed is not None and reading.now.events >= needed


def decide(rule: AlertRule, reading: Reading, at_ms: int) -> Step | None:
    """Return what becomes of a rule; None: it stays as it is.

    It fires at once. It is over only after a while in which there was no reason for it, so that a
    number that moves around the limit is told once.
    """
    if is_over(rule.terms, reading):
        if not rule.is_firing:
            return "fire"
        return None if rule.calm_since_ms is None else "stir"
    if not rule.is_firing:
        return None
    if rule.calm_since_ms is None:
        return "calm"
    return "end" if at_ms - rule.calm_since_ms >= calm_ms(rule.terms) else None


def calm_ms(terms: Terms) -> int:
    """Return how long there must be no reason for an alert before it is over."""
    half_ms = terms.window_minutes * 60_000 // 2
    return min(max(half_ms, _SHORTEST_CALM_MS), _LONGEST_CALM_MS)

"""Counts of events put right, by what clicks tell of a detector (`estimating.py`)."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from phospho_server.estimating import Estimate, Range, quantile


@dataclass(frozen=True)
class Step:
    """What was counted in one step of a chart, and what people said of it.

    Args:
        events: Those that stand, the confirmed and added ones included.
        interactions: All of the step.
        known: Events that a person confirmed or added.
        refuted: Interactions of which a person said that the event did not occur.
    """

    events: int
    interactions: int
    known: int = 0
    refuted: int = 0


def correct(known: Estimate, steps: Sequence[Step]) -> list[Range]:
    """Return how often the event occurred in each step, its misses included.

    What a person has said is certain; the rest follows the rates, and chance within the step.
    """
    chance = random.Random(len(steps))  # noqa: S311 - a simulation, no secret
    return [_correct(known.rates, step, chance) for step in steps]


def _correct(rates: Sequence[tuple[float, float]], step: Step, chance: random.Random) -> Range:
    open_yes = max(0, step.events - step.known)
    open_no = max(0, step.interactions - step.events - step.refuted)

    def expected(rate: tuple[float, float]) -> float:
        return step.known + open_yes * rate[0] + open_no * rate[1]

    best = expected(rates[0])
    possible = sorted(
        expected((yes, no))
        + chance.gauss(0, math.sqrt(open_yes * yes * (1 - yes) + open_no * no * (1 - no)))
        for yes, no in rates[1:]
    )
    most = step.known + open_yes + open_no
    low = min(max(step.known, quantile(possible, 0.025)), best)
    return Range(low=low, value=best, high=max(min(most, quantile(possible, 0.975)), best))

"""Which verdicts are uncertain enough for an LLM to be asked: those with scores near the threshold.

The band around the threshold of an event is narrowed from its edges inwards, part by part, as long
as the LLM has practically always said what was said already. A small share of what is left out is
asked all the same, so that a part opens again when that is no longer so.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phospho.detectors.deciding import threshold_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phospho.models import EventDefinition

# How far below and above its threshold, in logits, a score is uncertain. Measured with simulated
# judges: these bands get most of what asking about everything would, for a third of the questions.
WITH_EXAMPLES = (-3.0, 2.0)
WITHOUT = (-3.0, 3.0)

# The width of a part, in logits: narrow enough for an edge that fits, wide enough to fill soon.
PART = 0.5

# A part is left out when, of so many answers or more, fewer than this share said something else.
# One more is counted than there were, as the next answer may be the first.
ENOUGH = 50
LEAST_DIFFERENCE = 0.02

# One of so many verdicts in a part that is left out is asked about nevertheless.
ONE_IN = 20

# Scores of 0 and 1 are not infinitely sure.
_SUREST = 1e-4


@dataclass(frozen=True)
class Answered:
    """What an LLM has answered in one part of a band.

    Args:
        asked: Answers, old ones counting for less.
        differed: Those that were not what had been said already.
    """

    asked: float
    differed: float

    @property
    def is_settled(self) -> bool:
        """Whether to ask any more would practically never change anything."""
        return self.asked >= ENOUGH and (self.differed + 1) / (self.asked + 2) < LEAST_DIFFERENCE


@dataclass(frozen=True)
class Band:
    """The scores of one event that an LLM is asked about; distances are logits from the threshold.

    Args:
        threshold: The least score that is a yes.
        widest: The band as long as nothing is known.
        low: Where it begins.
        high: Where it ends.
    """

    threshold: float
    widest: tuple[float, float]
    low: float
    high: float

    @property
    def is_narrowed(self) -> bool:
        """Whether a part is left out."""
        return (self.low, self.high) != self.widest

    @property
    def scores(self) -> tuple[float, float]:
        """The scores at both edges."""
        middle = _logit(self.threshold)
        return _probability(middle + self.low), _probability(middle + self.high)

    def asks(self, score: float, key: int) -> bool:
        """Tell whether an LLM is to be asked about a verdict.

        Args:
            score: Of the verdict.
            key: Of the interaction; the same one is always asked about, or never, for all events.
        """
        place = self._place(score)
        if self.low < place < self.high:
            return True
        return self.contains(score) and zlib.crc32(str(key).encode()) % ONE_IN == 0

    def contains(self, score: float) -> bool:
        """Tell whether a score is in the band at its widest."""
        return self.widest[0] < self._place(score) < self.widest[1]

    def part_of(self, score: float) -> int:
        """Return the part that a score lies in: from 0 on those above the threshold."""
        return math.floor(self._place(score) / PART)

    def _place(self, score: float) -> float:
        return _logit(score) - _logit(self.threshold)


def make_band(
    threshold: float, *, is_shown: bool, answered: Mapping[int, Answered] | None = None
) -> Band:
    """Return the band of an event.

    Args:
        threshold: The least score that is a yes.
        is_shown: Whether there are examples or reviews of it.
        answered: What an LLM has answered, by part.
    """
    widest = WITH_EXAMPLES if is_shown else WITHOUT
    settled = {part for part, each in (answered or {}).items() if each.is_settled}
    lowest, highest = round(widest[0] / PART), round(widest[1] / PART)
    while lowest < 0 and lowest in settled:
        lowest += 1
    while highest > 0 and highest - 1 in settled:
        highest -= 1
    return Band(threshold, widest, lowest * PART, highest * PART)


def band_of(definition: EventDefinition, answered: Mapping[int, Answered] | None = None) -> Band:
    """Return the band of a definition that carries its examples, reviews and cut."""
    is_shown = bool(definition.examples or definition.reviews)
    return make_band(threshold_of(definition), is_shown=is_shown, answered=answered)


def _logit(probability: float) -> float:
    bounded = min(max(probability, _SUREST), 1 - _SUREST)
    return math.log(bounded / (1 - bounded))


def _probability(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))

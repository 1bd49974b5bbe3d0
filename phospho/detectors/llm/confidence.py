"""What a judge's confidence is worth as a probability.

Models that are asked for their confidence tend to say more than they should (Xiong et al. 2024,
"Can LLMs Express Their Uncertainty?", arXiv 2306.13063). So its log-odds are halved. Where people
have reviewed enough of an event's answers, a line through the log-odds is fitted to their words
(Platt 1999), held back by that halving.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

# Fewer reviews say less than the prior does.
ENOUGH = 20

# Who says 100 errs as well, and who says less than 50 means the other answer.
_LEAST, _MOST = 0.5, 0.99

# The prior of the line: its mean halves log-odds.
_SLOPE, _OFFSET = 0.5, 0.0
_SLOPE_DEVIATION, _OFFSET_DEVIATION = 0.25, 1.0
_FLATTEST = 0.05

# A score of half or more would read as a yes.
_LIKELIEST_NO = 0.49

_ROUNDS = 50
_CLOSE_ENOUGH = 1e-6


@dataclass(frozen=True)
class Calibration:
    """A line through the log-odds that a judge claims.

    Args:
        slope: How much of the claim holds.
        offset: How much likelier events are, or less likely, than it says.
    """

    slope: float = _SLOPE
    offset: float = _OFFSET

    def score(self, claimed: float, *, occurred: bool) -> float:
        """Return the probability of the event, on the side that the answer is on.

        Args:
            claimed: The log-odds of the event that the judge claims.
            occurred: Its answer.
        """
        probability = _probability(self.offset + self.slope * claimed)
        return max(probability, _LEAST) if occurred else min(probability, _LIKELIEST_NO)


UNREVIEWED = Calibration()


def claimed_log_odds(confidence: float, *, occurred: bool) -> float:
    """Return the log-odds of the event that an answer claims.

    Args:
        confidence: In the answer, 0 to 100.
        occurred: The answer.
    """
    sure = _log_odds(min(max(confidence / 100, _LEAST), _MOST))
    return sure if occurred else -sure


def claim_behind(score: float) -> float:
    """Return the log-odds that an answer claimed, given its score where nobody had reviewed any."""
    bounded = min(max(score, 1 - _MOST), _MOST)
    return (_log_odds(bounded) - _OFFSET) / _SLOPE


def fit(reviewed: Sequence[tuple[float, bool]]) -> Calibration:
    """Return the calibration that reviews of answers ask for.

    Args:
        reviewed: The log-odds that each answer claimed, and what a person said.
    """
    if len(reviewed) < ENOUGH:
        return UNREVIEWED
    best = UNREVIEWED
    for _ in range(_ROUNDS):
        better = _improved(best, reviewed)
        is_settled = math.dist(
            (best.slope, best.offset), (better.slope, better.offset)
        ) < _CLOSE_ENOUGH  # fmt: skip
        best = better
        if is_settled:
            break
    return Calibration(max(best.slope, _FLATTEST), best.offset)


def _improved(line: Calibration, reviewed: Sequence[tuple[float, bool]]) -> Calibration:
    """Return a better line: a step of Newton's method, halved until it is one."""
    slope, offset = _downhill(line, reviewed)
    now = _badness(line, reviewed)
    length = 1.0
    while length > _CLOSE_ENOUGH:
        tried = Calibration(line.slope - length * slope, line.offset - length * offset)
        if _badness(tried, reviewed) <= now:
            return tried
        length /= 2
    return line


def _downhill(line: Calibration, reviewed: Sequence[tuple[float, bool]]) -> tuple[float, float]:
    """Return Newton's step of slope and offset."""
    by_slope = (line.slope - _SLOPE) / _SLOPE_DEVIATION**2
    by_offset = (line.offset - _OFFSET) / _OFFSET_DEVIATION**2
    slopes, offsets, both = 1 / _SLOPE_DEVIATION**2, 1 / _OFFSET_DEVIATION**2, 0.0
    for claimed, occurred in reviewed:
        p = _probability(line.offset + line.slope * claimed)
        error, weight = p - occurred, p * (1 - p)
        by_slope += error * claimed
        by_offset += error
        slopes += weight * claimed * claimed
        offsets += weight
        both += weight * claimed
    scale = slopes * offsets - both * both
    return (
        (offsets * by_slope - both * by_offset) / scale,
        (slopes * by_offset - both * by_slope) / scale,
    )


def _badness(line: Calibration, reviewed: Sequence[tuple[float, bool]]) -> float:
    """Return the negative log of how likely a line is, given the reviews."""
    held_back = ((line.slope - _SLOPE) / _SLOPE_DEVIATION) ** 2
    held_back += ((line.offset - _OFFSET) / _OFFSET_DEVIATION) ** 2
    missed = sum(
        math.log1p(math.exp(-z if occurred else z))
        for claimed, occurred in reviewed
        for z in (line.offset + line.slope * claimed,)
    )
    return held_back / 2 + missed


def _log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))

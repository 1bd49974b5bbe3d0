"""How good a detector is, from people's clicks: precision and recall.

Verdicts fall into four bands by the detector's word and its score: a sure yes, an unsure yes, an
unsure no, a sure no. Within a band the reviewed ones stand for all; a band weighs as much as it
holds verdicts (post-stratification). What is not known is drawn from what the clicks leave
possible: a share of each band by its mid-P confidence distribution.

Everything here is pure, and the same clicks give the same numbers.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

# Clicks on each side of the cut before a number is worth reading; ten of an audit give five each.
ENOUGH_TO_KNOW = 5

# Clicks before counts are put right: the errors of single bars add up from rates.
ENOUGH_TO_CORRECT = 20

# The standard normal quantile of a two-sided interval of 95 %.
_Z = 1.959964

_DRAWS = 1_000

# Every third of them, for counts: a chart has up to 120 bars.
_KEPT_EACH = 3

# Where the unsure ones begin: below the middle of the yes, and in the top tenth of the no.
UNSURE_YES, UNSURE_NO = 0.5, 0.9


class Click(NamedTuple):
    """What a person said of one verdict; there are hundreds of each event of a page.

    Args:
        judged: What the detector had said before.
        score: Its score then.
        occurred: What the person said.
        is_drawn: Whether chance chose the verdict. People find a missed event by reading on, and
            click on no other; so below the cut only what was drawn stands for the rest.
    """

    judged: bool
    score: float
    occurred: bool
    is_drawn: bool


@dataclass(frozen=True)
class Verdicts:
    """All verdicts of a detector on one event: how many, and the scores of some drawn by chance."""

    positives: int
    negatives: int
    positive_scores: tuple[float, ...] = ()
    negative_scores: tuple[float, ...] = ()


@dataclass(frozen=True)
class Range:
    """An estimate with the ends of its 95 % interval."""

    low: float
    value: float
    high: float

    @property
    def is_vague(self) -> bool:
        """Tell whether the value alone would mislead: the interval holds half of all shares."""
        return self.high - self.low > 0.5  # noqa: PLR2004 - half


@dataclass(frozen=True)
class _Band:
    """Verdicts of one word and of similar scores.

    Args:
        drawn: How many of the drawn scores of this word lie in it, and how many do not.
    """

    yes: int
    no: int
    drawn: tuple[int, int]

    @property
    def looked_at(self) -> int:
        return self.yes + self.no

    @property
    def share(self) -> float:
        return self.drawn[0] / max(1, sum(self.drawn))


@dataclass(frozen=True)
class Estimate:
    """What the clicks on one event tell.

    Args:
        found: How often the detector says yes.
        confirmed: Events people said yes to, of those `looked_at`.
        missed: Drawn verdicts of no that people said yes to, of those `passed_over`.
        added: Events people added where the detector had said no, wherever they met them.
        precision: Share of the detector's events that occurred; None while too little is known.
        recall: Share of what occurred that the detector found; None while too little is known.
        rates: Pairs that the clicks leave possible: the share of the yes that occurred, and of
            the no. The first is the best guess, the others are drawn.
    """

    found: int = 0
    confirmed: int = 0
    looked_at: int = 0
    missed: int = 0
    passed_over: int = 0
    added: int = 0
    precision: Range | None = None
    recall: Range | None = None
    rates: tuple[tuple[float, float], ...] = ()

    @property
    def clicks(self) -> int:
        """How many clicks the numbers rest on."""
        return self.looked_at + self.passed_over

    @property
    def can_correct(self) -> bool:
        """Tell whether counts may be put right."""
        return (
            self.clicks >= ENOUGH_TO_CORRECT
            and min(self.looked_at, self.passed_over) >= ENOUGH_TO_KNOW
        )


@lru_cache(maxsize=64)  # of some 50 kB each; a page asks for the same again and again
def estimate(verdicts: Verdicts, clicks: tuple[Click, ...]) -> Estimate:
    """Return what clicks tell of a detector.

    Args:
        verdicts: All its verdicts.
        clicks: One for each interaction that was reviewed.
    """
    on_yes = [click for click in clicks if click.judged]
    on_no = [click for click in clicks if not click.judged and click.is_drawn]
    added = sum(c.occurred for c in clicks if not c.judged and not c.is_drawn)
    yes_bands = _bands(verdicts.positive_scores, on_yes, UNSURE_YES)
    no_bands = _bands(verdicts.negative_scores, on_no, UNSURE_NO)
    rates = _draw_rates(yes_bands, no_bands) if yes_bands and no_bands else ()
    missed = sum(click.occurred for click in on_no)
    return Estimate(
        found=verdicts.positives,
        confirmed=sum(click.occurred for click in on_yes),
        looked_at=len(on_yes),
        missed=missed,
        passed_over=len(on_no),
        added=added,
        precision=_precision(yes_bands) if len(on_yes) >= ENOUGH_TO_KNOW else None,
        recall=_recall(verdicts, rates, added)
        if min(len(on_yes), len(on_no)) >= ENOUGH_TO_KNOW
        else None,
        rates=(*rates[:1], *rates[1::_KEPT_EACH]),
    )


def wilson(yes: float, n: float) -> Range:
    """Return a share with its Wilson interval; `n` may be an effective number, not whole."""
    share = yes / n
    centre = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return Range(
        low=0.0 if share == 0 else max(0.0, centre - half),
        value=share,
        high=1.0 if share == 1 else min(1.0, centre + half),
    )


def cut_of(scores: Sequence[float], at: float) -> float:
    """Return the score that parts the two bands of a word: those from it on are in the upper.

    Args:
        scores: Some of that word, drawn by chance.
        at: The share below it, `UNSURE_YES` or `UNSURE_NO`.
    """
    ranked = sorted(scores)
    return ranked[min(len(ranked) - 1, int(at * len(ranked)))] if ranked else 0.0


def _bands(scores: Sequence[float], clicks: Sequence[Click], at: float) -> list[_Band]:
    """Return the bands of one word, less and more; one where the other has no click."""
    ranked = sorted(scores)
    cut = cut_of(ranked, at)
    bands = []
    for is_above in (False, True):
        inside = [click for click in clicks if (click.score >= cut) == is_above]
        yes = sum(click.occurred for click in inside)
        drawn = sum((score >= cut) == is_above for score in ranked)
        bands.append(_Band(yes, len(inside) - yes, (drawn, len(ranked) - drawn)))
    if all(band.looked_at and band.drawn[0] for band in bands):
        return bands
    whole = _Band(sum(b.yes for b in bands), sum(b.no for b in bands), (1, 0))
    return [whole] if whole.looked_at else []


def _precision(bands: Sequence[_Band]) -> Range:
    """Return the weighted share of yes, with Wilson's interval at Kish's effective number."""
    share = sum(band.share * band.yes / band.looked_at for band in bands)
    effective = 1 / sum(band.share**2 / band.looked_at for band in bands)
    return wilson(min(1.0, share) * effective, effective)


def _draw_rates(
    yes_bands: Sequence[_Band], no_bands: Sequence[_Band]
) -> tuple[tuple[float, float], ...]:
    chance = random.Random(0)  # noqa: S311 - a simulation, no secret
    best = (_observed(yes_bands), _observed(no_bands))
    drawn = [(_draw_rate(yes_bands, chance), _draw_rate(no_bands, chance)) for _ in range(_DRAWS)]
    return (best, *drawn)


def _observed(bands: Sequence[_Band]) -> float:
    return sum(band.share * band.yes / band.looked_at for band in bands)


def _draw_rate(bands: Sequence[_Band], chance: random.Random) -> float:
    """Return a share of yes that the clicks leave possible, over all bands of a word."""
    rates = [_draw_share(band.yes, band.no, chance) for band in bands]
    if len(bands) == 1:
        return rates[0]
    inside, outside = bands[0].drawn
    weight = chance.betavariate(inside + 0.5, outside + 0.5)
    return weight * rates[0] + (1 - weight) * rates[1]


def _draw_share(yes: int, no: int, chance: random.Random) -> float:
    """Return a share that `yes` of `yes + no` leave possible, by the mid-P confidence distribution.

    It lies halfway between the two of Clopper and Pearson, so that none seen may mean none there.
    """
    more = chance.random() < 0.5  # noqa: PLR2004 - halfway
    alpha, beta = (yes + 1, no) if more else (yes, no + 1)
    if alpha == 0 or beta == 0:
        return float(alpha > 0)
    return chance.betavariate(alpha, beta)


def _recall(verdicts: Verdicts, rates: Sequence[tuple[float, float]], added: int) -> Range | None:
    def of(rate: tuple[float, float]) -> float:
        found = verdicts.positives * rate[0]
        lost = added + max(0, verdicts.negatives - added) * rate[1]
        return found / (found + lost) if found + lost else 0.0

    if not verdicts.positives:
        return None
    best, *others = (of(rate) for rate in rates)
    ranked = sorted(others)
    low, high = quantile(ranked, 0.025), quantile(ranked, 0.975)
    return Range(low=min(low, best), value=best, high=max(high, best))


def quantile(ranked: Sequence[float], share: float) -> float:
    """Return the value that a share of those in order lie below."""
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]

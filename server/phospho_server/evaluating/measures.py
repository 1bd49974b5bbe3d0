"""Figures of one event, and of many: precision, recall, F1, average precision, calibration."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

# Of equal width, over the scores from 0 to 1: as in Guo et al. 2017, "On Calibration of Modern
# Neural Networks".
BINS = 15


@dataclass(frozen=True)
class Outcome:
    """One interaction meets one event: what is true, and what a detector said of it.

    Args:
        occurred: The label.
        detected: The verdict.
        score: None where the detector gave none; it ranks below every score.
    """

    occurred: bool
    detected: bool
    score: float | None


@dataclass(frozen=True)
class Ranking:
    """How well scores order interactions, whatever the threshold.

    Args:
        auroc: Chance that one with the event scores above one without; ties count half.
        ap: Average precision; equal scores are taken together.
        best_f1: F1 at the best threshold, which no detector can know: an upper bound.
    """

    auroc: float
    ap: float
    best_f1: float


@dataclass(frozen=True)
class Figures:
    """Counts of verdicts against labels, and what follows from them."""

    tp: int
    fp: int
    fn: int
    tn: int
    ranking: Ranking | None

    @property
    def support(self) -> int:
        """Interactions in which the event occurs."""
        return self.tp + self.fn

    @property
    def precision(self) -> float:
        """Share of the events found that are real."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else 0.0

    @property
    def recall(self) -> float:
        """Share of the real events that are found."""
        return self.tp / self.support if self.support else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return f1_of(self.tp, self.fp, self.fn)

    @property
    def ap(self) -> float | None:
        """Average precision, where there is a ranking."""
        return self.ranking.ap if self.ranking else None

    @property
    def auroc(self) -> float | None:
        """Area under the ROC curve, where there is a ranking."""
        return self.ranking.auroc if self.ranking else None

    @property
    def best_f1(self) -> float | None:
        """F1 at the best threshold, where there is a ranking."""
        return self.ranking.best_f1 if self.ranking else None


def measure(outcomes: Sequence[Outcome]) -> Figures:
    """Return the figures of one event."""
    tp = sum(o.occurred and o.detected for o in outcomes)
    fp = sum(o.detected for o in outcomes) - tp
    fn = sum(o.occurred for o in outcomes) - tp
    return Figures(tp=tp, fp=fp, fn=fn, tn=len(outcomes) - tp - fp - fn, ranking=rank(outcomes))


def f1_of(tp: int, fp: int, fn: int) -> float:
    """Return F1, 0 where nothing was found."""
    return 2 * tp / (2 * tp + fp + fn) if tp else 0.0


def rank(outcomes: Sequence[Outcome]) -> Ranking | None:
    """Return how well scores order interactions; None without scores, or with one kind alone."""
    positives = sum(o.occurred for o in outcomes)
    negatives = len(outcomes) - positives
    if not positives or not negatives or all(o.score is None for o in outcomes):
        return None
    ordered = sorted(outcomes, key=_rank_of, reverse=True)
    tp = fp = 0
    ap = wins = best = 0.0
    for _, tied in groupby(ordered, key=_rank_of):
        labels = [o.occurred for o in tied]
        hits = sum(labels)
        misses = len(labels) - hits
        wins += misses * (tp + hits / 2)
        tp, fp = tp + hits, fp + misses
        ap += hits * tp / (tp + fp)
        best = max(best, f1_of(tp, fp, positives - tp))
    return Ranking(auroc=wins / (positives * negatives), ap=ap / positives, best_f1=best)


def _rank_of(outcome: Outcome) -> float:
    return -math.inf if outcome.score is None else outcome.score


@dataclass(frozen=True)
class Bin:
    """The pairs whose scores lie in one of `BINS` parts of 0 to 1.

    Args:
        count: How many there are.
        scores: Sum of their scores.
        occurred: In how many the event occurs.
    """

    count: int = 0
    scores: float = 0.0
    occurred: int = 0

    @property
    def score(self) -> float:
        """The mean score: what the detector promises."""
        return self.scores / self.count if self.count else 0.0

    @property
    def share(self) -> float:
        """The share in which the event occurs: what the promise should have been."""
        return self.occurred / self.count if self.count else 0.0


@dataclass(frozen=True)
class Calibration:
    """How well scores are probabilities, over pairs of interaction and event.

    Args:
        bins: `BINS` of them, from the lowest scores to the highest; each but the last is without
            its upper end.
        squares: Sum of the squared differences between scores and labels.
    """

    bins: tuple[Bin, ...] = (Bin(),) * BINS
    squares: float = 0.0

    @property
    def count(self) -> int:
        """Pairs with a score."""
        return sum(each.count for each in self.bins)

    @property
    def error(self) -> float | None:
        """Expected calibration error: mean distance of promise and truth, weighed by pairs."""
        if not self.count:
            return None
        return sum(abs(each.scores - each.occurred) for each in self.bins) / self.count

    @property
    def brier(self) -> float | None:
        """Mean squared difference between score and label."""
        return self.squares / self.count if self.count else None


def calibrate(outcomes: Iterable[Outcome]) -> Calibration:
    """Return how well the scores of one event, or of several, are probabilities."""
    parts: list[list[Outcome]] = [[] for _ in range(BINS)]
    squares = 0.0
    for outcome in outcomes:
        if outcome.score is not None:
            parts[min(int(outcome.score * BINS), BINS - 1)].append(outcome)
            squares += (outcome.score - outcome.occurred) ** 2
    bins = (
        Bin(len(part), sum(o.score or 0.0 for o in part), sum(o.occurred for o in part))
        for part in parts
    )
    return Calibration(tuple(bins), squares)


def joined(calibrations: Sequence[Calibration]) -> Calibration:
    """Return the calibration over the pairs of all."""
    bins = (
        Bin(sum(b.count for b in same), sum(b.scores for b in same), sum(b.occurred for b in same))
        for same in zip(*(each.bins for each in calibrations), strict=True)
    )
    return Calibration(tuple(bins), sum(each.squares for each in calibrations))


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of those values that are there; None where none is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None

"""Sets two runs over the same interactions side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from phospho_server.evaluating.intervals import Interval, interval_of, resampled_f1
from phospho_server.evaluating.judged import Judged
from phospho_server.evaluating.measures import f1_of


@dataclass(frozen=True)
class Difference:
    """By how much macro F1 is higher, and the interval over other conversations."""

    f1: float
    interval: Interval

    @property
    def is_certain(self) -> bool:
        """Whether the interval lies on one side of zero."""
        return self.interval.low > 0 or self.interval.high < 0


@dataclass(frozen=True)
class Comparison:
    """What one run gains over another.

    Args:
        suites: The difference of each suite, by its name.
        mean: The difference of the mean of suites.
    """

    suites: dict[str, Difference]
    mean: Difference


def compare(before: Sequence[Judged], after: Sequence[Judged]) -> Comparison:
    """Return what `after` gains: paired, as both are given the same sessions each time.

    Args:
        before: Verdicts, one for each suite.
        after: Verdicts on the same interactions and events.
    """
    gained, resampled = [], []
    for old, new in zip(before, after, strict=True):
        gained.append(_macro_f1(new) - _macro_f1(old))
        differences = zip(_resampled_macro(old), _resampled_macro(new), strict=True)
        resampled.append([later - earlier for earlier, later in differences])
    suites = {
        judged.suite.name: Difference(gain, interval_of(values))
        for judged, gain, values in zip(after, gained, resampled, strict=True)
    }
    means = [_mean(values) for values in zip(*resampled, strict=True)]
    return Comparison(suites, Difference(_mean(gained), interval_of(means)))


def _macro_f1(judged: Judged) -> float:
    return _mean(
        [
            f1_of(
                sum(pair.occurred and pair.detected for pair in pairs),
                sum(pair.detected and not pair.occurred for pair in pairs),
                sum(pair.occurred and not pair.detected for pair in pairs),
            )
            for pairs in judged.pairs.values()
        ]
    )


def _resampled_macro(judged: Judged) -> list[float]:
    return [_mean(values) for values in zip(*resampled_f1(judged.pairs).values(), strict=True)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

"""Figures against cases counted by hand, and against definitions written out the slow way."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho_server.evaluating.measures import (
    BINS,
    Outcome,
    calibrate,
    joined,
    measure,
)

# Few different scores, so that ties are common.
scores = st.one_of(
    st.none(), st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(min_value=0, max_value=1)
)
outcomes = st.lists(st.builds(Outcome, st.booleans(), st.booleans(), scores), max_size=30)


def slow_ranking(given: Sequence[Outcome]) -> tuple[float, float, float] | None:
    """AUROC by comparing each pair, AP and best F1 by trying each threshold."""
    ranked = [(-math.inf if o.score is None else o.score, o.occurred) for o in given]
    yes = [s for s, y in ranked if y]
    no = [s for s, y in ranked if not y]
    if not yes or not no or all(o.score is None for o in given):
        return None
    auroc = sum((p > n) + (p == n) / 2 for p in yes for n in no) / (len(yes) * len(no))
    ap = best = recalled = 0.0
    for threshold in sorted({s for s, _ in ranked}, reverse=True):
        tp = sum(s >= threshold for s in yes)
        fp = sum(s >= threshold for s in no)
        ap += (tp / len(yes) - recalled) * tp / (tp + fp)
        recalled = tp / len(yes)
        best = max(best, 2 * tp / (tp + fp + len(yes)))
    return auroc, ap, best


@given(outcomes)
def test_a_ranking_is_what_trying_each_threshold_gives(given: list[Outcome]) -> None:
    figures, slow = measure(given), slow_ranking(given)
    found = (figures.auroc, figures.ap, figures.best_f1)
    assert found == (pytest.approx(slow) if slow else (None, None, None))


@given(outcomes)
def test_precision_recall_and_f1_are_those_of_the_counts(given: list[Outcome]) -> None:
    figures = measure(given)
    assert figures.tp + figures.fp + figures.fn + figures.tn == len(given)
    assert figures.support == sum(o.occurred for o in given)
    p, r = figures.precision, figures.recall
    assert figures.f1 == pytest.approx(2 * p * r / (p + r) if p + r else 0.0)


def test_a_case_counted_by_hand() -> None:
    given = [
        Outcome(True, True, 0.9),
        Outcome(False, True, 0.8),
        Outcome(True, True, 0.6),
        Outcome(False, False, 0.3),
        Outcome(True, False, 0.1),
    ]
    figures = measure(given)
    assert (figures.tp, figures.fp, figures.fn, figures.tn) == (2, 1, 1, 1)
    assert figures.precision == figures.recall == figures.f1 == pytest.approx(2 / 3)
    # Precision at each of the three real ones: 1/1, 2/3, 3/5.
    assert figures.ap == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    # Of six pairs of a real one and another, three are in order.
    assert figures.auroc == pytest.approx(3 / 6)
    # All five found: 2 * 3 / (5 + 3).
    assert figures.best_f1 == pytest.approx(0.75)


def test_what_has_no_score_ranks_below_a_score_of_zero() -> None:
    figures = measure([Outcome(True, False, None), Outcome(False, False, 0.0)])
    assert (figures.ap, figures.auroc) == (0.5, 0.0)


def test_without_any_verdict_or_label_the_figures_are_zero() -> None:
    figures = measure([])
    assert (figures.f1, figures.precision, figures.recall, figures.ap) == (0.0, 0.0, 0.0, None)
    assert calibrate([]).error is None
    assert calibrate([]).brier is None


def test_calibration_counted_by_hand() -> None:
    found = calibrate(
        [Outcome(True, True, 0.9), Outcome(False, True, 0.9), Outcome(False, False, 0.1)]
    )
    # |1.8 - 1| in one bin, |0.1 - 0| in another, of three pairs.
    assert found.error == pytest.approx((0.8 + 0.1) / 3)
    assert found.brier == pytest.approx((0.01 + 0.81 + 0.01) / 3)
    assert [(b.count, b.share) for b in found.bins if b.count] == [(1, 0.0), (2, 0.5)]


def test_scores_that_are_the_truth_have_no_calibration_error() -> None:
    found = calibrate([Outcome(True, True, 1.0), Outcome(False, False, 0.0)])
    assert (found.error, found.brier) == (0.0, 0.0)


@given(outcomes, outcomes)
def test_calibration_over_two_events_is_that_over_all_their_pairs(
    one: list[Outcome], two: list[Outcome]
) -> None:
    together, apart = calibrate(one + two), joined([calibrate(one), calibrate(two)])
    assert len(together.bins) == len(apart.bins) == BINS
    assert together.count == apart.count == sum(o.score is not None for o in one + two)
    assert together.error == (None if apart.error is None else pytest.approx(apart.error))
    assert together.brier == (None if apart.brier is None else pytest.approx(apart.brier))
    if together.error is not None:
        assert 0.0 <= together.error <= 1.0

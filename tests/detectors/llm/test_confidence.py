"""Confidence is taken for less than it says, and for what it is worth once people have reviewed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho.detectors.llm.confidence import (
    ENOUGH,
    UNREVIEWED,
    Calibration,
    claim_behind,
    claimed_log_odds,
    fit,
)

Reviewed = list[tuple[float, bool]]


def reviewed(confidence: float, *, right: int, wrong: int, occurred: bool = True) -> Reviewed:
    claimed = claimed_log_odds(confidence, occurred=occurred)
    return [(claimed, occurred)] * right + [(claimed, not occurred)] * wrong


def score(line: Calibration, confidence: float, *, occurred: bool = True) -> float:
    return line.score(claimed_log_odds(confidence, occurred=occurred), occurred=occurred)


@pytest.mark.parametrize(
    ("confidence", "of_yes"),
    [(100, 0.909), (99, 0.909), (95, 0.813), (90, 0.75), (50, 0.5), (0, 0.5)],
)
def test_without_reviews_log_odds_are_halved(confidence: float, of_yes: float) -> None:
    assert score(UNREVIEWED, confidence) == pytest.approx(of_yes, abs=0.001)
    no = score(UNREVIEWED, confidence, occurred=False)
    assert no == pytest.approx(min(1 - of_yes, 0.49), abs=0.001)


def test_few_reviews_change_nothing() -> None:
    assert fit(reviewed(95, right=0, wrong=ENOUGH - 1)) == UNREVIEWED


def test_a_judge_that_is_mostly_wrong_is_no_better_than_a_guess() -> None:
    line = fit(reviewed(95, right=5, wrong=45))
    assert score(line, 95) == 0.5


def test_a_judge_that_is_nearly_always_right_is_taken_at_its_word() -> None:
    right = reviewed(95, right=200, wrong=2) + reviewed(95, right=200, wrong=2, occurred=False)
    line = fit(right)
    assert score(line, 95) > 0.93
    assert score(line, 95, occurred=False) < 0.07


def test_scores_are_as_often_right_as_they_say() -> None:
    chance = random.Random(7)
    sample: Reviewed = []
    for _ in range(2_000):
        confidence, occurred = chance.choice((70, 80, 90, 95)), chance.random() < 0.3
        claimed = claimed_log_odds(confidence, occurred=occurred)
        is_so = chance.random() < Calibration(0.3, -0.4).score(claimed, occurred=occurred)
        sample.append((claimed, is_so))
    line = fit(sample)
    assert (line.slope, line.offset) == pytest.approx((0.3, -0.4), abs=0.15)


def test_few_reviews_move_less_than_many() -> None:
    few, many = (fit(reviewed(90, right=n, wrong=n)) for n in (10, 200))
    assert 0.75 > score(few, 90) > score(many, 90) == pytest.approx(0.5, abs=0.02)


claims = st.tuples(st.floats(-4.6, 4.6), st.booleans())


@given(st.lists(claims, max_size=80), st.floats(0, 100), st.floats(0, 100), st.booleans())
def test_who_is_surer_never_scores_as_less_sure_whatever_was_reviewed(
    reviews: Reviewed, one: float, other: float, occurred: bool
) -> None:
    line = fit(reviews)
    less, more = (score(line, each, occurred=occurred) for each in sorted((one, other)))
    assert 0 <= less <= 1
    assert less <= more if occurred else more <= less
    assert (more >= 0.5) is occurred


@given(st.floats(50, 100), st.booleans())
def test_what_was_claimed_is_found_again_behind_a_score(confidence: float, occurred: bool) -> None:
    claimed = claimed_log_odds(confidence, occurred=occurred)
    found = claim_behind(round(UNREVIEWED.score(claimed, occurred=occurred), 4))
    assert found == pytest.approx(claimed, abs=0.1)

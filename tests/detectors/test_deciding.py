from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho.detectors.deciding import (
    ASSUMED_PREVALENCE,
    DEFAULT_THRESHOLD,
    best_threshold,
    estimate_prevalence,
    probabilities,
    shift_of,
    threshold_of,
)
from phospho.models import Cut
from tests.detectors.builders import event


def scores_of(*, events: int, others: int, apart: float = 8.0) -> np.ndarray:
    """Return log-odds of messages, those of events `apart` higher than the others, with noise."""
    draws = np.random.default_rng(1)
    high = draws.normal(apart / 2, 1.0, events)
    return np.concatenate([high, draws.normal(-apart / 2, 1.0, others)])


@pytest.mark.parametrize(("events", "others"), [(400, 600), (100, 900), (5, 995)])
def test_how_common_an_event_is_shows_in_unlabelled_scores(events: int, others: int) -> None:
    estimated = estimate_prevalence(scores_of(events=events, others=others))
    true = events / (events + others)
    # Held back by what is usual, one in twenty, but on the right side of it.
    assert min(true, 0.05) - 0.02 <= estimated <= max(true, 0.05) + 0.02
    assert abs(estimated - true) <= abs(0.05 - true) + 0.02


def test_the_threshold_lies_between_events_and_others() -> None:
    scores = probabilities(scores_of(events=50, others=950))
    found = scores >= best_threshold(scores)
    assert found[:50].sum() >= 48
    assert found[50:].sum() <= 5


def test_without_traffic_the_line_is_at_one_half() -> None:
    assert threshold_of(event("The user pays")) == DEFAULT_THRESHOLD
    assert threshold_of(event("x", cut=Cut(prevalence=0.2, threshold=0.3))) == 0.3


def test_the_assumed_prevalence_shifts_nothing() -> None:
    assert shift_of(ASSUMED_PREVALENCE) == 0.0
    assert shift_of(0.01) < 0 < shift_of(0.3)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_any_scores_give_a_prevalence_and_a_threshold(log_odds: list[float]) -> None:
    scores = np.array(log_odds)
    assert 0 < estimate_prevalence(scores) < 1
    assert 0 <= best_threshold(probabilities(scores)) <= 1

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from phospho.detectors.reviewing import make_correction
from phospho.detectors.semantic import SemanticDetector
from phospho.models import Detection, Review
from tests.detectors.builders import event, turn

FLIGHT = event("The user is trying to book a flight")
THANKS = event("The user thanked the agent")

HOTELS = (
    "book me a room in a hotel in Oslo",
    "I need a hotel near the airport",
    "reserve two nights at the Grand Hotel please",
)


def score(
    semantic: SemanticDetector, text: str, reviews: tuple[Review, ...]
) -> tuple[Detection, Detection]:
    flight = FLIGHT.model_copy(update={"reviews": reviews})
    first, second = semantic.detect([turn(text)], [flight, THANKS])
    return first, second


def test_a_rejection_lowers_what_is_like_the_message_most(semantic: SemanticDetector) -> None:
    reviews = tuple(Review(input=text, occurred=False) for text in HOTELS)
    alike, other = "we want a hotel room in Rome", "a flight from Paris to Rome, please"
    alike_before, alike_after = (score(semantic, alike, r)[0].score for r in ((), reviews))
    other_before, other_after = (score(semantic, other, r)[0].score for r in ((), reviews))
    assert alike_after < alike_before
    assert alike_after / alike_before < other_after / other_before


def test_a_confirmation_makes_a_yes_of_what_was_a_no(semantic: SemanticDetector) -> None:
    said = "get me over to Lisbon by plane somehow, cheap if you can"
    message = "get me over to Madrid by plane somehow, cheap if you can"
    reviews = (Review(input=said, occurred=True),) * 3
    before, after = score(semantic, message, ())[0], score(semantic, message, reviews)[0]
    assert after.score > before.score
    assert after.detected


def test_a_click_moves_the_verdicts_of_its_event_alone(semantic: SemanticDetector) -> None:
    reviews = tuple(Review(input=text, occurred=False) for text in (*HOTELS, "thanks!"))
    for text in ("thanks a lot", "I'd like a flight", *HOTELS):
        assert score(semantic, text, ())[1] == score(semantic, text, reviews)[1]


def test_a_click_that_is_taken_back_leaves_no_trace(semantic: SemanticDetector) -> None:
    before = score(semantic, HOTELS[0], ())
    score(semantic, HOTELS[0], (Review(input=HOTELS[0], occurred=True),))
    assert score(semantic, HOTELS[0], ()) == before


@pytest.mark.parametrize("review", [Review(occurred=True), Review(input=" \n", occurred=False)])
def test_a_review_without_text_changes_nothing(semantic: SemanticDetector, review: Review) -> None:
    assert score(semantic, "book a flight", (review,)) == score(semantic, "book a flight", ())


@given(
    hnp.arrays(np.float32, (6, 8), elements=st.floats(-1, 1, width=32)),
    st.lists(st.floats(-25, 25), min_size=6, max_size=6),
    st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_a_correction_goes_the_way_that_people_said(
    vectors: np.ndarray, log_odds: list[float], occurred: list[bool]
) -> None:
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-3)
    said = np.array(occurred)
    correction = make_correction(vectors, np.array(log_odds), said)
    added = correction.of(vectors)
    assert np.isfinite(added).all()
    if said.all():
        assert (added >= -1e-6).all()
    if not said.any():
        assert (added <= 1e-6).all()

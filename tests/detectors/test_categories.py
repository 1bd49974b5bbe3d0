from __future__ import annotations

import pytest

from phospho.detectors.registry import run_detector
from phospho.detectors.semantic import SemanticDetector
from phospho.models import Review
from tests.detectors.builders import event, turn

TOPIC = event(
    "What the user asks about",
    answer="category",
    categories=("flights and airports", "cooking and recipes", "the weather"),
)


@pytest.mark.parametrize(
    ("said", "category"),
    [
        ("How do I bake bread with rye flour?", "cooking and recipes"),
        ("will it rain in Bergen tomorrow", "the weather"),
        ("which airport has a flight to Malta", "flights and airports"),
    ],
)
def test_the_likeliest_category_is_chosen(
    semantic: SemanticDetector, said: str, category: str
) -> None:
    (found,) = run_detector(semantic, [turn(said)], [TOPIC])
    assert (found.detected, found.value) == (True, category)
    assert found.event_id == TOPIC.id


def test_a_message_of_no_category_has_none(semantic: SemanticDetector) -> None:
    for said in ("", "my knee hurts when I walk"):
        (found,) = run_detector(semantic, [turn(said)], [TOPIC])
        assert (found.detected, found.value) == (False, None)


def test_categories_stand_beside_events_of_yes_and_no(semantic: SemanticDetector) -> None:
    thanks = event("The user thanked the agent", id="thanks")
    batch = [turn("thank you!", task_id="a"), turn("what's the weather like", task_id="b")]
    found = run_detector(semantic, batch, [TOPIC, thanks])
    assert [(d.task_id, d.event_id) for d in found] == [
        ("a", TOPIC.id), ("a", "thanks"), ("b", TOPIC.id), ("b", "thanks"),
    ]  # fmt: skip
    assert found[1].detected
    assert found[2].value == "the weather"


def test_a_score_is_the_probability_on_its_range(semantic: SemanticDetector) -> None:
    urgency = event("The user thanked the agent", answer="score", score_range=(1.0, 5.0))
    (sure,) = run_detector(semantic, [turn("Thank you so much!")], [urgency])
    assert isinstance(sure.value, float)
    assert sure.value == pytest.approx(1 + 4 * sure.score, abs=0.01)
    assert sure.detected


BREAD = "How do I bake bread with rye flour?"


def test_a_review_with_a_category_teaches_that_it_is_this_and_none_of_the_others(
    semantic: SemanticDetector,
) -> None:
    said = Review(input=BREAD, occurred=True, value="the weather")
    taught = TOPIC.model_copy(update={"reviews": (said,)})
    (found,) = run_detector(semantic, [turn("How do I bake bread with wheat flour?")], [taught])
    assert found.value == "the weather"
    (other,) = run_detector(semantic, [turn("which airport has a flight to Malta")], [taught])
    assert other.value == "flights and airports"


def test_a_rejection_teaches_that_it_is_none_of_the_categories(semantic: SemanticDetector) -> None:
    said = Review(input=BREAD, occurred=False)
    (found,) = run_detector(
        semantic, [turn(BREAD)], [TOPIC.model_copy(update={"reviews": (said,)})]
    )
    (before,) = run_detector(semantic, [turn(BREAD)], [TOPIC])
    assert found.score < before.score / 2


@pytest.mark.parametrize("value", [None, "gardening"], ids=["none-given", "no-category-any-more"])
def test_a_yes_without_a_category_there_is_teaches_nothing(
    semantic: SemanticDetector, value: str | None
) -> None:
    said = Review(input=BREAD, occurred=True, value=value)
    taught = TOPIC.model_copy(update={"reviews": (said,)})
    assert run_detector(semantic, [turn(BREAD)], [taught]) == run_detector(
        semantic, [turn(BREAD)], [TOPIC]
    )

from __future__ import annotations

import pytest

from phospho.detectors.registry import run_detector
from phospho.detectors.semantic import SemanticDetector
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

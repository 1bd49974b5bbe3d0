"""What is asked: yes or no, a score, or a category; and when the answer is an event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho.detectors.answers import occurred, on_range
from phospho.detectors.auto import chosen
from phospho.detectors.registry import run_detector
from phospho.detectors.rules import check_definition
from phospho.errors import DefinitionError, DetectorCrashError
from phospho.models import Detection, EventDefinition, Turn
from tests.detectors.builders import event, turn

TOPIC: dict[str, Any] = {"answer": "category", "categories": ("billing", "delivery")}
MOOD: dict[str, Any] = {"answer": "score", "score_range": (1.0, 5.0)}


class Gives:
    """A detector that gives the same answer each time."""

    name = "gives"

    def __init__(self, **answer: Any) -> None:
        self.answer = {"detected": False, "score": 0.25, **answer}

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        return [
            Detection(event_id=e.id, task_id=t.interaction.task_id, **self.answer)
            for t in batch
            for e in events
        ]


def ask(definition: EventDefinition, **answer: Any) -> Detection:
    (found,) = run_detector(Gives(**answer), [turn("hi")], [definition])
    return found


@pytest.mark.parametrize(
    ("fields", "answer", "expected"),
    [
        pytest.param(TOPIC, {"value": "billing"}, (True, "billing"), id="category"),
        pytest.param(TOPIC, {"detected": True}, (False, None), id="no-category"),
        pytest.param(MOOD, {"value": 4}, (True, 4), id="high"),
        pytest.param(MOOD, {"value": 3.0}, (True, 3), id="middle"),
        pytest.param(MOOD, {"value": 2.9, "detected": True}, (False, 2.9), id="low"),
        pytest.param(MOOD, {"score": 0.75}, (True, 4), id="from-a-probability"),
        pytest.param({}, {"detected": True}, (True, None), id="yes"),
    ],
)
def test_an_answer_says_whether_the_event_occurred(
    fields: dict[str, Any], answer: dict[str, Any], expected: tuple[bool, Any]
) -> None:
    found = ask(event("x", **fields), **answer)
    assert (found.detected, found.value) == expected


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        pytest.param(TOPIC, "weather", id="other-category"),
        pytest.param(TOPIC, 3, id="a-number-for-a-category"),
        pytest.param(MOOD, 9, id="beyond-the-range"),
        pytest.param(MOOD, "high", id="a-word-for-a-number"),
        pytest.param(MOOD, float("nan"), id="not-a-number"),
        pytest.param({}, "billing", id="not-asked-for"),
    ],
)
def test_an_answer_nobody_asked_for_is_refused(fields: dict[str, Any], value: object) -> None:
    with pytest.raises(DetectorCrashError, match=r"The detector 'gives' gave the .*Fix or upgrade"):
        ask(event("x", **fields), value=value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        pytest.param({**TOPIC, "categories": ("one",)}, "at least two", id="one-category"),
        pytest.param({**TOPIC, "categories": ("a", " ")}, "is empty", id="empty"),
        pytest.param({**TOPIC, "categories": ("a", "A")}, "twice", id="twice"),
        pytest.param({**TOPIC, "categories": ("a", "b" * 101)}, "more than 100", id="long"),
        pytest.param(
            {**TOPIC, "categories": tuple(map(str, range(51)))}, "more than 50", id="many"
        ),
        pytest.param({**MOOD, "score_range": (5, 1)}, "below the highest", id="upside-down"),
        pytest.param({**MOOD, "score_range": (1, 1)}, "below the highest", id="no-range"),
        pytest.param({**MOOD, "score_range": (0, float("inf"))}, "below the highest", id="endless"),
        pytest.param({**MOOD, "detector": "rules"}, "yes or no only", id="rules"),
        pytest.param({**TOPIC, "keywords": ("bill",)}, "yes or no only", id="keywords"),
        pytest.param({**MOOD, "pattern": "a"}, "yes or no only", id="pattern"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        check_definition(event("How angry the user is", **fields))


def test_wording_is_never_asked_for_a_score() -> None:
    assert chosen(event("The user says 'refund'")) == "rules"
    assert chosen(event("The user says 'refund'", **MOOD)) == "semantic"


bounds = st.floats(-1e6, 1e6)


@given(bounds, bounds, st.floats(0, 1))
def test_a_probability_lies_on_the_range_and_its_half_is_the_middle(
    one: float, other: float, probability: float
) -> None:
    lowest, highest = sorted((round(one, 2), round(other, 2)))
    if lowest == highest:
        return
    definition = event("x", answer="score", score_range=(lowest, highest))
    value = on_range(definition, probability)
    assert lowest <= value <= highest
    if abs(probability - 0.5) > 0.01:  # nearer, the rounding of the value decides
        assert occurred(definition, value) is (probability >= 0.5)
    assert occurred(definition, on_range(definition, 0.5))

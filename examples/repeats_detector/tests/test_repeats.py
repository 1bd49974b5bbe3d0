"""The detector by itself, through phospho's conformance test, and as phospho finds it."""

from __future__ import annotations

from typing import Any

import pytest

import phospho.testing
from phospho.errors import DetectorError
from phospho.models import EventDefinition, Interaction, Turn
from phospho_repeats.detector import RepeatsDetector
from phospho_repeats.plugin import phospho_register_detectors

ASKED_AGAIN = EventDefinition(
    id="again", name="asked_again", description="The user asks again what they asked before"
)
IN_CIRCLES = ASKED_AGAIN.model_copy(update={"id": "circles", "scope": "assistant_message"})


def session(*said: tuple[str, str]) -> Turn:
    """Return the last interaction of a session, with the ones before."""
    interactions = [
        Interaction(task_id=f"t{i}", session_id="s", input=question, output=answer)
        for i, (question, answer) in enumerate(said)
    ]
    return Turn(interaction=interactions[-1], history=interactions[:-1])


def judge(turn: Turn, definition: EventDefinition = ASKED_AGAIN, **settings: Any) -> Any:
    definition = definition.model_copy(update={"settings": settings})
    (detection,) = RepeatsDetector().detect([turn], [definition])
    return detection


def test_it_keeps_the_promises_of_a_detector() -> None:
    phospho.testing.check_detector(RepeatsDetector(), definitions=[ASKED_AGAIN, IN_CIRCLES])


def test_a_question_that_is_asked_again_is_found_and_quoted() -> None:
    found = judge(
        session(
            ("Where is my order 1042?", "Orders ship within two days."),
            ("That does not help.", "Sorry about that."),
            ("WHERE is my order, 1042??", "Orders ship within two days."),
        )
    )
    assert found.detected
    assert found.evidence.quote == "WHERE is my order, 1042??"
    assert found.evidence.reason == "said 2 interactions before"


def test_a_new_question_is_not_found() -> None:
    found = judge(
        session(("Where is my order?", "On its way."), ("Where are my two invoices?", "Here."))
    )
    assert not found.detected
    assert 0 < found.score < 0.7


def test_what_is_said_at_every_turn_is_too_short() -> None:
    assert judge(session(("Yes please", "Done."), ("Yes please", "Done."))).score == 0.0


def test_a_bot_that_goes_in_circles_is_found_by_its_scope() -> None:
    turn = session(("Why?", "Please contact our support."), ("How?", "Please contact our support."))
    found = judge(turn, IN_CIRCLES)
    assert (found.detected, found.score, found.evidence.side) == (True, 1.0, "output")
    assert found.evidence.reason == "said just before"


def test_settings_say_how_alike_and_how_far_back() -> None:
    turn = session(
        ("Where is my order?", "On its way."),
        ("And the other one?", "Also."),
        ("Where is my parcel?", "On its way."),
    )
    assert not judge(turn).detected
    assert judge(turn, least=0.5).detected
    assert not judge(turn, least=0.5, within=1).detected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"least": 0}, "above 0", id="zero"),
        pytest.param({"least": "much"}, "above 0", id="text"),
        pytest.param({"within": 1.5}, "whole number", id="fraction"),
        pytest.param({"within": True}, "whole number", id="bool"),
        pytest.param({"lest": 0.5}, "has no setting 'lest'", id="misspelt"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DetectorError, match=message):
        judge(session(("Hi", "Hello")), **settings)


def test_phospho_is_given_the_detector() -> None:
    assert [detector.name for detector in phospho_register_detectors()] == ["repeats"]

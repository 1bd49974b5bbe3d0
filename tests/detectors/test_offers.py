"""A message that accepts an offer means what was offered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho.detectors.offers import offered
from phospho.detectors.semantic import SemanticDetector
from phospho.models import Detection, EventDefinition, Interaction, Review, Turn
from tests.detectors.builders import event, turn

FLIGHT = event("The user is trying to book a flight")
MUSIC = event("The user wants to listen to music")
THANKS = event("The user thanked the agent")
EVENTS = [FLIGHT, MUSIC, THANKS]

OFFER = "The 8:50 costs 90 euros. Shall I book the flight to Rome for you?"


def after(before: str | None, said: str, *, task_id: str = "t1") -> Turn:
    earlier = Interaction(task_id="t0", session_id="s1", input="Hello", output=before)
    return turn(said, "Fine.", task_id=task_id).model_copy(update={"history": (earlier,)})


def judge(semantic: SemanticDetector, one: Turn, wanted: EventDefinition = FLIGHT) -> Detection:
    return next(d for d in semantic.detect([one], EVENTS) if d.event_id == wanted.id)


@pytest.mark.parametrize(
    ("offer", "said"),
    [
        (OFFER, "Yes, please."),
        (OFFER, "yep"),
        (OFFER, "Sure, go ahead!"),
        ("Soll ich den Flug nach Rom für Sie buchen?", "Ja, bitte."),
    ],
)
def test_who_accepts_an_offer_means_it(semantic: SemanticDetector, offer: str, said: str) -> None:
    found = judge(semantic, after(offer, said))
    assert found.detected
    assert found.evidence
    assert said.startswith(found.evidence.quote)
    assert not judge(semantic, after(offer, said), MUSIC).detected


@pytest.mark.parametrize(
    ("before", "said"),
    [
        pytest.param(OFFER, "No, thanks.", id="refused"),
        pytest.param(OFFER, "What is the weather like there?", id="something else"),
        pytest.param("Shall I play some jazz?", "Yes, please.", id="another offer"),
        pytest.param("Your flight to Rome was booked.", "Yes, please.", id="no question"),
        pytest.param(None, "Yes, please.", id="not answered"),
    ],
)
def test_nothing_else_is_read_into_a_message(
    semantic: SemanticDetector, before: str | None, said: str
) -> None:
    assert not judge(semantic, after(before, said)).detected


def test_the_evidence_is_what_was_said_with_what_it_is_close_to(
    semantic: SemanticDetector,
) -> None:
    found = judge(semantic, after(OFFER, "Yes, please. And tell me about the weather there."))
    assert found.detected
    assert found.evidence
    assert found.evidence.side == "input"
    assert found.evidence.quote == "Yes, please."
    assert found.evidence.reason.startswith(
        'accepts "Shall I book the flight to Rome for you?", close to "'
    )


def test_kept_vectors_have_the_offer_in_them(semantic: SemanticDetector) -> None:
    batch = [
        after(OFFER, "Yes, please. What a day it is.", task_id="t1"),
        after(OFFER, "No.", task_id="t2"),
        turn("", None, task_id="t3"),
        after(OFFER, "ok", task_id="t4"),
    ]
    kept = [
        one.model_copy(update={"embedded": embedded})
        for one, embedded in zip(batch, semantic.embed(batch), strict=True)
    ]
    found = semantic.detect(batch, EVENTS)
    assert semantic.detect(kept, EVENTS) == found
    assert semantic.detect([kept[0], *batch[1:]], EVENTS) == found


def test_a_click_on_an_accepted_offer_says_little_of_other_offers(
    semantic: SemanticDetector,
) -> None:
    said = "Yes, please."
    hotel, song = "Shall I reserve the room with the sea view?", "Shall I play the new song?"
    reviewed = FLIGHT.model_copy(
        update={"reviews": (Review(input=said, before=hotel, occurred=True),)}
    )

    def gain(before: str) -> float:
        one = after(before, said)
        (plain,) = semantic.detect([one], [FLIGHT])
        (taught,) = semantic.detect([one], [reviewed])
        return taught.score - plain.score

    assert gain(hotel) > 3 * max(gain(song), 0.0) + 0.1


@pytest.mark.parametrize(
    ("before", "offer"),
    [
        ("I found two. Would you like the first one?", "Would you like the first one?"),
        ("いいですか？", "いいですか？"),  # noqa: RUF001
        ("Is that right?\n", "Is that right?"),
        ("Is that right? Tell me.", ""),
        ("Done.", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_an_offer_is_the_question_at_the_end(before: str | None, offer: str) -> None:
    assert offered(after(before, "yes")) == offer


@given(st.text())
def test_whatever_was_said_before_the_offer_is_a_part_of_it(before: str) -> None:
    offer = offered(after(before, "yes"))
    assert offer in before
    assert offer == offer.strip()

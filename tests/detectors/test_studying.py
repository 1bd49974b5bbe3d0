from __future__ import annotations

import pytest

from phospho.detectors.deciding import with_cuts
from phospho.detectors.registry import study
from phospho.detectors.semantic import SemanticDetector
from phospho.detectors.studying import LEAST_TRAFFIC
from phospho.models import EventDefinition, Review, Turn
from phospho_server.judging_files import judge_all
from tests.detectors.builders import event, turn

FLIGHT = event("The user is trying to book a flight")
ANSWER = event("The assistant apologized")

CITIES = ("Rome", "Oslo", "Lima", "Cairo", "Kyoto", "Quito", "Dakar", "Perth", "Delhi", "Turin")
WISHES = (
    "a flight to {} please", "can you book me a plane to {}?", "I want to fly to {} on Monday",
)  # fmt: skip
OTHERS = (
    "what is the weather in {}", "tell me about museums in {}", "how many people live in {}?",
    "a good restaurant in {}", "translate hello for my trip to {}", "who is the mayor of {}",
    "play some music from {}", "is it late in {} now", "how tall is the tower in {}",
)  # fmt: skip


def traffic() -> list[Turn]:
    """Return messages about cities, of which a quarter asks for a flight."""
    said = [text.format(city) for text in (*WISHES, *OTHERS) for city in CITIES]
    return [turn(text, "", task_id=str(i)) for i, text in enumerate(said)]


def test_traffic_teaches_how_common_an_event_is_and_where_it_lies(
    semantic: SemanticDetector,
) -> None:
    cut = semantic.study(traffic(), [FLIGHT])[FLIGHT.id]
    assert 0.12 < cut.prevalence < 0.4
    assert semantic.embedder is not None
    assert cut.embedder == semantic.embedder.id
    assert list(cut.directions) == ["input"]


def test_what_was_learned_tells_events_from_others(semantic: SemanticDetector) -> None:
    learned = with_cuts([FLIGHT], semantic.study(traffic(), [FLIGHT]))
    found = [d.detected for d in semantic.detect(traffic(), learned)]
    wishes = len(WISHES) * len(CITIES)
    assert sum(found[:wishes]) >= 0.9 * wishes
    assert sum(found[wishes:]) <= 0.2 * len(found[wishes:])


def test_what_was_learned_can_be_kept_as_json(semantic: SemanticDetector) -> None:
    (learned,) = with_cuts([FLIGHT], semantic.study(traffic(), [FLIGHT]))
    read = EventDefinition.model_validate_json(learned.model_dump_json())
    assert read == learned
    batch = traffic()[:5]
    assert semantic.detect(batch, [read]) == semantic.detect(batch, [learned])


def test_little_traffic_teaches_nothing(semantic: SemanticDetector) -> None:
    assert semantic.study(traffic()[: LEAST_TRAFFIC - 1], [FLIGHT]) == {}
    # Nobody has answered: the user's side alone can be learned from.
    assert set(semantic.study(traffic(), [FLIGHT, ANSWER])) == {FLIGHT.id}


def test_what_another_embedder_learned_is_not_used(semantic: SemanticDetector) -> None:
    cut = semantic.study(traffic(), [FLIGHT])[FLIGHT.id]
    other = cut.model_copy(update={"embedder": "another", "threshold": 0.0001})
    batch = traffic()
    plain = semantic.detect(batch, [FLIGHT])
    assert semantic.detect(batch, with_cuts([FLIGHT], {FLIGHT.id: other})) == plain
    assert not all(detection.detected for detection in plain)


def test_a_detector_that_cannot_learn_costs_nothing(semantic: SemanticDetector) -> None:
    rule = event("The user says 'refund'", id="r")
    learned = study({"semantic": semantic}, traffic(), [rule, FLIGHT])
    assert set(learned) == {FLIGHT.id}


@pytest.mark.parametrize("events", [[], [event("The user says 'hi'", id="r")]])
def test_nothing_to_learn_about_is_no_lesson(
    semantic: SemanticDetector, events: list[EventDefinition]
) -> None:
    assert study({"semantic": semantic}, traffic(), events) == {}


def test_what_is_learned_does_not_depend_on_what_was_studied_before(
    semantic: SemanticDetector,
) -> None:
    said = Review(input="a good restaurant in Rome", occurred=False)
    flight = FLIGHT.model_copy(update={"id": "reviewed", "reviews": (said,)})
    later = traffic()[15:]
    semantic.study(traffic(), [flight])
    again = semantic.study(later, [flight])
    assert again == SemanticDetector(semantic.embedder).study(later, [flight])
    assert again


def test_what_is_judged_at_once_teaches_whatever_was_learned_elsewhere(
    semantic: SemanticDetector,
) -> None:
    detectors = {"semantic": semantic}
    elsewhere = with_cuts([FLIGHT], semantic.study(traffic()[:LEAST_TRAFFIC], [FLIGHT]))
    assert elsewhere[0].cut
    found = list(judge_all(traffic(), elsewhere, detectors))
    assert found == list(judge_all(traffic(), [FLIGHT], detectors))
    here = with_cuts([FLIGHT], semantic.study(traffic(), [FLIGHT]))
    assert [d.score for d in found] == [d.score for d in semantic.detect(traffic(), here)]


def test_a_definition_that_has_learned_teaches_nothing_more(semantic: SemanticDetector) -> None:
    learned = with_cuts([FLIGHT], semantic.study(traffic(), [FLIGHT]))
    music = event("The user wants to listen to music")
    assert set(semantic.study(traffic(), [*learned, music])) == {music.id}

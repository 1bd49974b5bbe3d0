# Typographic and foreign characters are what is tested.
# ruff: noqa: RUF001

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from phospho.detectors.auto import chosen
from phospho.detectors.conditions import In, Occurs
from phospho.detectors.phrases import Phrase
from phospho.detectors.rules import RulesDetector
from phospho.detectors.wording import parse_wording
from phospho.models import Detection, Turn
from tests.detectors.builders import event, turn
from tests.detectors.descriptions import About, Case, cases, meanings

# Says nothing that any description asks for, but is no empty message either.
OTHER = "qq zz"


def verdict(description: str, input: str, output: str | None) -> Detection:
    return verdict_on(description, turn(input, output))


def verdict_on(description: str, asked: Turn) -> Detection:
    (detection,) = RulesDetector().detect([asked], [event(description)])
    return detection


def is_met(description: str, input: str, output: str | None) -> bool:
    return verdict(description, input, output).detected


@pytest.mark.parametrize("case", cases("user"), ids=lambda case: case[0])
def test_wording_of_the_user_is_found_where_it_stands(case: Case) -> None:
    description, has, has_not = case
    assert is_met(description, has, OTHER)
    assert not is_met(description, has_not, OTHER)


@pytest.mark.parametrize("case", cases("assistant"), ids=lambda case: case[0])
def test_wording_of_the_assistant_is_found_where_it_stands(case: Case) -> None:
    description, has, has_not = case
    assert is_met(description, OTHER, has)
    assert not is_met(description, OTHER, has_not)


@pytest.mark.parametrize("case", cases("anybody"), ids=lambda case: case[0])
def test_wording_of_nobody_in_particular_is_looked_for_on_both_sides(case: Case) -> None:
    description, has, has_not = case
    assert is_met(description, has, None)
    assert is_met(description, OTHER, has)
    assert not is_met(description, has_not, has_not)


@pytest.mark.parametrize("case", cases("both"), ids=lambda case: case[0])
def test_wording_of_both_sides_is_looked_for_in_each(case: Case) -> None:
    description = case.description
    assert is_met(description, "x1", "x1")
    assert not is_met(description, "x1", OTHER)
    assert not is_met(description, OTHER, "x1")


@pytest.mark.parametrize("case", cases("neither"), ids=lambda case: case[0])
def test_wording_of_neither_side_is_missed_in_both(case: Case) -> None:
    description = case.description
    assert is_met(description, OTHER, OTHER)
    assert not is_met(description, "x1", OTHER)
    assert not is_met(description, OTHER, "x1")


@pytest.mark.parametrize("case", cases("opening"), ids=lambda case: case[0])
def test_the_first_message_is_that_of_a_session(case: Case) -> None:
    description, has, has_not = case
    assert is_met(description, has, OTHER)
    assert not is_met(description, has_not, OTHER)
    first = turn(OTHER, OTHER, task_id="t0").interaction
    later = turn(has, OTHER).model_copy(update={"history": (first,)})
    assert not verdict_on(description, later).detected


@pytest.mark.parametrize("description", meanings())
def test_a_description_of_meaning_is_no_rule(description: str) -> None:
    assert parse_wording(description) is None
    assert chosen(event(description)) == "semantic"


def test_as_many_descriptions_of_meaning_are_known_as_of_wording() -> None:
    sides: tuple[About, ...] = ("user", "assistant", "anybody", "opening", "both", "neither")
    wording = {case.description for about in sides for case in cases(about)}
    meaning = set(meanings())
    assert len(wording) > 700
    assert len(meaning) > 450
    assert not wording & meaning


def test_a_missing_answer_lacks_no_wording() -> None:
    assert not is_met("The assistant does not say 'sorry'", "hi", None)
    assert not is_met("The assistant does not say 'sorry'", "hi", "")
    assert is_met("The assistant does not say 'sorry'", "hi", "hello")
    assert not is_met("The reply is shorter than 5 words", "hi", "")


def test_an_empty_answer_can_be_asked_for() -> None:
    for description in ("The reply is empty", "Empty replies", "The assistant did not reply"):
        assert is_met(description, "hi", " ")
        assert is_met(description, "hi", None)
        assert not is_met(description, "hi", "hello")
    assert is_met("The reply is not empty", "hi", "hello")
    assert not is_met("The reply is not empty", "hi", "")


@pytest.mark.parametrize(
    ("description", "input", "output", "expected"),
    [
        ("The assistant repeats the user's message", "Hello there!", "You said: hello there", True),
        ("The assistant repeats the user's message", "Hello there!", "Hello", False),
        ("The reply is identical to the user's message", "hello", "Hello.", True),
        ("The reply is identical to the user's message", "hello", "Hello you", False),
        ("The assistant does not repeat the user's message", "hello", "hello", False),
        ("The assistant does not repeat the user's message", "hello", "bye", True),
        ("The assistant echoes the user's input word for word", "a b", "a b", True),
        ("The reply includes the user's message word for word", "a b", "So: a b", True),
        ("The reply includes the user's message word for word", "a b", "So: b a", False),
    ],
)
def test_one_side_may_repeat_the_other(
    description: str, input: str, output: str, expected: bool
) -> None:
    assert is_met(description, input, output) is expected


@pytest.mark.parametrize(
    ("description", "input", "output", "expected"),
    [
        ("The user says 'a1' and the assistant says 'b1'", "a1", "b1", True),
        ("The user says 'a1' and the assistant says 'b1'", "b1", "a1", False),
        ("The user says 'a1' or the assistant replies 'b1'", "c1", "b1", True),
        ("User: 'a1', assistant: 'b1'", "a1", "b1", True),
        ("User: 'a1', assistant: 'b1'", "b1", "a1", False),
        ("The user says 'a1' but the reply does not contain 'b1'", "a1", "c1", True),
        ("The user says 'a1' but the reply does not contain 'b1'", "a1", "b1", False),
        ("The user says 'a1' and the assistant replies with 'b1'", "a1 c1", "b1", True),
        ("The user says 'a1' and the assistant replies with 'b1'", "a1", "c1", False),
        ("The user asks a question and the reply is shorter than 3 words", "Why?", "So.", True),
        ("The user asks a question and the reply is shorter than 3 words", "So.", "So.", False),
    ],
)
def test_each_side_may_be_asked_for_something_else(
    description: str, input: str, output: str, expected: bool
) -> None:
    assert is_met(description, input, output) is expected


def test_a_scope_moves_all_of_a_condition() -> None:
    definition = event("The user says 'a1' but not 'b1'", scope="assistant_message")
    for asked, expected in (
        (turn("a1", "c1"), False),
        (turn("b1", "a1"), True),
        (turn("a1", "a1 b1"), False),
    ):
        (detection,) = RulesDetector().detect([asked], [definition])
        assert detection.detected is expected


def test_one_message_must_meet_all_that_is_asked_of_it() -> None:
    description = "Messages that contain 'x1' but not 'y1'"
    assert is_met(description, "x1", "y1")
    assert is_met("Messages that contain 'x1' and a number", "x1 5", None)
    assert not is_met("Messages that contain 'xx' and a number", "xx", "5")
    assert is_met("The conversation contains 'xx' and a number", "xx", "5")


def test_the_evidence_quotes_the_message_letter_for_letter() -> None:
    evidence = verdict("The user says 'thank you'", "Well, THANK   you!", None).evidence
    assert evidence is not None
    assert (evidence.side, evidence.quote) == ("input", "THANK   you")
    assert evidence.reason == 'contains "thank you"'


def test_the_evidence_of_several_conditions_names_them_all() -> None:
    evidence = verdict("The reply contains 'a' or 'b' and a question", "", "a b. Is it?").evidence
    assert evidence is not None
    assert evidence.quote in {"a", "Is it?"}
    absent = verdict("The reply lacks 'a'", "", "b").evidence
    assert absent is not None
    assert (absent.quote, absent.reason) == ("", 'does not contain "a"')


@given(st.text(max_size=200))
def test_any_description_can_be_read(description: str) -> None:
    parse_wording(description)


# What the grammar is made of, so that fuzzing gets deep into it.
GRAMMAR = """
    the user assistant message reply says contains starts ends with without not never and or but
    both either neither nor at least more than two 5 words 'a' "b" “c” ' " ` , : ( ) ? is in a
    question mark like such as 退款 #x /y GDPR twice word words any these keywords list
    items w/ then question mark of by first last sentence exactly only all caps no times once that
"""
WORDS = st.sampled_from(GRAMMAR.split())


@given(st.lists(WORDS, max_size=40).map(" ".join), st.text(max_size=50))
@example("the user says 'a' and 'b' or 'c' but not 'a'", "b")
def test_any_sentence_of_known_words_can_be_read_and_tested(description: str, text: str) -> None:
    condition = parse_wording(description)
    if condition is not None:
        found = condition.find([("input", text), ("output", text[::-1])])
        assert found is None or found.quote in text or found.quote in text[::-1]
        assert condition.told()


@given(st.text(min_size=1, max_size=30), st.text(max_size=30))
def test_a_quoted_phrase_is_found_in_a_text_that_is_only_it(phrase: str, rest: str) -> None:
    condition = parse_wording(f"The user says “{phrase}”")
    if condition == In(("input",), Occurs(Phrase(phrase))):
        assert is_met(f"The user says “{phrase}”", phrase, rest)


@pytest.mark.parametrize(
    "description",
    [
        pytest.param("The user says ''", id="empty"),
        pytest.param("The user says ' '", id="blank"),
        pytest.param('The user says "refund', id="unbalanced"),
        pytest.param("The user says 'refund", id="apostrophe"),
        pytest.param("The user says \"he said \"no\" to me\"", id="nested-alike"),
        pytest.param("The user says 'a' 'b'", id="side-by-side"),
        pytest.param("The user says", id="nothing"),
        pytest.param("", id="no-text"),
        pytest.param("???", id="signs"),
    ],
)  # fmt: skip
def test_quotes_that_do_not_work_out_are_no_rule(description: str) -> None:
    assert parse_wording(description) is None


@pytest.mark.parametrize(
    ("description", "phrase"),
    [
        ('The user says “he said "no"”', 'he said "no"'),
        ('The user says "I\'m done"', "I'm done"),
        ("The user says 'I can't do that'", "I can't do that"),
        ("The user says (a+)+$ as in '(a+)+$'", None),
        ("The user says '(a+)+$'", "(a+)+$"),
        ("The user says '.*'", ".*"),
        (r"The user says '\d'", r"\d"),
        ("The user says ``x``", "x"),
        ("The user says `x'", "x"),
        ("The user says ‚x‘", "x"),
        ("The user says »x«", "x"),
        ("The user says « x »", "x"),
        ("The user says 'and'", "and"),
        ("The user says 'in the reply'", "in the reply"),
    ],
)
def test_what_stands_in_quotes_is_meant_letter_for_letter(
    description: str, phrase: str | None
) -> None:
    expected = phrase and In(("input",), Occurs(Phrase(phrase)))
    assert parse_wording(description) == expected

"""What occurs in a session occurs once, in the interaction by which the session first has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho.detectors.auto import explain
from phospho.detectors.description import BOTH_SIDES, sides_of
from phospho.detectors.rules import RulesDetector, check_definition
from phospho.detectors.scopes import firsts, is_new
from phospho.errors import DefinitionError, DetectorError
from phospho.models import EventDefinition, Interaction, Side, Turn
from tests.detectors.builders import event

Spoken = tuple[str, str | None]


def turns(spoken: list[Spoken]) -> list[Turn]:
    """Return the turns of one session."""
    said = [
        Interaction(task_id=f"t{n}", session_id="s", input=user, output=assistant)
        for n, (user, assistant) in enumerate(spoken)
    ]
    return [Turn(interaction=each, history=tuple(said[:n])) for n, each in enumerate(said)]


def found_at(spoken: list[Spoken], definition: EventDefinition) -> list[int]:
    detections = RulesDetector().detect(turns(spoken), [definition])
    return [n for n, detection in enumerate(detections) if detection.detected]


def of_session(description: str = "A refund", **fields: object) -> EventDefinition:
    return event(description, scope="session", **fields)


@pytest.mark.parametrize(
    ("definition", "place"),
    [
        pytest.param(of_session(keywords=("refund",)), [1], id="keyword"),
        pytest.param(of_session(pattern="ref.nd"), [1], id="pattern"),
        pytest.param(of_session("The user says 'refund'"), [1], id="wording"),
        pytest.param(of_session("The assistant says 'refund'"), [2], id="assistant"),
        pytest.param(of_session("The user says 'hello' and 'refund'"), [1], id="together"),
        pytest.param(of_session("The message is longer than 6 words"), [2], id="length"),
        pytest.param(of_session("The user says 'never'"), [], id="never"),
    ],
)
def test_an_event_of_a_session_occurs_where_the_session_first_has_it(
    definition: EventDefinition, place: list[int]
) -> None:
    spoken: list[Spoken] = [
        ("hello", "hi"),
        ("a refund now", None),
        ("a refund", "no refund"),
        ("refund hello", "refund"),
    ]
    assert found_at(spoken, definition) == place


def test_the_quote_stands_in_the_interaction_by_which_the_session_has_it() -> None:
    spoken: list[Spoken] = [("one", None), ("and two", None)]
    definition = of_session("The user says 'one' and 'two'")
    found = RulesDetector().detect(turns(spoken), [definition])[1].evidence
    assert found is not None
    assert (found.side, found.quote) == ("input", "two")


def test_what_is_new_is_quoted_where_a_part_was_said_before() -> None:
    definition = of_session("The user says 'one' and 'two', or the assistant says 'three'")
    found = RulesDetector().detect(turns([("one", None), ("one, two", None)]), [definition])
    assert [d.evidence and d.evidence.quote for d in found] == [None, "two"]


def test_how_a_session_begins_is_looked_at_where_it_begins() -> None:
    definition = of_session("The first user message contains 'hello'")
    assert found_at([("hello", "hi"), ("hello", None)], definition) == [0]
    assert found_at([("hi", "hello"), ("hello", None)], definition) == []


@pytest.mark.parametrize(
    "description",
    [
        pytest.param("The user's message contains at most two links", id="count"),
        pytest.param("The user says 'no' but not 'thanks'", id="part"),
        pytest.param("The assistant never says 'sorry'", id="negated"),
        pytest.param("The user's message is shorter than 3 words", id="shorter"),
    ],
)
def test_what_a_session_only_lacks_is_refused(description: str) -> None:
    definition = of_session(description)
    with pytest.raises(DefinitionError, match="A session has no end"):
        check_definition(definition)
    with pytest.raises(DetectorError, match="A session has no end"):
        RulesDetector().detect(turns([("a", "b")]), [definition])
    assert "A session has no end" in explain(definition)
    check_definition(definition.model_copy(update={"scope": "interaction"}))
    check_definition(definition.model_copy(update={"detector": "semantic"}))


@pytest.mark.parametrize(
    ("description", "sides"),
    [
        pytest.param("The user wants a refund", ("input",), id="user"),
        pytest.param("The assistant refuses", ("output",), id="assistant"),
        pytest.param("Somebody is angry", BOTH_SIDES, id="nobody"),
    ],
)
def test_a_session_is_searched_on_the_side_its_description_names(
    description: str, sides: tuple[Side, ...]
) -> None:
    assert sides_of(of_session(description)) == sides


def test_settings_say_that_a_session_is_looked_at() -> None:
    assert explain(of_session("The user says 'refund'")) == (
        "looks for the wording 'refund' in the user's messages of a session"
    )
    assert explain(of_session("Somebody is angry")).endswith("in the messages of a session")
    assert explain(of_session("The user's message is longer than 9 words")) == (
        "checks that in all of a session the user's message is longer than 9 words"
    )
    assert explain(of_session("The user writes in Spanish")) == (
        "checks that one of the user's messages of a session is in Spanish"
    )


words = st.sampled_from(["alpha", "beta", "gamma", ""])


@given(st.lists(st.tuples(words, st.none() | words), max_size=8))
def test_no_event_of_a_session_occurs_twice(spoken: list[Spoken]) -> None:
    for definition in (
        of_session(keywords=("alpha",)),
        of_session("The user says 'alpha' and 'beta'"),
        of_session("The message is longer than 2 words"),
        of_session("The assistant repeats the user's message"),
        of_session("The user says 'alpha' or the message is longer than 3 words"),
    ):
        places = found_at(spoken, definition)
        said = [t.interaction for t in turns(spoken)]
        assert len(places) <= 1
        if definition.keywords:
            held = [n for n, i in enumerate(said) if "alpha" in (i.input, i.output)]
            assert places == held[:1]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), unique=True))
def test_the_first_of_each_session_is_found_in_any_order(found: list[tuple[int, int]]) -> None:
    kept = firsts((session, (at, session)) for session, at in found)
    expected = {(min(at for s, at in found if s == one), one) for one, _ in found}
    assert kept == expected


def test_an_interaction_that_says_nothing_adds_nothing() -> None:
    (only,) = turns([("", None)])
    assert not is_new(only, BOTH_SIDES, lambda said: True)

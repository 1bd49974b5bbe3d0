from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho.detectors.auto import explain
from phospho.detectors.rules import RulesDetector, check_definition
from phospho.errors import DefinitionError, DetectorError, MissingDependencyError
from tests.detectors.builders import event, turn
from tests.waiting import not_endless


def is_found(text: str, **fields: Any) -> bool:
    (detection,) = RulesDetector().detect([turn(text)], [event("The user ...", **fields)])
    return detection.detected


def test_a_keyword_is_looked_for_as_a_phrase_is() -> None:
    assert is_found("my refunds", keywords=("cancel", "refund"))
    assert not is_found("refunder", keywords=("cancel", "refund"))
    assert is_found("a+b?(", keywords=("a+b?(",))


def test_a_pattern_is_re2() -> None:
    assert is_found("order AB-123", pattern=r"\b[A-Z]{2}-\d+\b")
    assert not is_found("order ab-123", pattern=r"\b[A-Z]{2}-\d+\b")
    assert not is_found("a" * 300_000, pattern=r"(a+)+$b")


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(r"(a+)+$b", id="nested"),
        pytest.param(r"(a|a)*b", id="alike"),
        pytest.param(r"(a|aa)+$b", id="overlapping"),
        pytest.param(r"([a-zA-Z]+)*!", id="class"),
        pytest.param(r"(.*a){12}b", id="counted"),
        pytest.param(r"(x+x+)+y", id="adjacent"),
        pytest.param(r"^(([a-z])+.)+[A-Z]([a-z])+$", id="owasp"),
        pytest.param(r"(?i)(?:\w|\s|.)*?(?:q|Q)", id="lazy"),
    ],
)
def test_a_pattern_cannot_hang(pattern: str) -> None:
    with not_endless():
        for text in ("a" * 300_000, "ax" * 150_000, "a " * 150_000, "x" * 300_000):
            assert not is_found(text, pattern=pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param("a{1001}", id="repeat"),
        pytest.param("((a{100}){100}){100}", id="nested-repeat"),
        pytest.param(r"(?<=a)b", id="look-behind"),
        pytest.param(r"(a)\1", id="back-reference"),
        pytest.param("[z-a]", id="range"),
        pytest.param("*a", id="nothing-to-repeat"),
        pytest.param(r"\p{Nope}", id="unknown-class"),
        pytest.param("a(?P<x", id="unfinished"),
        pytest.param("(" * 1_500 + "a" + ")" * 400, id="unbalanced"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_with_the_reason(pattern: str) -> None:
    with pytest.raises(DefinitionError, match=r"not a valid regular expression: \S.*RE2"):
        check_definition(event("The user is happy", pattern=pattern))


@given(st.text(st.characters(codec=None), max_size=40), st.text(max_size=60))
def test_any_pattern_is_refused_or_searched(pattern: str, text: str) -> None:
    definition = event("x", pattern=pattern)
    try:
        check_definition(definition)
    except DefinitionError as error:
        assert str(error).endswith(".")
    else:
        RulesDetector().detect([turn(text, "\ud800\x00")], [definition])


def test_a_pattern_sees_a_bounded_part_of_a_text() -> None:
    assert is_found("x" * 99_999 + "y", pattern="y")
    assert not is_found("x" * 100_000 + "y", pattern="y")


@given(st.text(), st.text(alphabet=st.characters(codec=None), max_size=50))
def test_any_text_can_be_searched(text: str, keyword: str) -> None:
    RulesDetector().detect(
        [turn(text, text + "\x00\ud800")], [event("x", keywords=(keyword, "k"), pattern="a.c")]
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"name": " "}, "name is empty", id="no-name"),
        pytest.param({"description": "\n"}, "description is empty", id="no-description"),
        pytest.param({"description": "x" * 5000}, "Shorten it", id="long"),
        pytest.param({"pattern": "("}, "missing", id="invalid-pattern"),
        pytest.param({"pattern": "(?=a)"}, "RE2", id="look-around"),
        pytest.param({"pattern": "a*"}, "everywhere", id="matches-nothing"),
        pytest.param({"pattern": ""}, "pattern is empty", id="empty-pattern"),
        pytest.param({"pattern": "\ud800("}, "not a valid", id="surrogate"),
        pytest.param({"detector": "rules"}, "no wording", id="no-wording"),
        pytest.param({"keywords": ("k",) * 501}, "fewer", id="many-keywords"),
    ],
)
def test_an_unusable_definition_is_refused_with_advice(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(DefinitionError, match=message):
        check_definition(event(**{"description": "The user is happy", **fields}))


@pytest.mark.parametrize(
    "fields", [{}, {"pattern": "a+"}, {"keywords": ("a",), "detector": "rules"}, {"detector": "x"}]
)
def test_a_usable_definition_is_accepted(fields: dict[str, Any]) -> None:
    check_definition(event("The user is happy", **fields))


def test_a_missing_re2_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(MissingDependencyError, match="google-re2"):
        check_definition(event("x", pattern="never compiled before"))


def test_meaning_cannot_be_judged_by_rules() -> None:
    with pytest.raises(DetectorError, match="in quotes"):
        RulesDetector().detect([turn("hi")], [event("The user is happy")])


def test_a_scope_overrules_the_description() -> None:
    definition = event("The user says 'hi'", scope="assistant_message")
    (missed,) = RulesDetector().detect([turn("hi", "ho")], [definition])
    (found,) = RulesDetector().detect([turn("ho", "hi")], [definition])
    assert (missed.detected, found.detected) == (False, True)


@pytest.mark.parametrize(
    ("description", "fields", "explanation"),
    [
        pytest.param(
            "The assistant started with 'As an AI model'", {},
            "looks for the wording 'As an AI model' at the start of the assistant's message",
            id="starts",
        ),
        pytest.param(
            "The user never says 'a' or 'b'", {},
            "checks for the absence of the wording 'a' or 'b' in the user's message", id="not",
        ),
        pytest.param(
            "The user asked a question", {}, "looks for a question in the user's message",
            id="question",
        ),
        pytest.param(
            "The answer is longer than 50 words", {},
            "checks that the assistant's message is longer than 50 words", id="length",
        ),
        pytest.param(
            "Refunds", {"keywords": ("refund", "money back")},
            "looks for any of the keywords 'refund' or 'money back' in either message",
            id="keywords",
        ),
        pytest.param(
            "The user is lost", {"pattern": "lost"},
            "looks for the pattern lost in the user's message (upper and lower case differ)",
            id="pattern",
        ),
        pytest.param(
            "The user is trying to book a flight", {},
            "looks for the meaning \"book a flight\" in the user's message", id="meaning",
        ),
        pytest.param("x", {"detector": "acme"}, "is decided by the detector 'acme'", id="plugin"),
    ],
)  # fmt: skip
def test_a_definition_is_explained_in_plain_english(
    description: str, fields: dict[str, Any], explanation: str
) -> None:
    assert explain(event(description, **fields)) == explanation

"""What judges answer is read as far as it goes, and nothing they send breaks us."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho.detectors.llm.answer import Answer, read_answers, says_yes
from tests.detectors.builders import event

EVENTS = {"e1": event("The user mentions a banana"), "e2": event("The user mentions a plum")}
YES = {"evidence": "a banana", "occurred": True, "confidence": 90}
NO = {"evidence": "", "occurred": False, "confidence": 80}
BOTH = {"e1": Answer(True, "a banana", 90), "e2": Answer(False, "", 80)}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(json.dumps({"events": {"e1": YES, "e2": NO}}), id="as-asked"),
        pytest.param(json.dumps({"e1": YES, "e2": NO}), id="without-events"),
        pytest.param(
            json.dumps({"events": [{"key": "e1", **YES}, {"key": "e2", **NO}]}), id="list"
        ),
        pytest.param(
            f"Here:\n```json\n{json.dumps({'events': {'e1': YES, 'e2': NO}})}\n```", id="fence"
        ),
        pytest.param(
            f'<think>{{"e1": {{}}}} maybe</think>{json.dumps({"e1": YES, "e2": NO})}', id="thought"
        ),
        pytest.param(json.dumps({"events": {"e1": YES, "e2": NO}})[:-2] + " oh", id="unclosed"),
        pytest.param(
            '{"e1": {"evidence": "a banana", "occurred": "Yes", "confidence": "90%"},'
            ' "e2": {"evidence": null, "occurred": 0, "confidence": 0.8}}',
            id="other-types",
        ),
        pytest.param(json.dumps({"events": {"e1": YES, "e2": NO, "e3": YES}}), id="invented-key"),
    ],
)
def test_an_answer_is_read_in_whatever_form_it_comes(text: str) -> None:
    assert read_answers(text, EVENTS) == BOTH


@pytest.mark.parametrize(
    ("given_", "confidence"),
    [(None, 75), ("sure", 75), (1, 1), (1.0, 100), (0.35, 35), (-5, 0), (900, 100), ([], 75)],
)
def test_a_confidence_is_between_0_and_100(given_: object, confidence: float) -> None:
    text = json.dumps({"e1": {**YES, "confidence": given_}})
    assert read_answers(text, EVENTS)["e1"].confidence == confidence


def test_an_answer_is_remembered_as_it_was() -> None:
    answer = Answer(True, "“ä”", 90.0, "glad")
    assert Answer.from_json(answer.to_json()) == answer


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["events", "e1", "e2", "key", "occurred", "evidence", "value"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(junk)
def test_any_json_is_read_as_far_as_it_goes(value: Any) -> None:
    text = json.dumps(value)
    for answer in read_answers(text, EVENTS).values():
        assert 0 <= answer.confidence <= 100
    says_yes(text, "e1")


@given(st.text(max_size=300))
def test_any_text_is_read_as_far_as_it_goes(text: str) -> None:
    assert set(read_answers(text, EVENTS)) <= set(EVENTS)


@given(st.integers(0, 200))
def test_a_truncated_answer_gives_what_is_whole(length: int) -> None:
    text = json.dumps({"events": {"e1": YES, "e2": NO}})[:length]
    for key, answer in read_answers(text, EVENTS).items():
        assert answer == BOTH[key]


@pytest.mark.parametrize("text", ["[" * 200_000, '{"e1":' * 100_000, "{" * 200_000])
def test_endless_nesting_is_no_answer(text: str) -> None:
    assert read_answers(text, EVENTS) == {}

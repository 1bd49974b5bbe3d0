from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from openai.types.chat import ChatCompletion

from phospho.extractors.elements import phospho_extract_input, phospho_extract_output
from tests.extractors.mutations import mutated
from tests.extractors.recordings import survives, through_hooks
from tests.loopback import completion


@dataclasses.dataclass
class Turn:
    question: str
    answer: str


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(["a", "b"], "a\nb", id="texts"),
        pytest.param(("a", "b"), "a\nb", id="tuple"),
        pytest.param([{"answer": "a"}, {"answer": "b"}], "a\nb", id="dicts"),
        pytest.param([Turn("?", "a"), Turn("?", "b")], "a\nb", id="records"),
        pytest.param(
            [ChatCompletion.model_validate(completion(text)) for text in ("a", "b")],
            "b",
            id="answers",
        ),
        pytest.param([[{"answer": 1}], completion("a"), {"score": 0.5}], "a", id="mixed"),
        pytest.param([[[completion("a")]]], "a", id="lists-in-lists"),
    ],
)
def test_a_list_is_read_by_what_is_in_it(value: Any, text: str) -> None:
    assert through_hooks("elements", value, "output")["text"] == text


def test_the_input_has_names_of_its_own() -> None:
    assert through_hooks("elements", [Turn("a", "?"), Turn("b", "?")], "input")["text"] == "a\nb"


@pytest.mark.parametrize("value", [[], [1], [{"a": 1}], [["a", 1]], "a", None, {"a": "b"}])
def test_other_values_are_left_to_others(value: Any) -> None:
    assert phospho_extract_input(value) is None
    assert phospho_extract_output(value) is None


def test_a_table_of_data_is_left_alone() -> None:
    assert phospho_extract_output([{"answer": "a"}] * 10_000) is None


@given(mutated([completion("a"), {"answer": "b"}, "c"]))
def test_no_broken_value_raises(value: Any) -> None:
    survives("elements", value)


@pytest.mark.parametrize("rest", [["doc1"], 0.9, None, {"tokens": 3}])
def test_a_text_that_is_returned_with_facts_is_the_answer(rest: Any) -> None:
    assert through_hooks("elements", ("It left.", rest), "output") == {"text": "It left."}


def test_a_mode_of_a_graph_is_no_answer() -> None:
    assert phospho_extract_output(("values", {"a": 1, "b": 2})) is None

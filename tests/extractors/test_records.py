from __future__ import annotations

import dataclasses
from collections import UserString
from types import SimpleNamespace
from typing import Any, NamedTuple

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.audio import Transcription
from openai.types.chat import ChatCompletion
from openai.types.model import Model
from openai.types.responses import ResponseOutputText
from pydantic import BaseModel, RootModel

from phospho.extraction import extract
from phospho.extractors.records import phospho_extract_input, phospho_extract_output
from phospho.plugins import Plugins
from tests.extractors.recordings import survives, through_hooks
from tests.loopback import completion


@dataclasses.dataclass
class Plain:
    question: Any = "why?"
    answer: Any = "because"
    score: float = 0.5


@attrs.define
class Slotted:
    question: str = "why?"
    answer: str = "because"


class Named(NamedTuple):
    question: str = "why?"
    answer: str = "because"


class Model1(BaseModel):
    question: str = "why?"
    answer: str = "because"


@pytest.mark.parametrize(
    "record",
    [Plain(), Slotted(), Named(), Model1(), SimpleNamespace(question="why?", answer="because")],
)
def test_the_text_of_a_record_stands_under_a_usual_name(record: Any) -> None:
    assert through_hooks("records", record, "input") == {"text": "why?"}
    assert through_hooks("records", record, "output") == {"text": "because"}


@dataclasses.dataclass
class Order:
    number: int = 1042
    lines: tuple[str, ...] = ("chain",)
    api_key: str = "sk-1"


@dataclasses.dataclass
class Spoken(Order):
    def __str__(self) -> str:
        return f"Order {self.number}"


class Parsed(BaseModel):
    steps: list[str] = ["a", "b"]


@pytest.mark.parametrize(
    ("record", "text"),
    [
        pytest.param(Order(), '{"number": 1042, "lines": ["chain"]}', id="json"),
        pytest.param(Spoken(), "Order 1042", id="own-text"),
        pytest.param(Parsed(), '{"steps": ["a", "b"]}', id="model"),
        pytest.param(Plain(answer={"text": "inner"}), "inner", id="dict-inside"),
        pytest.param(
            Plain(answer=ChatCompletion.model_validate(completion("a"))),
            "a",
            id="a-library-s-inside",
        ),
    ],
)
def test_other_records_are_shown_by_their_fields(record: Any, text: str) -> None:
    assert through_hooks("records", record, "output")["text"] == text


def test_a_text_in_a_class_of_its_own_is_that_text() -> None:
    answer = extract(UserString("hi"), "output", Plugins(entry_points=False, built_in=()))
    assert answer is not None
    assert answer.text == "hi"


@pytest.mark.parametrize(
    "value",
    [
        None,
        "a",
        7,
        ("a",),
        {"answer": "a"},
        object(),
        Plain,
        Model(id="m", created=1, object="model", owned_by="x"),
    ],
)
def test_other_values_are_left_to_others(value: Any) -> None:
    assert phospho_extract_input(value) is None
    assert phospho_extract_output(value) is None


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(Transcription(text="hello"), id="transcription"),
        pytest.param(
            ResponseOutputText(type="output_text", text="hello", annotations=[]), id="part"
        ),
    ],
)
def test_an_object_of_a_library_is_read_by_its_usual_names(value: Any) -> None:
    assert through_hooks("records", value, "input") == {"text": "hello"}
    assert through_hooks("records", value, "output") == {"text": "hello"}


def test_no_repr_of_a_library_is_shown() -> None:
    model = Model(id="m", created=1, object="model", owned_by="x")
    answer = extract(model, "output", Plugins(entry_points=False, built_in=()))
    assert answer is not None
    assert answer.text.startswith('{"id": "m", "created": 1, "object": "model", "owned_by": "x"')


@pytest.mark.parametrize(
    ("root", "text"),
    [
        pytest.param("hi", "hi", id="text"),
        pytest.param(["a", "b"], "a\nb", id="list"),
        pytest.param({"answer": "hi", "k": 3}, "hi", id="dict"),
        pytest.param([1, 2], "[1, 2]", id="numbers"),
    ],
)
def test_a_model_of_one_value_is_read_as_that(root: Any, text: str) -> None:
    assert through_hooks("records", RootModel[Any](root), "output") == {"text": text}


def test_a_record_that_holds_itself_ends() -> None:
    record = Plain()
    record.answer = record.question = [record]
    survives("records", record)


@given(
    st.from_type(object).map(lambda value: Plain(answer=value))
    | st.builds(RootModel[Any], st.integers())
)
def test_no_field_makes_it_raise(record: Any) -> None:
    survives("records", record)

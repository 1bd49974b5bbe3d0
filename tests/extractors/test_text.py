from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho.extraction import Extracted
from phospho.extractors.text import phospho_extract_input, phospho_extract_output
from tests.extractors.recordings import survives
from tests.loopback import completion


@dataclasses.dataclass
class Answer:
    body: str
    score: float = 0.5


class Spoken:
    def __str__(self) -> str:
        return "spoken"


class Address:
    def __init__(self) -> None:
        self.body = "hi"

    def __str__(self) -> str:
        return object.__repr__(self)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(None, "", id="none"),
        pytest.param(b"caf\xc3\xa9", "café", id="bytes"),
        pytest.param(b"\xff\x00", "(2 bytes)", id="binary"),
        pytest.param(7, "7", id="int"),
        pytest.param(True, "True", id="bool"),
        pytest.param(dt.date(2026, 1, 2), "2026-01-02", id="date"),
        pytest.param({"a": ["é", 1]}, '{"a": ["é", 1]}', id="dict"),
        pytest.param((1, None), "[1, null]", id="tuple"),
        pytest.param(object(), "(object)", id="object"),
        pytest.param(Spoken(), "spoken", id="own-str"),
    ],
)
def test_anything_has_a_text(value: Any, text: str) -> None:
    read = phospho_extract_output(value)
    assert (read.text if isinstance(read, Extracted) else read) == text
    assert phospho_extract_input(value) == read


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(Answer("hi"), '{"body": "hi", "score": 0.5}', id="dataclass"),
        pytest.param(Address(), '{"body": "hi"}', id="address-in-str"),
    ],
)
def test_an_object_is_shown_by_its_fields_and_marked(value: Any, text: str) -> None:
    assert phospho_extract_output(value) == Extracted(text=text, extra={"extractor": "fallback"})


def test_an_exception_is_no_answer() -> None:
    error = {"type": "ValueError", "message": "bad"}
    assert phospho_extract_output(ValueError("bad")) == Extracted("", error=error)
    assert phospho_extract_input(ValueError("bad")) == "ValueError: bad"


def test_bytes_of_json_are_read_by_those_who_know_them() -> None:
    body = json.dumps(completion("hi")).encode()
    for value in (body, bytearray(body)):
        read = phospho_extract_output(value)
        assert isinstance(read, Extracted)
        assert (read.text, read.usage["total_tokens"]) == ("hi", 27)
    request = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    asked = phospho_extract_input(json.dumps(request).encode())
    assert isinstance(asked, Extracted)
    assert (asked.text, asked.model) == ("hello", "m")
    assert phospho_extract_output(b'{"a": 1}') == '{"a": 1}'
    assert phospho_extract_output(b"[" * 100_000) == "[" * 100_000


@given(st.recursive(st.none() | st.text() | st.binary() | st.integers() | st.floats(), st.lists))
def test_any_value_has_a_text(value: Any) -> None:
    survives("text", value)

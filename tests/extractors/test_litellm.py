from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from phospho.extractors.litellm import phospho_extract_output
from tests.extractors.mutations import mutated
from tests.extractors.recordings import load, survives, through_hooks

RECORDED = load("litellm")
READS = RECORDED["reads"]
TEXT = {
    "id": "chatcmpl-1",
    "object": "text_completion",
    "created": 1795494391,
    "model": "gpt-3.5-turbo-instruct",
    "choices": [{"finish_reason": "stop", "index": 0, "text": "On Monday.", "logprobs": None}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30},
}


class Stub:
    """Stands in for the library's objects: fields as attributes, and what is only for itself."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.__dict__.update({name: objects(value) for name, value in fields.items()})
        self._hidden_params = {"api_base": "https://api.example.com", "response_cost": 4e-05}


Stub.__module__ = "litellm.types.utils"


def objects(value: Any) -> Any:
    """Return a recorded value as the library has it: objects, all the way down."""
    if isinstance(value, dict):
        return Stub(value)
    return [objects(item) for item in value] if isinstance(value, list) else value


def test_what_was_recorded_reads_as_written() -> None:
    for form in (objects, dict):
        assert through_hooks("litellm", form(RECORDED["output"]), "output") == READS["output"]
    for chunks in (RECORDED["chunks"], objects(RECORDED["chunks"])):
        assert through_hooks("litellm", chunks, "output") == READS["chunks"]


def test_a_completion_of_a_text_is_read() -> None:
    for value in (TEXT, objects(TEXT)):
        assert through_hooks("litellm", value, "output") == {
            "text": "On Monday.",
            "model": "gpt-3.5-turbo-instruct",
            "usage": TEXT["usage"],
            "finish_reason": "stop",
        }


@pytest.mark.parametrize(
    "value", [None, 7, [], {}, objects({"data": [{"embedding": [0.1]}], "object": "list"})]
)
def test_other_values_are_left_to_others(value: Any) -> None:
    assert phospho_extract_output(value) is None


def without_object(value: Any) -> Any:
    """Return a value that is known by its choices alone."""
    if isinstance(value, list):
        return [without_object(item) for item in value]
    return {name: item for name, item in value.items() if name != "object"}


@given(mutated([without_object(RECORDED["output"]), without_object(RECORDED["chunks"])]))
def test_no_broken_value_raises(values: Any) -> None:
    for value in values if isinstance(values, list) else [values]:
        survives("litellm", value)
        survives("litellm", objects(value))

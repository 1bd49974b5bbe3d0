from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from phospho.extractors.turns import phospho_extract_input, phospho_extract_output
from phospho.testing import CaptureClient
from tests.extractors.mutations import mutated
from tests.extractors.recordings import survives, through_hooks

TURNS = [{"sender": "user", "text": "Where?"}, {"sender": "bot", "text": "On its way."}]


@pytest.mark.parametrize("speaker", ["role", "sender", "author", "from", "speaker"])
@pytest.mark.parametrize("text", ["content", "text", "message", "value", "body"])
@pytest.mark.parametrize("wrapped", [False, True], ids=["list", "messages"])
def test_turns_are_told_apart_by_who_speaks(speaker: str, text: str, wrapped: bool) -> None:
    turns = [{speaker: "User", text: "Where?"}, {speaker: "assistant", text: "On its way."}]
    value = {"messages": turns} if wrapped else turns
    client = CaptureClient()
    client.log(value, value)
    (logged,) = client.interactions
    assert (logged["input"], logged["output"]) == ("Where?", "On its way.")


def test_an_export_of_chatgpt_is_read() -> None:
    turns = [
        {"author": {"role": who}, "content": {"content_type": "text", "parts": [said]}}
        for who, said in (("user", "Where?"), ("assistant", "On its way."))
    ]
    assert through_hooks("turns", turns, "input")["text"] == "Where?"
    assert through_hooks("turns", turns, "output")["text"] == "On its way."


@pytest.mark.parametrize(
    "value",
    [
        None, [], [1], "a", {}, {"messages": 1}, [{"sender": "Ann", "text": "a"}],
        [{"from": "user"}], [*TURNS, 1], TURNS[0],
    ],
)  # fmt: skip
def test_other_values_are_left_to_others(value: Any) -> None:
    assert phospho_extract_input(value) is None
    assert phospho_extract_output(value) is None


@given(mutated(TURNS))
def test_no_broken_value_raises(value: Any) -> None:
    survives("turns", value)

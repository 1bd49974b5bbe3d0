from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion

from phospho.extraction import Extracted
from phospho.extractors.fields import get
from phospho.extractors.openai import phospho_extract_output
from tests.loopback import completion

CALL = {"id": "1", "type": "function", "function": {"name": "book", "arguments": '{"to":"PAR"}'}}
CUSTOM = {"id": "2", "type": "custom", "custom": {"name": "run", "input": "ls"}}
AUDIO = {"id": "a", "data": "QUJD", "expires_at": 1, "transcript": "spoken words"}


def read(value: Any) -> Extracted:
    answer = phospho_extract_output(value)
    assert answer is not None
    return answer


@pytest.mark.parametrize("form", ["object", "dict"])
@pytest.mark.parametrize(
    ("message", "text"),
    [
        pytest.param({"content": "Hello"}, "Hello", id="content"),
        pytest.param({"content": None, "refusal": "I can't."}, "I can't.", id="refusal"),
        pytest.param({"content": None}, "", id="nothing"),
        pytest.param(
            {"content": None, "tool_calls": [CALL, CUSTOM]},
            'book({"to":"PAR"})\nrun(ls)',
            id="tool-calls",
        ),
        pytest.param({"content": None, "audio": AUDIO}, "spoken words", id="audio"),
    ],
)
def test_a_completion_reads_as_what_the_user_saw(
    form: str, message: dict[str, Any], text: str
) -> None:
    value: Any = completion(**message)
    answer = read(ChatCompletion.model_validate(value) if form == "object" else value)
    assert answer.text == text
    assert (answer.model, answer.finish_reason) == ("gpt-x", "stop")
    assert answer.usage == {"prompt_tokens": 21, "completion_tokens": 6, "total_tokens": 27}


def test_tool_calls_are_also_structured() -> None:
    value = ChatCompletion.model_validate(completion(None, tool_calls=[CALL]))
    assert read(value).tool_calls == [{"name": "book", "arguments": '{"to":"PAR"}'}]


def test_further_facts_are_metadata() -> None:
    value = completion("a", refusal="no")
    value["choices"].append({"index": 1, "message": {"role": "assistant", "content": "b"}})
    value["usage"]["completion_tokens_details"] = {"reasoning_tokens": 5}
    value["usage"]["prompt_tokens_details"] = {"cached_tokens": 4}
    assert read(value).extra == {
        "refusal": True, "choices": ["b"], "reasoning_tokens": 5, "cached_tokens": 4,
    }  # fmt: skip


def test_a_completion_without_choices_has_no_text() -> None:
    assert read({"object": "chat.completion", "choices": []}).text == ""


def test_a_vendor_may_leave_out_the_object() -> None:
    assert read({"choices": [{"message": {"content": "x"}}]}).text == "x"


@pytest.mark.parametrize("value", [None, 7, "x", {}, {"choices": []}, {"choices": [{"delta": {}}]}])
def test_other_values_are_left_to_others(value: Any) -> None:
    assert phospho_extract_output(value) is None


def test_a_field_that_raises_is_not_there() -> None:
    class Loud:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    assert get(Loud(), "object") is None


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, item in value.items():
            found += paths(item, (*path, key))
    if isinstance(value, list):
        for place, item in enumerate(value):
            found += paths(item, (*path, place))
    return found


FULL = completion("x", tool_calls=[CALL, CUSTOM], audio=AUDIO, refusal="r")


@given(
    st.sampled_from(paths(FULL)),
    st.sampled_from([None, 7, "text", [], {}, [None], {"a": 1}, True]),
)
def test_no_field_of_a_wrong_type_raises(path: tuple[Any, ...], junk: Any) -> None:
    value = copy.deepcopy(FULL)
    place: Any = value
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = junk
    answer = phospho_extract_output(value)
    assert answer is None or isinstance(answer.text, str)

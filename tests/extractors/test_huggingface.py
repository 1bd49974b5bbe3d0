from __future__ import annotations

from typing import Any

import pytest
from huggingface_hub import (
    ChatCompletionOutput,
    ChatCompletionStreamOutput,
    InferenceClient,
    SummarizationOutput,
    TextGenerationOutput,
    TextGenerationStreamOutput,
)
from hypothesis import given

from phospho.extractors.huggingface import Chunks, phospho_extract_input, phospho_extract_output
from tests.costs import count_calls
from tests.extractors.mutations import mutated
from tests.extractors.recordings import load, survives, through_hooks

RECORDED = load("huggingface")
READS = RECORDED["reads"]
CHAT = load("litellm")
GENERATED: dict[str, Any] = {
    "generated_text": "On Monday.",
    "details": {
        "finish_reason": "length",
        "generated_tokens": 3,
        "prefill": [{"id": 1, "text": "a", "logprob": None}, {"id": 2, "text": "b", "logprob": -1}],
        "tokens": [],
    },
}
GENERATED_READS = {
    "text": "On Monday.",
    "usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5},
    "finish_reason": "length",
}


def said(text: str) -> dict[str, str]:
    return {"generated_text": text}


def test_what_was_recorded_reads_as_written() -> None:
    assert through_hooks("huggingface", RECORDED["input"], "input") == READS["input"]
    assert through_hooks("huggingface", RECORDED["output"], "output") == READS["output"]
    assert through_hooks("huggingface", RECORDED["chunks"], "output") == READS["chunks"]


def test_the_library_s_generated_texts_read_the_same() -> None:
    chunks = [TextGenerationStreamOutput.parse_obj_as_instance(c) for c in RECORDED["chunks"]]
    assert through_hooks("huggingface", chunks, "output") == READS["chunks"]
    answer = TextGenerationOutput.parse_obj_as_instance(GENERATED)
    for value in (answer, GENERATED, [answer]):
        assert through_hooks("huggingface", value, "output") == GENERATED_READS


def test_the_library_s_chats_read_as_openai_s() -> None:
    # The library drops what it does not know of, such as the details of the usage.
    reads = {name: value for name, value in CHAT["reads"]["output"].items() if name != "extra"}
    answer = ChatCompletionOutput.parse_obj_as_instance(CHAT["output"])
    assert through_hooks("huggingface", answer, "output") == reads
    chunks = [ChatCompletionStreamOutput.parse_obj_as_instance(c) for c in CHAT["chunks"]]
    assert through_hooks("huggingface", chunks, "output") == reads


@pytest.mark.parametrize(
    ("value", "reads"),
    [
        pytest.param([said("a")], {"text": "a"}, id="one"),
        pytest.param([said("a"), said("b")], {"text": "a", "extra": {"choices": ["b"]}}, id="two"),
        pytest.param([[said("a")], [said("b")]], {"text": "a\nb"}, id="batch"),
        pytest.param([[said("a")]], {"text": "a"}, id="batch-of-one"),
        pytest.param([{"summary_text": "a"}], {"text": "a"}, id="summary"),
        pytest.param(SummarizationOutput(summary_text="a"), {"text": "a"}, id="summary-object"),
        pytest.param([{"translation_text": "a"}], {"text": "a"}, id="translation"),
    ],
)
def test_what_a_pipeline_returns_is_read(value: Any, reads: Any) -> None:
    assert through_hooks("huggingface", value, "output") == reads


@pytest.mark.parametrize(
    "value",
    [
        None, 7, [], {}, [{}], [[]], [[7]], {"inputs": 7}, {"token": "abc"}, {"token": {"id": 1}},
        {"generated_text": 7}, [said("a"), 7], [[said("a")], "b"], InferenceClient(),
        [{"label": "POSITIVE", "score": 0.9}],
    ],
)  # fmt: skip
def test_other_values_are_left_to_others(value: Any) -> None:
    assert phospho_extract_input(value) is None
    assert phospho_extract_output(value) is None


def test_a_chunk_is_read_at_little_cost() -> None:
    chunk = TextGenerationStreamOutput.parse_obj_as_instance(RECORDED["chunks"][0])
    reader = Chunks([])
    reader.add(chunk)
    assert count_calls(lambda: reader.add(chunk)) < 30


@given(mutated([RECORDED["input"], RECORDED["output"], RECORDED["chunks"], GENERATED]))
def test_no_broken_value_raises(values: Any) -> None:
    for value in values if isinstance(values, list) else [values]:
        survives("huggingface", value)

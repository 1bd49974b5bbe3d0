"""Steps from strangers: kept within limits, and nothing of them silently dropped."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho.steps import MAX_STEP_CHARS, MAX_STEPS, Steps, are_steps
from phospho_server.limits import MAX_DEPTH
from phospho_server.steps import read_steps
from phospho_server.store.rows import Step
from tests.server.strangers import json_values, steps

# More than 64 bits, and more than a float can hold.
HUGE = 10**400


def read_one(**facts: Any) -> dict[str, Any]:
    [step], left = read_steps([{"name": "search", **facts}])
    assert left == {}
    return dict(step)


def test_what_the_sdk_sends_is_kept_as_it_is() -> None:
    sent = Steps()
    sent.begin("llm", "gpt-x", "Which?").end(
        "This.", model="gpt-x-1", usage={"prompt_tokens": 3, "total_tokens": 5}
    )
    sent.begin("tool", "search", {"to": "Oslo"}).end(error=TimeoutError("too late"))
    sent.begin("agent", "planner")
    assert read_steps(sent.as_list()) == (sent.as_list(), {})


@pytest.mark.parametrize(
    ("facts", "kept"),
    [
        pytest.param({"kind": "tool"}, {"kind": "tool"}, id="kind"),
        pytest.param({"kind": "x"}, {"kind": "other", "other": {"kind": "x"}}, id="unknown-kind"),
        pytest.param({"kind": [1]}, {"kind": "other", "other": {"kind": [1]}}, id="list-as-kind"),
        pytest.param({"duration_ms": 1.5}, {"duration_ms": 1.5}, id="number"),
        pytest.param({"duration_ms": -1}, {"other": {"duration_ms": -1}}, id="negative"),
        pytest.param({"duration_ms": "1"}, {"other": {"duration_ms": "1"}}, id="text-as-number"),
        pytest.param({"duration_ms": True}, {"other": {"duration_ms": True}}, id="bool"),
        pytest.param(
            {"duration_ms": float("inf")}, {"other": {"duration_ms": "inf"}}, id="infinite"
        ),
        pytest.param({"started_at_ms": 12.7}, {"started_at_ms": 12}, id="fraction-of-time"),
        pytest.param({"model": None, "input": None}, {}, id="null"),
        pytest.param({"model": 4}, {"other": {"model": 4}}, id="number-as-model"),
        pytest.param({"input": {"to": "Oslo"}}, {"input": '{"to": "Oslo"}'}, id="object-as-input"),
        pytest.param({"output": 4}, {"output": "4"}, id="number-as-output"),
        pytest.param(
            {"usage": {"total_tokens": 5, "cached": 2}},
            {"usage": {"total_tokens": 5}, "other": {"usage": {"total_tokens": 5, "cached": 2}}},
            id="more-usage",
        ),
        pytest.param({"usage": [5]}, {"other": {"usage": [5]}}, id="list-as-usage"),
        pytest.param(
            {"error": {"message": "no"}}, {"error": {"type": "", "message": "no"}}, id="half-error"
        ),
        pytest.param({"error": "no"}, {"error": {"type": "", "message": "no"}}, id="error-text"),
        pytest.param(
            {"error": {"code": 5}}, {"error": {"type": "", "message": '{"code": 5}'}}, id="code"
        ),
        pytest.param(
            {"error": {"type": None}}, {"error": {"type": "", "message": ""}}, id="null-in-error"
        ),
        pytest.param({"error": False}, {"other": {"error": False}}, id="no-error"),
        pytest.param({"plan": "pro"}, {"other": {"plan": "pro"}}, id="another-key"),
        pytest.param({"other": {"plan": 1}}, {"other": {"plan": 1}}, id="read-before"),
        pytest.param({"other": []}, {"other": {"other": []}}, id="other-that-is-no-object"),
        pytest.param({"input": "a\0b"}, {"input": "a\ufffdb"}, id="nul"),
    ],
)
def test_a_step_keeps_its_facts_and_the_rest_under_other(
    facts: dict[str, Any], kept: dict[str, Any]
) -> None:
    assert read_one(**facts) == {"kind": "other", "name": "search", **kept}


def test_a_number_beyond_all_sense_is_no_number() -> None:
    assert "duration_ms" not in read_one(duration_ms=HUGE)
    assert "usage" not in read_one(usage={"total_tokens": HUGE})


def test_texts_are_cut_with_a_mark() -> None:
    step = read_one(input="x" * 5000, error={"type": "E", "message": "y" * 5000}, more="z" * 5000)
    assert len(step["input"]) == len(step["error"]["message"]) == MAX_STEP_CHARS
    assert step["input"].endswith("[cut by phospho, 5000 characters]")
    assert "cut by phospho" in step["other"]["more"]


def test_of_too_many_steps_the_first_are_kept_and_the_others_counted() -> None:
    kept, left = read_steps([{"name": str(n)} for n in range(MAX_STEPS + 20)])
    assert [step["name"] for step in kept] == [str(n) for n in range(MAX_STEPS)]
    assert left == {"steps_left_out": 20}


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("three", id="text"),
        pytest.param(3, id="number"),
        pytest.param({"name": "search"}, id="object"),
        pytest.param(["walk", "run"], id="list-of-texts"),
        pytest.param([{"title": "no name"}, {"name": 5}], id="without-names"),
    ],
)
def test_what_is_no_list_of_steps_is_left_as_it_is(value: object) -> None:
    assert read_steps(value) == ([], {"steps": value})


def test_entries_that_are_no_steps_are_left_and_the_others_kept() -> None:
    kept, left = read_steps(["walk", {"name": "search"}, {"title": "x"}])
    assert [step["name"] for step in kept] == ["search"]
    assert left == {"steps": ["walk", {"title": "x"}]}


def test_depth_is_bounded_wherever_it_stands() -> None:
    deep: Any = 1
    for _ in range(MAX_DEPTH * 3):
        deep = [deep]
    kept, left = read_steps([{"name": "search", "input": deep, "plan": deep}, deep])
    assert all("deeper than" in json.dumps(part) for part in (kept[0]["other"], kept, left))


@given(st.lists(steps | json_values, max_size=6))
def test_every_entry_is_kept_or_left(value: list[Any]) -> None:
    kept, left = read_steps(value)
    assert len(kept) + len(left.get("steps", [])) == len(value)
    assert len(json.dumps(kept, allow_nan=False)) < 20_000 * max(1, len(value))
    assert not kept or are_steps(kept)
    for step in kept:
        Step(**step)
        json.dumps(step, ensure_ascii=False).encode()

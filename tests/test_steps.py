"""Steps: what a record keeps of the calls on the way to an answer."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import phospho
from phospho.steps import MAX_STEP_CHARS, MAX_STEPS, Steps, short_text
from phospho.testing import Logged
from phospho.underway import Outer, Underway, add_finder, find_outer, inside, remove_finder


def test_a_step_tells_what_it_was_given_and_gave() -> None:
    steps = Steps()
    step = steps.begin("llm", "gpt-x", "Where?")
    step.end("On its way.", model="gpt-x-1", usage={"total_tokens": 3, "odd": 1})
    step.end("ignored")
    [told] = steps.as_list()
    assert told.pop("started_at_ms") > 0
    assert told.pop("duration_ms") >= 0
    assert told == {
        "kind": "llm", "name": "gpt-x", "input": "Where?", "output": "On its way.",
        "model": "gpt-x-1", "usage": {"total_tokens": 3},
    }  # fmt: skip


def test_what_steps_say_of_models_adds_up() -> None:
    steps = Steps()
    for model, count in (("small", 3), ("large", 4)):
        step = steps.begin("llm", model)
        step.end(model=model, usage={"prompt_tokens": 1, "total_tokens": count})
    steps.begin("tool", "search").end(usage={"total_tokens": 100})
    steps.begin("llm", "never ended")
    assert steps.facts() == {"model": "large", "prompt_tokens": 2, "total_tokens": 7}


def test_of_very_many_steps_the_first_are_kept_and_the_rest_counted() -> None:
    steps = Steps()
    for number in range(MAX_STEPS + 5):
        steps.begin("tool", str(number)).end()
    assert [step["name"] for step in steps.as_list()][-1] == str(MAX_STEPS - 1)
    assert steps.left_out == 5


def test_long_texts_errors_and_files_are_cut() -> None:
    steps = Steps()
    step = steps.begin("tool", "n" * 9_999, "x" * 9_999)
    step.end({"file": "data:image/png;base64," + "iVBORw0KGgo" * 99}, error=ValueError("y" * 9_999))
    told = steps.as_list()[0]
    assert len(json.dumps(told)) < 5 * MAX_STEP_CHARS
    assert "iVBOR" not in json.dumps(told)
    assert told["error"]["type"] == "ValueError"


@given(st.recursive(st.none() | st.text() | st.integers(), st.lists, max_leaves=5))
def test_any_value_has_a_short_text(value: Any) -> None:
    assert len(short_text(value)) <= MAX_STEP_CHARS


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError


def test_a_hostile_value_costs_only_itself() -> None:
    step = Steps().begin("tool", "search", Hostile())
    step.end(Hostile())
    assert step.is_over


def test_an_app_may_give_steps_itself(phospho_logged: Logged) -> None:
    given = [{"kind": "tool", "name": "search", "output": "3 results"}]
    phospho.log("q", "a", steps=given)
    phospho.log("q", "a", steps="none of ours")
    first, second = phospho_logged.interactions
    assert first["steps"] == given
    assert "steps" not in second
    assert second["metadata"]["steps"] == "none of ours"


class TestWhatIsUnderWay:
    def test_is_found_by_the_code_inside(self, phospho_logged: Logged) -> None:
        found: list[Any] = []

        @phospho.wrap
        def answer(question: str) -> str:
            outer = find_outer()
            assert outer is not None
            outer.underway.steps.begin("tool", "search").end("found")
            thread = threading.Thread(target=lambda: found.append(find_outer()))
            thread.start()
            thread.join()
            return "done"

        answer("q")
        assert find_outer() is None
        assert found == [None]
        assert [step["name"] for step in phospho_logged.interactions[0]["steps"]] == ["search"]

    def test_is_the_innermost(self, phospho_logged: Logged) -> None:
        @phospho.wrap
        def inner(question: str) -> str:
            outer = find_outer()
            assert outer is not None
            outer.underway.steps.begin("tool", question).end()
            return "a"

        @phospho.wrap
        def whole(question: str) -> str:
            first = find_outer()
            inner("inside")
            assert find_outer() == first
            return "b"

        whole("q")
        assert [i.get("steps") is None for i in phospho_logged.interactions] == [False, True]

    def test_is_logged_once_and_then_over(self, phospho_logged: Logged) -> None:
        client = phospho.testing.CaptureClient()
        underway = Underway(client, client.read("input", "q"), {"session_id": "s1"})
        with inside(underway):
            assert find_outer() == Outer(underway)
            record = underway.log(client.read("output", "a"))
            assert record is not None
            assert record["session_id"] == "s1"
            assert underway.log(client.read("output", "b")) is None
            assert find_outer() is None

    def test_a_framework_knows_better(self) -> None:
        client = phospho.testing.CaptureClient()
        ours = Underway(client, None, {})
        theirs = Outer(Underway(client, None, {}), is_model_call=True)

        def find() -> Outer | None:
            return theirs

        def find_around() -> Outer | None:
            return Outer(theirs.underway)

        for finder in (find_around, find, find):
            add_finder(finder)
        try:
            with inside(ours):
                assert find_outer() == theirs
            # As a function that is wrapped, and called by a chain.
            with inside(Underway(client, None, {})):
                last = find_outer()
                assert last is not None
                assert last != theirs
                assert not last.is_model_call
        finally:
            for finder in (find_around, find, find):
                remove_finder(finder)
        assert find_outer() is None


@pytest.mark.parametrize("exc", [ValueError("no"), KeyboardInterrupt()])
def test_steps_of_a_call_that_raises_are_kept(exc: BaseException, phospho_logged: Logged) -> None:
    @phospho.wrap
    def answer(question: str) -> str:
        outer = find_outer()
        assert outer is not None
        outer.underway.steps.begin("tool", "search").end("found")
        raise exc

    with pytest.raises(type(exc)):
        answer("q")
    [interaction] = phospho_logged.interactions
    assert [step["output"] for step in interaction["steps"]] == ["found"]
    assert interaction["status"] == ("error" if isinstance(exc, Exception) else "cancelled")


def test_steps_may_end_while_their_interaction_is_logged() -> None:
    """Each is told of whole, or as one that goes on."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(300):
            steps = Steps()
            step = steps.begin("tool", "search", "a")
            told: list[dict[str, Any]] = []

            def tell(steps: Steps = steps, told: list[dict[str, Any]] = told) -> None:
                told.extend(steps.as_list())

            end = threading.Thread(target=step.end, args=("b",), kwargs={"model": "m"})
            threads = [end, threading.Thread(target=tell)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            [one] = told
            assert ("duration_ms" in one) == ("output" in one) == ("model" in one)
    finally:
        sys.setswitchinterval(interval)

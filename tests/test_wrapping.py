from __future__ import annotations

import asyncio
import functools
import inspect
from typing import Any

import pytest

import phospho
from phospho.testing import Logged
from tests.loopback import completion


@pytest.fixture(autouse=True)
def logged(phospho_logged: Logged) -> Logged:
    return phospho_logged


def test_a_call_is_logged_with_its_answer(logged: Logged) -> None:
    @phospho.wrap
    def answer(question: str) -> str:
        """Answer."""
        return question.upper()

    assert answer("hello") == "HELLO"
    [event] = logged.interactions
    assert (event["input"], event["output"]) == ("hello", "HELLO")
    assert event["metadata"]["latency_ms"] >= 0
    assert "status" not in event
    assert (answer.__name__, answer.__doc__) == ("answer", "Answer.")


def test_a_coroutine_function_stays_one(logged: Logged) -> None:
    @phospho.wrap(user_id="u", metadata={"a": 1}, channel="web")
    async def answer(question: str, *, temperature: float) -> str:
        await asyncio.sleep(0.02)
        return "yes"

    assert inspect.iscoroutinefunction(answer)
    assert asyncio.run(answer("hello", temperature=0.5)) == "yes"
    [event] = logged.interactions
    assert (event["input"], event["output"], event["user_id"]) == ("hello", "yes", "u")
    assert event["raw_input"] == {"question": "hello", "temperature": 0.5}
    assert event["metadata"]["a"] == 1
    assert event["metadata"]["latency_ms"] >= 15
    assert event["channel"] == "web"


def test_a_function_like_openais_is_read_like_a_request(logged: Logged) -> None:
    def create(**kwargs: Any) -> dict[str, Any]:
        kwargs["messages"].append({"role": "user", "content": "changed meanwhile"})
        return completion("yes")

    messages = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hello"}]
    phospho.wrap(create)(messages=messages, model="m", temperature=0)
    [event] = logged.interactions
    assert (event["input"], event["output"]) == ("hello", "yes")
    assert (event["system_prompt"], event["total_tokens"]) == ("be kind", 27)
    assert len(event["raw_input"]["messages"]) == 2


MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize(
    ("passed", "asked"),
    [
        pytest.param({"input": ["a", "b"], "model": "m"}, "a\nb", id="texts"),
        pytest.param({"model": "m", "messages": MESSAGES, "system": "be kind"}, "hello", id="chat"),
        pytest.param({"model": "m", "conversation": MESSAGES}, "hello", id="messages"),
        pytest.param({"voice": "alloy", "input": "hello", "language": "en"}, "hello", id="speech"),
        pytest.param({"language": "en", "thing": "hello"}, "hello", id="no-usual-name"),
        pytest.param({"user_id": "u", "text": "hello"}, "hello", id="id"),
        pytest.param({"tone": "formal", "question": {"text": "hello"}}, "hello", id="dict"),
        pytest.param({"prompts": ["a", "b"], "tone": "formal"}, "a\nb", id="plural"),
        pytest.param({"question": None, "thing": "hello"}, "hello", id="none"),
    ],
)
def test_what_says_how_to_answer_is_no_question(
    passed: dict[str, Any], asked: str, logged: Logged
) -> None:
    def answer(**kwargs: Any) -> str:
        return "yes"

    phospho.wrap(answer)(**passed)
    [event] = logged.interactions
    assert event["input"] == asked
    assert event["raw_input"] == passed
    assert event.get("system_prompt") == passed.get("system")


def test_parameters_may_be_called_input_and_output(logged: Logged) -> None:
    @phospho.wrap(session_id="s", input="ignored")
    def translate(input: str, output: str = "fr") -> str:
        return f"{input} in {output}"

    assert translate(input="hello") == "hello in fr"
    [event] = logged.interactions
    assert (event["input"], event["output"], event["session_id"]) == ("hello", "hello in fr", "s")


class Bot:
    @phospho.wrap
    def method(self, question: str) -> str:
        return "method"

    @phospho.wrap
    @classmethod
    def of_class(cls, question: str) -> str:
        return "class"

    @phospho.wrap
    @staticmethod
    def static(question: str) -> str:
        return "static"

    async def __call__(self, question: str) -> str:
        return "object"


@pytest.mark.parametrize(
    ("call", "output"),
    [(Bot().method, "method"), (Bot.of_class, "class"), (Bot.static, "static")],
)
def test_methods_are_logged_without_their_owner(call: Any, output: str, logged: Logged) -> None:
    assert call("hello") == output
    [event] = logged.interactions
    assert (event["input"], event["output"], event["raw_input"]) == ("hello", output, None)


def test_objects_and_partials_can_be_wrapped(logged: Logged) -> None:
    assert asyncio.run(phospho.wrap(Bot())("hello")) == "object"
    assert phospho.wrap(functools.partial(pow, 2))(3) == 8
    assert phospho.wrap(dict.fromkeys)(["a"]) == {"a": None}
    assert logged.outputs == ["object", "8", '{"a": null}']


def test_an_exception_is_logged_and_raised_untouched(logged: Logged) -> None:
    mistake = ValueError("no: seats")

    @phospho.wrap
    def book(city: str) -> str:
        raise mistake

    with pytest.raises(ValueError, match="seats") as caught:
        book("Paris")
    assert caught.value is mistake
    [event] = logged.interactions
    assert (event["input"], event["output"], event["status"]) == ("Paris", None, "error")
    assert event["error"] == {"type": "ValueError", "message": "no: seats"}


def test_an_exception_without_words_is_logged_too(logged: Logged) -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    @phospho.wrap
    def book(city: str) -> str:
        raise MuteError

    with pytest.raises(MuteError):
        book("Paris")
    assert logged.interactions[0]["error"] == {"type": "MuteError", "message": "no message"}


def test_fields_are_read_as_log_reads_them(logged: Logged) -> None:
    @phospho.wrap(
        input_to_str_function=lambda value: value["city"],
        output_to_str_function=lambda value: f"Seat {value['seat']}",
        metadata="plain",
    )
    def book(city: str, day: str) -> dict[str, int]:
        return {"seat": 7}

    book("Paris", "today")
    [event] = logged.interactions
    assert (event["input"], event["output"]) == ("Paris", "Seat 7")
    assert event["metadata"]["metadata"] == "plain"
    assert "latency_ms" in event["metadata"]
    assert "output_to_str_function" not in event
    assert "input_to_str_function" not in event


def test_one_id_for_all_calls_is_left_out(logged: Logged, caplog: pytest.LogCaptureFixture) -> None:
    answer: Any = phospho.wrap(lambda question: question, task_id="t1")
    answer("a"), answer("b")
    assert logged.inputs == ["a", "b"]
    assert len({one["task_id"] for one in logged.interactions} - {"t1"}) == 2
    assert "each call has one of its own" in caplog.text


def test_a_failed_call_has_no_output_to_read(
    logged: Logged, caplog: pytest.LogCaptureFixture
) -> None:
    @phospho.wrap(output_to_str_function=lambda value: str(value["seat"]))
    def book(city: str) -> dict[str, int]:
        raise ValueError("full")

    with pytest.raises(ValueError, match="full"):
        book("Paris")
    assert logged.interactions[0]["output"] is None
    assert caplog.records == []


def test_a_cancelled_call_is_not_a_failure(logged: Logged) -> None:
    @phospho.wrap
    async def answer(question: str) -> str:
        await asyncio.sleep(10)
        return "late"

    async def main() -> None:
        await asyncio.wait_for(answer("hello"), 0.01)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(main())
    assert logged.interactions[0]["status"] == "cancelled"


def test_a_wrong_call_raises_what_it_always_raised(logged: Logged) -> None:
    def answer(question: str) -> str:
        return question

    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        phospho.wrap(answer)()  # type: ignore[call-arg]
    assert logged.interactions[0]["status"] == "error"


def test_what_is_not_a_function_is_left_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    assert phospho.wrap(7) == 7  # type: ignore[call-overload]
    assert "not a function" in caplog.text


def test_a_mistake_of_ours_does_not_cost_the_call(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("phospho.wrapping._passed", lambda *args: 1 / 0)
    assert phospho.wrap(str.upper)("hello") == "HELLO"
    assert "could not read the arguments" in caplog.text

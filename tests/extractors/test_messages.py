from __future__ import annotations

import dataclasses
import enum
import types
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.beta.threads import message as openai_message

from phospho.extraction import Extracted
from phospho.extractors.messages import phospho_extract_input, phospho_extract_output
from phospho.testing import CaptureClient
from tests.loopback import completion

USER = {"role": "user", "content": "hello"}
SYSTEM = {"role": "system", "content": "be kind"}
CALL = {"id": "1", "type": "function", "function": {"name": "book", "arguments": '{"to":"PAR"}'}}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param([USER], "hello", id="list"),
        pytest.param((SYSTEM, USER), "hello", id="tuple"),
        pytest.param({"messages": [SYSTEM, USER]}, "hello", id="request"),
        pytest.param(USER, "hello", id="one-message"),
        pytest.param([types.SimpleNamespace(role="human", content="hi")], "hi", id="objects"),
        pytest.param(
            [USER, {"role": "assistant", "content": "x"}, {"role": "tool", "content": "y"}],
            "hello",
            id="tool-result-last",
        ),
        pytest.param(
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "what"},
                        {"type": "image_url", "image_url": {"url": "data:..."}},
                        {"type": "input_text", "text": "is this?"},
                        "really",
                    ],
                }
            ],
            "what\nis this?\nreally",
            id="parts",
        ),
        pytest.param([{"role": "user", "content": None}], "", id="no-content"),
        pytest.param([SYSTEM], "be kind", id="system-only"),
        pytest.param([{"role": "narrator", "content": "once"}, SYSTEM], "once", id="odd-role"),
        pytest.param({"question": "why?", "k": 3}, "why?", id="by-name"),
        pytest.param({"input": [USER]}, "hello", id="messages-by-name"),
        pytest.param([("system", "be kind"), ("human", "hi")], "hi", id="pairs"),
        pytest.param(("user", "hi"), "hi", id="one-pair"),
        pytest.param([["user", "hi"], ["assistant", "yes"]], "hi", id="pairs-in-json"),
        pytest.param([SYSTEM, "hi"], "hi", id="text-among-messages"),
        pytest.param([{"role": "USER", "content": "hi"}], "hi", id="capitals"),
        pytest.param(
            [{"role": "user", "content": [{"type": "input_audio", "transcript": "said"}]}],
            "said",
            id="transcript",
        ),
        pytest.param({"input": "", "question": "why?"}, "why?", id="not-the-empty-one"),
        pytest.param({"query": ""}, "", id="empty"),
        pytest.param({"input": {"question": "why?"}}, "why?", id="dict-in-dict"),
        pytest.param({"prompt": ["one", "two"]}, "one\ntwo", id="texts-by-name"),
        pytest.param(
            {"topic": "bikes", "k": 3, "session_id": "s", "chat_history": [1]},
            "bikes",
            id="only-text",
        ),
    ],
)
def test_the_input_is_what_the_user_said(value: Any, text: str) -> None:
    read = phospho_extract_input(value)
    assert read is not None
    assert read.text == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param([USER, {"role": "assistant", "content": "yes"}], "yes", id="list"),
        pytest.param({"role": "assistant", "content": "yes"}, "yes", id="one-message"),
        pytest.param({"role": "assistant", "refusal": "I can't."}, "I can't.", id="refusal"),
        pytest.param(
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            'book({"to":"PAR"})',
            id="tool-call",
        ),
        pytest.param(
            {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
            "f({})",
            id="old-function-call",
        ),
        pytest.param([USER, SYSTEM], "", id="no-answer"),
        pytest.param({"answer": "42"}, "42", id="by-name"),
        pytest.param([("user", "hi"), ("assistant", "yes")], "yes", id="pairs"),
        pytest.param({"response": completion("inner")}, "inner", id="a-library-s-by-name"),
        pytest.param(
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"function": {"name": "book", "arguments": {"to": "PAR"}}}],
            },
            'book({"to": "PAR"})',
            id="arguments-in-a-dict",
        ),
        pytest.param({"message": {"role": "assistant", "content": "x"}}, "x", id="message-inside"),
    ],
)
def test_the_output_is_what_the_app_answered(value: Any, text: str) -> None:
    if isinstance(value, dict) and "function_call" in value:
        value = {**value, "content": None}
    read = phospho_extract_output(value)
    assert read is not None
    assert read.text == text


@pytest.mark.parametrize(
    "value",
    [7, [], [1], ["a"], {"a": 7}, {"a": "x", "b": "y"}, {}, {"messages": 7}, {"role": "user"}],
)
def test_other_values_are_left_to_others(value: Any) -> None:
    assert phospho_extract_input(value) is None
    assert phospho_extract_output(value) is None


def test_facts_stand_beside_the_text() -> None:
    image = {"role": "user", "content": [{"type": "image_url"}, {"type": "image_url"}]}
    read = phospho_extract_input({
        "messages": [SYSTEM, {"role": "developer", "content": "be brief"}, image, USER,
                     {"role": "tool", "content": "r"}],
        "model": "m",
    })  # fmt: skip
    assert read is not None
    assert (read.model, read.system_prompt) == ("m", "be kind\nbe brief")
    assert read.extra == {"attachments": {"image_url": 2}, "tool_results": 1}
    own = phospho_extract_input({"messages": [USER], "system": [{"type": "text", "text": "s"}]})
    assert own is not None
    assert own.system_prompt == "s"


def test_a_dict_tells_facts_beside_its_text() -> None:
    read = phospho_extract_output({
        "answer": "42", "model": "m", "system_prompt": "be kind", "finish_reason": "stop",
        "usage": {"input_tokens": 3, "output_tokens": 2},
    })  # fmt: skip
    assert read == Extracted(
        "42",
        model="m",
        system_prompt="be kind",
        finish_reason="stop",
        usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    )


def test_what_a_request_tells_the_vendor_about_the_user_is_kept() -> None:
    request = {"messages": [USER], "user": "ann", "metadata": {"shop": "Leeds"}, "model": "m"}
    read = phospho_extract_input(request)
    assert read is not None
    assert read.extra == {"user": "ann", "request_metadata": {"shop": "Leeds"}}


def test_a_dict_that_holds_itself_ends() -> None:
    loop: dict[str, Any] = {}
    loop["input"] = [loop]
    loop["output"] = loop
    for value in (loop, [loop]):
        assert phospho_extract_input(value) is None
        assert phospho_extract_output(value) is None


junk = st.recursive(
    st.none() | st.integers() | st.text(max_size=3) | st.sampled_from(["user", "assistant"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "messages", "type", "text", "tool_calls", "function"]
            ),
            inner,
        )
    ),
    max_leaves=25,
)


def test_a_message_of_an_assistants_thread_is_read() -> None:
    message = openai_message.Message.model_validate({
        "id": "msg_1", "object": "thread.message", "created_at": 1, "thread_id": "thread_1",
        "role": "assistant", "status": "completed",
        "content": [{"type": "text", "text": {"value": "On its way.", "annotations": []}}],
    })  # fmt: skip
    for value in (message, message.model_dump()):
        read = phospho_extract_output(value)
        assert read is not None
        assert (read.text, read.extra) == ("On its way.", {})


class Conversation:
    """As an object-relational mapper makes one: to read its messages is to ask the database."""

    asked = 0

    @property
    def messages(self) -> list[dict[str, str]]:
        self.asked += 1
        return [{"role": "user", "content": "Hi"}]


class Stub:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> str:
        self.asked.append(name)
        return name


def test_no_code_of_the_apps_own_objects_is_run() -> None:
    conversation, stub = Conversation(), Stub()
    for value in (conversation, [conversation], stub, [stub]):
        assert phospho_extract_input(value) is None
        assert phospho_extract_output(value) is None
    assert conversation.asked == 0
    assert stub.asked == []


class Turn(NamedTuple):
    role: str
    content: str


@dataclasses.dataclass
class Slotted:
    __slots__ = ("content", "role")
    role: str
    content: str


class Fixed:
    role = "user"

    def __init__(self, content: str) -> None:
        self.content = content


@pytest.mark.parametrize("message", [Turn("user", "Hi"), Slotted("user", "Hi"), Fixed("Hi")])
def test_what_the_apps_own_objects_hold_is_read(message: Any) -> None:
    read = phospho_extract_input([message])
    assert read is not None
    assert read.text == "Hi"


def test_a_type_that_is_no_text_is_no_reason_to_fail() -> None:
    read = phospho_extract_input([{"role": "user", "content": [{"type": ["text"], "text": "x"}]}])
    assert read is not None
    assert read.text == ""


@given(junk)
def test_no_shape_raises(value: Any) -> None:
    phospho_extract_input(value)
    phospho_extract_output(value)


@pytest.mark.parametrize(
    "content",
    [
        {"text": "hi"}, {"content_type": "text", "parts": ["hi"]}, b"hi",
        [{"type": "markdown", "text": "hi"}], [{"type": "text", "content": "hi"}],
        [{"type": "text", "value": "hi"}], [{"type": "text", "text": {"value": "hi"}}],
    ],
)  # fmt: skip
def test_contents_of_other_forms_are_read(content: Any) -> None:
    turn = {"role": "user", "content": content}
    read = phospho_extract_input([turn])
    assert read is not None
    assert read.text == "hi"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"audio": {"id": "a1"}}, id="speech"),
        pytest.param({"function_call": {"name": "f", "arguments": "{}"}}, id="function-call"),
        pytest.param({"tool_calls": []}, id="no-calls"),
        pytest.param({"reasoning_content": "Hm."}, id="thought"),
        pytest.param({}, id="nothing"),
    ],
)
def test_among_messages_a_role_makes_one(answer: dict[str, Any]) -> None:
    request = {"model": "m", "messages": [SYSTEM, {"role": "assistant", **answer}, USER]}
    read = phospho_extract_input(request)
    assert read is not None
    assert (read.text, read.model, read.system_prompt) == ("hello", "m", "be kind")
    said = phospho_extract_output(request["messages"][:2])
    assert said is not None
    assert said.text == ("f({})" if "function_call" in answer else "")


class Role(enum.Enum):
    USER = "user"
    ASSISTANT = 2


def test_a_role_may_be_any_enum() -> None:
    turns = [{"role": Role.USER, "content": "Hi"}, {"role": Role.ASSISTANT, "content": "Yes?"}]
    asked, said = phospho_extract_input(turns), phospho_extract_output(turns)
    assert asked is not None
    assert said is not None
    assert (asked.text, said.text) == ("Hi", "Yes?")


@pytest.mark.parametrize(
    "thought",
    [
        {"type": "thinking", "thinking": "secret", "signature": "abc"},
        {"type": "thinking", "thinking": "secret"},
        {"type": "redacted_thinking", "data": "secret"},
        {"type": "reasoning", "reasoning": "secret"},
        {"type": "reasoning", "text": "secret"},
    ],
)
def test_what_a_model_thought_is_not_shown(thought: dict[str, str]) -> None:
    said = {"type": "text", "text": "Yes."}
    values: list[Any] = [[thought], thought, {"role": "assistant", "content": [thought]}]
    for value in (*values, {"answer": [thought]}):
        assert CaptureClient().log("q", value)["output"] in {"", None}
    record = CaptureClient().log("q", {"role": "assistant", "content": [thought, said]})
    assert (record["output"], record["metadata"]) == ("Yes.", {})


def test_a_list_of_parts_is_one_content() -> None:
    for text, file in (
        ("input_text", {"type": "input_image", "image_url": "https://x.example/y.png"}),
        ("text", {"type": "image_url", "image_url": {"url": "https://x.example/y.png"}}),
    ):
        read = phospho_extract_input([{"type": text, "text": "What is this?"}, file])
        assert read is not None
        assert (read.text, read.extra) == ("What is this?", {"attachments": {file["type"]: 1}})


def test_calls_alone_are_read() -> None:
    for value in (CALL, [CALL], [CALL, CALL]):
        read = phospho_extract_output(value)
        assert read is not None
        assert set(read.text.split("\n")) == {'book({"to":"PAR"})'}
        assert len(read.tool_calls) == (len(value) if isinstance(value, list) else 1)
    tool = {"type": "function", "function": {"name": "book", "parameters": {}}}
    assert phospho_extract_output([tool]) is None


def test_a_line_of_a_batch_is_read() -> None:
    request = {"custom_id": "c", "method": "POST", "body": {"model": "m", "messages": [USER]}}
    asked = phospho_extract_input(request)
    assert asked is not None
    assert (asked.text, asked.model) == ("hello", "m")
    line = {
        "custom_id": "c",
        "error": None,
        "response": {"status_code": 200, "body": completion("a")},
    }
    said = phospho_extract_output(line)
    assert said is not None
    assert (said.text, said.usage["total_tokens"]) == ("a", 27)

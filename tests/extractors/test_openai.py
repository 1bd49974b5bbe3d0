from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import given
from openai import AsyncOpenAI, OpenAI
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessage
from pydantic import BaseModel

from phospho.extraction import Extracted
from phospho.extractors import messages
from phospho.extractors.fields import get
from phospho.extractors.openai import Chunks, phospho_extract_output
from tests.extractors.mutations import mutated
from tests.extractors.recordings import fields_of, load, survives, through_hooks
from tests.loopback import completion, serve_openai, stream_of

RECORDED = load("openai")
READS = RECORDED["reads"]
CALL = {"id": "1", "type": "function", "function": {"name": "book", "arguments": '{"to":"PAR"}'}}
CUSTOM = {"id": "2", "type": "custom", "custom": {"name": "run", "input": "ls"}}
AUDIO = {"id": "a", "data": "QUJD", "expires_at": 1, "transcript": "spoken words"}
USAGE = {"prompt_tokens": 21, "completion_tokens": 6, "total_tokens": 27}
OLD: dict[str, Any] = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1,
    "model": "gpt-3.5-turbo-instruct",
    "choices": [{"index": 0, "text": "It left.", "finish_reason": "stop", "logprobs": None}],
    "usage": USAGE,
}


def read(value: Any) -> Extracted:
    answer = phospho_extract_output(value)
    assert answer is not None
    return answer


def client(body: Any) -> OpenAI:
    """Return the library's client; the API answers with a completion, or with these chunks."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if isinstance(body, dict):
            return httpx2.Response(200, json=body)
        lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in body] + ["data: [DONE]\n\n"]
        headers = {"content-type": "text/event-stream"}
        return httpx2.Response(200, text="".join(lines), headers=headers)

    http_client = httpx2.Client(transport=httpx2.MockTransport(answer))
    return OpenAI(api_key="k", http_client=http_client, max_retries=0)


def test_what_was_recorded_reads_as_written() -> None:
    assert through_hooks("messages", RECORDED["input"], "input") == READS["input"]
    assert through_hooks("openai", RECORDED["output"], "output") == READS["output"]
    assert through_hooks("openai", RECORDED["chunks"], "output") == READS["chunks"]


def test_the_client_s_answer_reads_the_same() -> None:
    answer = client(RECORDED["output"]).chat.completions.create(**RECORDED["input"])
    assert isinstance(answer, ChatCompletion)
    for value in (answer, answer.to_dict(), answer.model_dump(mode="json")):
        assert through_hooks("openai", value, "output") == READS["output"]


def test_the_client_s_stream_reads_the_same() -> None:
    api = client(RECORDED["chunks"])
    chunks = list(api.chat.completions.create(**RECORDED["input"], stream=True))
    assert all(isinstance(chunk, ChatCompletionChunk) for chunk in chunks)
    assert through_hooks("openai", chunks, "output") == READS["chunks"]
    request = {name: RECORDED["input"][name] for name in ("model", "messages")}
    with api.chat.completions.stream(**request) as stream:
        events = list(stream)
    assert {"chunk", "content.delta", "content.done"} <= {event.type for event in events}
    assert through_hooks("openai", events, "output") == READS["chunks"]
    final = stream.get_final_completion()
    assert through_hooks("openai", final, "output") == READS["output"]
    handed_on = [event for event in events if event.type != "chunk"]
    for name in ("text", "tool_calls"):
        assert through_hooks("openai", handed_on, "output")[name] == READS["chunks"][name]


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with serve_openai("It left our shop on Monday.") as url:
        yield url


@pytest.mark.parametrize("is_streamed", [False, True])
def test_what_the_network_brings_reads_as_the_answer(base_url: str, is_streamed: bool) -> None:
    query: dict[str, Any] = {"model": "gpt-x", "messages": [{"role": "user", "content": "hi"}]}
    options: dict[str, Any] = {"stream": is_streamed}
    if is_streamed:
        options["stream_options"] = {"include_usage": True}

    async def ask() -> Any:
        async with AsyncOpenAI(api_key="k", base_url=base_url) as api:
            answer = await api.chat.completions.create(**query, **options)
            return [chunk async for chunk in answer] if is_streamed else answer

    with OpenAI(api_key="k", base_url=base_url) as api:
        answer = api.chat.completions.create(**query, **options)
        values = [list(answer) if is_streamed else answer, asyncio.run(ask())]
    wanted = {
        "text": "It left our shop on Monday.",
        "model": "gpt-x",
        "usage": USAGE,
        "finish_reason": "stop",
    }
    for value in values:
        assert through_hooks("openai", value, "output") == wanted


def test_a_parsed_completion_reads_as_its_json() -> None:
    class Order(BaseModel):
        number: int

    api = client(completion('{"number": 1042}'))
    answer = api.chat.completions.parse(
        model="m", messages=[{"role": "user", "content": "?"}], response_format=Order
    )
    assert answer.choices[0].message.parsed == Order(number=1042)
    assert through_hooks("openai", answer, "output")["text"] == '{"number": 1042}'


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
        pytest.param({"content": "Hi", "reasoning_content": "Hm."}, "Hi", id="reasoning"),
    ],
)
def test_a_completion_reads_as_what_the_user_saw(
    form: str, message: dict[str, Any], text: str
) -> None:
    value: Any = completion(**message)
    answer = read(ChatCompletion.model_validate(value) if form == "object" else value)
    assert answer.text == text
    assert (answer.model, answer.finish_reason) == ("gpt-x", "stop")
    assert answer.usage == USAGE
    said = value["choices"][0]["message"]
    one = ChatCompletionMessage.model_validate(said) if form == "object" else said
    if "audio" not in message:
        assert through_hooks("messages", one, "output").get("text", "") == text


def test_content_parts_of_other_vendors_are_read() -> None:
    parts = [{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": "Hello"}]
    assert read({"choices": [{"message": {"content": parts}}]}).text == "Hello"
    chunks = [{"choices": [{"delta": {"content": parts}, "index": 0}]}]
    assert read(chunks).text == "Hello"


@pytest.mark.parametrize(
    ("kind", "text"),
    [("reference", "It left on Monday."), ("thinking", "It left\n on Monday.")],
)
def test_an_answer_is_cut_by_references_but_parted_by_thoughts(kind: str, text: str) -> None:
    first, last = ({"type": "text", "text": part} for part in ("It left", " on Monday."))
    parts = [{"type": "thinking"}, first, {"type": kind}, last]
    assert read({"choices": [{"message": {"content": parts}}]}).text == text
    assert read([chunk({"content": parts})]).text == text


def test_tool_calls_are_also_structured() -> None:
    value = ChatCompletion.model_validate(completion(None, tool_calls=[CALL]))
    assert read(value).tool_calls == [{"name": "book", "arguments": '{"to":"PAR"}'}]


def test_further_facts_are_metadata() -> None:
    value = completion("a", refusal="no", audio=AUDIO)
    value["choices"].append({"index": 1, "message": {"role": "assistant", "content": "b"}})
    value["usage"]["completion_tokens_details"] = {"reasoning_tokens": 5}
    value["usage"]["prompt_tokens_details"] = {"cached_tokens": 4}
    assert read(value).extra == {
        "refusal": True, "choices": ["b"], "reasoning_tokens": 5, "cached_tokens": 4,
        "attachments": {"audio": 1},
    }  # fmt: skip


@pytest.mark.parametrize("is_object", [False, True])
def test_an_older_completion_is_read_whole_and_streamed(is_object: bool) -> None:
    pieces = [
        {**OLD, "choices": [{"index": index, "text": text, "finish_reason": None}], "usage": None}
        for index, text in ((0, "It "), (1, "Oh."), (0, "left."))
    ]
    several = {**OLD, "choices": [*OLD["choices"], {"index": 1, "text": "Oh."}]}
    values: list[Any] = [several, OLD, *pieces]
    built: list[Any] = [Completion.construct(**v) if is_object else v for v in values]
    whole, last, chunks = built[0], built[1], built[2:]
    wanted = {"text": "It left.", "model": OLD["model"], "extra": {"choices": ["Oh."]}}
    assert through_hooks("openai", chunks, "output") == wanted
    assert through_hooks("openai", whole, "output") == {
        **wanted, "usage": USAGE, "finish_reason": "stop",
    }  # fmt: skip
    assert through_hooks("openai", last, "output")["text"] == "It left."


def chunk(delta: dict[str, Any], index: int = 0, **fields: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "finish_reason": None}
    return {**RECORDED["chunks"][0], "choices": [choice], **fields}


def piece(index: int | None, **function: str) -> dict[str, Any]:
    call_id = function.pop("id", None)
    return chunk({"tool_calls": [{"index": index, "id": call_id, "function": function}]})


@pytest.mark.parametrize("is_object", [False, True])
@pytest.mark.parametrize(
    ("chunks", "text"),
    [
        pytest.param([chunk({"content": None}), chunk({"content": "Hi"})], "Hi", id="none"),
        pytest.param(
            [{"choices": [], "prompt_filter_results": []}, chunk({"content": "Hi"})],
            "Hi",
            id="azure",
        ),
        pytest.param(
            [chunk({"refusal": "I "}), chunk({"refusal": "can't."})], "I can't.", id="refusal"
        ),
        pytest.param(
            [
                chunk({"audio": {"id": "a", "transcript": "spo"}}),
                chunk({"audio": {"transcript": "ken"}}),
            ],
            "spoken",
            id="audio",
        ),
        pytest.param(
            [
                chunk({"function_call": {"name": "f"}}),
                chunk({"function_call": {"arguments": "{}"}}),
            ],
            "f({})",
            id="old-function-call",
        ),
        pytest.param(
            [
                piece(0, id="1", name="f", arguments=""),
                piece(0, arguments="{"),
                piece(1, id="2", name="g"),
                piece(0, arguments="}"),
                piece(1, arguments="[]"),
            ],
            "f({})\ng([])",
            id="two-calls",
        ),
        pytest.param(
            [
                piece(0, id="1", name="f", arguments="{}"),
                piece(0, id="2", name="f", arguments="[]"),
            ],
            "f({})\nf([])",
            id="calls-of-one-index",
        ),
        pytest.param(
            [piece(0, id="1", name="f", arguments="{"), piece(0, id="1", name="f", arguments="}")],
            "f({})",
            id="name-repeated",
        ),
        pytest.param(
            [chunk({"content": "Hi"}), chunk({"content": "Oh"}, 1)], "Hi", id="two-choices"
        ),
    ],
)
def test_a_stream_reads_as_what_the_user_saw(chunks: list[Any], text: str, is_object: bool) -> None:
    if is_object:
        chunks = [ChatCompletionChunk.construct(**fields) for fields in chunks]
    assert read(chunks).text == text
    texts: list[str] = []
    reader = Chunks(texts)
    assert all(reader.add(chunk) for chunk in chunks)
    assert "".join(texts) in {text, ""}


def test_groq_counts_tokens_in_a_field_of_its_own() -> None:
    end = {**chunk({}, x_groq={"usage": USAGE}), "choices": RECORDED["chunks"][6]["choices"]}
    chunks = [chunk({"content": "Hi"}), end]
    for values in (chunks, [ChatCompletionChunk.construct(**fields) for fields in chunks]):
        assert read(values).usage == USAGE


def test_one_chunk_alone_is_read() -> None:
    assert (
        read(ChatCompletionChunk.model_validate(RECORDED["chunks"][1])).text == "It left our shop"
    )


@pytest.mark.parametrize("is_streamed", [False, True])
def test_an_error_is_told(is_streamed: bool) -> None:
    error = {
        "error": {"message": "Overloaded.", "type": "server_error", "param": None, "code": None}
    }
    value = [*stream_of("It left"), error] if is_streamed else error
    answer = through_hooks("openai", value, "output")
    assert answer["error"] == {"type": "server_error", "message": "Overloaded."}
    assert answer.get("text", "") == ("It left" if is_streamed else "")


def test_a_completion_without_choices_has_no_text() -> None:
    assert read({"object": "chat.completion", "choices": []}).text == ""


def test_a_vendor_may_leave_out_the_object() -> None:
    assert read({"choices": [{"message": {"content": "x"}}]}).text == "x"
    assert read({"choices": [{"text": "x"}], "model": "m"}).text == "x"


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "x",
        {},
        {"choices": []},
        {"choices": [{"delta": {}}]},
        [],
        [{}],
        {"choices": [{"text": "a"}, {"text": "b"}]},
        {"choices": ["a", "b"], "model": "m"},
        {"type": "text-delta", "delta": "a"},
        {"type": "error", "error": {"type": "a", "message": "b"}},
        CreateEmbeddingResponse.construct(object="list", data=[], model="m"),
        OpenAI(api_key="k"),
    ],
)
def test_other_values_are_left_to_others(value: Any) -> None:
    assert phospho_extract_output(value) is None


def test_a_field_that_raises_is_not_there() -> None:
    class Loud:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    assert get(Loud(), "object") is None


def test_a_field_of_a_model_is_found_wherever_it_is() -> None:
    class Child(BaseModel, extra="allow"):
        own: int = 1

        @property
        def computed(self) -> int:
            return 2

    value = Child.model_validate({"more": 3})
    assert [get(value, name) for name in ("own", "computed", "more", "less")] == [1, 2, 3, None]


FULL = completion("x", tool_calls=[CALL, CUSTOM], audio=AUDIO, refusal="r")


@given(mutated([FULL, RECORDED["input"], RECORDED["output"], RECORDED["chunks"], OLD]))
def test_no_broken_value_raises(values: Any) -> None:
    for value in values if isinstance(values, list) else [values]:
        survives("openai", value)
        if isinstance(value, dict) and "choices" in value:
            survives("openai", ChatCompletion.construct(**{str(k): v for k, v in value.items()}))
    assert fields_of(read(FULL))["text"] == "x"


def test_an_object_that_is_no_text_does_not_tell_what_a_value_is() -> None:
    survives("openai", {"object": ["text_completion"], "choices": [{"text": "x"}]})


def test_an_event_that_holds_itself_is_no_chunk() -> None:
    event: dict[str, Any] = {"type": "chunk"}
    event["chunk"] = event
    assert Chunks([]).add(event) is False


def test_choices_without_their_completion_are_read() -> None:
    body = completion("hello")
    body["choices"].append({**body["choices"][0], "index": 1})
    whole = ChatCompletion.model_validate(body)
    for choices in (whole.choices, body["choices"]):
        read = through_hooks("openai", choices, "output")
        assert read == {"text": "hello", "finish_reason": "stop", "extra": {"choices": ["hello"]}}
        one = through_hooks("openai", choices[0], "output")
        assert one == {"text": "hello", "finish_reason": "stop"}
    assert fields_of(messages.phospho_extract_output(whole.choices[0].message)) == {"text": "hello"}


def test_the_calls_of_a_message_are_read() -> None:
    message = ChatCompletionMessage.model_validate({"role": "assistant", "tool_calls": [CALL]})
    assert message.tool_calls
    for value in (message.tool_calls, message.tool_calls[0]):
        read = through_hooks("messages", value, "output")
        assert read["text"] == 'book({"to":"PAR"})'


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        pytest.param(
            {"error": {"message": "No.", "type": None, "code": "content_filter"}},
            "content_filter",
            id="code",
        ),
        pytest.param({"error": {"message": "No.", "code": 502}}, "502", id="number"),
        pytest.param(
            {"object": "error", "message": "No.", "type": "BadRequestError", "code": 400},
            "BadRequestError",
            id="vllm",
        ),
    ],
)
def test_errors_of_other_vendors_are_told(value: Any, kind: str) -> None:
    error = {"type": kind, "message": "No."}
    assert through_hooks("openai", value, "output") == {"error": error}
    assert fields_of(phospho_extract_output([value])) == {"error": error}


def test_an_error_beside_choices_is_told() -> None:
    failed = {"error": {"code": 502, "message": "Lost."}}
    whole = {**completion("It left"), **failed}
    last = {"delta": {"content": ""}, "index": 0, "finish_reason": "error"}
    chunks = [*stream_of("It left")[:-1], {"choices": [last], **failed}]
    for value in (whole, chunks):
        read = through_hooks("openai", value, "output")
        assert read["text"] == "It left"
        assert read["error"] == {"type": "502", "message": "Lost."}


def test_what_is_spoken_in_a_stream_is_counted() -> None:
    pieces = [{"id": "a", "transcript": "Hi "}, {"data": "QUJD"}, {"data": "QUJD"}]
    chunks = [{"choices": [{"index": 0, "delta": {"audio": piece}}]} for piece in pieces]
    read = through_hooks("openai", chunks, "output")
    assert read == {"text": "Hi ", "extra": {"attachments": {"audio": 1}}}

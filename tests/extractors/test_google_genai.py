from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import types
from hypothesis import given
from PIL import Image

from phospho.extractors.google_genai import (
    Chunks,
    phospho_extract_input,
    phospho_extract_output,
)
from phospho.testing import CaptureClient
from tests.extractors.mutations import mutated
from tests.extractors.recordings import load, survives, through_hooks

RECORDED = load("google_genai")
READS = RECORDED["reads"]
CALL = {"functionCall": {"name": "book", "args": {"to": "Paris"}}}
CODE = {"executableCode": {"language": "PYTHON", "code": "print(1)"}}
RESULT = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}


def response(*parts: Any, **fields: Any) -> dict[str, Any]:
    content = {"role": "model", "parts": list(parts)}
    return {"candidates": [{"content": content, "finishReason": "STOP"}], **fields}


def client(answers: Any) -> genai.Client:
    """Return the library's client; the API answers with this, of a list with its chunks."""

    def answer(request: httpx.Request) -> httpx.Response:
        if "stream" not in request.url.path:
            return httpx.Response(200, json=answers)
        lines = [f"data: {json.dumps(chunk)}\r\n\r\n" for chunk in answers]
        return httpx.Response(
            200, text="".join(lines), headers={"content-type": "text/event-stream"}
        )

    transport = httpx.MockTransport(answer)
    options = types.HttpOptions(httpx_client=httpx.Client(transport=transport))
    return genai.Client(api_key="k", http_options=options)


def test_what_was_recorded_reads_as_written() -> None:
    assert through_hooks("google_genai", RECORDED["input"], "input") == READS["input"]
    assert through_hooks("google_genai", RECORDED["output"], "output") == READS["output"]
    assert through_hooks("google_genai", RECORDED["chunks"], "output") == READS["chunks"]


def test_the_client_s_answer_reads_the_same() -> None:
    answer = client(RECORDED["output"]).models.generate_content(model="m", contents="hi")
    assert isinstance(answer, types.GenerateContentResponse)
    dumps = (answer.model_dump(), answer.model_dump(mode="json", by_alias=True))
    for value in (answer, *dumps):
        assert through_hooks("google_genai", value, "output") == READS["output"]


def test_the_client_s_stream_and_chat_read_the_same() -> None:
    api = client(RECORDED["chunks"])
    chunks = list(api.models.generate_content_stream(model="m", contents="hi"))
    assert through_hooks("google_genai", chunks, "output") == READS["chunks"]
    chat = client(RECORDED["output"]).chats.create(model="m")
    answer = chat.send_message("Where is it?")
    assert through_hooks("google_genai", answer, "output") == READS["output"]
    history = chat.get_history()
    assert through_hooks("google_genai", history, "input")["text"] == "Where is it?"
    assert through_hooks("google_genai", history, "output")["text"] == READS["output"]["text"]


CONTENTS = [types.Content.model_validate(content) for content in RECORDED["input"]["contents"]]
SYSTEM = RECORDED["input"]["systemInstruction"]["parts"][0]["text"]


@pytest.mark.parametrize(
    "instruction",
    [
        pytest.param(SYSTEM, id="text"),
        pytest.param([SYSTEM], id="list"),
        pytest.param(types.Part(text=SYSTEM), id="part"),
        pytest.param(types.Content(parts=[types.Part(text=SYSTEM)]), id="content"),
    ],
)
@pytest.mark.parametrize("is_dict", [False, True])
def test_a_request_of_objects_reads_the_same(instruction: Any, is_dict: bool) -> None:
    config: Any = types.GenerateContentConfig(system_instruction=instruction)
    if is_dict:
        config = {"system_instruction": instruction}
    request = {"model": "gemini-3-flash", "contents": CONTENTS, "config": config}
    assert through_hooks("google_genai", request, "input") == READS["input"]
    assert through_hooks("google_genai", CONTENTS, "input")["text"] == READS["input"]["text"]


@pytest.mark.parametrize(
    ("contents", "text"),
    [
        pytest.param("hi", "hi", id="text"),
        pytest.param(["hi", "there"], "hi\nthere", id="texts"),
        pytest.param(["what?", types.Part(text="this")], "what?\nthis", id="mixed"),
        pytest.param(types.Part.from_text(text="hi"), "hi", id="part"),
        pytest.param(types.UserContent("hi"), "hi", id="content"),
        pytest.param({"parts": [{"text": "hi"}]}, "hi", id="dict"),
        pytest.param([types.UserContent("a"), types.ModelContent("b"), "c"], "c", id="turns"),
        pytest.param([types.UserContent("a"), types.ModelContent("b")], "a", id="answered"),
    ],
)
def test_contents_of_any_form_are_read(contents: Any, text: str) -> None:
    assert through_hooks("google_genai", {"contents": contents}, "input")["text"] == text


@pytest.mark.parametrize(
    "contents",
    [
        pytest.param([{"role": "user", "parts": ["hi"]}], id="texts"),
        pytest.param([{"role": "user", "parts": "hi"}], id="text"),
        pytest.param(
            [{"role": "user", "parts": ["hi"]}, {"role": "model", "parts": ["yes"]}], id="chat"
        ),
    ],
)
def test_parts_may_be_texts(contents: Any) -> None:
    for value in ({"contents": contents}, contents):
        assert through_hooks("google_genai", value, "input") == {"text": "hi"}
    if len(contents) > 1:
        assert through_hooks("google_genai", contents, "output") == {"text": "yes"}


def test_a_file_beside_a_text_is_counted() -> None:
    file = types.File(name="files/x", uri="https://x.example/y", mime_type="image/png")
    picture = Image.new("RGB", (4, 4))
    for contents in (["hi", file], [file, "hi"], ["hi", picture], [picture, "hi"]):
        for value in (contents, {"contents": contents}):
            record = CaptureClient().log(value)
            assert record["input"] == "hi"
            assert record["metadata"] == {"attachments": {"image": 1}}


def test_an_image_alone_is_counted() -> None:
    image = types.Part.from_bytes(data=b"\xff", mime_type="image/png")
    read = through_hooks("google_genai", {"contents": [image]}, "input")
    assert read == {"extra": {"attachments": {"image": 1}}}


@pytest.mark.parametrize("form", ["object", "dict", "chunk"])
@pytest.mark.parametrize(
    ("parts", "text"),
    [
        pytest.param([{"text": "Hello"}], "Hello", id="text"),
        pytest.param([{"text": "hm", "thought": True}, CALL], 'book({"to": "Paris"})', id="call"),
        pytest.param([CODE, RESULT], 'executable_code({"code": "print(1)"})', id="code"),
        pytest.param([CODE, RESULT, {"text": "It is 1."}], "It is 1.", id="explained"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_an_answer_reads_as_what_the_user_saw(form: str, parts: list[Any], text: str) -> None:
    value: Any = response(*parts)
    if form != "dict":
        value = types.GenerateContentResponse.model_validate(value)
    read = through_hooks("google_genai", [value] if form == "chunk" else value, "output")
    assert (read["text"], read["finish_reason"]) == (text, "STOP")


@pytest.mark.parametrize("is_list", [False, True])
@pytest.mark.parametrize("is_object", [False, True])
def test_a_blocked_prompt_is_an_error(is_object: bool, is_list: bool) -> None:
    value: Any = {"promptFeedback": {"blockReason": "SAFETY"}, "modelVersion": "m"}
    if is_object:
        value = types.GenerateContentResponse.model_validate(value)
    read = through_hooks("google_genai", [value] if is_list else value, "output")
    assert read["error"] == {"type": "SAFETY", "message": "The prompt was blocked."}


def test_further_candidates_and_why_one_ended_are_facts() -> None:
    value = response({"text": "a"})
    value["candidates"] += response({"text": "b"})["candidates"]
    value["candidates"][0] |= {"finishReason": "SAFETY", "finishMessage": "It was cut."}
    answer = types.GenerateContentResponse.model_validate(value)
    read = through_hooks("google_genai", answer, "output")
    assert read["finish_reason"] == "SAFETY"
    assert read["extra"] == {"choices": ["b"], "finish_message": "It was cut."}


def test_made_images_are_counted() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    answer = types.GenerateContentResponse.model_validate(response({"text": "Here."}, image))
    read = through_hooks("google_genai", answer, "output")
    assert (read["text"], read["extra"]) == ("Here.", {"attachments": {"image": 1}})


def test_an_error_of_the_rest_api_is_told() -> None:
    value = {"error": {"code": 429, "message": "Slow down.", "status": "RESOURCE_EXHAUSTED"}}
    read = through_hooks("google_genai", value, "output")
    assert read == {"error": {"type": "RESOURCE_EXHAUSTED", "message": "Slow down."}}


@pytest.mark.parametrize(
    "value",
    [
        None, 7, [], {}, [{}], ["a", "b"], {"candidates": [{"name": "Ann"}]}, {"parts": ["a"]},
        {"role": "user", "parts": [{"type": "text", "text": "hi"}]}, {"error": "no"},
        {"contents": []}, {"usage_metadata": {"input_tokens": 1}}, {"candidates": []},
        types.EmbedContentResponse(), types.GenerateContentConfig(), genai.Client(api_key="k"),
    ],
)  # fmt: skip
def test_other_values_are_left_to_others(value: Any) -> None:
    assert phospho_extract_input(value) is None
    assert phospho_extract_output(value) is None


def test_contents_that_contain_themselves_are_left() -> None:
    content: dict[str, Any] = {"role": "user"}
    content["parts"] = content["contents"] = [content] * 10_000
    assert phospho_extract_input(content) is None
    assert phospho_extract_output([content] * 10_000) is None


@given(mutated([RECORDED["input"], RECORDED["output"], RECORDED["chunks"]]))
def test_no_broken_value_raises(values: Any) -> None:
    for value in values if isinstance(values, list) else [values]:
        survives("google_genai", value)


def test_candidates_without_their_response_are_read() -> None:
    body = response({"text": "hello"})
    whole = types.GenerateContentResponse.model_validate(body)
    assert whole.candidates
    one = body["candidates"][0]
    for value in (whole.candidates, whole.candidates[0], [one], one):
        read = through_hooks("google_genai", value, "output")
        assert read == {"text": "hello", "finish_reason": "STOP"}


def test_files_in_a_stream_are_counted() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": "QUJD"}}
    sound = {"inlineData": {"mimeType": "audio/pcm", "data": "QUJD"}}
    chunks = [response(image), response(image), response(sound), response(sound)]
    reader = Chunks([])
    assert all(map(reader.add, chunks))
    assert reader.read().extra == {"attachments": {"image": 2, "audio": 1}}

from __future__ import annotations

import base64
import json
import random
import re
from typing import Any

import ollama
import pytest
from google.genai import types as genai
from hypothesis import given
from hypothesis import strategies as st

from phospho import attachments, snapshot
from phospho.testing import CaptureClient

SIZES = {"small": 52, "large": 30_000}
CONTENTS = {name: random.Random(1).randbytes(size) for name, size in SIZES.items()}
ENCODED = {name: base64.b64encode(content).decode() for name, content in CONTENTS.items()}


def url(encoded: str, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{encoded}"


def shapes(encoded: str, content: bytes) -> dict[str, Any]:
    """Return a file as each vendor has it in its requests and answers."""
    return {
        "openai-image": {"type": "image_url", "image_url": {"url": url(encoded)}},
        "openai-audio": {"type": "input_audio", "input_audio": {"data": encoded, "format": "wav"}},
        "openai-file": {"type": "file", "file": {"file_data": url(encoded, "application/pdf")}},
        "openai-said": {"role": "assistant", "audio": {"id": "a", "data": encoded}},
        "openai-picture": {"created": 1, "data": [{"b64_json": encoded}]},
        "responses-picture": {"type": "image_generation_call", "id": "i", "result": encoded},
        "responses-input": {"type": "input_image", "image_url": url(encoded), "detail": "auto"},
        "responses-partial": {"type": "response.image", "partial_image_b64": encoded},
        "responses-reasoning": {"type": "reasoning", "encrypted_content": encoded},
        "realtime": {"type": "response.output_audio.delta", "delta": encoded},
        "anthropic": {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": encoded},
        },
        "anthropic-thought": {"type": "thinking", "thinking": "Hm.", "signature": encoded},
        "anthropic-redacted": {"type": "redacted_thinking", "data": encoded},
        "gemini-str": {"inline_data": {"mime_type": "image/png", "data": encoded}},
        "gemini-bytes": {"inline_data": {"mime_type": "image/png", "data": content}},
        "gemini-ascii": {"inlineData": {"mimeType": "image/png", "data": encoded.encode()}},
        "gemini-object": genai.Part.from_bytes(data=content, mime_type="image/png"),
        "gemini-thought": {"text": "Hm.", "thoughtSignature": encoded},
        "bedrock": {"image": {"format": "png", "source": {"bytes": content}}},
        "bedrock-wire": {"image": {"format": "png", "source": {"bytes": encoded}}},
        "mcp-image": {"type": "image", "data": encoded, "mimeType": "image/png"},
        "mcp-blob": {"type": "resource", "resource": {"uri": "file:///a", "blob": encoded}},
        "ollama": {"role": "user", "content": "Look", "images": [encoded]},
        "ollama-object": ollama.Message(role="user", images=[ollama.Image(value=encoded)]),
        "langchain": {"type": "image", "source_type": "base64", "data": encoded},
        "langchain-1": {"type": "image", "base64": encoded, "mime_type": "image/png"},
        "vercel": {"type": "file", "mediaType": "image/png", "data": encoded},
        "vercel-url": {"type": "file", "mediaType": "image/png", "url": url(encoded)},
        "markdown": f"Look: ![cat]({url(encoded)}) Nice?",
        "json-text": json.dumps({"args": {"image": url(encoded)}}),
        "json-escaped": json.dumps({"image": url(encoded)}).replace("/", "\\/"),
        "lines": {"data": base64.encodebytes(content).decode()},
        "url-in-lines": url(base64.encodebytes(content).decode()),
    }


def longest_run(record: Any) -> str:
    """Return the longest piece of what could be base64."""
    runs: list[str] = re.findall(r"[A-Za-z0-9+/_-]+", json.dumps(record))
    return max(runs, key=len)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", shapes("", b""))
def test_no_vendor_s_file_is_stored(size: str, shape: str) -> None:
    client = CaptureClient()
    value = shapes(ENCODED[size], CONTENTS[size])[shape]
    record = client.log(
        "hi", "yo", raw_input=[value], raw_output={"output": value}, metadata={"more": value},
        tool_calls=[{"name": "look", "arguments": value}],
    )  # fmt: skip
    assert len(longest_run(record)) < 48
    assert "truncated" not in record
    for logged in (client.log(value, value), client.log("hi", "yo", metadata={"a": [value]})):
        assert len(longest_run(logged)) < 48


def test_a_text_keeps_what_is_around_its_files() -> None:
    text = f"First ![a]({url('QUJD')}), then <{url('QUJDRA==', 'audio/wav')}>.\nEnd"
    kept = "First ![a]((data of 26 characters)), then <(data of 30 characters)>.\nEnd"
    record = CaptureClient().log(text, text)
    assert (record["input"], record["output"]) == (kept, kept)
    assert (record["raw_input"], record["raw_output"]) == (None, None)


FILE = ENCODED["large"]
IN_LINES = base64.encodebytes(CONTENTS["large"]).decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("here: ", "", id="words-before"),
        pytest.param("", " is it", id="words-behind"),
        pytest.param("```\n", "\n```", id="fence"),
        pytest.param("<file>", "</file>", id="tags"),
        pytest.param("describe\n", "\nplease", id="lines"),
        pytest.param('{\\"image\\": \\"', '\\", \\"zoom\\": 2}', id="escaped-json"),
        pytest.param("set IMAGE=", "", id="setting"),
        pytest.param("é" * 300, "é" * 300, id="other-letters"),
    ],
)
def test_a_file_among_words_is_not_stored(before: str, after: str) -> None:
    kept = f"{before}(data of {len(FILE)} characters){after}"
    record = CaptureClient().log(before + FILE + after, {"answer": before + FILE + after})
    assert (record["input"], record["output"]) == (kept, kept)
    assert len(longest_run(record)) < 48


def test_a_file_in_lines_among_words_is_not_stored() -> None:
    for text in (f"here:\n{IN_LINES}end.", json.dumps({"a": f"here:\n{IN_LINES}end."})):
        record = CaptureClient().log(text)
        assert len(longest_run(record)) < 48
        assert "here:" in record["input"]
        assert "end." in record["input"]


def test_a_data_url_may_be_written_in_capitals() -> None:
    url = "DATA:image/png;BASE64,QUJD"
    record = CaptureClient().log(f"see {url}.", "x", metadata={"url": url})
    assert record["input"] == "see (data of 26 characters)."
    assert record["metadata"] == {"url": "(data of 26 characters)"}


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(["describe", FILE], id="list"),
        pytest.param({"contents": ["describe", FILE]}, id="gemini"),
        pytest.param({"question": ["describe", FILE], "answer": ["describe", FILE]}, id="names"),
        pytest.param(
            [
                {"role": role, "content": [{"type": kind, "text": t} for t in ("describe", FILE)]}
                for role, kind in (("user", "input_text"), ("assistant", "output_text"))
            ],
            id="responses",
        ),
        pytest.param(
            [
                {"role": role, "content": [{"type": "text", "text": t} for t in ("describe", FILE)]}
                for role in ("system", "user", "assistant")
            ],
            id="messages",
        ),
    ],
)
def test_a_file_among_texts_that_are_joined_is_not_stored(value: Any) -> None:
    record = CaptureClient().log(value, value)
    assert record["input"] == f"describe\n(data of {len(FILE)} characters)"
    assert "(data of" in record["output"]
    assert len(longest_run(record)) < 48


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            {"object": "response", "output": [{"type": "message", "role": "assistant", "content": [
                {"type": "output_text", "text": "See "}, {"type": "output_text", "text": FILE}]}]},
            id="responses",
        ),
        pytest.param(
            {"candidates": [{"content": {"parts": [{"text": "See "}, {"text": FILE}]}}]},
            id="gemini",
        ),
        pytest.param(
            {"type": "message", "role": "assistant", "stop_reason": "end_turn", "content": [
                {"type": "text", "text": "See "}, {"type": "text", "text": FILE}]},
            id="anthropic",
        ),
    ],
)  # fmt: skip
def test_a_part_that_is_a_file_takes_no_word_with_it(answer: Any) -> None:
    record = CaptureClient().log("q", answer)
    assert record["output"] == f"See (data of {len(FILE)} characters)"


@pytest.mark.parametrize("nesting", [1, 2])
@pytest.mark.parametrize("slash", ["/", "\\/"])
def test_a_long_file_quoted_in_json_is_not_stored(slash: str, nesting: int) -> None:
    arguments: Any = {"image": ENCODED["large"], "zoom": 2}
    kept: Any = {"image": f"(data of {len(ENCODED['large'])} characters)", "zoom": 2}
    for _ in range(nesting):
        arguments, kept = json.dumps(arguments), json.dumps(kept)
    call = {"name": "look", "arguments": arguments.replace("/", slash)}
    record = CaptureClient().log("hi", {"message": {"role": "assistant", "tool_calls": [call]}})
    assert len(longest_run(record)) < 48
    if slash == "/":
        assert record["tool_calls"] == [{"name": "look", "arguments": kept}]


def test_a_file_larger_than_the_limits_cuts_nothing() -> None:
    record = CaptureClient().log(f"Look: {url('QUJD' * 500_000)} nice", metadata={"data": "QUJD"})
    assert record["input"] == "Look: (data of 2000022 characters) nice"
    assert "truncated" not in record


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Write ;base64, after the type.", id="words"),
        pytest.param("data:text/plain,hello", id="url-in-plain"),
        pytest.param("https://example.com/" + "aB3/" * 100, id="url"),
        pytest.param("see https://example.com/?id=" + "aB3_" * 100 + " ok", id="url-in-words"),
        pytest.param("word\n" * 500, id="words-in-lines"),
        pytest.param("| Ab1 " + "-" * 400 + "|", id="rule"),
        pytest.param("x" * 5000, id="one-letter"),
        pytest.param("0123456789abcdef" * 32, id="hex"),
        pytest.param("The 3 Words " * 100, id="prose"),
        pytest.param("aB3" * 80, id="short"),
        pytest.param("Ab1\n" * 200, id="list"),
    ],
)
def test_other_texts_stay(text: str) -> None:
    record = CaptureClient().log(text, {"answer": text}, metadata={"a": text, "b": {"c": text}})
    assert (record["input"], record["output"]) == (text, text)
    assert record["metadata"] == {"a": text, "b": {"c": text}}


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"result": "done", "type": "task"}, id="word"),
        pytest.param({"data": "0123456789abcdef" * 4}, id="digest"),
        pytest.param({"image": "https://example.com/cat.png", "type": "image"}, id="url"),
        pytest.param({"type": "document", "data": "Our rules are these."}, id="document"),
        pytest.param({"type": "text", "media_type": "text/plain", "data": "Hello"}, id="text"),
        pytest.param({"data": {"type": "image"}, "images": ["cat.png", {"id": 1}]}, id="inside"),
        pytest.param({"value": ENCODED["small"], "name": "cursor"}, id="value-of-something"),
        pytest.param({"delta": "Hello", "type": "response.output_text.delta"}, id="delta"),
        pytest.param({"format": "json", "result": "done"}, id="format"),
    ],
)
def test_other_fields_stay(value: Any) -> None:
    assert snapshot.take(value, 10_000).value == value


def test_a_long_file_is_known_under_any_name() -> None:
    encoded = ENCODED["large"]
    mark = f"(data of {len(encoded)} characters)"
    for alphabet in (encoded, encoded.replace("+", "-").replace("/", "_"), encoded.rstrip("=")):
        assert snapshot.take({"picture": alphabet}, 10_000).value == {"picture": mark}
    assert snapshot.take_flat({"picture": encoded[:300]}) is None


@given(st.lists(st.sampled_from(["data:", ";base64,", "QUJD", "a", ",", " ", "\n", "\\n", "="])))
def test_any_mixture_of_marks_is_read(pieces: list[str]) -> None:
    kept = attachments.without_data_urls("".join(pieces))
    assert attachments.URL_MARK + "Q" not in kept


@pytest.mark.parametrize("piece", ["data:", ";base64,", "data:a;base64,", "\n", "aB3\n", "a" * 60])
def test_marks_without_end_end(piece: str) -> None:
    text = "data:;base64," + piece * (2_000_000 // len(piece))
    copied = snapshot.take({"data": text, "text": text}, 10_000)
    assert len(json.dumps(copied.value)) < 20_000

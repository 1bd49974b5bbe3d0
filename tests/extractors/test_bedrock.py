from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import boto3
import pytest
from botocore.config import Config
from hypothesis import given

from phospho.extractors.bedrock import phospho_extract_input, phospho_extract_output
from tests.extractors.mutations import mutated
from tests.extractors.recordings import fields_of, load, survives, through_hooks
from tests.hostile import RaisingMapping
from tests.loopback import serve

RECORDED = load("bedrock")
READS = RECORDED["reads"]
ANTHROPIC = load("anthropic")
CALLED = 'book({"to": "Paris"})'
CALL = {"toolUse": {"toolUseId": "1", "name": "book", "input": {"to": "Paris"}}}
RESULT = {"toolResult": {"toolUseId": "1", "content": [{"text": "booked"}]}}
LLAMA = {
    "generation": "Hi", "prompt_token_count": 3, "generation_token_count": 4, "stop_reason": "stop",
}  # fmt: skip


def frame(name: str, event: Any) -> bytes:
    """Return an event as the service sends it: lengths, checksums, headers, JSON."""
    pairs = {":message-type": "event", ":event-type": name, ":content-type": "application/json"}
    headers = b"".join(
        bytes([len(key)]) + key.encode() + b"\7" + struct.pack(">H", len(value)) + value.encode()
        for key, value in pairs.items()
    )
    payload = json.dumps(event).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    prelude += struct.pack(">I", zlib.crc32(prelude))
    message = prelude + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


def in_bytes(event: Any) -> dict[str, str]:
    return {"bytes": base64.b64encode(json.dumps(event).encode()).decode()}


class Service(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.path.rpartition("/")[2]
        kind = "application/json"
        if operation == "converse":
            body = json.dumps(RECORDED["output"]).encode()
        elif operation == "invoke":
            body = json.dumps(ANTHROPIC["output"]).encode()
        else:
            kind = "application/vnd.amazon.eventstream"
            events = RECORDED["chunks"]
            if operation == "invoke-with-response-stream":
                events = [{"chunk": in_bytes(event)} for event in ANTHROPIC["chunks"]]
            body = b"".join(frame(name, e) for event in events for name, e in event.items())
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Stay quiet."""


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with serve(Service) as url:
        yield boto3.client(
            "bedrock-runtime",
            region_name="eu-west-1",
            endpoint_url=url,
            aws_access_key_id="a",
            aws_secret_access_key="s",
            config=Config(retries={"max_attempts": 1}, proxies={}),
        )


def turns(*content: Any) -> list[dict[str, Any]]:
    return [
        {"role": "user", "content": [{"text": "book Paris"}]},
        {"role": "assistant", "content": [CALL]},
        {"role": "user", "content": list(content)},
    ]


def test_what_was_recorded_reads_as_written() -> None:
    assert through_hooks("bedrock", RECORDED["input"], "input") == READS["input"]
    assert through_hooks("bedrock", RECORDED["output"], "output") == READS["output"]
    assert through_hooks("bedrock", RECORDED["chunks"], "output") == READS["chunks"]


def test_what_the_client_returns_reads_the_same(client: Any) -> None:
    request = {"modelId": "m", "messages": [{"role": "user", "content": [{"text": "hi"}]}]}
    assert through_hooks("bedrock", request, "input") == {"text": "hi", "model": "m"}
    response = client.converse(**request)
    assert "ResponseMetadata" in response
    assert through_hooks("bedrock", response, "output") == READS["output"]


def test_a_stream_is_left_to_the_app_and_its_events_are_read(client: Any) -> None:
    request = {"modelId": "m", "messages": [{"role": "user", "content": [{"text": "hi"}]}]}
    response = client.converse_stream(**request)
    assert through_hooks("bedrock", response, "output") == {"extra": {"unread": "stream"}}
    events = list(response["stream"])
    assert len(events) == len(RECORDED["chunks"])
    assert through_hooks("bedrock", events, "output") == READS["chunks"]


def test_a_body_is_left_to_the_app_and_read_once_it_is_bytes(client: Any) -> None:
    response = client.invoke_model(modelId="m", body=json.dumps(ANTHROPIC["input"]))
    assert through_hooks("bedrock", response, "output") == {"extra": {"unread": "body"}}
    body = response["body"].read()
    assert json.loads(body) == ANTHROPIC["output"]
    read = through_hooks("bedrock", {**response, "body": body}, "output")
    assert read == ANTHROPIC["reads"]["output"]


def test_the_events_of_a_model_s_own_stream_are_read(client: Any) -> None:
    response = client.invoke_model_with_response_stream(modelId="m", body="{}")
    assert through_hooks("bedrock", response, "output") == {"extra": {"unread": "body"}}
    events = list(response["body"])
    assert set(events[0]) == {"chunk"}
    assert through_hooks("bedrock", events, "output") == ANTHROPIC["reads"]["chunks"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param([{"text": "hi"}, {"text": "there"}], "hi\nthere", id="texts"),
        pytest.param([RESULT, {"text": "and now?"}], "and now?", id="beside-a-result"),
        pytest.param([RESULT, {"cachePoint": {"type": "default"}}], "book Paris", id="result"),
        pytest.param([{"guardContent": {"text": {"text": "hi"}}}], "hi", id="guarded"),
    ],
)
def test_the_input_is_what_a_person_wrote(content: Any, text: str) -> None:
    messages = turns(*content)
    for value in (messages, {"modelId": "m", "messages": messages}):
        assert through_hooks("bedrock", value, "input")["text"] == text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param([{"text": "Yes, "}, {"text": "so."}], "Yes, so.", id="texts"),
        pytest.param([CALL], CALLED, id="call"),
        pytest.param([{"text": "Wait."}, CALL, {"text": "Done."}], "Wait.\nDone.", id="apart"),
        pytest.param(
            [{"text": "It "}, {"citationsContent": {"content": [{"text": "is."}]}}],
            "It is.",
            id="cited",
        ),
    ],
)
def test_an_answer_reads_as_what_the_user_saw(content: Any, text: str) -> None:
    message = {"role": "assistant", "content": content}
    response = {"output": {"message": message}, "stopReason": "end_turn"}
    for value in (response, message, [*turns({"text": "hi"}), message]):
        assert through_hooks("bedrock", value, "output")["text"] == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(ANTHROPIC["input"], ANTHROPIC["reads"]["input"]["text"], id="anthropic"),
        pytest.param({"prompt": "hi", "max_gen_len": 9}, "hi", id="llama"),
        pytest.param({"inputText": "hi"}, "hi", id="titan"),
        pytest.param(RECORDED["input"], READS["input"]["text"], id="nova"),
        pytest.param({"message": "hi", "chat_history": []}, "hi", id="cohere"),
    ],
)
def test_the_body_of_a_request_is_read(body: Any, text: str) -> None:
    request = {"modelId": "m", "body": json.dumps(body)}
    read = through_hooks("bedrock", request, "input")
    assert (read["text"], read["model"]) == (text, "m")


TITAN = {
    "inputTextTokenCount": 3,
    "results": [{"tokenCount": 4, "outputText": "Hi", "completionReason": "FINISH"}],
}
USED = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


@pytest.mark.parametrize("form", [dict, json.dumps, lambda body: json.dumps(body).encode()])
@pytest.mark.parametrize(
    ("body", "reads"),
    [
        pytest.param(LLAMA, {"text": "Hi", "usage": USED, "finish_reason": "stop"}, id="llama"),
        pytest.param(TITAN, {"text": "Hi", "usage": USED, "finish_reason": "FINISH"}, id="titan"),
        pytest.param(
            {"outputs": [{"text": "Hi", "stop_reason": "stop"}]},
            {"text": "Hi", "finish_reason": "stop"},
            id="mistral",
        ),
        pytest.param(RECORDED["output"], READS["output"], id="nova"),
    ],
)
def test_the_answers_of_other_models_are_read(form: Any, body: Any, reads: Any) -> None:
    value = form(body)
    value = value if isinstance(value, dict) else {"ResponseMetadata": {}, "body": value}
    assert through_hooks("bedrock", value, "output") == reads


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([{"generation": "H"}, {"generation": "i", "stop_reason": "x"}], id="llama"),
        pytest.param(
            [{"outputText": "H", "index": 0}, {"outputText": "i", "completionReason": "x"}],
            id="titan",
        ),
        pytest.param(
            [{"outputs": [{"text": "H"}]}, {"outputs": [{"text": "i", "stop_reason": "x"}]}],
            id="mistral",
        ),
        pytest.param(
            [
                {"contentBlockDelta": {"delta": {"text": "H"}}},
                {"contentBlockDelta": {"delta": {"text": "i"}}},
                {"messageStop": {"stopReason": "x"}},
            ],
            id="nova",
        ),
        pytest.param(
            [
                {"choices": [{"delta": {"content": "H"}}]},
                {"choices": [{"delta": {"content": "i"}, "finish_reason": "x"}]},
            ],
            id="jamba",
        ),
        pytest.param(
            [
                {"event_type": "text-generation", "text": "Hi"},
                {"event_type": "stream-end", "finish_reason": "x", "response": {"text": "Hi"}},
            ],
            id="command",
        ),
    ],
)
def test_the_streams_of_other_models_are_read(pieces: list[dict[str, Any]]) -> None:
    metrics = {"inputTokenCount": 3, "outputTokenCount": 4}
    pieces = [*pieces[:-1], {**pieces[-1], "amazon-bedrock-invocationMetrics": metrics}]
    events = [{"chunk": {"bytes": json.dumps(piece).encode()}} for piece in pieces]
    read = through_hooks("bedrock", events, "output")
    assert read == {"text": "Hi", "finish_reason": "x", "usage": USED}


def test_agents_and_knowledge_bases_are_read() -> None:
    events = [{"chunk": {"bytes": b"It left "}}, {"chunk": {"bytes": b"on Monday."}}]
    assert through_hooks("bedrock", events, "output") == {"text": "It left on Monday."}
    answer = {"sessionId": "s", "output": {"text": "On Monday."}, "citations": []}
    assert through_hooks("bedrock", answer, "output") == {"text": "On Monday."}
    asked = {"agentId": "a", "sessionId": "s", "inputText": "When?"}
    assert through_hooks("bedrock", asked, "input") == {"text": "When?"}


def test_sources_of_a_streamed_text_do_not_part_it() -> None:
    deltas = [{"text": "It "}, {"citation": {"title": "t"}}, {"text": "is."}, {"toolUse": {}},
              {"text": "So."}]  # fmt: skip
    events = [{"contentBlockDelta": {"delta": delta}} for delta in deltas]
    assert fields_of(phospho_extract_output(events))["text"] == "It is.\nSo."


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        pytest.param(
            {"Error": {"Code": "ThrottlingException", "Message": "Slow."}, "ResponseMetadata": {}},
            "ThrottlingException",
            id="response",
        ),
        pytest.param(
            [RECORDED["chunks"][0], {"modelStreamErrorException": {"message": "Slow."}}],
            "modelStreamErrorException",
            id="event",
        ),
    ],
)
def test_an_error_is_told(value: Any, kind: str) -> None:
    read = through_hooks("bedrock", value, "output")
    assert read == {"error": {"type": kind, "message": "Slow."}}


def test_a_router_says_which_model_it_chose() -> None:
    trace = {"promptRouter": {"invokedModelId": "small"}}
    assert through_hooks("bedrock", {**RECORDED["output"], "trace": trace}, "output")[
        "model"
    ] == "small"  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [
        None, 7, [], {}, [{}], {"outputs": [{"text": "x"}]}, {"output": {"text": "x"}},
        {"chunk": "x"},
        {"metadata": {"usage": 1}}, {"metadata": {}, "id": 1}, {"ResponseMetadata": {}},
        [{"role": "user", "content": "hi"}], {"body": "not JSON"}, {"body": "[" * 100_000},
        [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    ],
)  # fmt: skip
def test_other_values_are_left_to_others(value: Any) -> None:
    assert phospho_extract_input(value) is None
    assert phospho_extract_output(value) is None


BODIES = [{"body": json.dumps(LLAMA)}, TITAN, {"chunk": {"bytes": b"x"}}]


def test_an_event_of_a_dict_with_own_items_is_left_to_others() -> None:
    assert phospho_extract_output(RaisingMapping(a=1)) is None


@given(mutated([RECORDED["input"], RECORDED["output"], RECORDED["chunks"], *BODIES]))
def test_no_broken_value_raises(values: Any) -> None:
    for value in values if isinstance(values, list) else [values]:
        survives("bedrock", value)
        survives("bedrock", [{"chunk": {"bytes": json.dumps(value, default=str).encode()}}])

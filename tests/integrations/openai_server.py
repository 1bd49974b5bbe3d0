"""A loopback server with OpenAI's API, which answers each question with an echo of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.loopback import completion, reset, serve, stream_of
from tests.waiting import HELD_S

USAGE = {
    "input_tokens": 21,
    "output_tokens": 6,
    "total_tokens": 27,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": 0},
}


@dataclass
class OpenAIServer:
    """What arrived, and where.

    The model of a request says what happens: `flaky` fails once for each question, `refused` is
    refused, `failing` ends a stream with an error, `broken` loses its connection, `slow` takes its
    time; `cut` ends an answer at its length; `tool-user` asks for a tool first.
    """

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)
    released: threading.Event = field(default_factory=threading.Event)


def echo(question: str) -> str:
    """Return what the server answers."""
    return f"Echo of {question}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: OpenAIServer

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        state = self.server_state
        state.requests.append(request)
        state.headers.append({name.lower(): value for name, value in self.headers.items()})
        question, model = question_of(request), request.get("model")
        if model == "flaky" and question not in state.failed:
            state.failed.add(question)
            self._send(500, {"error": {"message": "try again", "type": "server_error"}})
        elif model == "refused":
            self._send(400, {"error": {"message": "no such thing", "type": "invalid_request"}})
        elif self.path.endswith("/embeddings"):
            data = [{"object": "embedding", "index": 0, "embedding": [0.5]}]
            usage = {"prompt_tokens": 1, "total_tokens": 1}
            self._send(200, {"object": "list", "model": "e", "data": data, "usage": usage})
        elif request.get("stream"):
            self._stream(events_of(self.path, request, echo(question)), model)
        else:
            if model == "slow":
                time.sleep(0.05)
            self._send(200, answer_of(self.path, request, echo(question)))

    def do_GET(self) -> None:
        """Answer for a response that goes on in the background: at the second time it is there."""
        state, response_id = self.server_state, self.path.rpartition("/")[2]
        question = response_id.removeprefix("resp_")
        is_there = response_id in state.failed
        state.failed.add(response_id)
        request = {"input": question, "model": "gpt-x"}
        status = "completed" if is_there else "in_progress"
        self._send(200, response(echo(question), request, status))

    def _send(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("x-request-id", "req_1")
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, events: list[dict[str, Any]], model: str | None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        if model == "failing":
            events = [*events[:4], {"error": {"message": "overloaded", "type": "server_error"}}]
        for number, event in enumerate(events):
            if number == 4 and model == "broken":
                reset(self.connection)
                return
            if number == 4 and model == "slow":
                self.server_state.released.wait(HELD_S)
            name = f"event: {event['type']}\n" if "type" in event else ""
            self.wfile.write(f"{name}data: {json.dumps(event)}\n\n".encode())
            self.wfile.flush()
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *args: object) -> None:
        """Stay quiet."""


def question_of(request: dict[str, Any]) -> str:
    """Return what the user of a request said last."""
    said = request.get("messages") or request.get("input") or request.get("prompt") or ""
    if isinstance(said, list):
        said = next(item["content"] for item in reversed(said) if item.get("role") == "user")
    if isinstance(said, list):
        said = next(part["text"] for part in said if "text" in part)
    return str(said)


def answer_of(path: str, request: dict[str, Any], text: str) -> dict[str, Any]:
    """Return a whole answer in the format of a path."""
    model = request.get("model", "gpt-x")
    if path.endswith("/responses"):
        return response(text, request, "queued" if request.get("background") else "completed")
    if path.endswith("/chat/completions"):
        if "response_format" in request and model != "unparsable":
            text = json.dumps({"text": text})
        if model == "tool-user" and request["messages"][-1]["role"] == "user":
            return _ask_for_tool(request)
        answer = completion(text, model=model)
        if model == "cut":
            answer["choices"][0]["finish_reason"] = "length"
        return answer
    choice = {"index": 0, "text": text, "finish_reason": "stop", "logprobs": None}
    usage = {"prompt_tokens": 21, "completion_tokens": 6, "total_tokens": 27}
    return {
        "id": "cmpl-1", "object": "text_completion", "created": 1, "model": model,
        "choices": [choice], "usage": usage,
    }  # fmt: skip


def _ask_for_tool(request: dict[str, Any]) -> dict[str, Any]:
    """Return a completion that calls the first tool there is."""
    function = request["tools"][0]["function"]
    called = {"name": function["name"], "arguments": json.dumps({"city": "Paris"})}
    call = {"id": "call_1", "type": "function", "function": called}
    answer = completion(None, model=request["model"], tool_calls=[call])
    answer["choices"][0]["finish_reason"] = "tool_calls"
    return answer


def response(text: str, request: dict[str, Any], status: str = "completed") -> dict[str, Any]:
    """Return a response as OpenAI's API sends it; its id is that of the question."""
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    message = {
        "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [part],
    }  # fmt: skip
    return {
        "id": f"resp_{question_of(request)}", "object": "response", "created_at": 1795423617,
        "status": status, "error": None, "incomplete_details": None, "instructions": None,
        "metadata": {}, "model": request.get("model", "gpt-x"), "parallel_tool_calls": True,
        "output": [message] if status == "completed" else [], "temperature": 1.0,
        "tool_choice": "auto", "tools": [], "top_p": 1.0, "usage": USAGE,
        "previous_response_id": request.get("previous_response_id"),
        "text": {"format": {"type": "text"}},
    }  # fmt: skip


def events_of(path: str, request: dict[str, Any], text: str) -> list[dict[str, Any]]:
    """Return the events in which an answer is streamed, a word each."""
    model = request.get("model", "gpt-x")
    if path.endswith("/chat/completions"):
        if "response_format" in request:
            text = json.dumps({"text": text})
        chunks = stream_of(text, usage=bool(request.get("stream_options")))
        return [{**chunk, "model": model} for chunk in chunks]
    if path.endswith("/responses"):
        return _response_events(request, text)
    words = [f"{word} " for word in text.split()]
    return [
        {
            "id": "cmpl-1", "object": "text_completion", "created": 1, "model": model,
            "choices": [{"index": 0, "text": word, "finish_reason": None, "logprobs": None}],
        }
        for word in words
    ]  # fmt: skip


def _response_events(request: dict[str, Any], text: str) -> list[dict[str, Any]]:
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    item = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "in_progress",
        "content": [],
    }
    words = text.split(" ")
    deltas = [word if word is words[-1] else f"{word} " for word in words]
    whole = response(text, request)
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": response(text, request, "in_progress")},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **at, "part": part},
        *({"type": "response.output_text.delta", **at, "delta": d, "logprobs": []} for d in deltas),
        {"type": "response.output_text.done", **at, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **at, "part": {**part, "text": text}},
        {"type": "response.output_item.done", "output_index": 0, "item": whole["output"][0]},
        {"type": "response.completed", "response": whole},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


@contextmanager
def serve_echo() -> Iterator[OpenAIServer]:
    """Serve chat completions, responses, completions and embeddings."""
    state = OpenAIServer()
    with serve(type("Echo", (_Handler,), {"server_state": state})) as url:
        state.url = f"{url}/v1"
        yield state
        state.released.set()

"""Real HTTP servers on ephemeral ports: a phospho server that can be told to fail, and OpenAI's."""

from __future__ import annotations

import json
import re
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.waiting import HELD_S

# Of an answer that comes a byte at a time.
_TRICKLED = 2_000


@dataclass(frozen=True)
class Reply:
    """What the server does with one request."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    # "hang", "trickle_body", "trickle_headers", "reset", "reset_request", "reset_body",
    # "truncate" or "garbage"
    misbehaviour: str = ""
    is_stored: bool | None = None  # by default what is answered with 2xx


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    size: int
    at_s: float = field(default_factory=time.monotonic)

    @property
    def events(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = self.body.get("batched_log_events", [])
        return events


class Loopback:
    """What arrived, and what the next answers are; `decide` goes before `replies`."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.stored: list[Request] = []
        self.replies: deque[Reply] = deque()
        self.given: list[Reply] = []
        self.decide: Callable[[Request], Reply | None] = lambda request: None
        self.connections = 0
        self.released = threading.Event()
        self.lock = threading.Lock()
        self.url = ""

    @property
    def events(self) -> list[dict[str, Any]]:
        """All interactions that were acknowledged, in the order of arrival."""
        return [event for request in list(self.stored) for event in request.events]

    @property
    def feedback(self) -> list[Request]:
        return [request for request in list(self.stored) if "human-eval" in request.path]

    @property
    def faults(self) -> list[Reply]:
        """What was answered instead of an acknowledgement: proof that the client met it."""
        return [reply for reply in list(self.given) if reply != Reply()]

    def resets_request(self) -> bool:
        """Tell whether the next request is broken off before it has arrived."""
        with self.lock:
            if not self.replies or self.replies[0].misbehaviour != "reset_request":
                return False
            self.given.append(self.replies.popleft())
            return True

    def answer(self, request: Request) -> Reply:
        with self.lock:
            self.requests.append(request)
            reply = self.decide(request)
            if reply is None:
                reply = self.replies.popleft() if self.replies else Reply()
            self.given.append(reply)
            is_stored = 200 <= reply.status < 300 and not reply.misbehaviour
            if is_stored if reply.is_stored is None else reply.is_stored:
                self.stored.append(request)
            return reply


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *args: object) -> None:
        """Clients of these tests leave in the middle of things."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    loopback: Loopback

    def setup(self) -> None:
        super().setup()
        self.loopback.connections += 1

    def do_POST(self) -> None:
        if self.loopback.resets_request():
            self._break_off(after_s=0)
            return
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        request = Request(self.path, dict(self.headers), json.loads(raw), len(raw))
        reply = self.loopback.answer(request)
        if reply.misbehaviour in {"hang", "reset"}:
            self._break_off(after_s=HELD_S if reply.misbehaviour == "hang" else 0)
        elif reply.misbehaviour == "trickle_headers":
            self._trickle(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * _TRICKLED)
        elif reply.misbehaviour == "garbage":
            self.wfile.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
            self.close_connection = True
        else:
            self._send(reply)

    def _break_off(self, after_s: float) -> None:
        self.loopback.released.wait(after_s)
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        # Closed here, as the server would say a polite goodbye before the reset.
        self.rfile.close()
        self.connection.close()

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        missing = _TRICKLED if reply.misbehaviour else 0
        self.send_header("Content-Length", str(len(reply.body) + missing))
        self.end_headers()
        if reply.misbehaviour == "trickle_body":
            self._trickle(b" " * missing)
            return
        self.wfile.write(reply.body)
        if reply.misbehaviour == "reset_body":
            self._break_off(after_s=0)
        self.close_connection = self.close_connection or reply.misbehaviour == "truncate"

    def _trickle(self, content: bytes) -> None:
        self.close_connection = True
        for byte in content:
            self.wfile.write(bytes([byte]))
            if self.loopback.released.wait(HELD_S / _TRICKLED):
                return

    def log_message(self, *args: object) -> None:
        """Stay quiet."""


@contextmanager
def serve(
    handler: type[BaseHTTPRequestHandler], port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Serve in a thread; yields the base URL."""
    server = _Server(("127.0.0.1", port), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        host = "http://127.0.0.1" if tls is None else "https://localhost"
        yield f"{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def handler_of(loopback: Loopback) -> type[BaseHTTPRequestHandler]:
    """Return a handler that answers as a loopback says."""
    return type("Handler", (_Handler,), {"loopback": loopback})


@contextmanager
def serve_phospho(port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Loopback]:
    loopback = Loopback()
    with serve(handler_of(loopback), port, tls) as url:
        loopback.url = url
        try:
            yield loopback
        finally:
            loopback.released.set()


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class _OpenAI(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answer = "Qubits harness quantum physics for faster, more powerful computation."

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path.endswith("/chat/completions")
        if request.get("stream"):
            self._stream(request)
            return
        body = json.dumps(completion(self.answer, model=request["model"])).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, request: dict[str, Any]) -> None:
        """Send the answer word by word; a request for the model `broken` loses its connection."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        events = stream_of(self.answer, usage=bool(request.get("stream_options")))
        if request["model"] == "failing":
            events = [*events[:3], {"error": {"message": "overloaded", "type": "server_error"}}]
        for number, event in enumerate(events):
            if number == 3 and request["model"] == "broken":
                reset(self.connection)
                return
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *args: object) -> None:
        """Stay quiet."""


def reset(connection: socket.socket) -> None:
    """Close a connection so that the other side is told it broke."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def stream_of(content: str, *, usage: bool = False) -> list[dict[str, Any]]:
    """Return the chunks in which OpenAI's API streams an answer, word by word."""

    def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1795423617,
            "model": "gpt-x",
            "choices": [choice],
        }

    words = [{"content": word} for word in re.findall(r"\S+\s*", content)]
    chunks = [chunk({"role": "assistant", "content": ""}), *map(chunk, words), chunk({}, "stop")]
    if usage:
        counts = {"prompt_tokens": 21, "completion_tokens": 6, "total_tokens": 27}
        chunks.append({**chunk({}), "choices": [], "usage": counts})
    return chunks


def completion(content: str | None, *, model: str = "gpt-x", **message: Any) -> dict[str, Any]:
    """Return a chat completion as OpenAI's API sends it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1795423617,
        "model": model,
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": content, **message},
            }
        ],
        "usage": {"prompt_tokens": 21, "completion_tokens": 6, "total_tokens": 27},
    }


@contextmanager
def serve_openai(answer: str = _OpenAI.answer) -> Iterator[str]:
    """Serve `/v1/chat/completions`; yields the `base_url` for `openai.OpenAI`."""
    with serve(type("OpenAI", (_OpenAI,), {"answer": answer})) as url:
        yield f"{url}/v1"


class _Anthropic(BaseHTTPRequestHandler):
    answer = ""

    def do_POST(self) -> None:
        """Stream the answer word by word."""
        self.rfile.read(int(self.headers["Content-Length"]))
        words = re.findall(r"\S+\s*", self.answer)
        message: dict[str, Any] = {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [],
            "stop_reason": None, "stop_sequence": None,
            "usage": {"input_tokens": 21, "output_tokens": 1},
        }  # fmt: skip
        block = {"type": "text", "text": ""}
        events: list[dict[str, Any]] = [
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": block},
            *(
                {
                    "type": "content_block_delta",
                    "index": 0,
                    "delta": {"type": "text_delta", "text": word},
                }
                for word in words
            ),
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {"output_tokens": 6},
            },
            {"type": "message_stop"},
        ]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for event in events:
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())

    def log_message(self, *args: object) -> None:
        """Stay quiet."""


@contextmanager
def serve_anthropic(answer: str) -> Iterator[str]:
    """Serve streamed answers of `/v1/messages`; yields the `base_url` for `Anthropic`."""
    with serve(type("Anthropic", (_Anthropic,), {"answer": answer})) as url:
        yield url

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from phospho.detectors.endpoint_encoder import EndpointEncoder, from_environment
from phospho.detectors.registry import load_detectors
from phospho.detectors.semantic import SemanticDetector
from phospho.errors import DetectorError
from phospho.plugins import Plugins
from phospho.testing import check_embedder
from tests.detectors.builders import event, turn


class Endpoint:
    """Embeds texts by their words, as a model would, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.status = 200
        self.body: bytes | None = None
        self.url = ""

    def answer(self, body: dict[str, Any]) -> bytes:
        data = [
            {"index": i, "embedding": _vector(text).tolist()}
            for i, text in enumerate(body["input"])
        ]
        return json.dumps({"data": data[::-1], "model": body["model"]}).encode()


def _vector(text: str) -> np.ndarray:
    vector = np.full(32, 0.01)
    for word in text.lower().split():
        vector[hashlib.sha256(word.encode()).digest()[0] % 32] += 1.0
    return vector


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    told = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.asked.append({"path": self.path, **body})
            told.keys.append(self.headers.get("Authorization"))
            answer = told.answer(body) if told.body is None else told.body
            self.send_response(told.status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    yield told
    server.shutdown()
    server.server_close()


def test_texts_are_embedded_in_their_order_and_once(endpoint: Endpoint) -> None:
    encoder = EndpointEncoder(endpoint.url + "/", "words-32", "sk-test")
    first = encoder.encode(["one text", "another text"])
    second = encoder.encode(["another text", "one text", "another text"])
    assert np.allclose(first[[1, 0, 1]], second)
    assert np.allclose(np.linalg.norm(first, axis=1), 1.0, atol=1e-3)
    assert [ask["input"] for ask in endpoint.asked] == [["one text", "another text"]]
    assert endpoint.asked[0]["path"] == "/v1/embeddings"
    assert endpoint.keys == ["Bearer sk-test"]
    assert (encoder.id, encoder.dim) == ("endpoint/words-32", 32)


def test_it_keeps_what_an_embedder_promises(endpoint: Endpoint) -> None:
    check_embedder(EndpointEncoder(endpoint.url, "words-32"))


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, b'{"error": "bad key"}', "answered 401: .*bad key"),
        (500, b"", "answered 500"),
        (200, b"<html>", "something else than vectors"),
        (200, b'{"data": []}', "something else than vectors"),
        (200, b'{"data": [{"index": 0, "embedding": [NaN, 1.0]}]}', "something else than vectors"),
        (200, b'{"data": [{"index": 0}]}', "something else than vectors"),
        (200, b"[1]", "something else than vectors"),
    ],
)
def test_an_answer_without_vectors_is_an_error_that_says_what_to_check(
    endpoint: Endpoint, status: int, body: bytes, said: str
) -> None:
    endpoint.status, endpoint.body = status, body
    with pytest.raises(DetectorError, match=said) as caught:
        EndpointEncoder(endpoint.url, "m").encode(["x"])
    assert "PHOSPHO_EMBEDDINGS_BASE_URL" in str(caught.value)


def test_an_endpoint_that_is_down_is_an_error_that_is_tried_again() -> None:
    with pytest.raises(DetectorError, match="could not be asked"):
        EndpointEncoder("http://127.0.0.1:1/v1", "m").encode(["x"])


def test_the_environment_names_the_embedder_that_semantic_uses(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert from_environment() is None
    monkeypatch.setenv("PHOSPHO_EMBEDDINGS_BASE_URL", endpoint.url)
    monkeypatch.setenv("PHOSPHO_EMBEDDINGS_MODEL", "words-32")
    semantic = load_detectors(Plugins(entry_points=False))["semantic"]
    assert isinstance(semantic, SemanticDetector)
    assert not endpoint.asked
    (found,) = semantic.detect([turn("I want to book a flight")], [event("The user flies")])
    assert found.embedder == "endpoint/words-32"
    assert endpoint.asked

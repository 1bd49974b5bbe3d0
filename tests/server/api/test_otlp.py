"""OTLP over HTTP, as exporters speak it."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from werkzeug.test import TestResponse

from phospho_server.assembling import Assembler
from phospho_server.errors import BusyError, InvalidError, StorageFullError
from phospho_server.limits import MAX_BODY_BYTES
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore

PROTOBUF = "application/x-protobuf"
SPAN = {
    "traceId": "0AF7651916CD43DD8448EB211C80319C",
    "spanId": "b7ad6b7169203331",
    "startTimeUnixNano": "1795176000000000000",
    "endTimeUnixNano": 1795176001000000000,
    "kind": 3,
    "attributes": [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "21"}},
        {"key": "gen_ai.usage.output_tokens", "value": {"intValue": 6}},
        {
            "key": "gen_ai.input.messages",
            "value": {"stringValue": '[{"role": "user", "content": "Hello"}]'},
        },
    ],
    "status": {},
    "unknownField": [1, 2],
}


def export(*spans: Any) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}


def encoded(*spans: Span) -> bytes:
    scope = ScopeSpans(spans=spans)
    request = ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[scope])])
    return bytes(request.SerializeToString())


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def post(client: FlaskClient, api_key: str) -> Any:
    def send(path: str, **sent: Any) -> TestResponse:
        headers = {"authorization": f"Bearer {api_key}", **sent.pop("headers", {})}
        return client.post(path, headers=headers, **sent)

    return send


def kept(store: SqliteStore) -> list[dict[str, Any]]:
    Assembler(store).run_until_done()
    with store.read() as db:
        return [dict(row) for row in db.rows("select * from interactions")]


def test_spans_come_as_json(post: Any, store: SqliteStore, project: Project) -> None:
    answer = post("/v1/traces", json=export(SPAN))
    assert (answer.status_code, answer.get_json()) == (200, {})
    (row,) = kept(store)
    assert (row["project_id"], row["input"], row["tokens"]) == (project.id, "Hello", 27)
    assert row["task_id"] == SPAN["traceId"].lower()  # type: ignore[attr-defined]
    assert row["created_at_ms"] == 1_795_176_000_000


@pytest.mark.parametrize("path", ["/v1/traces", "/v3/otl/{}"])
def test_spans_come_as_protobuf_and_compressed(
    post: Any, store: SqliteStore, project: Project, path: str
) -> None:
    body = encoded(Span(trace_id=b"1" * 16, span_id=b"2" * 8))
    answer = post(
        path.format(project.id),
        data=gzip.compress(body),
        headers={"Content-Encoding": "gzip"},
        content_type=PROTOBUF,
    )
    assert (answer.status_code, answer.mimetype, answer.data) == (200, PROTOBUF, b"")
    with store.read() as db:
        assert len(db.rows("select * from spans")) == 1


def test_spans_without_ids_are_counted_and_hurt_no_other(post: Any, store: SqliteStore) -> None:
    zero = {**SPAN, "spanId": "0" * 16}
    answer = post("/v1/traces", json=export(zero, SPAN, {"traceId": 7}, "junk"))
    partial = answer.get_json()["partialSuccess"]
    assert (answer.status_code, partial["rejectedSpans"]) == (200, "3")
    assert partial["errorMessage"].endswith("Send them with both.")
    assert len(kept(store)) == 1
    answer = post("/v1/traces", data=encoded(Span(name="x")), content_type=PROTOBUF)
    read = ExportTraceServiceResponse.FromString(answer.data)
    assert read.partial_success.rejected_spans == 1


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(b"\x0a\xff", PROTOBUF, id="protobuf"),
        pytest.param(b"{", "application/json", id="json"),
        pytest.param(b"[]", "application/json", id="list"),
    ],
)
def test_what_cannot_be_read_is_refused_in_its_own_encoding(
    post: Any, body: bytes, content_type: str
) -> None:
    answer = post("/v1/traces", data=body, content_type=content_type)
    assert (answer.status_code, answer.mimetype) == (400, content_type)
    assert b"body" in answer.data


@pytest.mark.parametrize("error", [InvalidError("No id."), KeyError("name")], ids=repr)
def test_a_trace_that_cannot_be_read_keeps_no_other_waiting(
    post: Any, store: SqliteStore, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    assert post("/v1/traces", json=export(SPAN)).status_code == 200
    with monkeypatch.context() as failing:
        failing.setattr("phospho_server.otlp.interactions.read_trace", fail)
        assert kept(store) == []
    other = {**SPAN, "traceId": "c" * 32}
    assert post("/v1/traces", json=export(other)).status_code == 200
    assert len(kept(store)) == 1


@pytest.mark.parametrize("error", [BusyError("Wait."), StorageFullError("Full.")], ids=repr)
def test_a_trace_waits_while_the_database_does_not_take_it(
    post: Any, store: SqliteStore, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    assert post("/v1/traces", json=export(SPAN)).status_code == 200
    with monkeypatch.context() as failing:
        failing.setattr("phospho_server.assembling.keep_turns", fail)
        with pytest.raises(type(error)):
            Assembler(store).run_once()
    assert len(kept(store)) == 1


def test_a_wrong_key_is_refused_in_the_encoding_of_the_request(client: FlaskClient) -> None:
    answer = client.post("/v1/traces", data=b"", content_type=PROTOBUF)
    assert (answer.status_code, answer.mimetype) == (401, PROTOBUF)
    # google.rpc.Status: the message is field 2.
    assert answer.data[0] == 2 << 3 | 2
    assert b"An API key is needed" in answer.data


@pytest.mark.parametrize("content_type", [PROTOBUF, "application/json"])
def test_over_load_asks_to_come_again(
    post: Any, store: SqliteStore, monkeypatch: pytest.MonkeyPatch, content_type: str
) -> None:
    def busy(_change: object) -> None:
        raise BusyError("The database is locked. Try again.")

    monkeypatch.setattr(SqliteStore, "write", lambda self, change: busy(change))
    span = encoded(Span(trace_id=b"1" * 16, span_id=b"2" * 8))
    body = span if content_type == PROTOBUF else json.dumps(export(SPAN)).encode()
    answer = post("/v1/traces", data=body, content_type=content_type)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.mimetype == content_type


def test_a_bomb_is_refused(post: Any) -> None:
    body = gzip.compress(b"\0" * (MAX_BODY_BYTES + 1))
    answer = post(
        "/v1/traces", data=body, headers={"Content-Encoding": "gzip"}, content_type=PROTOBUF
    )
    assert answer.status_code == 413


def test_log_records_of_no_span_are_no_mistake(post: Any, store: SqliteStore) -> None:
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "x"}}]}]}]}
    answer = post("/v1/logs", json=logs)
    assert (answer.status_code, answer.get_json()) == (200, {})
    body = ExportLogsServiceRequest().SerializeToString()
    assert post("/v1/logs", data=body, content_type=PROTOBUF).status_code == 200
    with store.read() as db:
        assert db.rows("select * from spans") == []


def test_metrics_are_taken_and_none_is_kept(post: Any) -> None:
    answer = post("/v1/metrics", data=b"\x0a\x00", content_type=PROTOBUF)
    assert (answer.status_code, answer.data) == (200, b"")

"""OTLP over HTTP: `POST /v1/traces` and `/v1/logs`, stored before the answer is sent.

Source: opentelemetry.io/docs/specs/otlp, "OTLP/HTTP". Answers are in the encoding of the request;
so are refusals, which are a `google.rpc.Status`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Blueprint, Response, g, jsonify, request
from flask.typing import ResponseReturnValue

from phospho_server.answering import headers_of
from phospho_server.api.body import read_bytes, read_object
from phospho_server.errors import BadRequestError, ServerError
from phospho_server.metrics.instruments import REFUSALS
from phospho_server.otlp import protobuf
from phospho_server.otlp.wire import Read, read_logs, read_traces
from phospho_server.security import API_KEY, access
from phospho_server.services import services
from phospho_server.store.spans import add_spans

bp = Blueprint("otlp", __name__)

_PROTOBUF = "application/x-protobuf"


@bp.post("/v1/traces")
@access(API_KEY)
def traces() -> ResponseReturnValue:
    """Keep spans in the project of the key."""
    return _keep(g.key.project_id, "traces", read_traces)


@bp.post("/v1/logs")
@access(API_KEY)
def logs() -> ResponseReturnValue:
    """Keep the log records that belong to a span, in the project of the key."""
    return _keep(g.key.project_id, "logs", read_logs)


@bp.post("/v1/metrics")
@access(API_KEY)
def metrics() -> ResponseReturnValue:
    """Take metrics and keep none: an app that sends all it has to one place must not fail."""
    return _answer(Read())


@bp.post("/v3/otl/<project_id>")
@access(API_KEY)
def traces_of_project(project_id: str) -> ResponseReturnValue:
    """Keep spans, where existing phospho clients send them."""
    return _keep(project_id, "traces", read_traces)


def _keep(
    project_id: str, kind: str, read: Callable[[Mapping[str, object]], Read]
) -> ResponseReturnValue:
    found = read(_read_request(kind))
    if found.spans or found.records:
        services().store.write(lambda db: add_spans(db, project_id, found.spans, found.records))
        services().on_new_work()
    return _answer(found)


def _read_request(kind: str) -> Mapping[str, object]:
    if not _is_protobuf():
        return read_object()
    try:
        return protobuf.read_request(read_bytes(), kind)
    except ValueError as exc:
        raise BadRequestError(
            f"The body cannot be read as protobuf: {exc}. Send an OTLP export request, or JSON "
            "with the Content-Type application/json."
        ) from exc


def _is_protobuf() -> bool:
    return request.mimetype == _PROTOBUF


def _answer(found: Read) -> ResponseReturnValue:
    if _is_protobuf():
        return Response(protobuf.write_answer(found.rejected, found.reason), mimetype=_PROTOBUF)
    if not found.rejected:
        return jsonify({})
    # Whole numbers of 64 bits are texts in protobuf's JSON.
    return jsonify(
        partialSuccess={"rejectedSpans": str(found.rejected), "errorMessage": found.reason}
    )


@bp.errorhandler(ServerError)
def refuse(error: ServerError) -> ResponseReturnValue:
    """Say in the encoding of the request why it is refused."""
    REFUSALS.add(error.code)
    headers = headers_of(error)
    if _is_protobuf():
        status = protobuf.write_status(str(error))
        return Response(status, error.status, headers, mimetype=_PROTOBUF)
    body = jsonify(error={"code": error.code, "message": str(error)})
    return body, error.status, headers

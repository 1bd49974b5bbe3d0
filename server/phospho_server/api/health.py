"""Whether the server lives and can store, and what it measures of itself."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue

from phospho_server.metrics.exposition import CONTENT_TYPE
from phospho_server.running import OK
from phospho_server.security import OPERATOR, PUBLIC, access
from phospho_server.services import services

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@access(PUBLIC)
def healthz() -> ResponseReturnValue:
    """Answer 200 while a restart would change nothing: it reads, and its threads live."""
    return _answer(services().running.check_alive())


@bp.get("/readyz")
@access(PUBLIC)
def readyz() -> ResponseReturnValue:
    """Answer 200 when interactions can be stored: it has just stored something, and goes on."""
    return _answer(services().running.check_ready())


@bp.get("/metrics")
@access(OPERATOR)
def metrics() -> ResponseReturnValue:
    """Tell Prometheus."""
    return Response(services().metrics.write(), content_type=CONTENT_TYPE)


@bp.get("/v0/health")
@bp.get("/v2/health")
@bp.get("/v3/health")
@access(PUBLIC)
def old_health() -> ResponseReturnValue:
    """Answer as existing phospho clients expect."""
    return jsonify(status="OK")


def _answer(parts: Mapping[str, str]) -> ResponseReturnValue:
    is_well = all(part == OK for part in parts.values())
    return jsonify(status=OK if is_well else "failing", checks=parts), 200 if is_well else 503

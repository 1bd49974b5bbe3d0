"""Whether the server lives and can store."""

from __future__ import annotations

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from phospho_server.security import PUBLIC, access
from phospho_server.services import services

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@access(PUBLIC)
def healthz() -> ResponseReturnValue:
    """Answer 200 when the database can be read."""
    with services().store.read() as db:
        db.row("select 1 from projects")
    return jsonify(status="ok")


@bp.get("/v0/health")
@bp.get("/v2/health")
@bp.get("/v3/health")
@access(PUBLIC)
def old_health() -> ResponseReturnValue:
    """Answer as existing phospho clients expect."""
    return jsonify(status="OK")

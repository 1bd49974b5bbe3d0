"""`/api/projects/{id}/export`: a whole list as a file."""

from __future__ import annotations

from flask import Blueprint, Response

from phospho_server.api.resources.operations import Operation, operation
from phospho_server.api.resources.parameters import check_period, of_export, offer
from phospho_server.security import API_KEY, access
from phospho_server.views.exports import FORMATS, send
from phospho_server.views.filters import INTERACTIONS, SESSIONS, USERS, ListKind

bp = Blueprint("api_exports", __name__, url_prefix="/api/projects/<project_id>/export")


def _file(kind: ListKind) -> Operation:
    types = [content_type.partition(";")[0] for content_type in FORMATS.values()]
    return Operation(None, of_export(kind, FORMATS), content_types=types)


def _send(project_id: str, kind: ListKind) -> Response:
    check_period()
    return send(project_id, kind.page, offer)


@bp.get("/sessions")
@access(API_KEY)
@operation(_file(SESSIONS))
def sessions(project_id: str) -> Response:
    """Read every session that matches, as CSV or JSONL, sent while it is read."""
    return _send(project_id, SESSIONS)


@bp.get("/interactions")
@access(API_KEY)
@operation(_file(INTERACTIONS))
def interactions(project_id: str) -> Response:
    """Read every interaction that matches, as CSV or JSONL, sent while it is read."""
    return _send(project_id, INTERACTIONS)


@bp.get("/users")
@access(API_KEY)
@operation(_file(USERS))
def users(project_id: str) -> Response:
    """Read every user that matches, as CSV or JSONL, sent while it is read."""
    return _send(project_id, USERS)

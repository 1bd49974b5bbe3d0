"""`GET /v2/me`: whose key this is."""

from __future__ import annotations

from flask import Blueprint, g, jsonify
from flask.typing import ResponseReturnValue

from phospho_server.api.v2.shapes import ORG_ID
from phospho_server.security import API_KEY, access

bp = Blueprint("me", __name__)


@bp.get("/me")
@access(API_KEY)
def show() -> ResponseReturnValue:
    """Answer with what the key is and what it is for, never with its secret."""
    return jsonify(
        user_id=g.key.id,
        key_name=g.key.name,
        project_id=g.key.project_id,
        org_id=ORG_ID,
    )

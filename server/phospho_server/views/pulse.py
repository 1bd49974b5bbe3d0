"""What the page asks every few seconds, to offer a refresh when there is something new."""

from __future__ import annotations

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from phospho_server.security import VIEWER, access
from phospho_server.services import services
from phospho_server.store.alert_rules import list_firing
from phospho_server.store.counters import count_all
from phospho_server.store.jobs import count_all_pending
from phospho_server.store.projects import get_project

bp = Blueprint("pulse", __name__)


@bp.get("/projects/<project_id>/pulse")
@access(VIEWER)
def show(project_id: str) -> ResponseReturnValue:
    """Return how much there is, as numbers that change when a page would."""
    with services().store.read() as db:
        get_project(db, project_id)
        totals = count_all(db, project_id)
        pending = count_all_pending(db, project_id)
        firing = len(list_firing(db, project_id))
    return jsonify(
        interactions=totals.interactions, events=totals.events, pending=pending, firing=firing
    )

"""Interactions: the list of single exchanges, with its filters."""

from __future__ import annotations

from flask import Blueprint, render_template

from phospho_server.security import VIEWER, access
from phospho_server.services import services
from phospho_server.store.interaction_pages import list_interactions
from phospho_server.views.filters import INTERACTIONS
from phospho_server.views.lists import open_list, render_empty

bp = Blueprint("interactions", __name__)

# Of a message, which a line shows the beginning of.
_MOST_CHARS = 300


@bp.get("/projects/<project_id>/interactions")
@access(VIEWER)
def index(project_id: str) -> str:
    """Show the interactions that match, those that arrived last first."""
    with services().store.read() as db:
        opened = open_list(db, project_id, INTERACTIONS)
        if opened is None:
            return render_empty(INTERACTIONS)
        page = list_interactions(
            db,
            project_id,
            opened.asked.wanted,
            sort=opened.asked.sort,
            cursor=opened.cursor,
            most_chars=_MOST_CHARS,
        )
    return render_template("interactions/index.html", page=page, **vars(opened))

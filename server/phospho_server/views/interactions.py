"""Interactions: the list of single exchanges, with its filters."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from phospho_server.security import VIEWER, access
from phospho_server.services import services
from phospho_server.store import counters
from phospho_server.store.interaction_pages import list_interactions
from phospho_server.store.saved_views import list_views
from phospho_server.views.filters import INTERACTIONS, list_choices, read_filter
from phospho_server.views.frame import base_url, open_project
from phospho_server.views.query import Choices

bp = Blueprint("interactions", __name__)

# Of a message, which a line shows the beginning of.
_MOST_CHARS = 300


@bp.get("/projects/<project_id>/interactions")
@access(VIEWER)
def index(project_id: str) -> str:
    """Show the interactions that match, those that arrived last first."""
    choices = Choices()
    with services().store.read() as db:
        project = open_project(db, project_id)
        if counters.first_hour(db, project_id) is None:
            return render_template("sessions/empty.html", project=project, base_url=base_url())
        offered = list_choices(db, project_id)
        asked = read_filter(choices, INTERACTIONS, offered)
        cursor = request.args.get("cursor") or None
        page = list_interactions(
            db,
            project_id,
            asked.wanted,
            sort=asked.sort,
            cursor=cursor,
            most_chars=_MOST_CHARS,
        )
        views = list_views(db, project_id, INTERACTIONS.page)
    return render_template(
        "interactions/index.html",
        project=project,
        notices=choices.notices,
        page=page,
        asked=asked,
        cursor=cursor,
        offered=offered,
        views=views,
    )

"""Before the first interaction: what to copy into an app, with a key that is made on demand."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from phospho_server.acting import act
from phospho_server.security import OWNER, access
from phospho_server.services import services
from phospho_server.store import counters, projects
from phospho_server.views.frame import base_url, open_project

bp = Blueprint("first_steps", __name__)

_KEY_NAME = "first steps"


@bp.post("/projects/<project_id>/first-key")
@access(OWNER)
def create_key(project_id: str) -> ResponseReturnValue:
    """Make a key and show it, this once, inside of what is to be copied."""
    with services().store.read() as db:
        project = open_project(db, project_id)
        has_begun = counters.first_hour(db, project_id) is not None
    if has_begun:
        return redirect(url_for("settings.show", project_id=project_id, _anchor="keys"), 303)
    _, secret = act(
        "key created",
        lambda db: projects.create_key(db, project_id, _KEY_NAME),
        project_id=project_id,
        what=lambda made: f"{made[0].name} ({made[0].prefix}…)",
    )
    return render_template(
        "dashboard/empty.html", project=project, base_url=base_url(), secret=secret
    )

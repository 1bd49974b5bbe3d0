"""Choosing a project, making one, naming it."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from phospho_server.errors import InvalidError
from phospho_server.services import services
from phospho_server.store import projects as store

bp = Blueprint("projects", __name__)


@bp.get("/")
def home() -> ResponseReturnValue:
    """Lead to the project used last, or to making the first one."""
    with services().store.read() as db:
        ids = [project.id for project in store.list_projects(db)]
    if not ids:
        return render_template("projects/first.html", name="", problem=None)
    last = session.get("project")
    return redirect(url_for("dashboard.show", project_id=last if last in ids else ids[0]))


@bp.post("/projects")
def create() -> ResponseReturnValue:
    """Make a project and show how to send it something."""
    name = request.form.get("name", "")
    try:
        project = services().store.write(lambda db: store.create_project(db, name))
    except InvalidError as error:
        return render_template("projects/first.html", name=name, problem=str(error)), error.status
    return redirect(url_for("dashboard.show", project_id=project.id), 303)

"""Choosing a project, making one, naming it."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from phospho_server.errors import InvalidError
from phospho_server.security import SIGNED_IN, access
from phospho_server.services import services
from phospho_server.signing_in import get_visitor, who
from phospho_server.store import Connection, audit_log
from phospho_server.store import projects as store
from phospho_server.store.accounts import Account
from phospho_server.store.memberships import add_member, list_projects_of
from phospho_server.store.rows import Project

bp = Blueprint("projects", __name__)


@bp.get("/")
@access(SIGNED_IN)
def home() -> ResponseReturnValue:
    """Lead to the project used last, or to making the first one."""
    account = get_visitor().sign_in.account
    with services().store.read() as db:
        ids = [project.id for project in list_projects_of(db, account)]
    if not ids:
        return render_template("projects/first.html", name="", problem=None)
    last = session.get("project")
    return redirect(url_for("dashboard.show", project_id=last if last in ids else ids[0]))


@bp.post("/projects")
@access(SIGNED_IN)
def create() -> ResponseReturnValue:
    """Make a project, owned by who makes it, and show how to send it something."""
    name = request.form.get("name", "")
    try:
        project = _create(name, get_visitor().sign_in.account)
    except InvalidError as error:
        return render_template("projects/first.html", name=name, problem=str(error)), error.status
    return redirect(url_for("dashboard.show", project_id=project.id), 303)


def _create(name: str, account: Account | None) -> Project:
    by = who()

    def create(db: Connection) -> Project:
        project = store.create_project(db, name)
        if account is not None:
            add_member(db, project.id, account.id, "owner")
        audit_log.record(db, project.id, who=by, action="project created", what=project.name)
        return project

    return services().store.write(create)

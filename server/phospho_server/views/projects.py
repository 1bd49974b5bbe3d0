"""Choosing a project among all of them, and making one."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from phospho_server.errors import InvalidError
from phospho_server.security import SIGNED_IN, access, make_recheck
from phospho_server.services import services
from phospho_server.signing_in import get_visitor, who
from phospho_server.store import Connection, audit_log
from phospho_server.store import projects as store
from phospho_server.store.accounts import Account
from phospho_server.store.memberships import add_member, list_projects_of
from phospho_server.store.project_lists import find_by_name, list_last_messages
from phospho_server.store.rows import Project
from phospho_server.views.frame import used_projects
from phospho_server.views.query import Choices, read_number, read_text

bp = Blueprint("projects", __name__)

_PAGE_SIZE = 100


@bp.get("/")
@access(SIGNED_IN)
def home() -> ResponseReturnValue:
    """Lead to the project used last, or to making the first one."""
    account = get_visitor().sign_in.account
    with services().store.read() as db:
        ids = [project.id for project in list_projects_of(db, account)]
    if not ids:
        return render_template("projects/first.html", name="", problem=None)
    last = next(filter(set(ids).__contains__, used_projects()), ids[0])
    return redirect(url_for("dashboard.show", project_id=last))


@bp.get("/projects")
@access(SIGNED_IN)
def index() -> str:
    """List the projects one may see, with the words of `q` in their name, `page` by page."""
    choices = Choices()
    words = read_text(choices, "q")
    with services().store.read() as db:
        found = find_by_name(db, get_visitor().sign_in.account, words)
        pages = max(1, -(-len(found) // _PAGE_SIZE))
        page = read_number("page", default=1, most=pages)
        shown = found[(page - 1) * _PAGE_SIZE : page * _PAGE_SIZE]
        last_messages = list_last_messages(db, [project.id for project in shown])
    return render_template(
        "projects/index.html",
        notices=choices.notices,
        words=words,
        shown=shown,
        last_messages=last_messages,
        count=len(found),
        page=page,
        pages=pages,
    )


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
    by, recheck = who(), make_recheck()

    def create(db: Connection) -> Project:
        recheck(db)
        project = store.create_project(db, name)
        if account is not None:
            add_member(db, project.id, account.id, "owner")
        audit_log.record(db, project.id, who=by, action="project created", what=project.name)
        return project

    return services().store.write(create)

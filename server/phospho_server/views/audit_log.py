"""What was done, by whom and when: in a project, or to accounts and the whole server."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from phospho_server.security import OWNER, SERVER_OWNER, access
from phospho_server.services import services
from phospho_server.store.audit_log import AuditPage, list_entries
from phospho_server.views.frame import open_project

bp = Blueprint("audit_log", __name__)


@bp.get("/projects/<project_id>/settings/audit-log")
@access(OWNER)
def show(project_id: str) -> str:
    """List what was done in a project, newest first."""
    before = _read_before()
    with services().store.read() as db:
        project = open_project(db, project_id)
        page = list_entries(db, project_id, before=before)
    return _render(page, before, project=project)


@bp.get("/audit-log")
@access(SERVER_OWNER)
def show_server() -> str:
    """List what was done to accounts and the server, newest first."""
    before = _read_before()
    with services().store.read() as db:
        page = list_entries(db, None, before=before)
    return _render(page, before, project=None)


def _read_before() -> str | None:
    return request.args.get("before") or None


def _render(page: AuditPage, before: str | None, **shown: object) -> str:
    return render_template("settings/audit_log.html", page=page, before=before, **shown)

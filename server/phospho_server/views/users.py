"""Users of the app: the list, and one user with all that they did."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from phospho_server.errors import NotFoundError
from phospho_server.security import VIEWER, access
from phospho_server.services import services
from phospho_server.store import users
from phospho_server.store.facts import Fact
from phospho_server.store.filters import Filter
from phospho_server.store.sessions import MOST_COUNTED, count_events_of, list_sessions
from phospho_server.views.filters import USERS
from phospho_server.views.frame import open_project
from phospho_server.views.lists import open_list, render_empty

bp = Blueprint("users", __name__)


@bp.get("/projects/<project_id>/users")
@access(VIEWER)
def index(project_id: str) -> str:
    """Show the users that match, those that were seen last first."""
    with services().store.read() as db:
        opened = open_list(db, project_id, USERS)
        if opened is None:
            return render_empty(USERS)
        asked = opened.asked
        page = users.list_users(
            db,
            project_id,
            asked.wanted,
            starts_with=asked.starts_with,
            sort=asked.sort,
            cursor=opened.cursor,
        )
    return render_template("users/index.html", page=page, **vars(opened))


@bp.get("/projects/<project_id>/users/<path:user_id>")
@access(VIEWER)
def show(project_id: str, user_id: str) -> str:
    """Show one user: since when, how much, which events, and the sessions."""
    cursor = request.args.get("cursor") or None
    wanted = Filter(has=[Fact("user", user_id)])
    with services().store.read() as db:
        project = open_project(db, project_id)
        user = users.get_user(db, project_id, user_id)
        page = list_sessions(db, project_id, wanted, cursor=cursor)
        counted = count_events_of(db, project_id, wanted.has[0])
    return render_template(
        "users/show.html",
        project=project,
        user=user,
        page=page,
        cursor=cursor,
        counted=counted,
        most_counted=MOST_COUNTED,
    )


@bp.get("/projects/<project_id>/user")
@access(VIEWER)
def show_by_id(project_id: str) -> str:
    """Show a user whose id cannot stand in a path."""
    user_id = request.args.get("id", "")
    if not user_id:
        raise NotFoundError("This address names no user. Look in the users list.")
    return show(project_id, user_id)

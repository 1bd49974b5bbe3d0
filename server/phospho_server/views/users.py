"""Users of the app: the list, and one user with all that they did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from flask import Blueprint, render_template, request

from phospho_server.clock import now_ms
from phospho_server.errors import NotFoundError
from phospho_server.security import VIEWER, access
from phospho_server.services import services
from phospho_server.store import users
from phospho_server.store.facts import Fact
from phospho_server.store.filters import Filter
from phospho_server.store.sessions import count_events_of, list_sessions
from phospho_server.views import periods
from phospho_server.views.frame import open_project
from phospho_server.views.lists import is_empty, render_empty
from phospho_server.views.query import Choices, read_choice, read_text

bp = Blueprint("users", __name__)

SORTS = {"newest": "Seen last", "oldest": "Not seen for longest", "most": "Most interactions"}


@dataclass(frozen=True)
class AskedUsers:
    """What an address asks of the list of users.

    Args:
        q: What their ids begin with.
        sort: One of `SORTS`.
        period: When they were last seen; one of `periods.NAMES`.
    """

    q: str = ""
    sort: str = "newest"
    period: str = "all"

    sorts: ClassVar = SORTS
    periods: ClassVar = periods.NAMES

    @property
    def args(self) -> dict[str, str]:
        """What is not as by default, for `url_for`."""
        return {name: value for name, value in vars(self).items() if value != getattr(_ALL, name)}

    @property
    def wanted(self) -> dict[str, Any]:
        """The same as arguments of `list_users`."""
        asked = {"starts_with": self.q, "sort": self.sort}
        if self.period == "all":
            return asked
        period = periods.get_period(self.period, now_ms())
        return {**asked, "since_ms": period.since_ms, "until_ms": period.until_ms}


_ALL = AskedUsers()


def read_users(choices: Choices) -> AskedUsers:
    """Return what the address asks for; what cannot be meant is left out, with a notice."""
    return AskedUsers(
        q=read_text(choices, "q"),
        sort=read_choice(choices, "sort", SORTS, default=_ALL.sort),
        period=read_choice(choices, "period", periods.NAMES, default=_ALL.period),
    )


@bp.get("/projects/<project_id>/users")
@access(VIEWER)
def index(project_id: str) -> str:
    """Show the users, those that were seen last first."""
    choices = Choices()
    asked = read_users(choices)
    cursor = request.args.get("cursor") or None
    with services().store.read() as db:
        project = open_project(db, project_id)
        if is_empty(db, project_id):
            return render_empty()
        page = users.list_users(db, project_id, **asked.wanted, cursor=cursor)
    return render_template(
        "users/index.html",
        project=project,
        notices=choices.notices,
        page=page,
        cursor=cursor,
        asked=asked,
    )


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
        "users/show.html", project=project, user=user, page=page, cursor=cursor, counted=counted
    )


@bp.get("/projects/<project_id>/user")
@access(VIEWER)
def show_by_id(project_id: str) -> str:
    """Show a user whose id cannot stand in a path."""
    user_id = request.args.get("id", "")
    if not user_id:
        raise NotFoundError("This address names no user. Look in the users list.")
    return show(project_id, user_id)

"""`/api/projects/{id}/users`: who uses the app."""

from __future__ import annotations

from flask import Blueprint

from phospho.api import answers
from phospho_server.api.resources import shapes
from phospho_server.api.resources.operations import Operation, operation
from phospho_server.api.resources.parameters import (
    ID,
    of_list,
    read_asked,
    read_cursor,
    read_id,
    read_limit,
)
from phospho_server.security import API_KEY, access
from phospho_server.services import services
from phospho_server.store import users as store
from phospho_server.views.filters import USERS

bp = Blueprint("api_users", __name__, url_prefix="/api/projects/<project_id>")


@bp.get("/users")
@access(API_KEY)
@operation(Operation(answers.Page[answers.User], of_list(USERS)))
def index(project_id: str) -> answers.Page[answers.User]:
    """List the users that match, by default those that were seen last first."""
    with services().store.read() as db:
        asked = read_asked(db, project_id, USERS)
        page = store.list_users(
            db,
            project_id,
            asked.wanted,
            starts_with=asked.starts_with,
            sort=asked.sort,
            cursor=read_cursor(),
            limit=read_limit(),
        )
    return answers.Page(data=[shapes.user(row) for row in page.users], next_cursor=page.next_cursor)


@bp.get("/users/<path:user_id>", merge_slashes=False)
@access(API_KEY)
@operation(Operation(answers.User, refusals=[404]))
def show(project_id: str, user_id: str) -> answers.User:
    """Read what is known of a user."""
    return _load(project_id, user_id)


@bp.get("/user")
@access(API_KEY)
@operation(Operation(answers.User, [ID], refusals=[404]))
def show_by_id(project_id: str) -> answers.User:
    """Read a user whose id cannot stand in a path, as `..` cannot."""
    return _load(project_id, read_id())


def _load(project_id: str, user_id: str) -> answers.User:
    with services().store.read() as db:
        return shapes.user(store.get_user(db, project_id, user_id))

"""`/api/projects/{id}/interactions`: the list with its filters, and one with all there is of it."""

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
from phospho_server.store.feedback import list_feedback
from phospho_server.store.interaction_pages import WHOLE, list_interactions
from phospho_server.store.transcripts import get_line
from phospho_server.views.filters import INTERACTIONS

bp = Blueprint("api_interactions", __name__, url_prefix="/api/projects/<project_id>")


@bp.get("/interactions")
@access(API_KEY)
@operation(Operation(answers.Page[answers.Interaction], of_list(INTERACTIONS)))
def index(project_id: str) -> answers.Page[answers.Interaction]:
    """List the interactions that match, by default those that arrived last first."""
    with services().store.read() as db:
        asked = read_asked(db, project_id, INTERACTIONS)
        page = list_interactions(
            db,
            project_id,
            asked.wanted,
            sort=asked.sort,
            cursor=read_cursor(),
            limit=read_limit(),
            most_chars=WHOLE,
        )
    return answers.Page(
        data=[shapes.interaction(row) for row in page.interactions], next_cursor=page.next_cursor
    )


@bp.get("/interactions/<path:task_id>", merge_slashes=False)
@access(API_KEY)
@operation(Operation(answers.InteractionDetails, refusals=[404]))
def show(project_id: str, task_id: str) -> answers.InteractionDetails:
    """Read an interaction with its events, its steps and all that was said of it."""
    return _load(project_id, task_id)


@bp.get("/interaction")
@access(API_KEY)
@operation(Operation(answers.InteractionDetails, [ID], refusals=[404]))
def show_by_id(project_id: str) -> answers.InteractionDetails:
    """Read an interaction whose id cannot stand in a path, as `..` cannot."""
    return _load(project_id, read_id())


def _load(project_id: str, task_id: str) -> answers.InteractionDetails:
    with services().store.read() as db:
        session_id, line = get_line(db, project_id, task_id)
        said = list_feedback(db, project_id, [task_id])
    return shapes.details(line, session_id, said.get(task_id, ()))

"""`/api/projects/{id}/reviews`: a person's word about whether an event occurred."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, request
from pydantic import Field

from phospho.api import answers
from phospho.snapshot import MAX_ID_CHARS
from phospho_server.api.resources import shapes
from phospho_server.api.resources.bodies import Body, read_body
from phospho_server.api.resources.operations import Operation, Parameter, operation
from phospho_server.api.resources.parameters import ID_SCHEMA
from phospho_server.security import API_KEY, access
from phospho_server.services import services
from phospho_server.store import Connection
from phospho_server.store import reviews as store
from phospho_server.store.feedback import list_feedback
from phospho_server.store.transcripts import get_line

bp = Blueprint("api_reviews", __name__, url_prefix="/api/projects/<project_id>/reviews")

_PLACE = (
    Parameter("task_id", ID_SCHEMA, "The interaction.", is_required=True, is_exact=True),
    Parameter("definition_id", ID_SCHEMA, "The event definition.", is_required=True),
)


class ReviewGiven(Body):
    """A person's word about one event in one interaction.

    Args:
        task_id: The interaction.
        definition_id: The event definition.
        occurred: Whether it occurred.
        value: The score or the category, where the definition asks for one.
    """

    task_id: str = Field(min_length=1, max_length=MAX_ID_CHARS)
    definition_id: str = Field(min_length=1, max_length=MAX_ID_CHARS)
    occurred: bool
    value: float | str | None = None


@bp.put("")
@access(API_KEY)
@operation(Operation(answers.InteractionDetails, body=ReviewGiven, refusals=[404, 415]))
def keep(project_id: str) -> answers.InteractionDetails:
    """Confirm or reject an event, or add one; it stands whatever detectors say."""
    given = read_body(ReviewGiven)

    def review(db: Connection, interaction_id: int) -> None:
        store.review(
            db,
            project_id,
            given.definition_id,
            interaction_id,
            occurred=given.occurred,
            source="api",
            value=given.value,
        )

    return _write(project_id, given.task_id, review)


@bp.delete("")
@access(API_KEY)
@operation(Operation(answers.InteractionDetails, _PLACE, refusals=[404]))
def take_back(project_id: str) -> answers.InteractionDetails:
    """Take a person's word back, so that the detector's stands."""
    definition_id = request.args["definition_id"]
    return _write(
        project_id,
        request.args["task_id"],
        lambda db, interaction_id: store.undo(db, project_id, definition_id, interaction_id),
    )


def _write(
    project_id: str, task_id: str, change: Callable[[Connection, int], object]
) -> answers.InteractionDetails:
    """Carry out a change and return the interaction as it is then."""

    def both(db: Connection) -> answers.InteractionDetails:
        change(db, get_line(db, project_id, task_id)[1].id)
        session_id, line = get_line(db, project_id, task_id)
        said = list_feedback(db, project_id, [task_id])
        return shapes.details(line, session_id, said.get(task_id, ()))

    return services().store.write(both)

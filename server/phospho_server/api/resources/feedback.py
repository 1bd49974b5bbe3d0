"""`/api/projects/{id}/feedback`: what users and reviewers say of an interaction."""

from __future__ import annotations

from flask import Blueprint
from pydantic import Field

from phospho.api import answers
from phospho.models import Flag
from phospho.snapshot import MAX_ID_CHARS
from phospho_server.api.resources import shapes
from phospho_server.api.resources.bodies import Body, read_body
from phospho_server.api.resources.operations import Operation, operation
from phospho_server.security import API_KEY, access
from phospho_server.services import services
from phospho_server.store import Connection
from phospho_server.store.feedback import Feedback, add_feedback

bp = Blueprint("api_feedback", __name__, url_prefix="/api/projects/<project_id>")


class FeedbackGiven(Body):
    """One word about an interaction, which may still be on its way.

    Args:
        task_id: The interaction.
        flag: What is thought of it; None leaves what was said before.
        notes: In words; None leaves what was said before.
        source: Who says so, for example `user` or `owner`.
    """

    task_id: str = Field(min_length=1, max_length=MAX_ID_CHARS)
    flag: Flag | None = None
    notes: str | None = Field(default=None, max_length=10_000)
    source: str | None = Field(default=None, max_length=MAX_ID_CHARS)


@bp.post("/feedback")
@access(API_KEY)
@operation(Operation(answers.Feedback, body=FeedbackGiven, status=201, refusals=[413, 415]))
def give(project_id: str) -> answers.Feedback:
    """Say something of an interaction. Feedback that comes first waits for its interaction."""
    given = read_body(FeedbackGiven)

    def keep(db: Connection) -> Feedback:
        return add_feedback(
            db,
            project_id,
            given.task_id,
            flag=given.flag,
            notes=given.notes,
            source=given.source,
        )

    return shapes.feedback(services().store.write(keep))

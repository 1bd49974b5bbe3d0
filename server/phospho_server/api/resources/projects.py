"""`/api/projects`: what the API key belongs to."""

from __future__ import annotations

from flask import Blueprint, g

from phospho.api import answers
from phospho_server.api.resources import shapes
from phospho_server.api.resources.operations import Operation, operation
from phospho_server.security import API_KEY, access
from phospho_server.services import services
from phospho_server.store import counters
from phospho_server.store.projects import get_project

bp = Blueprint("api_projects", __name__, url_prefix="/api/projects")


@bp.get("")
@access(API_KEY)
@operation(Operation(answers.Page[answers.Project]))
def index() -> answers.Page[answers.Project]:
    """List the projects of the API key, which has one."""
    return answers.Page(data=[_load(g.key.project_id)])


@bp.get("/<project_id>")
@access(API_KEY)
@operation(Operation(answers.Project, refusals=[404]))
def show(project_id: str) -> answers.Project:
    """Read a project."""
    return _load(project_id)


def _load(project_id: str) -> answers.Project:
    with services().store.read() as db:
        project = get_project(db, project_id)
        return shapes.project(project, interactions=counters.count_interactions(db, project_id))

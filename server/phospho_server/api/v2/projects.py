"""What existing clients ask of a whole project: its settings, sessions and tasks, also as rows."""

from __future__ import annotations

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from phospho_server.api.v2 import project_shapes, shapes
from phospho_server.api.v2.fields import read_body, read_limit
from phospho_server.api.v2.filters import Wanted, read_filters
from phospho_server.api.v2.flat import read_flat_rows, update
from phospho_server.api.v2.flat_shapes import flat_rows
from phospho_server.api.v2.json_texts import answer_list
from phospho_server.api.v2.listing import list_records
from phospho_server.errors import InvalidError
from phospho_server.security import API_KEY, access
from phospho_server.services import services
from phospho_server.store.definitions import list_definitions
from phospho_server.store.projects import get_project
from phospho_server.store.session_records import list_session_records

bp = Blueprint("v2_projects", __name__)


@bp.get("/projects/<project_id>")
@access(API_KEY)
def show(project_id: str) -> ResponseReturnValue:
    """Answer with a project and its event definitions."""
    with services().store.read() as db:
        found = get_project(db, project_id)
        definitions = list_definitions(db, project_id)
    return jsonify(project_shapes.project(found, definitions))


@bp.route("/projects/<project_id>/sessions", methods=["GET", "POST"])
@access(API_KEY)
def list_sessions(project_id: str) -> ResponseReturnValue:
    """Answer with the newest sessions.

    Body, if any: `{"filters": {...}, "limit": 1000}`; a filter must hold of one interaction of a
    session, and those that no list of sessions knows are refused.

    Raises:
        InvalidError: A filter is about single interactions.
    """
    body = read_body()
    limit = read_limit(body)
    with services().store.read() as db:
        wanted = read_filters(db, project_id, body)
        if wanted.is_of_one:
            raise InvalidError(
                "A list of sessions takes no filter of single interactions, such as tasks_ids or "
                "task_position. Ask for tasks instead, which name their session_id."
            )
        found = (
            []
            if wanted.nothing
            else list_session_records(db, project_id, wanted.filter, limit=limit)
        )
    return answer_list("sessions", (shapes.session(each, project_id) for each in found))


@bp.route("/projects/<project_id>/tasks", methods=["GET", "POST"])
@access(API_KEY)
def list_tasks(project_id: str) -> ResponseReturnValue:
    """Answer with the interactions that match, the newest first.

    Body, if any: `{"filters": {...}, "limit": 1000}`. Without a limit there are 1,000, and never
    more than 10,000.
    """
    body = read_body()
    limit = read_limit(body)
    with services().store.read() as db:
        wanted = read_filters(db, project_id, body)
        records = list_records(db, project_id, wanted, limit=limit)
        return answer_list("tasks", (shapes.task(each, project_id) for each in records))


@bp.post("/projects/<project_id>/tasks/flat")
@access(API_KEY)
def list_flat(project_id: str) -> ResponseReturnValue:
    """Answer with the newest interactions as rows of a table, one for each of their events.

    Body: `{"limit", "with_events", "with_sessions", "with_removed_events"}`.
    """
    body = read_body()
    limit = read_limit(body)
    with_events, with_sessions, with_removed = (
        bool(usual if body.get(name) is None else body[name])
        for name, usual in (
            ("with_events", True),
            ("with_sessions", True),
            ("with_removed_events", False),
        )
    )
    with services().store.read() as db:
        rows = [
            row
            for record in list_records(db, project_id, Wanted(), limit=limit)
            for row in flat_rows(
                record,
                with_events=with_events,
                with_sessions=with_sessions,
                with_removed=with_removed,
            )
        ]
    return jsonify(flattened_tasks=rows)


@bp.post("/projects/<project_id>/tasks/flat-update")
@access(API_KEY)
def update_flat(project_id: str) -> ResponseReturnValue:
    """Keep what rows say of interactions: their metadata, and feedback that is another.

    Body: `{"flattened_tasks": [{"task_id", "task_metadata", "task_eval", "task_eval_source"}]}`;
    null leaves what there is, and rows of unknown tasks are left. Answer: how many were there.
    """
    rows = read_flat_rows(read_body())
    return jsonify(updated=update(services().store, project_id, rows))

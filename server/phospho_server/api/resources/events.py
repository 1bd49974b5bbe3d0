"""`/api/projects/{id}/events`: where events occurred."""

from __future__ import annotations

from flask import Blueprint, request

from phospho.api import answers
from phospho_server.api.resources import shapes
from phospho_server.api.resources.operations import Operation, operation
from phospho_server.api.resources.parameters import (
    EVENT,
    LIMIT,
    cursor_like,
    read_cursor,
    read_limit,
)
from phospho_server.errors import InvalidError
from phospho_server.security import API_KEY, access
from phospho_server.services import services
from phospho_server.store import Connection, matches
from phospho_server.store.definitions import list_defined

bp = Blueprint("api_events", __name__, url_prefix="/api/projects/<project_id>")

_QUERY = (EVENT, LIMIT, cursor_like(r"^[0-9]{1,15}\.[A-Za-z0-9_]*$"))


@bp.get("/events")
@access(API_KEY)
@operation(Operation(answers.Page[answers.Occurrence], _QUERY))
def index(project_id: str) -> answers.Page[answers.Occurrence]:
    """List where events occurred, those whose interactions arrived last first."""
    with services().store.read() as db:
        ids = _read_definition_ids(db, project_id)
        found, next_cursor = matches.list_of_several(
            db, project_id, ids, cursor=read_cursor(), limit=read_limit()
        )
    return answers.Page(data=[shapes.occurrence(match) for match in found], next_cursor=next_cursor)


def _read_definition_ids(db: Connection, project_id: str) -> list[str]:
    """Return the definitions that the address names; all where it names none."""
    defined = {each.name: each.id for each in list_defined(db, project_id)}
    names = list(dict.fromkeys(request.args.getlist("event"))) or list(defined)
    unknown = [name for name in names if name not in defined]
    if unknown:
        raise InvalidError(
            "This project has no event with this name. List its definitions to see which it has."
        )
    return [defined[name] for name in names]

"""`/api/projects/{id}/definitions`: what is looked for; listed, made, edited, deleted."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, g
from flask.typing import ResponseReturnValue
from werkzeug.routing import BaseConverter

from phospho.api import answers
from phospho_server.api.resources import shapes
from phospho_server.api.resources.bodies import read_body
from phospho_server.api.resources.definition_bodies import DefinitionChange, NewDefinition
from phospho_server.api.resources.operations import Operation, operation
from phospho_server.defining import make_definition
from phospho_server.errors import NotFoundError
from phospho_server.security import API_KEY, access
from phospho_server.services import services
from phospho_server.store import Connection, audit_log
from phospho_server.store import definitions as store
from phospho_server.store.rows import DefinitionRow

bp = Blueprint("api_definitions", __name__, url_prefix="/api/projects/<project_id>/definitions")


class DefinitionId(BaseConverter):
    """An id in an address; `preview` is none, and has an address of its own."""

    regex = "(?!preview$)[^/]+"


# What may be sent and is no part of the definition itself.
_ASIDE = {"enabled", "version", "to_past"}


@bp.get("")
@access(API_KEY)
@operation(Operation(answers.Page[answers.Definition], refusals=[404]))
def index(project_id: str) -> answers.Page[answers.Definition]:
    """List all event definitions, the oldest first."""
    with services().store.read() as db:
        rows = store.list_definitions(db, project_id)
    return answers.Page(data=[shapes.definition(row) for row in rows])


@bp.post("")
@access(API_KEY)
@operation(
    Operation(
        answers.Definition, body=NewDefinition, status=201, refusals=[400, 404, 409, 413, 415]
    )
)
def create(project_id: str) -> answers.Definition:
    """Define an event, and have past interactions looked at."""
    fields = read_body(NewDefinition).model_dump(exclude_unset=True)
    made = make_definition({**fields, "id": "new"}, services().detectors)
    return _write(
        project_id, "event created", lambda db: store.create_definition(db, project_id, made).id
    )


@bp.get("/<definition:definition_id>")
@access(API_KEY)
@operation(Operation(answers.Definition, refusals=[404]))
def show(project_id: str, definition_id: str) -> answers.Definition:
    """Read an event definition."""
    with services().store.read() as db:
        return shapes.definition(_find(db, project_id, definition_id))


@bp.patch("/<definition:definition_id>")
@access(API_KEY)
@operation(Operation(answers.Definition, body=DefinitionChange, refusals=[400, 404, 409, 413, 415]))
def edit(project_id: str, definition_id: str) -> answers.Definition:
    """Change an event definition; if more than its name is new, it becomes its next version."""
    sent = read_body(DefinitionChange).model_dump(exclude_unset=True)
    fields = {name: value for name, value in sent.items() if name not in _ASIDE}
    with services().store.read() as db:
        current = store.get_definition(db, project_id, definition_id).model_dump()
    changed = make_definition({**current, **fields}, services().detectors)

    def keep(db: Connection) -> str:
        if fields or "version" in sent:
            # Another name is no newer version, so it may have got one since it was read.
            name = fields.get("name", store.get_definition(db, project_id, definition_id).name)
            store.edit_definition(
                db,
                project_id,
                changed.model_copy(update={"name": name}),
                to_past=sent.get("to_past", True),
                # What is left out was read above: it must not undo what somebody does meanwhile.
                seen=sent.get("version", current["version"]),
            )
        if "enabled" in sent:
            _enable(db, project_id, definition_id, enabled=sent["enabled"])
        return definition_id

    is_switched = "enabled" in sent and not fields
    switched = "event enabled" if sent.get("enabled") else "event disabled"
    return _write(project_id, switched if is_switched else "event edited", keep)


def _enable(db: Connection, project_id: str, definition_id: str, *, enabled: bool) -> None:
    """Switch an event on or off, unless it is so already: that would look at the past again."""
    if _find(db, project_id, definition_id).enabled is not enabled:
        store.enable_definition(db, project_id, definition_id, enabled=enabled)


@bp.delete("/<definition:definition_id>")
@access(API_KEY)
@operation(Operation(None, status=204, refusals=[404]))
def delete(project_id: str, definition_id: str) -> ResponseReturnValue:
    """Delete an event definition, and the events it found."""
    who = who_calls()

    def remove(db: Connection) -> None:
        name = store.get_definition(db, project_id, definition_id).name
        store.delete_definition(db, project_id, definition_id)
        audit_log.record(db, project_id, who=who, action="event deleted", what=name)

    services().store.write(remove)
    services().on_new_work()
    return "", 204


def _write(project_id: str, action: str, change: Callable[[Connection], str]) -> answers.Definition:
    """Carry out a change and note in the audit log what it changed; return the definition."""
    who = who_calls()

    def both(db: Connection) -> DefinitionRow:
        before = store.list_definitions(db, project_id)
        row = _find(db, project_id, change(db))
        if row not in before:
            audit_log.record(db, project_id, who=who, action=action, what=row.definition.name)
        return row

    row = services().store.write(both)
    services().on_new_work()
    return shapes.definition(row)


def who_calls() -> str:
    """Return how the audit log names who calls."""
    return f"API key {g.key.name}"


def _find(db: Connection, project_id: str, definition_id: str) -> DefinitionRow:
    for row in store.list_definitions(db, project_id):
        if row.definition.id == definition_id:
            return row
    raise NotFoundError(
        "This project has no event definition with this id. List them to see which there are."
    )

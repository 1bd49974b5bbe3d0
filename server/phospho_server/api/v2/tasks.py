"""Single interactions, as existing clients read, make and change them: `/v2/tasks`."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g
from flask.typing import ResponseReturnValue

from phospho_server.api.v2 import shapes
from phospho_server.api.v2.fields import (
    project_of,
    read_body,
    read_flag_field,
    read_object_field,
    read_path_id,
    read_text_field,
)
from phospho_server.api.v2.json_texts import answer
from phospho_server.clock import now_ms
from phospho_server.incoming import read_id, read_interaction
from phospho_server.security import API_KEY, access
from phospho_server.services import services
from phospho_server.store import Connection
from phospho_server.store.changing import add_metadata
from phospho_server.store.feedback import add_feedback
from phospho_server.store.interactions import add_interactions
from phospho_server.store.records import Record, get_record
from phospho_server.watching import count_ingest

bp = Blueprint("tasks", __name__)


@bp.get("/tasks/<path:task_id>")
@access(API_KEY)
def show(task_id: str) -> ResponseReturnValue:
    """Answer with an interaction of the key's project."""
    with services().store.read() as db:
        record = get_record(db, g.key.project_id, read_path_id(task_id))
    return answer(shapes.task(record, g.key.project_id))


@bp.post("/tasks")
@access(API_KEY)
def create() -> ResponseReturnValue:
    """Store one interaction, in the project of the key.

    Body: `input`, and `output`, `session_id`, `sender_id` (the user), `additional_input`,
    `additional_output`, `data` and `metadata`, each of which may be missing. Answer: the task.
    """
    body = read_body()
    project_id = project_of(body)
    interaction = read_interaction(_as_event(body), received_at_ms=now_ms())

    def keep(db: Connection) -> tuple[int, Record]:
        added = add_interactions(db, project_id, [interaction])
        return added, get_record(db, project_id, interaction.task_id)

    added, record = services().store.write(keep)
    count_ingest(stored=added, sent=1)
    services().on_new_work()
    return answer(shapes.task(record, project_id))


def _as_event(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body under the names that a log event has."""
    names = {
        "sender_id": "user_id",
        "additional_input": "raw_input",
        "additional_output": "raw_output",
    }
    return {names.get(name, name): value for name, value in body.items() if value not in (None, {})}


@bp.post("/tasks/<path:task_id>")
@access(API_KEY)
def change(task_id: str) -> ResponseReturnValue:
    """Add to the metadata of an interaction, and keep notes and feedback on it.

    Body: `{"metadata", "data", "notes", "flag", "flag_source"}`; null leaves what there is, and a
    key of `metadata` that there is gets the new value. Answer: the task.
    """
    body, project_id = read_body(), g.key.project_id
    task_id = read_path_id(task_id)
    metadata = read_object_field(body, "metadata") or {}
    if data := read_object_field(body, "data"):
        metadata["data"] = data
    flag = read_flag_field(body, "flag")
    notes, source = (read_text_field(body, name) for name in ("notes", "flag_source"))
    user_id, version_id = (read_id(metadata, name) for name in ("user_id", "version_id"))

    def keep(db: Connection) -> Record:
        get_record(db, project_id, task_id)
        add_metadata(db, project_id, task_id, metadata, user_id=user_id, version_id=version_id)
        if flag is not None or notes is not None:
            add_feedback(db, project_id, task_id, flag=flag, notes=notes, source=source)
        return get_record(db, project_id, task_id)

    return answer(shapes.task(services().store.write(keep), project_id))

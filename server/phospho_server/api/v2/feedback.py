"""Feedback, as existing clients send it: `POST /v2/tasks/{task_id}/human-eval` and `/flag`."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g
from flask.typing import ResponseReturnValue

from phospho_server.api.v2 import shapes
from phospho_server.api.v2.fields import (
    project_of,
    read_body,
    read_flag_field,
    read_path_id,
    read_text_field,
)
from phospho_server.api.v2.json_texts import answer
from phospho_server.errors import InvalidError
from phospho_server.security import API_KEY_OR_PAGE, access
from phospho_server.services import services
from phospho_server.store import Connection
from phospho_server.store.feedback import add_feedback, takes_feedback
from phospho_server.store.records import Record, find_record
from phospho_server.web_feedback import MOST_OF_ONE

bp = Blueprint("feedback", __name__)


@bp.post("/tasks/<path:task_id>/human-eval")
@bp.post("/tasks/<path:task_id>/flag")
@access(API_KEY_OR_PAGE)
def give(task_id: str) -> ResponseReturnValue:
    """Keep feedback on an interaction, also on one that is still on its way.

    Body: `{"human_eval": "success" or "failure", "notes", "source", "project_id"}`, with `flag`
    instead of `human_eval` from the JavaScript client. Answer: the task, at once; one that has
    not arrived has its id, the feedback, and no texts, and so has any for a web page without a
    key, whatever there is.
    """
    body = read_body()
    if g.key is None:
        return answer(_give_from_page(read_path_id(task_id), body))
    project_id, task_id = project_of(body), read_path_id(task_id)
    flag = read_flag_field(body, "human_eval", "flag")
    notes, source = (read_text_field(body, name) for name in ("notes", "source"))

    def keep(db: Connection) -> Record | None:
        add_feedback(db, project_id, task_id, flag=flag, notes=notes, source=source)
        return find_record(db, project_id, task_id)

    record = services().store.write(keep)
    if record is None:
        return answer(shapes.stub_task(task_id, project_id, flag=flag, notes=notes))
    return answer(shapes.task(record, project_id))


def _give_from_page(task_id: str, body: dict[str, Any]) -> str:
    """Keep feedback that came without a key, on an interaction that is there; else say the same."""
    project_id = body.get("project_id")
    if not isinstance(project_id, str):
        raise InvalidError("Without a key the body needs the project_id, as text.")
    flag = read_flag_field(body, "human_eval", "flag")
    notes, source = (read_text_field(body, name) for name in ("notes", "source"))

    def is_open(db: Connection) -> bool:
        return takes_feedback(db, project_id, task_id, most=MOST_OF_ONE)

    def keep(db: Connection) -> None:
        if is_open(db):
            add_feedback(db, project_id, task_id, flag=flag, notes=notes, source=source)

    with services().store.read() as db:
        may_write = is_open(db)
    if may_write:
        services().store.write(keep)
    return shapes.stub_task(task_id, project_id, flag=flag, notes=notes)

"""Feedback, as existing clients send it: `POST /v2/tasks/{task_id}/human-eval` and `/flag`."""

from __future__ import annotations

from flask import Blueprint, g, jsonify
from flask.typing import ResponseReturnValue

from phospho.snapshot import MAX_ID_CHARS, clean_text
from phospho_server.api.body import read_clean_object
from phospho_server.clock import now_ms
from phospho_server.errors import InvalidError
from phospho_server.incoming import read_flag
from phospho_server.limits import MAX_NOTES_LENGTH
from phospho_server.security import API_KEY, access, require_project
from phospho_server.services import services
from phospho_server.store.feedback import add_feedback

bp = Blueprint("feedback", __name__)


@bp.post("/tasks/<path:task_id>/human-eval")
@bp.post("/tasks/<path:task_id>/flag")
@access(API_KEY)
def give(task_id: str) -> ResponseReturnValue:
    """Keep feedback on an interaction, also on one that is still on its way.

    Body: `{"human_eval": "success" or "failure", "notes", "source", "project_id"}`, with `flag`
    instead of `human_eval` from the JavaScript client. Answer: the task's id and flag.
    """
    body = read_clean_object()
    project_id = body.get("project_id") or g.key.project_id
    require_project(str(project_id))
    given = body.get("human_eval")
    given = body.get("flag") if given is None else given
    flag = read_flag(given)
    if given is not None and flag is None:
        raise InvalidError('The feedback must be "success" or "failure".')
    notes, source = (_text(body.get(name), name) for name in ("notes", "source"))
    if len(task_id) > MAX_ID_CHARS:
        raise InvalidError(f"The task id has more than {MAX_ID_CHARS} characters.")
    services().store.write(
        lambda db: add_feedback(
            db, str(project_id), clean_text(task_id), flag=flag, notes=notes, source=source
        )
    )
    return jsonify(
        id=task_id,
        task_id=task_id,
        created_at=now_ms() // 1000,
        project_id=project_id,
        flag=flag,
        notes=notes,
        human_eval={"flag": flag, "created_at": now_ms() // 1000} if flag else None,
    )


def _text(value: object, name: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidError(f"{name} must be text.")
    return clean_text(value, MAX_NOTES_LENGTH)

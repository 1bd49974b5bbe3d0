"""Feedback and notes that somebody writes beside a transcript."""

from __future__ import annotations

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from phospho_server.errors import InvalidError
from phospho_server.incoming import read_flag
from phospho_server.limits import MAX_NOTES_LENGTH
from phospho_server.security import EDITOR, access
from phospho_server.services import services
from phospho_server.store.feedback import add_feedback
from phospho_server.store.interactions import find_ids
from phospho_server.views.frame import safe_path

bp = Blueprint("feedback_pages", __name__)

# Stands beside what was written here, where the app's users write theirs by the SDK.
SOURCE = "dashboard"


@bp.post("/projects/<project_id>/feedback")
@access(EDITOR)
def save(project_id: str) -> ResponseReturnValue:
    """Keep a note, whether the answer was good, or both, and lead back to the interaction.

    Form: `task_id`; `flag`, `success`, `failure` or empty; `notes`; `back`, a path of this server.
    """
    task_id = request.form.get("task_id", "")
    flag = read_flag(request.form.get("flag"))
    notes = request.form.get("notes", "").replace("\r\n", "\n").strip() or None
    if notes and len(notes) > MAX_NOTES_LENGTH:
        raise InvalidError(
            f"The note has {len(notes):,} characters; write at most {MAX_NOTES_LENGTH:,}."
        )
    if flag is None and notes is None:
        raise InvalidError("Nothing was written. Go back, choose a mark or write a note.")
    with services().store.read() as db:
        row_id = find_ids(db, project_id, [task_id]).get(task_id)
    if row_id is None:
        raise InvalidError("There is no such interaction. Open the session again.")
    services().store.write(
        lambda db: add_feedback(db, project_id, task_id, flag=flag, notes=notes, source=SOURCE)
    )
    page = safe_path(request.form.get("back")) or url_for("sessions.index", project_id=project_id)
    return redirect(f"{page.partition('#')[0]}#t{row_id}", 303)

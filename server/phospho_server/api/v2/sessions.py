"""Sessions, as existing clients read, make and change them: `/v2/sessions`."""

from __future__ import annotations

from flask import Blueprint, g, jsonify
from flask.typing import ResponseReturnValue

from phospho_server.api.v2 import shapes
from phospho_server.api.v2.fields import (
    project_of,
    read_body,
    read_object_field,
    read_path_id,
    read_text_field,
)
from phospho_server.api.v2.json_texts import answer, answer_list
from phospho_server.security import API_KEY, access
from phospho_server.services import services
from phospho_server.store import Connection
from phospho_server.store.records import list_ids_of_session, load_records
from phospho_server.store.session_details import create_session, say_of_session
from phospho_server.store.session_records import SessionRecord, get_session_record

bp = Blueprint("v2_sessions", __name__)


@bp.get("/sessions/<path:session_id>")
@access(API_KEY)
def show(session_id: str) -> ResponseReturnValue:
    """Answer with a session of the key's project."""
    with services().store.read() as db:
        record = get_session_record(db, g.key.project_id, read_path_id(session_id))
    return answer(shapes.session(record, g.key.project_id))


@bp.post("/sessions")
@access(API_KEY)
def create() -> ResponseReturnValue:
    """Make a session in which nothing was said yet; interactions are logged with its id.

    Body: `{"project_id", "data": {...}}`. Answer: the session, with the status 200, as the old
    client takes no other.
    """
    body = read_body()
    project_id, data = project_of(body), read_object_field(body, "data")

    def keep(db: Connection) -> SessionRecord:
        return get_session_record(db, project_id, create_session(db, project_id, data))

    return answer(shapes.session(services().store.write(keep), project_id))


@bp.post("/sessions/<path:session_id>")
@access(API_KEY)
def change(session_id: str) -> ResponseReturnValue:
    """Keep what is said of a session as a whole.

    Body: `{"metadata", "data", "notes", "preview"}`; null leaves what there is, and a key of
    `metadata` that there is gets the new value. Answer: the session.
    """
    body, project_id = read_body(), g.key.project_id
    session_id = read_path_id(session_id)
    metadata, data = (read_object_field(body, name) for name in ("metadata", "data"))
    notes, preview = (read_text_field(body, name) for name in ("notes", "preview"))

    def keep(db: Connection) -> SessionRecord:
        say_of_session(
            db, project_id, session_id, metadata=metadata, data=data, notes=notes, preview=preview
        )
        return get_session_record(db, project_id, session_id)

    return answer(shapes.session(services().store.write(keep), project_id))


@bp.route("/sessions/<path:session_id>/tasks", methods=["GET", "POST"])
@access(API_KEY)
def list_tasks(session_id: str) -> ResponseReturnValue:
    """Answer with the interactions of a session in the order of time, at most 10,000."""
    project_id, session_id = g.key.project_id, read_path_id(session_id)
    with services().store.read() as db:
        get_session_record(db, project_id, session_id)
        ids = list_ids_of_session(db, project_id, session_id)
        records = load_records(db, project_id, ids)
        return answer_list("tasks", (shapes.task(each, project_id) for each in records))


@bp.get("/sessions/<path:session_id>/transcript")
@access(API_KEY)
def show_transcript(session_id: str) -> ResponseReturnValue:
    """Answer with what was said in a session, as one text."""
    project_id, session_id = g.key.project_id, read_path_id(session_id)
    with services().store.read() as db:
        get_session_record(db, project_id, session_id)
        ids = list_ids_of_session(db, project_id, session_id)
        text = shapes.transcript(load_records(db, project_id, ids))
    return jsonify(transcript=text)

"""`/api/projects/{id}/sessions`: the list with its filters, and one session's transcript."""

from __future__ import annotations

from flask import Blueprint

from phospho.api import answers
from phospho_server.api.resources import shapes
from phospho_server.api.resources.operations import Operation, operation
from phospho_server.api.resources.parameters import (
    ID,
    TRANSCRIPT_CURSOR,
    of_list,
    read_asked,
    read_cursor,
    read_id,
    read_limit,
)
from phospho_server.security import API_KEY, access
from phospho_server.services import services
from phospho_server.store import Connection, cursors, transcripts
from phospho_server.store import sessions as store
from phospho_server.store.feedback import list_feedback
from phospho_server.store.rows import SessionRow
from phospho_server.views.filters import SESSIONS

bp = Blueprint("api_sessions", __name__, url_prefix="/api/projects/<project_id>")


@bp.get("/sessions")
@access(API_KEY)
@operation(Operation(answers.Page[answers.Session], of_list(SESSIONS)))
def index(project_id: str) -> answers.Page[answers.Session]:
    """List the sessions that match, by default those with the newest interaction first."""
    with services().store.read() as db:
        asked = read_asked(db, project_id, SESSIONS)
        page = store.list_sessions(
            db,
            project_id,
            asked.wanted,
            sort=asked.sort,
            cursor=read_cursor(),
            limit=read_limit(),
        )
    return answers.Page(
        data=[shapes.session(row) for row in page.sessions], next_cursor=page.next_cursor
    )


@bp.get("/sessions/<path:session_id>", merge_slashes=False)
@access(API_KEY)
@operation(Operation(answers.Transcript, [TRANSCRIPT_CURSOR], refusals=[404]))
def show(project_id: str, session_id: str) -> answers.Transcript:
    """Read a session with its transcript, 200 interactions at a time, in the order of time."""
    return _load(project_id, session_id)


@bp.get("/session")
@access(API_KEY)
@operation(Operation(answers.Transcript, [ID, TRANSCRIPT_CURSOR], refusals=[404]))
def show_by_id(project_id: str) -> answers.Transcript:
    """Read a session whose id cannot stand in a path, as `..` cannot."""
    return _load(project_id, read_id())


def _load(project_id: str, session_id: str) -> answers.Transcript:
    with services().store.read() as db:
        session = store.get_session(db, project_id, session_id)
        return _read_part(db, project_id, session_id, session)


def _read_part(
    db: Connection, project_id: str, session_id: str, session: SessionRow
) -> answers.Transcript:
    cursor = read_cursor()
    offset = cursors.read(cursor).row if cursor else 0
    lines = transcripts.list_transcript(db, project_id, session_id, offset=offset)
    said = list_feedback(db, project_id, [line.task_id for line in lines])
    end = offset + len(lines)
    return shapes.transcript(
        session,
        [shapes.details(line, session_id, said.get(line.task_id, ())) for line in lines],
        cursors.write(cursors.of([end])) if lines and end < session.interactions else None,
    )

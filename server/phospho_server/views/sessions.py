"""Sessions: the list with its filters, and one session's transcript."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from phospho_server.errors import NotFoundError
from phospho_server.mixing import list_mixes
from phospho_server.security import VIEWER, access
from phospho_server.services import services
from phospho_server.store import message_facts, transcripts
from phospho_server.store import sessions as store
from phospho_server.store.definitions import list_defined
from phospho_server.store.feedback import list_feedback
from phospho_server.views.filter_reading import list_choices, read_filter
from phospho_server.views.filters import FLAGS, NAMES, SESSIONS, Asked
from phospho_server.views.frame import open_project, session_url
from phospho_server.views.lists import open_list, render_empty
from phospho_server.views.query import Choices, read_number
from phospho_server.views.transcripts import STEP_KINDS, lay_out_all

bp = Blueprint("sessions", __name__)

# Interactions of a transcript that are one page: whole messages are much to read, and to render.
PART_SIZE = 40

# More digits than row ids have yet.
_MOST_ID = 10**9 - 1


@bp.get("/projects/<project_id>/sessions")
@access(VIEWER)
def index(project_id: str) -> str:
    """Show the sessions that match, the newest first, with the events found in each."""
    with services().store.read() as db:
        opened = open_list(db, project_id, SESSIONS)
        if opened is None:
            return render_empty(SESSIONS)
        asked = opened.asked
        mixes = list_mixes(db, project_id) if asked.events else {}
        for name in asked.events:
            mix = mixes.get(opened.offered.events[name])
            opened.notices.extend(mix.sentences if mix else ())
        page = store.list_sessions(
            db, project_id, asked.wanted, sort=asked.sort, cursor=opened.cursor
        )
    return render_template("sessions/index.html", page=page, **vars(opened))


@bp.get("/projects/<project_id>/sessions/<path:session_id>")
@access(VIEWER)
def show(project_id: str, session_id: str) -> ResponseReturnValue:
    """Show a transcript, each event at the message it occurred in.

    `at` in the address leads to the interaction of this row id. The filters of a list in it lead
    on to the neighbours in that list.
    """
    with services().store.read() as db:
        project = open_project(db, project_id)
        session = store.get_session(db, project_id, session_id)
        asked = Asked(SESSIONS)
        if NAMES.intersection(request.args):
            asked = read_filter(Choices(), SESSIONS, list_choices(db, project_id))
        pages = max(1, -(-session.interactions // PART_SIZE))
        at = transcripts.find_position(
            db, project_id, session_id, read_number("at", default=0, most=_MOST_ID)
        )
        if at:
            page = -(-at // PART_SIZE)
            return redirect(
                session_url(
                    project_id, session_id, page=page if page > 1 else None, _anchor=f"i{at}"
                )
            )
        page = read_number("page", default=1, most=pages)
        offset = (page - 1) * PART_SIZE
        lines = transcripts.list_transcript(
            db, project_id, session_id, offset=offset, limit=PART_SIZE
        )
        defined = list_defined(db, project_id)
        newer_id, older_id = store.find_neighbours(db, project_id, session_id, asked.wanted)
        said = list_feedback(db, project_id, [line.task_id for line in lines])
        known = message_facts.count_in_session(db, project_id, session_id)
    return render_template(
        "sessions/show.html",
        project=project,
        session=session,
        exchanges=lay_out_all(lines, offset, defined, said),
        defined={definition.id: definition for definition in defined},
        asked=asked,
        page=page,
        pages=pages,
        newer_id=newer_id,
        older_id=older_id,
        flags=FLAGS,
        known=known,
        step_kinds=STEP_KINDS,
        adding=read_number("add", default=0, most=_MOST_ID),
        noting=read_number("note", default=0, most=_MOST_ID),
    )


@bp.get("/projects/<project_id>/session")
@access(VIEWER)
def show_by_id(project_id: str) -> ResponseReturnValue:
    """Show the transcript of a session whose id cannot stand in a path."""
    session_id = request.args.get("id", "")
    if not session_id:
        raise NotFoundError("This address names no session. Look in the sessions list.")
    return show(project_id, session_id)

"""Search: the messages that have the words, each with what is around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, render_template, request

from phospho_server.security import VIEWER, access
from phospho_server.services import services
from phospho_server.store import counters, find
from phospho_server.store.interaction_pages import InteractionRow, list_interactions
from phospho_server.views.excerpts import excerpt
from phospho_server.views.filters import SEARCH, list_choices, read_filter
from phospho_server.views.formats import Piece
from phospho_server.views.frame import base_url, open_project
from phospho_server.views.query import Choices

bp = Blueprint("search", __name__)

_PAGE_SIZE = 20

# Of a message; a word beyond them is found, but not shown.
_MOST_CHARS = 50_000


@dataclass(frozen=True)
class Found:
    """An interaction as a result shows it: what is around the words in each of its messages."""

    interaction: InteractionRow
    input: Sequence[Piece]
    output: Sequence[Piece]


@bp.get("/projects/<project_id>/search")
@access(VIEWER)
def show(project_id: str) -> str:
    """Show the newest interactions with the words, and what has them as its id."""
    choices = Choices()
    with services().store.read() as db:
        project = open_project(db, project_id)
        if counters.first_hour(db, project_id) is None:
            return render_template("sessions/empty.html", project=project, base_url=base_url())
        offered = list_choices(db, project_id)
        asked = read_filter(choices, SEARCH, offered)
        cursor = request.args.get("cursor") or None
        words = asked.first("q")
        page = known = None
        if words:
            known = find.find_by_id(db, project_id, words)
            page = list_interactions(
                db,
                project_id,
                asked.wanted,
                cursor=cursor,
                limit=_PAGE_SIZE,
                most_chars=_MOST_CHARS,
            )
    return render_template(
        "search/show.html",
        project=project,
        notices=choices.notices,
        asked=asked,
        offered=offered,
        cursor=cursor,
        known=known,
        found=[_lay_out(row, words) for row in page.interactions] if page else [],
        next_cursor=page.next_cursor if page else None,
    )


def _lay_out(row: InteractionRow, words: str) -> Found:
    return Found(row, excerpt(row.input, words), excerpt(row.output or "", words))

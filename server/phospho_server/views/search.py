"""Search: the messages that have the words, each with what is around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, render_template

from phospho_server.security import VIEWER, access
from phospho_server.services import services
from phospho_server.store import find
from phospho_server.store.interaction_pages import InteractionRow, list_interactions
from phospho_server.views.excerpts import excerpt
from phospho_server.views.filters import SEARCH
from phospho_server.views.formats import Piece
from phospho_server.views.lists import open_list, render_empty

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
    with services().store.read() as db:
        opened = open_list(db, project_id, SEARCH)
        if opened is None:
            return render_empty(SEARCH)
        words = opened.asked.first("q")
        page = known = None
        if words:
            known = find.find_by_id(db, project_id, words)
            page = list_interactions(
                db,
                project_id,
                opened.asked.wanted,
                cursor=opened.cursor,
                limit=_PAGE_SIZE,
                most_chars=_MOST_CHARS,
            )
    return render_template(
        "search/show.html",
        known=known,
        found=[_lay_out(row, words) for row in page.interactions] if page else [],
        next_cursor=page.next_cursor if page else None,
        **vars(opened),
    )


def _lay_out(row: InteractionRow, words: str) -> Found:
    return Found(row, excerpt(row.input, words), excerpt(row.output or "", words))

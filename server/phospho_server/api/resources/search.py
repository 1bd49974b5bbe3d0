"""`/api/projects/{id}/search`: the messages that have some words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flask import Blueprint

from phospho.api import answers
from phospho_server.api.resources import shapes
from phospho_server.api.resources.operations import Operation, operation
from phospho_server.api.resources.parameters import of_list, read_asked, read_cursor, read_limit
from phospho_server.security import API_KEY, access
from phospho_server.services import services
from phospho_server.store.interaction_pages import WHOLE, list_interactions
from phospho_server.views.excerpts import excerpt
from phospho_server.views.filters import SEARCH

bp = Blueprint("api_search", __name__, url_prefix="/api/projects/<project_id>")

_QUERY = [replace(each, is_required=each.name == "q") for each in of_list(SEARCH)]


@bp.get("/search")
@access(API_KEY)
@operation(Operation(answers.Page[answers.Found], _QUERY))
def index(project_id: str) -> answers.Page[answers.Found]:
    """List the newest interactions that have all the words, with what is around them."""
    with services().store.read() as db:
        asked = read_asked(db, project_id, SEARCH)
        page = list_interactions(
            db,
            project_id,
            asked.wanted,
            cursor=read_cursor(),
            limit=read_limit(),
            most_chars=WHOLE,
        )
    words = asked.first("q")
    found = [
        answers.Found(
            interaction=shapes.interaction(row),
            input=_parts(row.input, words),
            output=_parts(row.output or "", words),
        )
        for row in page.interactions
    ]
    return answers.Page(data=found, next_cursor=page.next_cursor)


def _parts(text: str, words: str) -> Sequence[answers.Part]:
    return [
        answers.Part(text=piece.text, is_match=bool(piece.hue)) for piece in excerpt(text, words)
    ]

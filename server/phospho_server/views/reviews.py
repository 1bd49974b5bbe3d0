"""Confirm and reject, wherever an event is shown, and take it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from phospho_server.errors import InvalidError, NotFoundError
from phospho_server.services import services
from phospho_server.store import Connection
from phospho_server.store import reviews as store
from phospho_server.store.definitions import get_definition
from phospho_server.store.reviews import SOURCES, Source
from phospho_server.views.frame import safe_path

bp = Blueprint("reviews", __name__)

# What a page says after each word.
SAID = {"yes": "Confirmed", "no": "Rejected", "undo": "Taken back"}

# With a longer address the cookie that carries it could be more than a browser keeps.
_MOST_BACK = 1_000

# Row ids are 64 bits wide.
_MAX_DIGITS = 18


@dataclass(frozen=True)
class Click:
    """What somebody clicked.

    Args:
        word: `yes`, `no` or `undo`.
        source: Where it was clicked.
    """

    event_id: str
    interaction_id: int
    word: str
    source: Source

    @classmethod
    def read(cls, fields: Mapping[str, str], *, event_id: str, source: str) -> Click:
        """Return what a form says.

        Raises:
            InvalidError: It says nothing that can be meant.
            NotFoundError: It names no interaction.
        """
        word = fields.get("word", "")
        if word not in SAID or source not in SOURCES:
            raise InvalidError("This form is not complete. Open the page again and click there.")
        return cls(
            event_id=event_id,
            interaction_id=read_interaction(fields.get("interaction", "")),
            word=word,
            source=source,
        )

    def keep(self, db: Connection, project_id: str) -> None:
        """Let the word stand."""
        if self.word == "undo":
            store.undo(db, project_id, self.event_id, self.interaction_id)
        else:
            store.review(
                db,
                project_id,
                self.event_id,
                self.interaction_id,
                occurred=self.word == "yes",
                source=self.source,
            )


@bp.post("/projects/<project_id>/reviews")
def save(project_id: str) -> ResponseReturnValue:
    """Keep what somebody clicked, and lead back to where it was."""
    click = Click.read(
        request.form,
        event_id=request.form.get("event", ""),
        source=request.form.get("source", ""),
    )
    services().store.write(lambda db: click.keep(db, project_id))
    with services().store.read() as db:
        name = get_definition(db, project_id, click.event_id).name
    back = safe_path(request.form.get("back")) or url_for(
        "event_pages.show", project_id=project_id, event_id=click.event_id
    )
    if len(back) <= _MOST_BACK:
        session["said"] = {**vars(click), "project_id": project_id, "name": name, "back": back}
    return redirect(back, 303)


def read_interaction(text: str) -> int:
    """Return the row id of an interaction.

    Raises:
        NotFoundError: The text is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise NotFoundError("This form names no interaction. Open the page again and click there.")
    return int(text)

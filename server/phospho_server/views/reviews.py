"""Confirm and reject, wherever an event is shown, say what it is instead, and take it back."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flask import Blueprint, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from phospho.models import EventDefinition
from phospho_server.errors import InvalidError
from phospho_server.security import EDITOR, access
from phospho_server.services import services
from phospho_server.store import Connection
from phospho_server.store import reviews as store
from phospho_server.store.definitions import get_definition
from phospho_server.store.review_values import Value
from phospho_server.store.reviews import SOURCES, Source
from phospho_server.views.frame import safe_path

bp = Blueprint("reviews", __name__)

# With a longer address the cookie that carries it could be more than a browser keeps.
_MOST_BACK = 1_000

# Row ids have 64 bits.
_CLICK = re.compile(r"(yes|no|undo) (\w{1,64}) ([0-9]{1,18})(?: (.{1,200}))?", re.ASCII | re.DOTALL)

_SCORE = re.compile(r"[-+]?[0-9]{1,15}(?:[.,][0-9]{1,15})?", re.ASCII)


@dataclass(frozen=True)
class Click:
    """What somebody clicked.

    Args:
        word: `yes`, `no` or `undo`.
        source: Where it was clicked.
        category: What they chose; empty where nothing was to be chosen.
        score: What they typed, the same.
    """

    event_id: str
    interaction_id: int
    word: str
    source: Source
    category: str = ""
    score: str = ""

    @classmethod
    def read(cls, text: str, source: str, score: str = "") -> Click:
        """Return what a button says: a word, an event's id and an interaction's row id.

        A category may follow them.

        Args:
            text: What it says.
            source: Where it is.
            score: What stands in the field beside it, if there is one.

        Raises:
            InvalidError: It says nothing that can be meant.
        """
        found = _CLICK.fullmatch(text)
        if found is None or source not in SOURCES or source == "api":
            raise InvalidError("This form is not complete. Open the page again and click there.")
        word, event_id, interaction_id, category = found.groups()
        return cls(event_id, int(interaction_id), word, source, category or "", score.strip())

    def keep(self, db: Connection, project_id: str) -> None:
        """Let the word stand."""
        if self.word == "undo":
            store.undo(db, project_id, self.event_id, self.interaction_id)
        else:
            is_yes = self.word == "yes"
            definition = get_definition(db, project_id, self.event_id)
            store.review(
                db,
                project_id,
                self.event_id,
                self.interaction_id,
                occurred=is_yes,
                source=self.source,
                value=self._value(definition) if is_yes else None,
            )

    def _value(self, definition: EventDefinition) -> Value:
        """Return the category or the score that somebody gave, if the event has one."""
        if definition.answer == "category":
            return self.category or None
        if definition.answer != "score" or not self.score:
            return None
        if _SCORE.fullmatch(self.score) is None:
            raise InvalidError(f"{self.score[:40]!r} is no number. Write one like 4 or 4.5.")
        return float(self.score.replace(",", "."))


@bp.post("/projects/<project_id>/reviews")
@access(EDITOR)
def save(project_id: str) -> ResponseReturnValue:
    """Keep what somebody clicked, and lead back to where it was."""
    form = request.form
    click = Click.read(form.get("click", ""), form.get("source", ""), form.get("score", ""))
    services().store.write(lambda db: click.keep(db, project_id))
    with services().store.read() as db:
        name = get_definition(db, project_id, click.event_id).name
    page = safe_path(request.form.get("back")) or url_for(
        "event_pages.show", project_id=project_id, event_id=click.event_id
    )
    back = f"{page.partition('#')[0]}#t{click.interaction_id}"
    if len(back) <= _MOST_BACK:
        session["said"] = {**vars(click), "project_id": project_id, "name": name, "back": back}
    return redirect(back, 303)

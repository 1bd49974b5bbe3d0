"""What the pages with filters begin with, and what they say before there is anything to list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import g, render_template, request

from phospho_server.store import Connection, counters
from phospho_server.store.rows import Project
from phospho_server.store.saved_views import SavedView, list_views
from phospho_server.views.filter_reading import list_choices, read_filter
from phospho_server.views.filters import Asked, ListKind, Offered
from phospho_server.views.frame import base_url, open_project
from phospho_server.views.query import Choices


@dataclass(frozen=True)
class OpenedList:
    """A list as its address asks for it; templates get the fields by their names.

    Args:
        offered: What its filters have to choose from.
        asked: What is chosen.
        views: Its saved views.
        cursor: Where the page begins; None for the first.
        notices: What of the address was left out, and why.
    """

    project: Project
    offered: Offered
    asked: Asked
    views: Sequence[SavedView]
    cursor: str | None
    notices: list[str]


def open_list(db: Connection, project_id: str, kind: ListKind) -> OpenedList | None:
    """Return what the address asks of a list; None while the project has nothing to list.

    Raises:
        NotFoundError: There is no such project.
    """
    project = open_project(db, project_id)
    if is_empty(db, project_id):
        return None
    choices = Choices()
    offered = list_choices(db, project_id)
    return OpenedList(
        project,
        offered,
        read_filter(choices, kind, offered),
        list_views(db, project_id, kind.page),
        request.args.get("cursor") or None,
        choices.notices,
    )


def is_empty(db: Connection, project_id: str) -> bool:
    """Tell whether nothing was ever logged to a project."""
    return counters.first_hour(db, project_id) is None


def render_empty(kind: ListKind) -> str:
    """Render what to do next where there is nothing to list; the project is open."""
    return render_template(
        "lists/empty.html", project=g.project, base_url=base_url(), name=kind.page
    )

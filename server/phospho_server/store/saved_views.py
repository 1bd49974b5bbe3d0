"""Saved views: filters of a list that people come back to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from phospho_server.clock import new_id, now_ms
from phospho_server.errors import ConflictError, InvalidError, NotFoundError
from phospho_server.store import Connection
from phospho_server.store.projects import clean_name

# All of them stand above the list.
MOST_VIEWS = 30


@dataclass(frozen=True)
class SavedView:
    """A list with filters.

    Args:
        page: `sessions`, `interactions` or `users`.
        query: The filters, as they stand in the address.
    """

    id: str
    page: str
    name: str
    query: str


def list_views(db: Connection, project_id: str, page: str) -> Sequence[SavedView]:
    """Return the views of a list, by name."""
    rows = db.rows(
        "select id, page, name, query from saved_views "
        "where project_id = :project_id and page = :page order by name, id",
        {"project_id": project_id, "page": page},
    )
    return [SavedView(**dict(row)) for row in rows]


def save_view(db: Connection, project_id: str, *, page: str, name: str, query: str) -> SavedView:
    """Save a view; one of the same name is replaced.

    Raises:
        InvalidError: It has no name, one that is too long, or no filter.
        ConflictError: There are as many as there may be.
    """
    view = SavedView(new_id("view_"), page, clean_name(name, what="name of the view"), query)
    if not query:
        raise InvalidError("Nothing is filtered yet. Choose a filter, then save the view.")
    mine = {"project_id": project_id, **vars(view)}
    db.execute(
        "delete from saved_views where project_id = :project_id and page = :page and name = :name",
        mine,
    )
    if len(list_views(db, project_id, page)) >= MOST_VIEWS:
        raise ConflictError(f"There are {MOST_VIEWS} views. Delete one that nobody uses first.")
    db.execute(
        "insert into saved_views values (:id, :project_id, :page, :name, :query, :now)",
        {**mine, "now": now_ms()},
    )
    return view


def delete_view(db: Connection, project_id: str, view_id: str) -> SavedView:
    """Delete a view and return it.

    Raises:
        NotFoundError: There is none with this id.
    """
    row = db.row(
        "select id, page, name, query from saved_views where project_id = :project_id and id = :id",
        {"project_id": project_id, "id": view_id},
    )
    if row is None:
        raise NotFoundError("There is no such view. Somebody may have deleted it.")
    db.execute(
        "delete from saved_views where project_id = :project_id and id = :id",
        {"project_id": project_id, "id": view_id},
    )
    return SavedView(**dict(row))

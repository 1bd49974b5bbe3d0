"""Saving the filters of a list under a name, and deleting them."""

from __future__ import annotations

from urllib.parse import parse_qsl

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from phospho_server.errors import InvalidError
from phospho_server.security import EDITOR, access
from phospho_server.services import services
from phospho_server.store import saved_views as store
from phospho_server.views.filters import KINDS, write_query

bp = Blueprint("saved_views", __name__)

# Longer than any filters that a page lets somebody choose.
_MOST_CHARS = 4_000


@bp.post("/projects/<project_id>/views")
@access(EDITOR)
def save(project_id: str) -> ResponseReturnValue:
    """Save what a list shows now, and show it under its name."""
    kind = KINDS.get(request.form.get("page", ""))
    query = request.form.get("query", "")
    if kind is None or len(query) > _MOST_CHARS:
        raise InvalidError("This form is not complete. Open the list again and save it there.")
    kept = write_query(parse_qsl(query))
    name = request.form.get("name", "")
    services().store.write(
        lambda db: store.save_view(db, project_id, page=kind.page, name=name, query=kept)
    )
    return redirect(f"{url_for(kind.endpoint, project_id=project_id)}?{kept}", 303)


@bp.post("/projects/<project_id>/views/<view_id>/delete")
@access(EDITOR)
def delete(project_id: str, view_id: str) -> ResponseReturnValue:
    """Delete a view; the list stays as it is."""
    view = services().store.write(lambda db: store.delete_view(db, project_id, view_id))
    kind = KINDS[view.page]
    return redirect(f"{url_for(kind.endpoint, project_id=project_id)}?{view.query}", 303)

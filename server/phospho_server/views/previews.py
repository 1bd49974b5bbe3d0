"""Trying a draft of an event out before it is saved: on the page of its form, or as part of it."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from phospho.detectors.auto import chosen
from phospho.models import EventDefinition
from phospho_server.errors import BusyError, InvalidError
from phospho_server.previewing import MOST, USUAL, Preview, preview, refuse_llm
from phospho_server.scoring import QUICK
from phospho_server.security import EDITOR, access
from phospho_server.services import services
from phospho_server.store.definitions import get_definition
from phospho_server.views.event_form import EventForm
from phospho_server.views.events import render_edit
from phospho_server.views.frame import open_project
from phospho_server.views.query import clamp_number
from phospho_server.views.settings import render_settings

bp = Blueprint("previews", __name__)


@bp.post("/projects/<project_id>/settings/events/preview")
@access(EDITOR)
def show(project_id: str) -> ResponseReturnValue:
    """Show what the event in the form would find; nothing is saved.

    With `part=1` only that is answered, for app.js; with `live=1`, while somebody types, only if
    it costs nothing, and against no more interactions than usual.
    """
    form = EventForm.read(request.form)
    most = clamp_number(request.form.get("most", ""), default=USUAL, most=MOST)
    current = _find_current(project_id, request.form.get("event_id", ""))
    is_part, is_live = "part" in request.form, "live" in request.form
    found: Preview | None = None
    problem: str | None = None
    try:
        draft = form.to_draft(current)
        refuse_llm(services().detectors, draft)
        if is_live and chosen(draft) not in QUICK:
            problem = "This detector may call a model, so it is asked when you press Preview."
        else:
            wanted = min(most, USUAL) if is_live else most
            found = preview(services().store, services().detectors, project_id, draft, most=wanted)
    except (InvalidError, BusyError) as error:
        if not is_part:
            form = form.refused(error)
        problem = str(error)
    if is_part:
        with services().store.read() as db:
            project = open_project(db, project_id)
        return render_template(
            "events/_part.html", project=project, preview=found, problem=problem, most=most
        )
    status = 200 if found else InvalidError.status
    if current is not None:
        apply = request.form.get("apply", "all")
        page = render_edit(
            project_id, current, form, apply=apply, preview=found, problem=problem, most=most
        )
    else:
        page = render_settings(project_id, form=form, preview=found, problem=problem, most=most)
    return page, status


def _find_current(project_id: str, event_id: str) -> EventDefinition | None:
    """Return the event that is edited, or None for a new one.

    Raises:
        NotFoundError: The project has no event with this id.
    """
    with services().store.read() as db:
        open_project(db, project_id)
        return get_definition(db, project_id, event_id) if event_id else None

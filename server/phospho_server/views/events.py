"""Event definitions: make, edit, switch on and off, delete."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from phospho.models import EventDefinition
from phospho_server.acting import act
from phospho_server.changes import ANSWERS, SCOPES
from phospho_server.errors import ChangedMeanwhileError, ConflictError, InvalidError
from phospho_server.security import EDITOR, access
from phospho_server.services import services
from phospho_server.store import definitions as store
from phospho_server.store import jobs
from phospho_server.views.event_form import EventForm, detector_names, understand
from phospho_server.views.frame import open_project
from phospho_server.views.other_reading import find_other_reading
from phospho_server.views.query import clamp_number
from phospho_server.views.settings import find_copied, render_settings, url_of_event

_MOST_VERSIONS = 1_000_000_000

bp = Blueprint("events", __name__, url_prefix="/projects/<project_id>/settings/events")


@bp.post("")
@access(EDITOR)
def create(project_id: str) -> ResponseReturnValue:
    """Define an event and have past interactions looked at."""
    form = EventForm.read(request.form)
    try:
        # A form does not show all of an event that it was copied from.
        definition = form.to_definition(find_copied(project_id, form.copy_of))
        made = act(
            "event created",
            lambda db: store.create_definition(db, project_id, definition),
            project_id=project_id,
            what=definition.name,
        )
    except (InvalidError, ConflictError) as error:
        return render_settings(project_id, form=form.refused(error)), InvalidError.status
    return _back(project_id, made.id)


@bp.get("/<event_id>")
@access(EDITOR)
def edit(project_id: str, event_id: str) -> str:
    """Show a definition to be edited."""
    definition = _find(project_id, event_id)
    return render_edit(project_id, definition, EventForm.of(definition))


@bp.post("/<event_id>")
@access(EDITOR)
def save(project_id: str, event_id: str) -> ResponseReturnValue:
    """Keep an edited definition; if more than its name is new, look at the past again.

    With `apply=new` past interactions keep their verdicts. `version` is the one that was opened:
    what somebody else has saved since is not replaced unseen.
    """
    current = _find(project_id, event_id)
    form = EventForm.read(request.form)
    apply = request.form.get("apply", "all")
    seen = clamp_number(form.version, default=current.version, most=_MOST_VERSIONS)
    try:
        definition = form.to_definition(current)
        act(
            "event edited",
            lambda db: store.edit_definition(
                db, project_id, definition, to_past=apply != "new", seen=seen
            ),
            project_id=project_id,
            what=definition.name,
        )
    except ChangedMeanwhileError as error:
        newest = _find(project_id, event_id)
        form = replace(form.refused(error), version=str(newest.version))
        return render_edit(project_id, newest, form, apply=apply), ConflictError.status
    except (InvalidError, ConflictError) as error:
        page = render_edit(project_id, current, form.refused(error), apply=apply)
        return page, InvalidError.status
    return _back(project_id, event_id)


@bp.post("/<event_id>/switch")
@access(EDITOR)
def switch(project_id: str, event_id: str) -> ResponseReturnValue:
    """Understand the description the other way, if `detector` is the one that does it."""
    definition = _find(project_id, event_id)
    other = find_other_reading(definition)
    # Whoever clicks twice has switched already.
    if other and other.detector == request.form.get("detector"):
        switched = definition.model_copy(update={"detector": other.detector})
        act(
            "event edited",
            lambda db: store.edit_definition(db, project_id, switched),
            project_id=project_id,
            what=definition.name,
        )
    return _back(project_id, event_id)


@bp.post("/<event_id>/toggle")
@access(EDITOR)
def toggle(project_id: str, event_id: str) -> ResponseReturnValue:
    """Switch an event on (`enabled=1`) or off."""
    enabled = request.form.get("enabled") == "1"
    act(
        "event enabled" if enabled else "event disabled",
        lambda db: store.enable_definition(db, project_id, event_id, enabled=enabled),
        project_id=project_id,
        what=_find(project_id, event_id).name,
    )
    return _back(project_id, event_id)


@bp.post("/<event_id>/delete")
@access(EDITOR)
def delete(project_id: str, event_id: str) -> ResponseReturnValue:
    """Delete a definition and the events it found."""
    act(
        "event deleted",
        lambda db: store.delete_definition(db, project_id, event_id),
        project_id=project_id,
        what=_find(project_id, event_id).name,
    )
    return _back(project_id, event_id)


@bp.post("/<event_id>/retry")
@access(EDITOR)
def retry(project_id: str, event_id: str) -> ResponseReturnValue:
    """Take up detection again after it kept failing."""
    act(
        "event's detection tried again",
        lambda db: jobs.retry_parked(db, project_id, event_id),
        project_id=project_id,
        what=_find(project_id, event_id).name,
    )
    return _back(project_id, event_id)


def _find(project_id: str, event_id: str) -> EventDefinition:
    with services().store.read() as db:
        open_project(db, project_id)
        return store.get_definition(db, project_id, event_id)


def _back(project_id: str, event_id: str) -> ResponseReturnValue:
    """Wake the worker, and lead to the event in the list."""
    services().on_new_work()
    return redirect(url_of_event(project_id, event_id), 303)


def render_edit(project_id: str, definition: EventDefinition, form: EventForm, **shown: Any) -> str:
    """Render the page on which an event is edited.

    Args:
        project_id: The project.
        definition: The event as it is.
        form: As it was typed.
        shown: `apply`; `preview`, `problem` and `most` where a draft was tried out.
    """
    with services().store.read() as db:
        project = open_project(db, project_id)
    return render_template(
        "events/edit.html",
        project=project,
        definition=definition,
        understood=understand(definition),
        other=find_other_reading(definition),
        form=form,
        detector_names=detector_names(definition.detector),
        scopes=SCOPES,
        answers=ANSWERS,
        **shown,
    )

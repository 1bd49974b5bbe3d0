"""The versions of an event: what changed, restoring one, and its way through past interactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from phospho.models import EventDefinition
from phospho_server.acting import act
from phospho_server.changes import Change, describe, list_changes
from phospho_server.mixing import Mix, list_mixes
from phospho_server.security import EDITOR, VIEWER, access
from phospho_server.services import services
from phospho_server.store import Connection, backfills
from phospho_server.store import definitions as store
from phospho_server.store.rows import Backfill
from phospho_server.store.versions import VersionRow, list_versions
from phospho_server.views.frame import open_project
from phospho_server.views.settings import url_of_event

bp = Blueprint("versions", __name__, url_prefix="/projects/<project_id>/settings/events/<event_id>")


@dataclass(frozen=True)
class Version:
    """A version with what made it another one than the version before."""

    row: VersionRow
    changes: Sequence[Change]


@dataclass(frozen=True)
class History:
    """Everything a page says about the versions of an event.

    Args:
        mix: Where the verdicts come from; None before there are any.
        backfill: Its way through past interactions, while it is on it.
    """

    definition: EventDefinition
    versions: Sequence[Version]
    mix: Mix | None
    backfill: Backfill | None


@bp.get("/versions")
@access(VIEWER)
def show(project_id: str, event_id: str) -> str:
    """Show the versions of an event, and which of them its figures come from."""
    with services().store.read() as db:
        project = open_project(db, project_id)
        history = _load(db, project_id, event_id)
    return render_template("events/versions.html", project=project, history=history)


@bp.post("/versions/<int:version>/restore")
@access(EDITOR)
def restore(project_id: str, event_id: str, version: int) -> ResponseReturnValue:
    """Make a new version that equals an old one."""
    to_past = request.form.get("apply") != "new"
    act(
        "event edited",
        lambda db: store.restore_version(db, project_id, event_id, version, to_past=to_past),
        project_id=project_id,
        what=lambda definition: f"{definition.name}, version {version} restored",
    )
    services().on_new_work()
    return _back(project_id, event_id)


@bp.post("/apply")
@access(EDITOR)
def apply(project_id: str, event_id: str) -> ResponseReturnValue:
    """Apply the present version to all past interactions."""

    def to_past(db: Connection) -> EventDefinition:
        definition = store.get_definition(db, project_id, event_id)
        store.apply_to_past(db, project_id, definition)
        return definition

    act(
        "event applied to the past",
        to_past,
        project_id=project_id,
        what=lambda definition: definition.name,
    )
    services().on_new_work()
    return _back(project_id, event_id)


@bp.post("/pause")
@access(EDITOR)
def pause(project_id: str, event_id: str) -> ResponseReturnValue:
    """Let the way through past interactions rest; it can be resumed where it was."""
    with services().store.read() as db:
        name = store.get_definition(db, project_id, event_id).name
    act(
        "event's way through the past paused",
        lambda db: backfills.pause_backfill(db, project_id, event_id),
        project_id=project_id,
        what=name,
    )
    return redirect(url_of_event(project_id, event_id), 303)


def _load(db: Connection, project_id: str, event_id: str) -> History:
    definition = store.get_definition(db, project_id, event_id)
    rows = list_versions(db, project_id, definition)
    older: list[VersionRow | None] = [*rows[1:], None]
    return History(
        definition=definition,
        versions=[
            Version(row, _changes(before, row)) for row, before in zip(rows, older, strict=True)
        ],
        mix=list_mixes(db, project_id).get(event_id),
        backfill=backfills.list_backfills(db, project_id).get(event_id),
    )


def _changes(before: VersionRow | None, row: VersionRow) -> list[Change]:
    if before is not None:
        return list_changes(before.definition, row.definition)
    described = describe(row.definition)
    return [Change(part, "", text) for part, text in described.items() if text]


def _back(project_id: str, event_id: str) -> ResponseReturnValue:
    return redirect(url_for(".show", project_id=project_id, event_id=event_id), 303)

"""A project's data: how long it is kept, erasing somebody, and deleting all of it."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from phospho_server import receipts
from phospho_server.acting import act
from phospho_server.errors import InvalidError
from phospho_server.security import OWNER, access
from phospho_server.services import services
from phospho_server.signing_in import who
from phospho_server.store import erasures, retention
from phospho_server.store.deleting import delete_project
from phospho_server.store.projects import get_project
from phospho_server.views.data_panel import DataForm
from phospho_server.views.erasing_panel import ErasingForm
from phospho_server.views.settings import render_settings

bp = Blueprint("data", __name__, url_prefix="/projects/<project_id>/settings")


@bp.post("/data")
@access(OWNER)
def keep(project_id: str) -> ResponseReturnValue:
    """Set how long interactions are kept; where older ones would go, ask once more."""
    form = DataForm.read(request.form)
    with services().store.read() as db:
        get_project(db, project_id)
        try:
            days = form.to_days()
        except InvalidError as error:
            form = replace(form, problem=str(error))
            return render_settings(project_id, data_form=form), error.status
        older = 0 if days is None else retention.count_older(db, project_id, days)
    if older and not form.is_sure:
        return render_settings(project_id, data_form=replace(form, older=older))
    act(
        "retention changed",
        lambda db: retention.set_retention(db, project_id, days),
        project_id=project_id,
        what="for ever" if days is None else f"{days} days",
    )
    services().on_new_work()
    return redirect(url_for("settings.show", project_id=project_id, _anchor="data"), 303)


@bp.post("/erase")
@access(OWNER)
def erase(project_id: str) -> ResponseReturnValue:
    """Erase a user or a session, once it was said what would go."""
    form = ErasingForm.read(request.form)
    with services().store.read() as db:
        get_project(db, project_id)
        try:
            form = replace(form, interactions=form.count(db, project_id))
        except InvalidError as error:
            form = replace(form, problem=str(error))
            return render_settings(project_id, erasing_form=form), error.status
    if not form.is_sure:
        return render_settings(project_id, erasing_form=form)
    by = who()
    act(
        f"{form.kind} erased",
        lambda db: erasures.ask(db, project_id, form.kind, form.target, who=by),
        project_id=project_id,
        what=lambda erasure: receipts.to_audit(erasure)[1],
    )
    services().on_new_work()
    return redirect(url_for("settings.show", project_id=project_id, _anchor="erase"), 303)


@bp.post("/delete")
@access(OWNER)
def delete(project_id: str) -> ResponseReturnValue:
    """Delete the project with its data, where its name was typed."""
    typed = request.form.get("name", "")
    try:
        # Noted of the server: the project's own log goes with it.
        act(
            "project deleted",
            lambda db: delete_project(db, project_id, typed_name=typed),
            project_id=None,
            what=f"{' '.join(typed.split())} ({project_id})",
        )
    except InvalidError as error:
        page = render_settings(project_id, typed_name=typed, delete_problem=str(error))
        return page, error.status
    session.pop("projects", None)
    services().on_new_work()
    return redirect(url_for("projects.home"), 303)

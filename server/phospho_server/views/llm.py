"""A project's LLM: set it, and go on after a pause."""

from __future__ import annotations

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from phospho.errors import PhosphoError
from phospho_server.errors import InvalidError, ServerError
from phospho_server.services import services
from phospho_server.store import Connection, llm
from phospho_server.store.llm import LlmSettings
from phospho_server.store.projects import get_project
from phospho_server.views.llm_form import LlmForm
from phospho_server.views.settings import render_settings

bp = Blueprint("llm", __name__, url_prefix="/projects/<project_id>/settings/llm")


@bp.post("")
def save(project_id: str) -> ResponseReturnValue:
    """Set which LLM is asked, and what it may cost."""
    form = LlmForm.read(request.form)
    with services().store.read() as db:
        get_project(db, project_id)
        held = llm.find_settings(db, project_id) or LlmSettings()
    try:
        settings = form.to_settings(held, services().setups.sealer)
    except ServerError as error:
        return render_settings(project_id, llm_form=form.refused(error, held)), error.status
    except PhosphoError as error:
        page = render_settings(project_id, llm_form=form.refused(error, held))
        return page, InvalidError.status
    services().store.write(lambda db: llm.save_settings(db, project_id, settings))
    return _back(project_id)


@bp.post("/resume")
def resume(project_id: str) -> ResponseReturnValue:
    """Make calls again after a pause."""

    def go_on(db: Connection) -> None:
        get_project(db, project_id)
        llm.resume(db, project_id)

    services().store.write(go_on)
    return _back(project_id)


def _back(project_id: str) -> ResponseReturnValue:
    """Wake the workers, and lead to the section."""
    services().on_new_work()
    return redirect(url_for("settings.show", project_id=project_id, _anchor="llm"), 303)

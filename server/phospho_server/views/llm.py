"""A project's LLM: set it, and go on after a pause."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from phospho.errors import PhosphoError
from phospho_server.acting import act
from phospho_server.errors import InvalidError, ServerError
from phospho_server.security import OWNER, access
from phospho_server.services import services
from phospho_server.signing_in import get_visitor
from phospho_server.store import Connection, llm
from phospho_server.store.llm import LlmSettings
from phospho_server.store.projects import get_project
from phospho_server.views.llm_form import LlmForm
from phospho_server.views.settings import render_settings

bp = Blueprint("llm", __name__, url_prefix="/projects/<project_id>/settings/llm")


@bp.post("")
@access(OWNER)
def save(project_id: str) -> ResponseReturnValue:
    """Set which LLM is asked, and what it may cost."""
    form = LlmForm.read(request.form)
    with services().store.read() as db:
        get_project(db, project_id)
        held = llm.find_settings(db, project_id) or LlmSettings()
    try:
        settings = form.to_settings(
            held, services().setups, owns_server=get_visitor().sign_in.owns_server
        )
    except ServerError as error:
        return render_settings(project_id, llm_form=form.refused(error, held)), error.status
    except PhosphoError as error:
        page = render_settings(project_id, llm_form=form.refused(error, held))
        return page, InvalidError.status

    def keep(db: Connection) -> None:
        get_project(db, project_id)
        llm.save_settings(db, project_id, settings)

    act("LLM settings changed", keep, project_id=project_id, what=_describe(settings))
    return _back(project_id)


@bp.post("/resume")
@access(OWNER)
def resume(project_id: str) -> ResponseReturnValue:
    """Make calls again after a pause."""

    def go_on(db: Connection) -> None:
        get_project(db, project_id)
        llm.resume(db, project_id)

    act("LLM resumed", go_on, project_id=project_id)
    return _back(project_id)


def _describe(settings: LlmSettings) -> str:
    """Return what may be known of settings: never the key, nor an address that could hold one."""
    if settings.is_off:
        return "off"
    host = urlsplit(settings.base_url).hostname if settings.base_url else None
    return f"{settings.model} at {host}" if host else "as the environment says"


def _back(project_id: str) -> ResponseReturnValue:
    """Wake the workers, and lead to the section."""
    services().on_new_work()
    return redirect(url_for("settings.show", project_id=project_id, _anchor="llm"), 303)

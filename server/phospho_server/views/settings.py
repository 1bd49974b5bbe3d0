"""Settings: the project's name and id, its API keys, and the list of its events."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from phospho.models import EventDefinition
from phospho_server.acting import act
from phospho_server.changes import ANSWERS, SCOPES
from phospho_server.errors import InvalidError
from phospho_server.event_templates import find_template, list_templates
from phospho_server.llm.sealing import Sealer
from phospho_server.mixing import list_mixes
from phospho_server.security import OWNER, VIEWER, access
from phospho_server.services import services
from phospho_server.store import projects as store
from phospho_server.store.alerts import list_log
from phospho_server.store.definitions import find_place, list_defined, list_definitions
from phospho_server.store.memberships import list_members
from phospho_server.store.queues import find_backlog
from phospho_server.store.rows import DefinitionRow
from phospho_server.store.webhooks import list_webhooks
from phospho_server.views.alert_form import AlertForm
from phospho_server.views.alert_panel import load_panel as load_alert_panel
from phospho_server.views.data_panel import DataForm, load_data_panel
from phospho_server.views.erasing_panel import ErasingForm, load_erasing_panel
from phospho_server.views.event_form import EventForm, detector_names, understand
from phospho_server.views.frame import base_url, open_project
from phospho_server.views.llm_form import LlmForm
from phospho_server.views.llm_panel import LlmPanel, load_panel
from phospho_server.views.other_reading import find_other_reading
from phospho_server.views.query import read_number
from phospho_server.views.webhook_form import NEEDS_PACKAGE, WebhookForm

bp = Blueprint("settings", __name__)

# Events of one page: each has four forms, and a project may have hundreds.
_EVENTS = 25


@bp.get("/projects/<project_id>/settings")
@access(VIEWER)
def show(project_id: str) -> str:
    """Show what can be set; `template=` or `copy=` fills the form of a new event in.

    `erase=` names a user in the form that erases one, and `page=` is that of the events.
    """
    template = find_template(request.args.get("template", ""))
    if template is not None:
        return render_settings(project_id, form=EventForm.of_template(template))
    copied = find_copied(project_id, request.args.get("copy", ""))
    if copied is not None:
        with services().store.read() as db:
            taken = {definition.name for definition in list_defined(db, project_id)}
        return render_settings(project_id, form=EventForm.of_copy(copied, taken))
    erased = request.args.get("erase")
    return render_settings(project_id, erasing_form=ErasingForm(target=erased) if erased else None)


def find_copied(project_id: str, event_id: str) -> EventDefinition | None:
    """Return the event that a new one is like, or None if it is not there any more."""
    if not event_id:
        return None
    with services().store.read() as db:
        defined = {definition.id: definition for definition in list_defined(db, project_id)}
    return defined.get(event_id)


def url_of_event(project_id: str, event_id: str) -> str:
    """Return the address of the list of events, of the page on which one stands or has stood."""
    with services().store.read() as db:
        page = 1 + find_place(db, project_id, event_id) // _EVENTS
    return url_for(
        "settings.show",
        project_id=project_id,
        page=page if page > 1 else None,
        _anchor="events",
    )


@bp.post("/projects/<project_id>/settings/name")
@access(OWNER)
def rename(project_id: str) -> ResponseReturnValue:
    """Give the project another name."""
    name = request.form.get("name", "")
    try:
        act(
            "project renamed",
            lambda db: store.rename_project(db, project_id, name),
            project_id=project_id,
            what=lambda project: project.name,
        )
    except InvalidError as error:
        page = render_settings(project_id, project_name=name, name_problem=str(error))
        return page, error.status
    return redirect(url_for(".show", project_id=project_id, _anchor="project"), 303)


@bp.post("/projects/<project_id>/settings/keys")
@access(OWNER)
def create_key(project_id: str) -> ResponseReturnValue:
    """Make an API key and show it, this once."""
    name = request.form.get("name", "")
    try:
        key, secret = act(
            "key created",
            lambda db: store.create_key(db, project_id, name),
            project_id=project_id,
            what=lambda made: f"{made[0].name} ({made[0].prefix}…)",
        )
    except InvalidError as error:
        page = render_settings(project_id, key_name=name, key_problem=str(error))
        return page, error.status
    with services().store.read() as db:
        project = open_project(db, project_id)
    return render_template(
        "settings/key.html", project=project, key=key, secret=secret, base_url=base_url()
    )


@bp.post("/projects/<project_id>/settings/keys/<key_id>/revoke")
@access(OWNER)
def revoke_key(project_id: str, key_id: str) -> ResponseReturnValue:
    """Make a key useless."""
    act(
        "key revoked",
        lambda db: store.revoke_key(db, key_id, project_id=project_id),
        project_id=project_id,
        what=lambda key: f"{key.name} ({key.prefix}…)",
    )
    return redirect(url_for(".show", project_id=project_id, _anchor="keys"), 303)


def render_settings(
    project_id: str,
    *,
    form: EventForm | None = None,
    llm_form: LlmForm | None = None,
    data_form: DataForm | None = None,
    erasing_form: ErasingForm | None = None,
    webhook_form: WebhookForm | None = None,
    alert_form: AlertForm | None = None,
    **problems: Any,
) -> str:
    """Render the page, with what was typed and what is wrong with it, if anything.

    Args:
        project_id: The project.
        form: The new event as it was typed.
        llm_form: The LLM as it was typed.
        data_form: How long data is to be kept, as it was chosen.
        erasing_form: Whose data is to go, as it was typed.
        webhook_form: The new webhook as it was typed.
        alert_form: The new alert rule as it was typed.
        problems: `project_name`, `name_problem`, `key_name`, `key_problem`, `typed_name`,
            `delete_problem`; `preview`, `problem` and `most` where a draft was tried out.
    """
    with services().store.read() as db:
        project = open_project(db, project_id)
        definitions = list_definitions(db, project_id)
        keys = store.list_keys(db, project_id)
        mixes = list_mixes(db, project_id)
        owners = [m.email for m in list_members(db, project_id) if m.role == "owner"]
        llm = load_panel(db, project_id, services().setups, llm_form)
        hooks = list_webhooks(db, project_id)
        alerts = load_alert_panel(db, project_id, form=alert_form)
        alert_log = list_log(db, project_id)
        data = load_data_panel(db, project_id, data_form)
        backlog = find_backlog(db, project_id)
        erasing = load_erasing_panel(db, project_id, erasing_form)
    pages = max(1, -(-len(definitions) // _EVENTS))
    page = read_number("page", default=1, most=pages)
    return render_template(
        "settings/show.html",
        project=project,
        rows=[
            (
                _with_problem(row, llm),
                understand(row.definition),
                find_other_reading(row.definition),
            )
            for row in definitions[(page - 1) * _EVENTS : page * _EVENTS]
        ],
        page=page,
        pages=pages,
        backlog=backlog,
        llm=llm,
        owners=owners,
        data=data,
        erasing=erasing,
        alerts=alerts,
        alert_log=alert_log,
        webhooks=hooks,
        webhook_form=webhook_form or WebhookForm(),
        webhooks_need=None if Sealer.can_seal() else NEEDS_PACKAGE,
        templates=list_templates(),
        definitions=[row.definition for row in definitions],
        keys=[key for key in keys if key.revoked_at_ms is None],
        revoked_keys=[key for key in keys if key.revoked_at_ms is not None],
        form=form or EventForm(),
        detector_names=detector_names(),
        scopes=SCOPES,
        answers=ANSWERS,
        mixes=mixes,
        base_url=base_url(),
        **{"project_name": project.name, **problems},
    )


def _with_problem(row: DefinitionRow, llm: LlmPanel) -> DefinitionRow:
    """Say what an event waits for that only an LLM decides about."""
    waits = row.enabled and row.definition.detector == "llm" and row.problem is None
    return replace(row, problem=llm.why_not) if waits and llm.why_not else row

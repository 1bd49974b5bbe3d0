"""Alert rules: made, edited, paused and deleted, and what they have fired."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from phospho_server.acting import act
from phospho_server.alerts.wording import say_rule
from phospho_server.errors import InvalidError
from phospho_server.security import EDITOR, VIEWER, access
from phospho_server.services import services
from phospho_server.store import alert_changes, alert_rules
from phospho_server.store import alerts as store
from phospho_server.store.webhooks import is_told_of_alerts
from phospho_server.views.alert_form import AlertForm, check_event
from phospho_server.views.alert_panel import AlertPanel, show_rule
from phospho_server.views.frame import open_project
from phospho_server.views.settings import render_settings

bp = Blueprint("alerts", __name__, url_prefix="/projects/<project_id>/alerts")


@bp.post("")
@access(EDITOR)
def create(project_id: str) -> ResponseReturnValue:
    """Make a rule."""
    form = AlertForm.read(request.form)
    try:
        event_id, terms = check_event(form), form.to_terms()
        rule = act(
            "alert rule created",
            lambda db: alert_rules.add_rule(db, project_id, event_id, terms),
            project_id=project_id,
            what=say_rule,
        )
    except InvalidError as error:
        return render_settings(project_id, alert_form=form.refused(error)), error.status
    return _back(project_id, rule.id)


@bp.get("/<rule_id>")
@access(VIEWER)
def show(project_id: str, rule_id: str) -> str:
    """Show a rule with what it has fired."""
    return _show(project_id, rule_id)


@bp.post("/<rule_id>")
@access(EDITOR)
def save(project_id: str, rule_id: str) -> ResponseReturnValue:
    """Let a rule fire at something else; what it has fired is over."""
    form = AlertForm.read(request.form)
    try:
        terms = form.to_terms()
        act(
            "alert rule edited",
            lambda db: alert_changes.change_terms(db, project_id, rule_id, terms),
            project_id=project_id,
            what=say_rule,
        )
    except InvalidError as error:
        return _show(project_id, rule_id, form=form.refused(error)), error.status
    return _back(project_id, rule_id)


@bp.post("/<rule_id>/toggle")
@access(EDITOR)
def toggle(project_id: str, rule_id: str) -> ResponseReturnValue:
    """Turn a rule on (`enabled=1`), or pause it; what it has fired is over then."""
    enabled = request.form.get("enabled") == "1"
    act(
        "alert rule turned on" if enabled else "alert rule paused",
        lambda db: alert_changes.pause_rule(db, project_id, rule_id, paused=not enabled),
        project_id=project_id,
        what=say_rule,
    )
    return _back(project_id, rule_id)


@bp.post("/<rule_id>/delete")
@access(EDITOR)
def delete(project_id: str, rule_id: str) -> ResponseReturnValue:
    """Delete a rule; what it has fired is over."""
    act(
        "alert rule deleted",
        lambda db: alert_changes.delete_rule(db, project_id, rule_id),
        project_id=project_id,
        what=say_rule,
    )
    services().on_new_work()
    return redirect(url_for("settings.show", project_id=project_id, _anchor="alerts"), 303)


def _back(project_id: str, rule_id: str) -> ResponseReturnValue:
    """Wake the workers, and lead to the rule."""
    services().on_new_work()
    return redirect(url_for(".show", project_id=project_id, rule_id=rule_id), 303)


def _show(project_id: str, rule_id: str, *, form: AlertForm | None = None) -> str:
    """Render the page of a rule.

    Args:
        project_id: The project.
        rule_id: The rule.
        form: As it was typed.
    """
    with services().store.read() as db:
        project = open_project(db, project_id)
        rule = alert_rules.get_rule(db, project_id, rule_id)
        shown = show_rule(db, rule)
        log = store.list_log(db, project_id, rule_id=rule_id)
        is_heard = is_told_of_alerts(db, project_id, rule.definition_id)
    return render_template(
        "alerts/show.html",
        project=project,
        shown=shown,
        log=log,
        alerts=AlertPanel([shown], is_heard, form or AlertForm.of(rule)),
    )

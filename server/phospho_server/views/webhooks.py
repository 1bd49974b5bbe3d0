"""Webhooks: make one, choose its events, try it, and see what was sent."""

from __future__ import annotations

import threading

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from phospho.errors import ConfigurationError, MissingDependencyError
from phospho_server.acting import act
from phospho_server.errors import BusyError, InvalidError
from phospho_server.security import OWNER, access
from phospho_server.services import services
from phospho_server.store import Connection, deliveries
from phospho_server.store import webhooks as store
from phospho_server.store.definitions import list_defined
from phospho_server.store.webhooks import Webhook
from phospho_server.views.frame import base_url, open_project
from phospho_server.views.settings import render_settings
from phospho_server.views.webhook_form import WebhookForm, explain
from phospho_server.webhooks.messages import make_secret

bp = Blueprint("webhooks", __name__, url_prefix="/projects/<project_id>/settings/webhooks")

# A test waits for its receiver, for seconds; most of the server's threads are left to others.
_tests_at_once = threading.BoundedSemaphore(4)


@bp.post("")
@access(OWNER)
def create(project_id: str) -> ResponseReturnValue:
    """Make a webhook, and show its secret, this once."""
    form = WebhookForm.read(request.form)
    sealer = services().webhooks.sealer
    secret, page_url = make_secret(), base_url()
    try:
        form.check(allow_private=services().webhooks.allow_private)
        events = form.to_events(_list_ids(project_id))
        url, sealed = sealer.seal(form.url), sealer.seal(secret)
        webhook = act(
            "webhook created",
            lambda db: store.add_webhook(
                db,
                project_id,
                url=url,
                shown_url=form.shown_url,
                format_name=form.format,
                secret=sealed,
                definition_ids=events,
                page_url=page_url,
                hears=form.hears,
            ),
            project_id=project_id,
            what=form.shown_url,
        )
    except (InvalidError, ConfigurationError, MissingDependencyError) as error:
        page = render_settings(project_id, webhook_form=form.refused(error))
        return page, InvalidError.status
    return _show(project_id, webhook.id, secret=secret)


@bp.get("/<webhook_id>")
@access(OWNER)
def show(project_id: str, webhook_id: str) -> str:
    """Show a webhook with what it has sent."""
    return _show(project_id, webhook_id)


@bp.post("/<webhook_id>/events")
@access(OWNER)
def choose(project_id: str, webhook_id: str) -> ResponseReturnValue:
    """Choose what it hears, and of which events."""
    form = WebhookForm.read(request.form)
    try:
        events = form.to_events(_list_ids(project_id))
    except InvalidError as error:
        return _show(project_id, webhook_id, form=form.refused(error)), error.status
    act(
        "webhook's events changed",
        lambda db: store.choose_events(db, project_id, webhook_id, events, hears=form.hears),
        project_id=project_id,
        what=_name(project_id, webhook_id),
    )
    return _back(project_id, webhook_id)


@bp.post("/<webhook_id>/test")
@access(OWNER)
def test(project_id: str, webhook_id: str) -> ResponseReturnValue:
    """Send a test now, and show what came of it."""

    def add(db: Connection) -> tuple[Webhook, deliveries.Delivery]:
        webhook = store.get_webhook(db, project_id, webhook_id)
        return webhook, deliveries.add_test(db, webhook)

    if not _tests_at_once.acquire(blocking=False):
        raise BusyError("Several tests are being sent at this moment. Try again in some seconds.")
    try:
        webhook, delivery = act(
            "webhook tested", add, project_id=project_id, what=lambda added: added[0].shown_url
        )
        services().webhooks.deliver(services().store, webhook, delivery)
    finally:
        _tests_at_once.release()
    return _back(project_id, webhook_id, anchor="log")


@bp.post("/<webhook_id>/again")
@access(OWNER)
def send_again(project_id: str, webhook_id: str) -> ResponseReturnValue:
    """Have a message tried again that was given up."""
    message_id = request.form.get("message", "")
    act(
        "webhook's message sent again",
        lambda db: deliveries.send_again(db, project_id, webhook_id, message_id),
        project_id=project_id,
        what=_name(project_id, webhook_id),
    )
    return _back(project_id, webhook_id, anchor="log")


@bp.post("/<webhook_id>/toggle")
@access(OWNER)
def toggle(project_id: str, webhook_id: str) -> ResponseReturnValue:
    """Switch a webhook on (`enabled=1`) or off."""
    enabled = request.form.get("enabled") == "1"
    act(
        f"webhook switched {'on' if enabled else 'off'}",
        lambda db: store.enable_webhook(db, project_id, webhook_id, enabled=enabled),
        project_id=project_id,
        what=_name(project_id, webhook_id),
    )
    return _back(project_id, webhook_id)


@bp.post("/<webhook_id>/secret")
@access(OWNER)
def replace_secret(project_id: str, webhook_id: str) -> ResponseReturnValue:
    """Sign with a new secret, and show it, this once."""
    secret = make_secret()
    try:
        sealed = services().webhooks.sealer.seal(secret)
    except (ConfigurationError, MissingDependencyError) as error:
        raise InvalidError(explain(error)) from error
    act(
        "webhook's secret replaced",
        lambda db: store.replace_secret(db, project_id, webhook_id, sealed),
        project_id=project_id,
        what=_name(project_id, webhook_id),
    )
    return _show(project_id, webhook_id, secret=secret)


@bp.post("/<webhook_id>/delete")
@access(OWNER)
def delete(project_id: str, webhook_id: str) -> ResponseReturnValue:
    """Delete a webhook."""
    act(
        "webhook deleted",
        lambda db: store.delete_webhook(db, project_id, webhook_id),
        project_id=project_id,
        what=_name(project_id, webhook_id),
    )
    return redirect(url_for("settings.show", project_id=project_id, _anchor="webhooks"), 303)


def _name(project_id: str, webhook_id: str) -> str:
    with services().store.read() as db:
        return store.get_webhook(db, project_id, webhook_id).shown_url


def _list_ids(project_id: str) -> list[str]:
    with services().store.read() as db:
        open_project(db, project_id)
        return [definition.id for definition in list_defined(db, project_id)]


def _back(project_id: str, webhook_id: str, *, anchor: str | None = None) -> ResponseReturnValue:
    """Wake the workers, and lead to the webhook."""
    services().on_new_work()
    place = url_for(".show", project_id=project_id, webhook_id=webhook_id, _anchor=anchor)
    return redirect(place, 303)


def _show(
    project_id: str, webhook_id: str, *, form: WebhookForm | None = None, secret: str | None = None
) -> str:
    """Render the page of a webhook.

    Args:
        project_id: The project.
        webhook_id: The webhook.
        form: The events as they were chosen.
        secret: A new one, shown this once.
    """
    with services().store.read() as db:
        project = open_project(db, project_id)
        webhook = store.get_webhook(db, project_id, webhook_id)
        log = deliveries.list_log(db, project_id, webhook_id)
        states = deliveries.count_states(db, project_id, webhook_id)
        definitions = list_defined(db, project_id)
    return render_template(
        "webhooks/show.html",
        project=project,
        webhook=webhook,
        log=log,
        states=states,
        definitions=definitions,
        form=form or WebhookForm.of(webhook),
        secret=secret,
    )

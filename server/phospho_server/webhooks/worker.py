"""Sends what webhooks are to send, in threads of its own, so that detection never waits.

Each webhook has a lane: its messages go one after the other, and a receiver that fails is left
alone for a while. A slow one holds up others for some seconds at the most.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from phospho.errors import PhosphoError
from phospho_server.clock import now_ms
from phospho_server.errors import NotFoundError
from phospho_server.llm.sealing import Sealer
from phospho_server.metrics.instruments import DELIVERIES
from phospho_server.store import Connection, Store, alerts, deliveries, webhooks
from phospho_server.store.definitions import get_definition
from phospho_server.store.deleting import unless_gone
from phospho_server.store.deliveries import Delivery
from phospho_server.store.events import load_events
from phospho_server.store.projects import get_project
from phospho_server.store.rows import Project
from phospho_server.store.webhooks import Webhook
from phospho_server.webhooks.alert_messages import ToldAlert, make_alert_body
from phospho_server.webhooks.messages import Told, make_body, make_headers, make_test_body
from phospho_server.webhooks.outcomes import TIMEOUT_S, Outcome
from phospho_server.working import Worker

# Webhooks at once, and messages of one before it is the others' turn.
_LANES = 8
_EACH = 20

# A server that stops waits no longer for a receiver.
_STOP_S = 1.0

# A lane begins nothing more after this.
_LANE_S = 5.0


@dataclass(frozen=True)
class Sender:
    """Sends single messages.

    Args:
        sealer: Opens addresses and secrets.
        allow_private: Send also to addresses that are not of the internet.
        timeout_s: For all of a message.
    """

    sealer: Sealer
    allow_private: bool = False
    timeout_s: float = TIMEOUT_S

    def deliver(self, store: Store, webhook: Webhook, delivery: Delivery) -> bool:
        """Send a message and keep what came of it; tell whether more may be sent now."""
        project_id = webhook.project_id
        if not store.write(
            unless_gone(project_id, lambda db: deliveries.claim_delivery(db, delivery))
        ):
            return True
        with store.read() as db:
            body = _load_body(db, webhook, delivery)
        if body is None:
            DELIVERIES.add("dropped")
            store.write(unless_gone(project_id, lambda db: deliveries.note_dropped(db, delivery)))
            return True
        outcome = self._send(webhook, delivery, body)
        DELIVERIES.add("sent" if outcome.error is None else "failed")
        store.write(unless_gone(project_id, lambda db: _keep(db, webhook, delivery, outcome)))
        return outcome.error is None

    def _send(self, webhook: Webhook, delivery: Delivery, body: bytes) -> Outcome:
        try:
            url, secret = self.sealer.open(webhook.url), self.sealer.open(webhook.secret)
        except PhosphoError:
            return Outcome(
                None,
                0,
                "Its address and secret were sealed with another key than the server has now. "
                "Put back the file beside the database, or make the webhook again.",
            )
        # What speaks HTTP to others is loaded with the first message.
        from phospho_server.webhooks.sending import post

        headers = make_headers(secret, delivery.id, now_ms() // 1000, body)
        return post(url, headers, body, allow_private=self.allow_private, timeout_s=self.timeout_s)


def _load_body(db: Connection, webhook: Webhook, delivery: Delivery) -> bytes | None:
    """Return what is to be sent; None where the event does not stand any more."""
    try:
        project = get_project(db, webhook.project_id)
    except NotFoundError:
        return None
    if delivery.is_test:
        return make_test_body(project, webhook.page_url, webhook.format, delivery.created_at_ms)
    if delivery.alert_id:
        return _load_alert(db, project, webhook, delivery)
    found = load_events(db, webhook.project_id, delivery.definition_id, [delivery.interaction_id])
    for _, event, interaction, definition in found:
        told = Told(project, event, interaction, definition, webhook.page_url)
        return make_body(told, webhook.format)
    return None


def _load_alert(
    db: Connection, project: Project, webhook: Webhook, delivery: Delivery
) -> bytes | None:
    alert = alerts.find_alert(db, project.id, delivery.alert_id)
    if alert is None:
        return None
    definition = get_definition(db, project.id, alert.definition_id)
    told = ToldAlert(project, alert, definition, webhook.page_url, delivery.type)
    return make_alert_body(told, webhook.format)


def _keep(db: Connection, webhook: Webhook, delivery: Delivery, outcome: Outcome) -> None:
    status, duration_ms = outcome.status, outcome.duration_ms
    try:
        # Somebody else may have noted failures meanwhile, or deleted it.
        webhook = webhooks.get_webhook(db, webhook.project_id, webhook.id)
    except NotFoundError:
        return
    if outcome.error is None:
        deliveries.note_sent(db, delivery, status=status, duration_ms=duration_ms)
        return
    deliveries.note_failed(db, delivery, outcome.error, status=status, duration_ms=duration_ms)
    webhooks.note_failure(db, webhook, outcome.error, is_gone=outcome.is_gone)


@dataclass
class WebhookWorker(Worker):
    """Works through what webhooks are to send.

    Args:
        store: Where it waits.
        sender: Sends it.
    """

    store: Store
    sender: Sender
    name: ClassVar[str] = "webhook"

    def run_once(self) -> int:
        """Send some messages; return how many were tried, 0 if none is due."""
        with self.store.read() as db:
            due = deliveries.list_due(db, most=_LANES, each=_EACH)
        tried: list[int] = []
        problems: list[Exception] = []

        def run(webhook: Webhook, waiting: Sequence[Delivery]) -> None:
            try:
                tried.append(self._run_lane(webhook, waiting))
            except Exception as exc:  # noqa: BLE001 - it is raised below, in the worker's thread
                problems.append(exc)

        lanes = [threading.Thread(target=run, args=lane, daemon=True) for lane in due]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
        if problems:
            raise problems[0]
        return sum(tried)

    def stop(self, timeout_s: float = _STOP_S) -> None:
        """Begin no further message; one that is under way may be sent again, under the same id."""
        super().stop(min(timeout_s, _STOP_S))

    def _run_lane(self, webhook: Webhook, waiting: Sequence[Delivery]) -> int:
        """Send messages of one webhook until one fails; return how many were tried."""
        until_s = time.monotonic() + _LANE_S
        for number, delivery in enumerate(waiting, start=1):
            if not self.sender.deliver(self.store, webhook, delivery):
                return number
            if self._stopping.is_set() or time.monotonic() > until_s:
                return number
        return len(waiting)

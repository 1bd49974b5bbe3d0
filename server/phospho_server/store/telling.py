"""Who is told of what: webhooks and plugins of events and alerts, each as a message that waits.

Written in the transaction of what is told, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Sequence

from phospho.models import EventDefinition
from phospho_server.store import Connection, deliveries, in_list, jobs, webhooks
from phospho_server.store.deliveries import ALERT_ENDED, ALERT_FIRED

# Interactions that waited to be looked at when the definition was edited are no past ones.
_GRACE_MS = 600_000

_ALERT_HOOKS = {ALERT_FIRED: "phospho_alert_fired", ALERT_ENDED: "phospho_alert_ended"}


def plan_deliveries(
    db: Connection, project_id: str, definition: EventDefinition, interaction_ids: Sequence[int]
) -> None:
    """Have webhooks told of new events.

    Those found in the past, which arrived before the webhook was made or the definition was last
    edited, are not told: there may be thousands.
    """
    hooks = [
        hook
        for hook in webhooks.list_webhooks(db, project_id)
        if hook.is_on and hook.hears_events and hook.hears_of(definition.id)
    ]
    if not hooks or not interaction_ids:
        return
    version = db.row(
        "select created_at_ms from event_definition_versions "
        "where definition_id = :id and version = :version",
        {"id": definition.id, "version": definition.version},
    )
    defined_ms = version["created_at_ms"] - _GRACE_MS if version else 0
    text, params = in_list("i", interaction_ids)
    rows = db.rows(
        f"select id, received_at_ms from interactions where id {text} order by id", params
    )
    for hook in hooks:
        for row in rows:
            if row["received_at_ms"] >= max(defined_ms, hook.created_at_ms):
                deliveries.add_delivery(
                    db, hook, definition_id=definition.id, interaction_id=row["id"]
                )


def plan_alert(
    db: Connection, project_id: str, definition_id: str, alert_id: str, message_type: str
) -> None:
    """Have webhooks and plugins told that an alert was fired, or has ended."""
    for hook in webhooks.list_webhooks(db, project_id):
        if hook.is_on and hook.hears_alerts and hook.hears_of(definition_id):
            deliveries.add_delivery(
                db, hook, definition_id=definition_id, alert_id=alert_id, message_type=message_type
            )
    jobs.add_alert(db, project_id, definition_id, alert_id, _ALERT_HOOKS[message_type])

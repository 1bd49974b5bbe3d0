"""What a webhook sends of an alert: that it was fired, and that it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from phospho.models import EventDefinition
from phospho_server.alerts.wording import say_alert, say_count
from phospho_server.store.alerts import Alert
from phospho_server.store.deliveries import ALERT_ENDED
from phospho_server.store.rows import Project
from phospho_server.webhooks.messages import dump, escape, iso


@dataclass(frozen=True)
class ToldAlert:
    """An alert as it is told.

    Args:
        page_url: Where the server's pages are.
        type: `alert.fired` or `alert.ended`.
    """

    project: Project
    alert: Alert
    definition: EventDefinition
    page_url: str
    type: str

    @property
    def event_url(self) -> str:
        """The page of the event."""
        at = quote(self.definition.id, safe="")
        return f"{self.page_url}/projects/{self.project.id}/events/{at}"

    @property
    def text(self) -> str:
        """What there is, in words."""
        if self.type != ALERT_ENDED:
            return say_alert(self.alert)
        if self.alert.ended_count is None:
            return "somebody ended it"
        return say_count(self.alert.ended_count, None, self.alert.terms)


def make_alert_body(told: ToldAlert, format_name: str) -> bytes:
    """Return what is sent of an alert."""
    return dump(_to_slack(told) if format_name == "slack" else _to_json(told))


def _to_json(told: ToldAlert) -> dict[str, Any]:
    alert, definition = told.alert, told.definition
    is_end = told.type == ALERT_ENDED
    at_ms = alert.ended_at_ms if is_end and alert.ended_at_ms else alert.fired_at_ms
    return {
        "type": told.type,
        "timestamp": iso(at_ms),
        "data": {
            "project": {"id": told.project.id, "name": told.project.name},
            "event": {
                "id": definition.id,
                "name": definition.name,
                "description": definition.description,
                "version": definition.version,
            },
            "alert": {
                "id": alert.id,
                "rule_id": alert.rule_id,
                "text": told.text,
                "count": alert.ended_count if is_end else alert.count,
                "usual": alert.usual,
                "window_minutes": alert.terms.window_minutes,
                "at_least": alert.terms.at_least,
                "factor": alert.terms.factor,
                "fired_at": iso(alert.fired_at_ms),
                "ended_at": iso(at_ms) if is_end else None,
            },
            "url": told.event_url,
        },
    }


def _to_slack(told: ToldAlert) -> dict[str, Any]:
    event, project = escape(told.definition.name), escape(told.project.name)
    what = "is over" if told.type == ALERT_ENDED else "fired"
    link = f"<{told.event_url}|open the event>"
    return {"text": f"Alert on *{event}* {what} in {project}: {told.text}. {link}"}

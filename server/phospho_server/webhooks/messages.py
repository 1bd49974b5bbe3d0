"""What a webhook sends, and how it is signed.

Signatures are those of Standard Webhooks 1.0 (standard-webhooks, spec/standard-webhooks.md): the
headers `webhook-id`, `webhook-timestamp` (seconds) and `webhook-signature`, which is `v1,` and the
base64 of HMAC-SHA256 over `id.timestamp.body`; the key is the base64 after `whsec_`.
Slack's format is that of its incoming webhooks: `{"text": ...}` in mrkdwn, where `&`, `<` and `>`
are escaped, so that nothing of a message becomes a link or calls a whole channel.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

from phospho.models import Detection, EventDefinition, Interaction
from phospho_server.store.rows import Project

SECRET_PREFIX = "whsec_"  # noqa: S105 - how secrets begin
_SECRET_BYTES = 32

# Of each text. Receivers commonly take 1 MB at the most, and Slack shows 4,000 characters.
_MOST_CHARS = 10_000
_SLACK_CHARS = 500


@dataclass(frozen=True)
class Told:
    """An event as it is told.

    Args:
        page_url: Where the server's pages are.
    """

    project: Project
    event: Detection
    interaction: Interaction
    definition: EventDefinition
    page_url: str

    @property
    def session_url(self) -> str:
        """The transcript in which the event stands."""
        at = quote(self.interaction.session_id, safe="")
        return f"{self.page_url}/projects/{self.project.id}/session?id={at}"


def make_secret() -> str:
    """Return a new secret to sign with."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def sign(secret: str, message_id: str, at_s: int, body: bytes) -> str:
    """Return the signature of a message."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{at_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def make_headers(secret: str, message_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """Return the headers of a message that is sent now."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "phospho-webhooks",
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": sign(secret, message_id, at_s, body),
    }


def make_body(told: Told, format_name: str) -> bytes:
    """Return what is sent of an event."""
    return dump(_to_slack(told) if format_name == "slack" else _to_json(told))


def make_test_body(project: Project, page_url: str, format_name: str, at_ms: int) -> bytes:
    """Return what is sent to try a webhook."""
    if format_name == "slack":
        name = escape(project.name)
        return dump({"text": f"This is a test from phospho, project {name}: {page_url}"})
    data = {"project": {"id": project.id, "name": project.name}}
    return dump({"type": "test", "timestamp": iso(at_ms), "data": data})


def _to_json(told: Told) -> dict[str, Any]:
    event, interaction, definition = told.event, told.interaction, told.definition
    return {
        "type": "event.detected",
        "timestamp": iso(interaction.created_at_ms),
        "data": {
            "project": {"id": told.project.id, "name": told.project.name},
            "event": {
                "id": definition.id,
                "name": definition.name,
                "description": definition.description,
                "version": definition.version,
            },
            "detection": {
                "score": event.score,
                "detector": event.detector,
                "value": event.value,
                "evidence": event.evidence.model_dump(mode="json") if event.evidence else None,
            },
            "interaction": {
                "task_id": interaction.task_id,
                "session_id": interaction.session_id,
                "user_id": interaction.user_id,
                "version_id": interaction.version_id,
                "created_at": iso(interaction.created_at_ms),
                "input": interaction.input[:_MOST_CHARS],
                "output": interaction.output and interaction.output[:_MOST_CHARS],
                "is_cut": max(len(interaction.input), len(interaction.output or "")) > _MOST_CHARS,
            },
            "url": told.session_url,
        },
    }


def _to_slack(told: Told) -> dict[str, Any]:
    value = "" if told.event.value is None else f" as {escape(str(told.event.value))}"
    said = _shorten(told.interaction.input)
    answered = _shorten(told.interaction.output or "")
    event, project = escape(told.definition.name), escape(told.project.name)
    link = f"<{told.session_url}|open the conversation>"
    lines = [
        f"*{event}* was detected{value} in {project}: {link}",
        *(
            f"> *{who}:* {escape(text)}"
            for who, text in (("User", said), ("Assistant", answered))
            if text
        ),
    ]
    return {"text": "\n".join(lines)}


def _shorten(text: str) -> str:
    """Return a text on one line, cut where it is long."""
    line = " ".join(text[: 4 * _SLACK_CHARS].split())
    return line if len(line) <= _SLACK_CHARS else line[: _SLACK_CHARS - 1] + "…"


def escape(text: str) -> str:
    """Return a text in which nothing comes alive in Slack."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def iso(at_ms: int) -> str:
    """Return a time as receivers read it."""
    at = datetime.fromtimestamp(at_ms / 1000, tz=timezone.utc)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def dump(value: Mapping[str, Any]) -> bytes:
    """Return JSON."""
    # Halves of characters cannot be encoded; as JSON's own escapes they can.
    return json.dumps(value, separators=(",", ":")).encode()

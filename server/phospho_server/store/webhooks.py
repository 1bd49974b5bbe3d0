"""Webhooks: who is told of events, and whether that works."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from phospho_server.clock import DAY_MS, new_id, now_ms
from phospho_server.errors import InvalidError, NotFoundError
from phospho_server.store import Connection, Row
from phospho_server.store.projects import get_project

MOST = 20
FORMATS = ("json", "slack")

# What a webhook is told: of each event, of alerts, or of both.
HEARS = ("events", "alerts", "both")

# A receiver that fails is left alone for so long, doubled each time up to the most.
_FIRST_REST_MS = 5_000
_LONGEST_REST_MS = 600_000

# When a webhook is switched off by itself.
_MOST_FAILURES = 100
_LONGEST_FAILING_MS = 5 * DAY_MS

_COLUMNS = (
    "id, project_id, url, shown_url, format, secret, definition_ids, page_url, created_at_ms, "
    "failing_since_ms, failures, rests_until_ms, disabled_at_ms, disabled_reason, hears"
)


@dataclass(frozen=True)
class Webhook:
    """Who is told of events.

    Args:
        url: Sealed.
        shown_url: As much of it as pages show.
        format: `json` or `slack`.
        secret: Sealed.
        definition_ids: Of which events; None: of every one.
        page_url: Where the server's pages are.
        failing_since_ms: Since when nothing has arrived; None where the last one has.
        failures: In a row.
        disabled_at_ms: When it was switched off; None while it is on.
        disabled_reason: Why, where it was not a person who did it.
        hears: `events`, `alerts` or `both`.
    """

    id: str
    project_id: str
    url: str
    shown_url: str
    format: str
    secret: str
    definition_ids: tuple[str, ...] | None
    page_url: str
    created_at_ms: int
    failing_since_ms: int | None = None
    failures: int = 0
    rests_until_ms: int = 0
    disabled_at_ms: int | None = None
    disabled_reason: str | None = None
    hears: str = "both"

    @property
    def is_on(self) -> bool:
        """Whether anything is sent."""
        return self.disabled_at_ms is None

    @property
    def hears_events(self) -> bool:
        """Whether it is told of each event."""
        return self.hears != "alerts"

    @property
    def hears_alerts(self) -> bool:
        """Whether it is told of alerts."""
        return self.hears != "events"

    def hears_of(self, definition_id: str) -> bool:
        """Tell whether it is for an event, and the alerts of that."""
        return self.definition_ids is None or definition_id in self.definition_ids


def add_webhook(
    db: Connection,
    project_id: str,
    *,
    url: str,
    shown_url: str,
    format_name: str,
    secret: str,
    definition_ids: Sequence[str] | None,
    page_url: str,
    hears: str = "both",
) -> Webhook:
    """Keep a new webhook.

    Raises:
        NotFoundError: There is no such project.
        InvalidError: It has as many as it may have.
    """
    get_project(db, project_id)
    if len(list_webhooks(db, project_id)) >= MOST:
        raise InvalidError(
            f"This project has {MOST} webhooks, which is the most. Delete one that is not used."
        )
    webhook = Webhook(
        id=new_id("hook_"),
        project_id=project_id,
        url=url,
        shown_url=shown_url,
        format=format_name,
        secret=secret,
        definition_ids=None if definition_ids is None else tuple(definition_ids),
        page_url=page_url,
        created_at_ms=now_ms(),
        hears=hears,
    )
    names = _COLUMNS.split(", ")
    db.execute(
        f"insert into webhooks ({_COLUMNS}) values ({', '.join(f':{name}' for name in names)})",
        {**vars(webhook), "definition_ids": _dump(webhook.definition_ids)},
    )
    return webhook


def list_webhooks(db: Connection, project_id: str) -> list[Webhook]:
    """Return a project's webhooks, oldest first."""
    rows = db.rows(
        f"select {_COLUMNS} from webhooks where project_id = :project_id "
        "order by created_at_ms, id",
        {"project_id": project_id},
    )
    return [_read(row) for row in rows]


def is_told_of_alerts(db: Connection, project_id: str, definition_id: str | None = None) -> bool:
    """Tell whether a webhook that is on is told of alerts: those of an event, or any."""
    return any(
        hook.is_on and hook.hears_alerts and (definition_id is None or hook.hears_of(definition_id))
        for hook in list_webhooks(db, project_id)
    )


def find_given_up(db: Connection, project_id: str) -> Webhook | None:
    """Return a webhook that was switched off because it kept failing, the newest, or None."""
    row = db.row(
        f"select {_COLUMNS} from webhooks where project_id = :project_id "
        "and disabled_reason is not null order by disabled_at_ms desc, id limit 1",
        {"project_id": project_id},
    )
    return _read(row) if row else None


def get_webhook(db: Connection, project_id: str, webhook_id: str) -> Webhook:
    """Return a webhook.

    Raises:
        NotFoundError: The project has no such webhook.
    """
    row = db.row(
        f"select {_COLUMNS} from webhooks where project_id = :project_id and id = :id",
        {"project_id": project_id, "id": webhook_id},
    )
    if row is None:
        raise NotFoundError("This webhook does not exist any more. Settings lists those that do.")
    return _read(row)


def choose_events(
    db: Connection,
    project_id: str,
    webhook_id: str,
    definition_ids: Sequence[str] | None,
    *,
    hears: str = "both",
) -> None:
    """Choose what a webhook hears from now on, and of which events; None: of every one."""
    get_webhook(db, project_id, webhook_id)
    db.execute(
        "update webhooks set definition_ids = :ids, hears = :hears where id = :id",
        {"id": webhook_id, "ids": _dump(definition_ids), "hears": hears},
    )


def replace_secret(db: Connection, project_id: str, webhook_id: str, secret: str) -> None:
    """Sign with another secret, which is sealed, from now on."""
    get_webhook(db, project_id, webhook_id)
    db.execute(
        "update webhooks set secret = :secret where id = :id", {"id": webhook_id, "secret": secret}
    )


def enable_webhook(db: Connection, project_id: str, webhook_id: str, *, enabled: bool) -> None:
    """Switch a webhook on, with what waited for it, or off."""
    get_webhook(db, project_id, webhook_id)
    db.execute(
        "update webhooks set disabled_at_ms = :at, disabled_reason = null, failures = 0, "
        "failing_since_ms = null, rests_until_ms = 0 where id = :id",
        {"id": webhook_id, "at": None if enabled else now_ms()},
    )


def delete_webhook(db: Connection, project_id: str, webhook_id: str) -> None:
    """Remove a webhook with all that was or is to be sent to it."""
    get_webhook(db, project_id, webhook_id)
    db.execute("delete from webhook_deliveries where webhook_id = :id", {"id": webhook_id})
    db.execute("delete from webhooks where id = :id", {"id": webhook_id})


def note_success(db: Connection, webhook_id: str) -> None:
    """Note that something arrived."""
    db.execute(
        "update webhooks set failures = 0, failing_since_ms = null, rests_until_ms = 0 "
        "where id = :id and failures > 0",
        {"id": webhook_id},
    )


def note_failure(db: Connection, webhook: Webhook, reason: str, *, is_gone: bool) -> None:
    """Note that something did not arrive: the receiver is left alone, or told nothing more.

    Args:
        db: A connection in a write transaction.
        webhook: As it was before.
        reason: What went wrong.
        is_gone: Whether the receiver has said that it wants to hear nothing more.
    """
    now = now_ms()
    failures = webhook.failures + 1
    since_ms = webhook.failing_since_ms or now
    why = None
    if is_gone:
        why = "The receiver answered 410, which says that it wants to hear nothing more."
    elif failures >= _MOST_FAILURES:
        why = f"It failed {failures} times in a row. {reason}"
    elif now - since_ms >= _LONGEST_FAILING_MS:
        why = f"Nothing has arrived for five days. {reason}"
    db.execute(
        "update webhooks set failures = :failures, failing_since_ms = :since, "
        "rests_until_ms = :rest, disabled_at_ms = coalesce(disabled_at_ms, :disabled_at), "
        "disabled_reason = coalesce(:why, disabled_reason) where id = :id",
        {
            "id": webhook.id,
            "failures": failures,
            "since": since_ms,
            "rest": now + min(_LONGEST_REST_MS, _FIRST_REST_MS * 2 ** min(failures - 1, 20)),
            "disabled_at": now if why else None,
            "why": why,
        },
    )


def _dump(definition_ids: Sequence[str] | None) -> str | None:
    return None if definition_ids is None else json.dumps(list(definition_ids))


def _read(row: Row) -> Webhook:
    columns = {name: row[name] for name in _COLUMNS.split(", ")}
    ids = columns["definition_ids"]
    return Webhook(**{**columns, "definition_ids": None if ids is None else tuple(json.loads(ids))})

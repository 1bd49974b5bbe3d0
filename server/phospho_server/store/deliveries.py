"""What webhooks are to send, and the newest of what they have sent.

A delivery is written in the transaction that keeps the event, so none is lost; it has an id that
stays the same at every attempt. What is sent is read when it is sent: nothing of an interaction
that was removed meanwhile leaves the server.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from phospho_server.clock import new_id, now_ms
from phospho_server.errors import NotFoundError
from phospho_server.store import Connection, Row, webhooks
from phospho_server.store.webhooks import Webhook

# Pauses before each further attempt: about 20 hours in all.
PAUSES_S = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 21_600, 21_600)

# Of a webhook's log.
SHOWN = 50
MOST_PARKED = 1_000

_TEST_MS = 60_000

# Longer than an attempt may take, with time to note what came of it.
_CLAIM_MS = 30_000

_COLUMNS = (
    "id, project_id, webhook_id, definition_id, interaction_id, state, attempts, run_at_ms, "
    "created_at_ms, tried_at_ms, duration_ms, status, error, type, alert_id"
)

# What a message is about.
EVENT_DETECTED, TEST = "event.detected", "test"
ALERT_FIRED, ALERT_ENDED = "alert.fired", "alert.ended"


@dataclass(frozen=True)
class Delivery:
    """One message of a webhook.

    Args:
        id: The same at every attempt.
        definition_id: The event; empty for a test.
        interaction_id: Where it occurred; 0 for a test and for an alert.
        state: `waiting`, `sent`, `parked` after its last attempt, or `dropped` where the event
            does not stand any more.
        run_at_ms: Not tried before.
        tried_at_ms: When it was last tried.
        status: Of the last answer.
        error: Why it did not arrive.
        type: What it is about, as receivers read it.
        alert_id: The alert; empty for what is none.
        event: Name of the event; None for a test, or where its definition is gone.
    """

    id: str
    project_id: str
    webhook_id: str
    definition_id: str
    interaction_id: int
    state: str
    attempts: int
    run_at_ms: int
    created_at_ms: int
    tried_at_ms: int | None = None
    duration_ms: int | None = None
    status: int | None = None
    error: str | None = None
    type: str = EVENT_DETECTED
    alert_id: str = ""
    event: str | None = None

    @property
    def is_test(self) -> bool:
        """Whether somebody wanted to see that it works."""
        return self.type == TEST


def add_test(db: Connection, webhook: Webhook) -> Delivery:
    """Keep a test that is sent at once by who made it; the worker does if that one dies."""
    return add_delivery(db, webhook, in_ms=_TEST_MS, message_type=TEST)


def add_delivery(
    db: Connection,
    webhook: Webhook,
    *,
    definition_id: str = "",
    interaction_id: int = 0,
    alert_id: str = "",
    message_type: str = EVENT_DETECTED,
    in_ms: int = 0,
) -> Delivery:
    """Have a webhook told of something, after a while.

    Args:
        db: A connection in a write transaction.
        webhook: To whom.
        definition_id: The event; empty for a test.
        interaction_id: Where it occurred; 0 for a test and for an alert.
        alert_id: The alert; empty for what is none.
        message_type: What it is about, as receivers read it.
        in_ms: Not before this time from now.
    """
    now = now_ms()
    delivery = Delivery(
        id=new_id("msg_"),
        project_id=webhook.project_id,
        webhook_id=webhook.id,
        definition_id=definition_id,
        interaction_id=interaction_id,
        state="waiting",
        attempts=0,
        run_at_ms=now + in_ms,
        created_at_ms=now,
        type=message_type,
        alert_id=alert_id,
    )
    names = _COLUMNS.split(", ")
    db.execute(
        f"insert into webhook_deliveries ({_COLUMNS}) "
        f"values ({', '.join(f':{name}' for name in names)})",
        vars(delivery),
    )
    return delivery


def list_due(db: Connection, *, most: int, each: int) -> list[tuple[Webhook, list[Delivery]]]:
    """Return what is to be sent now: some deliveries of some webhooks, the longest waiting first.

    Args:
        db: A connection.
        most: Webhooks.
        each: Deliveries of each.
    """
    rows = db.rows(
        "select project_id, id from (select w.project_id, w.id, "
        "(select min(d.run_at_ms) from webhook_deliveries d "
        "where d.webhook_id = w.id and d.state = 'waiting') as since "
        "from webhooks w where w.disabled_at_ms is null and w.rests_until_ms <= :now) due "
        "where since <= :now order by since, id limit :most",
        {"now": now_ms(), "most": most},
    )
    return [
        (
            webhooks.get_webhook(db, row["project_id"], row["id"]),
            _list_waiting(db, row["id"], most=each),
        )
        for row in rows
    ]


def _list_waiting(db: Connection, webhook_id: str, *, most: int) -> list[Delivery]:
    rows = db.rows(
        f"select {_COLUMNS} from webhook_deliveries where webhook_id = :id "
        "and state = 'waiting' and run_at_ms <= :now order by run_at_ms, id limit :most",
        {"id": webhook_id, "now": now_ms(), "most": most},
    )
    return [_read(row) for row in rows]


def claim_delivery(db: Connection, delivery: Delivery) -> bool:
    """Take a delivery for an attempt that begins now; False where somebody else has it.

    Before it is sent, so that one whose outcome cannot be noted, as on a full disk, is not sent
    over and over.
    """
    claimed = db.execute(
        "update webhook_deliveries set run_at_ms = :until "
        "where id = :id and state = 'waiting' and run_at_ms = :run_at_ms",
        {"id": delivery.id, "until": now_ms() + _CLAIM_MS, "run_at_ms": delivery.run_at_ms},
    )
    return claimed > 0


def list_log(db: Connection, project_id: str, webhook_id: str) -> list[Delivery]:
    """Return the newest deliveries of a webhook, the newest first."""
    rows = db.rows(
        f"select {', '.join(f'l.{name}' for name in _COLUMNS.split(', '))}, d.name as event "
        "from webhook_deliveries l left join event_definitions d on d.id = l.definition_id "
        "and d.project_id = :project_id "
        "where l.project_id = :project_id and l.webhook_id = :id order by l.id desc limit :most",
        {"project_id": project_id, "id": webhook_id, "most": SHOWN},
    )
    return [Delivery(**dict(row)) for row in rows]


def count_states(db: Connection, project_id: str, webhook_id: str) -> dict[str, int]:
    """Return how many deliveries of a webhook are in each state."""
    rows = db.rows(
        "select state, count(*) as n from webhook_deliveries "
        "where project_id = :project_id and webhook_id = :id group by state",
        {"project_id": project_id, "id": webhook_id},
    )
    return {row["state"]: row["n"] for row in rows}


def send_again(db: Connection, project_id: str, webhook_id: str, delivery_id: str) -> None:
    """Have a parked delivery tried again, from the first attempt on.

    Raises:
        NotFoundError: The webhook has no such parked delivery.
    """
    changed = db.execute(
        "update webhook_deliveries set state = 'waiting', attempts = 0, run_at_ms = :now "
        "where project_id = :project_id and webhook_id = :webhook_id and id = :id "
        "and state = 'parked'",
        {"project_id": project_id, "webhook_id": webhook_id, "id": delivery_id, "now": now_ms()},
    )
    if not changed:
        raise NotFoundError("This message does not wait for a person any more. Look in the log.")


def note_sent(db: Connection, delivery: Delivery, *, status: int | None, duration_ms: int) -> None:
    """Note that a delivery arrived."""
    _note(db, delivery, "sent", status=status, duration_ms=duration_ms)
    webhooks.note_success(db, delivery.webhook_id)
    _prune(db, delivery.webhook_id, "sent", SHOWN)


def note_dropped(db: Connection, delivery: Delivery) -> None:
    """Note that the event does not stand any more, so that nothing was sent."""
    _note(db, delivery, "dropped", error="The event does not stand any more; nothing was sent.")
    _prune(db, delivery.webhook_id, "dropped", SHOWN)


def note_failed(
    db: Connection, delivery: Delivery, reason: str, *, status: int | None, duration_ms: int
) -> None:
    """Have a delivery tried again after a pause, or park it when this was its last attempt.

    A test is tried once.
    """
    is_last = delivery.is_test or delivery.attempts >= len(PAUSES_S)
    pause_s = 0 if is_last else PAUSES_S[delivery.attempts] * random.uniform(0.8, 1.2)  # noqa: S311
    _note(
        db,
        delivery,
        "parked" if is_last else "waiting",
        status=status,
        duration_ms=duration_ms,
        error=reason,
        run_at_ms=now_ms() + round(pause_s * 1000),
    )
    _prune(db, delivery.webhook_id, "parked", MOST_PARKED)


def _note(
    db: Connection,
    delivery: Delivery,
    state: str,
    *,
    status: int | None = None,
    duration_ms: int | None = None,
    error: str | None = None,
    run_at_ms: int = 0,
) -> None:
    db.execute(
        "update webhook_deliveries set state = :state, attempts = attempts + 1, "
        "tried_at_ms = :now, run_at_ms = :run_at_ms, status = :status, "
        "duration_ms = :duration_ms, error = :error where id = :id",
        {
            "id": delivery.id,
            "state": state,
            "now": now_ms(),
            "run_at_ms": run_at_ms,
            "status": status,
            "duration_ms": duration_ms,
            "error": error,
        },
    )


def _prune(db: Connection, webhook_id: str, state: str, most: int) -> None:
    """Forget the oldest deliveries of a state beyond so many."""
    db.execute(
        "delete from webhook_deliveries where webhook_id = :id and state = :state "
        "and id <= (select id from webhook_deliveries where webhook_id = :id and state = :state "
        "order by id desc limit 1 offset :most)",
        {"id": webhook_id, "state": state, "most": most},
    )


def _read(row: Row) -> Delivery:
    return Delivery(**dict(row))

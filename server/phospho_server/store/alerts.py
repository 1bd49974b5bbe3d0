"""Alerts: each time that a rule fired, until it was over; webhooks are told in one transaction.

A rule says which alert it has fired, and changes that only from what whoever looked has seen. So
of two processes that look at the same moment one fires, and what is fired is kept and told, or
neither.
"""

from __future__ import annotations

from dataclasses import dataclass

from phospho_server.clock import new_id
from phospho_server.store import Connection, Row, telling
from phospho_server.store.alert_rules import AlertRule, Terms
from phospho_server.store.deliveries import ALERT_ENDED, ALERT_FIRED

# Of the log of an event.
SHOWN = 20
_MOST_KEPT = 100

_OWN = (
    "id, project_id, rule_id, definition_id, window_minutes, at_least, factor, count, usual, "
    "fired_at_ms, ended_at_ms, ended_count"
)
_FROM = (
    f"select {', '.join(f'a.{name}' for name in _OWN.split(', '))}, d.name as event, d.color "
    "from alerts a join event_definitions d on d.id = a.definition_id and d.deleted_at_ms is null"
)


@dataclass(frozen=True)
class Alert:
    """A rule that fired.

    Args:
        event: Name of the event.
        color: Its place in the project, for its colour.
        terms: When the rule fired, as it then was.
        count: Events in its window when it fired.
        usual: How many were usual; None where nothing was compared.
        ended_at_ms: None while it is on.
        ended_count: Events in the window when it ended; None where somebody ended it.
    """

    id: str
    project_id: str
    rule_id: str
    definition_id: str
    event: str
    color: int
    terms: Terms
    count: int
    usual: float | None
    fired_at_ms: int
    ended_at_ms: int | None = None
    ended_count: int | None = None


def fire(
    db: Connection, rule: AlertRule, *, count: int, usual: float | None, at_ms: int
) -> str | None:
    """Fire an alert, and have webhooks told of it.

    Args:
        db: A connection in a write transaction.
        rule: As it was when its events were counted.
        count: Events in its window.
        usual: How many are usual.
        at_ms: Now.

    Returns:
        The id of the alert; None where the rule fires already, or was changed meanwhile.
    """
    alert_id = new_id("alert_")
    changed = db.execute(
        "update alert_rules set alert_id = :alert_id, calm_since_ms = null where id = :id "
        "and alert_id is null and paused_at_ms is null and edited_at_ms = :edited",
        {"alert_id": alert_id, "id": rule.id, "edited": rule.edited_at_ms},
    )
    if not changed:
        return None
    db.execute(
        "insert into alerts (id, project_id, rule_id, definition_id, window_minutes, at_least, "
        "factor, count, usual, fired_at_ms) values (:id, :project_id, :rule_id, :definition_id, "
        ":window_minutes, :at_least, :factor, :count, :usual, :at_ms)",
        {
            "id": alert_id,
            "project_id": rule.project_id,
            "rule_id": rule.id,
            "definition_id": rule.definition_id,
            **vars(rule.terms),
            "count": count,
            "usual": usual,
            "at_ms": at_ms,
        },
    )
    _forget_oldest(db, rule)
    telling.plan_alert(db, rule.project_id, rule.definition_id, alert_id, ALERT_FIRED)
    return alert_id


def note_calm(db: Connection, rule: AlertRule, at_ms: int | None) -> None:
    """Note since when there is no more reason for the alert of a rule; None: there is again."""
    db.execute(
        "update alert_rules set calm_since_ms = :at_ms "
        "where id = :id and alert_id = :alert_id and edited_at_ms = :edited",
        {
            "at_ms": at_ms,
            "id": rule.id,
            "alert_id": rule.alert_id,
            "edited": rule.edited_at_ms,
        },
    )


def end(db: Connection, rule: AlertRule, *, count: int | None, at_ms: int) -> bool:
    """End the alert of a rule, and have webhooks told of it.

    Args:
        db: A connection in a write transaction.
        rule: A rule that was firing.
        count: Events in its window; None where somebody ends it.
        at_ms: Now.

    Returns:
        Whether it had not ended before.
    """
    ended = db.execute(
        "update alert_rules set alert_id = null, calm_since_ms = null "
        "where id = :id and alert_id = :alert_id",
        {"id": rule.id, "alert_id": rule.alert_id},
    )
    if not ended or rule.alert_id is None:
        return False
    db.execute(
        "update alerts set ended_at_ms = :at_ms, ended_count = :count where id = :id",
        {"id": rule.alert_id, "at_ms": at_ms, "count": count},
    )
    telling.plan_alert(db, rule.project_id, rule.definition_id, rule.alert_id, ALERT_ENDED)
    return True


def find_alert(db: Connection, project_id: str, alert_id: str) -> Alert | None:
    """Return an alert; None where it, or its event, is not there any more."""
    row = db.row(
        f"{_FROM} where a.project_id = :project_id and a.id = :id",
        {"project_id": project_id, "id": alert_id},
    )
    return None if row is None else _read(row)


def list_log(
    db: Connection, project_id: str, *, definition_id: str | None = None, rule_id: str | None = None
) -> list[Alert]:
    """Return the newest alerts of a project, of an event or of a rule, the newest first."""
    where = "a.project_id = :project_id"
    where += "" if definition_id is None else " and a.definition_id = :definition_id"
    where += "" if rule_id is None else " and a.rule_id = :rule_id"
    rows = db.rows(
        f"{_FROM} where {where} order by a.id desc limit :most",
        {
            "project_id": project_id,
            "definition_id": definition_id,
            "rule_id": rule_id,
            "most": SHOWN,
        },
    )
    return [_read(row) for row in rows]


def _forget_oldest(db: Connection, rule: AlertRule) -> None:
    """Forget the oldest alerts of an event that have ended."""
    mine = {"project_id": rule.project_id, "definition_id": rule.definition_id}
    of_event = "project_id = :project_id and definition_id = :definition_id"
    db.execute(
        f"delete from alerts where {of_event} and ended_at_ms is not null and id <= "
        f"(select id from alerts where {of_event} order by id desc limit 1 offset :most)",
        {**mine, "most": _MOST_KEPT},
    )


def _read(row: Row) -> Alert:
    columns = dict(row)
    terms = Terms(*(columns.pop(name) for name in ("window_minutes", "at_least", "factor")))
    return Alert(**columns, terms=terms)

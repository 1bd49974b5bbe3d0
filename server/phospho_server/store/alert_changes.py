"""Alert rules that people change, pause and delete: what such a rule has fired is over."""

from __future__ import annotations

from phospho_server.clock import now_ms
from phospho_server.store import Connection, alerts
from phospho_server.store.alert_rules import AlertRule, Terms, get_rule, list_rules, refuse_twin


def change_terms(db: Connection, project_id: str, rule_id: str, terms: Terms) -> AlertRule:
    """Let a rule fire at something else from now on; return it.

    Raises:
        NotFoundError: The project has no such rule.
        InvalidError: The event has the same rule already, or it makes no sense.
    """
    terms.check()
    rule = _end(db, project_id, rule_id)
    others = [each for each in list_rules(db, project_id) if each.id != rule_id]
    refuse_twin(others, rule.definition_id, terms)
    db.execute(
        "update alert_rules set window_minutes = :window_minutes, at_least = :at_least, "
        "factor = :factor, edited_at_ms = :now where id = :id",
        {"id": rule_id, "now": now_ms(), **vars(terms)},
    )
    return get_rule(db, project_id, rule_id)


def pause_rule(db: Connection, project_id: str, rule_id: str, *, paused: bool) -> AlertRule:
    """Let a rule rest, or turn it on again; return it.

    Raises:
        NotFoundError: The project has no such rule.
    """
    rule = _end(db, project_id, rule_id) if paused else get_rule(db, project_id, rule_id)
    now = now_ms()
    db.execute(
        "update alert_rules set paused_at_ms = :paused, edited_at_ms = :now where id = :id",
        {"id": rule_id, "paused": now if paused else None, "now": now},
    )
    return rule


def delete_rule(db: Connection, project_id: str, rule_id: str) -> AlertRule:
    """Remove a rule, and return what it was; what it has fired stays in the log.

    Raises:
        NotFoundError: The project has no such rule.
    """
    rule = _end(db, project_id, rule_id)
    db.execute("delete from alert_rules where id = :id", {"id": rule_id})
    return rule


def _end(db: Connection, project_id: str, rule_id: str) -> AlertRule:
    rule = get_rule(db, project_id, rule_id)
    if rule.is_firing:
        alerts.end(db, rule, count=None, at_ms=now_ms())
    return rule

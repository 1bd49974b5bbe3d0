"""Alerts and their rules in words, for pages, messages and the command line."""

from __future__ import annotations

from phospho import models
from phospho_server.store.alert_rules import WINDOWS, AlertRule, Terms
from phospho_server.store.alerts import Alert

_TEN = 10


def say_terms(terms: Terms) -> str:
    """Return when a rule fires, as in `10 or more in an hour, and 3 times the usual`."""
    window = "an hour" if WINDOWS[terms.window_minutes] == "hour" else WINDOWS[terms.window_minutes]
    said = f"{terms.at_least:,} or more in {window}"
    return said if terms.factor is None else f"{said}, and {terms.factor} times the usual number"


def say_count(count: int, usual: float | None, terms: Terms) -> str:
    """Return what there is, as in `42 in the last hour, usually 6`."""
    said = f"{count:,} in the last {WINDOWS[terms.window_minutes]}"
    return said if usual is None else f"{said}, usually {say_usual(usual)}"


def say_usual(usual: float) -> str:
    """Return a number that is no more precise than it is known."""
    return f"{usual:,.0f}" if usual >= _TEN else f"{round(usual, 1):g}"


def say_alert(alert: Alert) -> str:
    """Return why an alert was fired."""
    return say_count(alert.count, alert.usual, alert.terms)


def say_rule(rule: AlertRule) -> str:
    """Return an alert rule with its event, for the audit log."""
    return f"{rule.event}: {say_terms(rule.terms)}"


def to_model(alert: Alert) -> models.Alert:
    """Return an alert as others are told."""
    return models.Alert(
        id=alert.id,
        rule_id=alert.rule_id,
        event_id=alert.definition_id,
        text=say_alert(alert),
        count=alert.count,
        usual=alert.usual,
        **vars(alert.terms),
        fired_at_ms=alert.fired_at_ms,
        ended_at_ms=alert.ended_at_ms,
        ended_count=alert.ended_count,
    )

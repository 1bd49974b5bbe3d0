"""The form of an alert rule: read, check, and keep what was typed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from werkzeug.datastructures import MultiDict

from phospho.errors import PhosphoError
from phospho_server.errors import InvalidError
from phospho_server.store.alert_rules import AlertRule, Terms

_MAX_DIGITS = 9


@dataclass(frozen=True)
class AlertForm:
    """An alert rule as it stands in the form, right or wrong.

    Args:
        event_id: Of which event.
        at_least: So many of them,
        window: in so many minutes,
        factor: and so many times the usual number; empty: whatever is usual.
        problem: What must be changed; None while nothing is known to be wrong.
    """

    event_id: str = ""
    at_least: str = "10"
    window: str = "60"
    factor: str = ""
    problem: str | None = None

    @classmethod
    def read(cls, fields: MultiDict[str, str]) -> AlertForm:
        """Return what was typed."""
        return cls(
            event_id=fields.get("event_id", ""),
            at_least=fields.get("at_least", "").strip(),
            window=fields.get("window", ""),
            factor=fields.get("factor", ""),
        )

    @classmethod
    def of(cls, rule: AlertRule) -> AlertForm:
        """Return the form that would make a rule."""
        terms = rule.terms
        return cls(
            rule.definition_id,
            str(terms.at_least),
            str(terms.window_minutes),
            "" if terms.factor is None else str(terms.factor),
        )

    def refused(self, error: PhosphoError) -> AlertForm:
        """Return the form with the reason why it was not accepted."""
        return replace(self, problem=str(error))

    def to_terms(self) -> Terms:
        """Return when the rule fires.

        Raises:
            InvalidError: Something must be changed; the message says what.
        """
        terms = Terms(
            window_minutes=_to_number(self.window),
            at_least=_to_number(self.at_least),
            factor=_to_number(self.factor) if self.factor else None,
        )
        terms.check()
        return terms


def _to_number(text: str) -> int:
    """Return a whole number; -1, which is none of those to choose from, for what is none."""
    is_number = text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
    return int(text) if is_number else -1


def check_event(form: AlertForm) -> str:
    """Return the event that was chosen.

    Raises:
        InvalidError: None was.
    """
    if not form.event_id:
        raise InvalidError("Choose the event that the alert is about.")
    return form.event_id

"""What pages show of alert rules: each with how it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from phospho_server.alerts.judging import Reading, calm_ms, find_needed
from phospho_server.alerts.wording import say_count, say_terms
from phospho_server.alerts.worker import take_reading
from phospho_server.clock import now_ms
from phospho_server.store import Connection
from phospho_server.store.alert_rules import FACTORS, WINDOWS, AlertRule, list_of_event, list_rules
from phospho_server.store.webhooks import is_told_of_alerts
from phospho_server.views.alert_form import AlertForm


@dataclass(frozen=True)
class ShownRule:
    """A rule with what there is at this moment.

    Args:
        reading: What was counted for it.
    """

    rule: AlertRule
    reading: Reading

    @property
    def terms(self) -> str:
        """When it fires."""
        return say_terms(self.rule.terms)

    @property
    def state(self) -> str:
        """How it stands: `firing`, `paused`, `learning` or `quiet`."""
        if self.rule.is_firing:
            return "firing"
        if not self.rule.is_on:
            return "paused"
        return "learning" if find_needed(self.rule.terms, self.reading.usual) is None else "quiet"

    @property
    def learning(self) -> str:
        """What is missing until it can be told what is usual."""
        if self.reading.known_days is None:
            return "learning until past interactions are looked at"
        days = self.reading.missing_days
        return f"learning what is usual, {days} more {'day' if days == 1 else 'days'}"

    @property
    def count(self) -> str:
        """What there is now."""
        usual = None if self.rule.terms.factor is None else self.reading.usual
        return say_count(self.reading.now.events, usual, self.rule.terms)

    @property
    def reason(self) -> str:
        """What there was when it fired."""
        return say_count(self.rule.count or 0, self.rule.usual, self.rule.terms)

    @property
    def calm_ms(self) -> int:
        """How long there must be no reason for an alert before it is over."""
        return calm_ms(self.rule.terms)

    @property
    def needed(self) -> int | None:
        """At how many events it fires at this moment; None where that is not known yet."""
        return find_needed(self.rule.terms, self.reading.usual)


@dataclass(frozen=True)
class AlertPanel:
    """The rules of a project or of an event, and the form of a new one.

    Args:
        is_heard: Whether a webhook is told of alerts.
    """

    rules: Sequence[ShownRule]
    is_heard: bool
    form: AlertForm = field(default_factory=AlertForm)

    @property
    def windows(self) -> dict[str, str]:
        """The windows to choose from, as they are sent, and as people read them."""
        return {str(minutes): label for minutes, label in WINDOWS.items()}

    @property
    def factors(self) -> list[str]:
        """The comparisons to choose from."""
        return [str(factor) for factor in FACTORS]


def load_panel(
    db: Connection,
    project_id: str,
    *,
    definition_id: str | None = None,
    form: AlertForm | None = None,
) -> AlertPanel:
    """Return the rules of a project, or of one event of it."""
    rules = (
        list_rules(db, project_id)
        if definition_id is None
        else list_of_event(db, project_id, definition_id)
    )
    return AlertPanel(
        [show_rule(db, rule) for rule in rules],
        is_told_of_alerts(db, project_id, definition_id),
        form or AlertForm(event_id=definition_id or ""),
    )


def show_rule(db: Connection, rule: AlertRule) -> ShownRule:
    """Return a rule with what there is at this moment."""
    return ShownRule(rule, take_reading(db, rule, now_ms()))

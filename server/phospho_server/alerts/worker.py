"""Looks each minute whether alert rules fire, or are over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from phospho_server.alerts.judging import Reading, Step, decide
from phospho_server.clock import now_ms
from phospho_server.store import Connection, Store, alert_rules, alerts, windows
from phospho_server.store.alert_rules import AlertRule
from phospho_server.store.deleting import unless_gone
from phospho_server.store.windows import Stretch
from phospho_server.working import Worker

EVERY_MS = 60_000


def take_reading(db: Connection, rule: AlertRule, at_ms: int) -> Reading:
    """Count what a rule is about."""
    place = rule.project_id, rule.definition_id
    stretch = Stretch.ending(at_ms, rule.terms.window_minutes * 60_000)
    days = 0 if rule.terms.factor is None else windows.count_known_days(db, *place, stretch)
    now, *past = windows.count_windows(db, *place, stretch, days=days or 0)
    return Reading(now, past, days)


@dataclass
class AlertWorker(Worker):
    """Looks after the rules of all projects.

    What it sees is carried out only where the rule is still as it was seen: there may be several
    of these workers.

    Args:
        store: Where everything is kept.
        clock: Tells the time, in UTC milliseconds.
    """

    store: Store
    clock: Callable[[], int] = now_ms
    name: ClassVar[str] = "alert"
    _looked_at_ms: int = 0

    def run_once(self) -> int:
        """Look at every rule, once a minute; return how many of them changed."""
        at_ms = self.clock()
        if at_ms - self._looked_at_ms < EVERY_MS:
            return 0
        with self.store.read() as db:
            active = alert_rules.list_active(db)
        changed = sum(self._look_at(rule, at_ms) for rule in active)
        self._looked_at_ms = at_ms
        return changed

    def _look_at(self, rule: AlertRule, at_ms: int) -> bool:
        with self.store.read() as db:
            reading = take_reading(db, rule, at_ms)
        step = decide(rule, reading, at_ms)
        if step is None:
            return False

        def carry_out(db: Connection) -> None:
            _carry_out(db, rule, step, reading, at_ms)

        self.store.write(unless_gone(rule.project_id, carry_out))
        return True


def _carry_out(db: Connection, rule: AlertRule, step: Step, reading: Reading, at_ms: int) -> None:
    count = reading.now.events
    if step == "fire":
        usual = None if rule.terms.factor is None else reading.usual
        alerts.fire(db, rule, count=count, usual=usual, at_ms=at_ms)
    elif step == "end":
        alerts.end(db, rule, count=count, at_ms=at_ms)
    else:
        alerts.note_calm(db, rule, at_ms if step == "calm" else None)

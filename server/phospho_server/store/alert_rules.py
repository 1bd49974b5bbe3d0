"""Alert rules: when somebody is to be told how often an event occurs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phospho_server.clock import new_id, now_ms
from phospho_server.errors import InvalidError, NotFoundError
from phospho_server.store import Connection, Row
from phospho_server.store.definitions import get_definition

# Windows by their minutes, as people read them: "in the last hour".
WINDOWS: Mapping[int, str] = {
    15: "15 minutes",
    60: "hour",
    360: "6 hours",
    1_440: "24 hours",
    10_080: "7 days",
}

# How many times the usual number; a window of a week has too few weeks to compare it with.
FACTORS = (2, 3, 5, 10)
LONGEST_COMPARED = 1_440

MOST_EVENTS = 1_000_000
MOST = 50

_OWN = (
    "id, project_id, definition_id, window_minutes, at_least, factor, created_at_ms, "
    "edited_at_ms, paused_at_ms, alert_id, calm_since_ms"
)
_FROM = (
    f"select {', '.join(f'r.{name}' for name in _OWN.split(', '))}, d.name as event, d.color, "
    "a.fired_at_ms, a.count, a.usual, "
    "(select max(l.fired_at_ms) from alerts l where l.project_id = r.project_id "
    " and l.rule_id = r.id) as last_fired_at_ms "
    "from alert_rules r join event_definitions d on d.id = r.definition_id "
    "and d.deleted_at_ms is null left join alerts a on a.id = r.alert_id"
)


@dataclass(frozen=True)
class Terms:
    """When a rule fires.

    Args:
        window_minutes: How far back events are counted: one of `WINDOWS`.
        at_least: So many events,
        factor: and so many times the usual number; None: whatever is usual.
    """

    window_minutes: int
    at_least: int
    factor: int | None = None

    def check(self) -> None:
        """Refuse what can never be meant.

        Raises:
            InvalidError: Something must be changed; the message says what.
        """
        if self.window_minutes not in WINDOWS:
            raise InvalidError("There is no such window. Choose one of the list.")
        if not 1 <= self.at_least <= MOST_EVENTS:
            raise InvalidError(f"Give a number of events from 1 to {MOST_EVENTS:,}.")
        if self.factor is None:
            return
        if self.factor not in FACTORS:
            raise InvalidError("There is no such comparison. Choose one of the list.")
        if self.window_minutes > LONGEST_COMPARED:
            raise InvalidError(
                "Seven days cannot be compared with what is usual. Choose a shorter window, or no "
                "comparison."
            )


@dataclass(frozen=True)
class AlertRule:
    """When somebody is to be told how often an event occurs, and how that stands.

    Args:
        event: Name of the event.
        color: Its place in the project, for its colour.
        edited_at_ms: Also when it was last paused or turned on.
        paused_at_ms: None while it is on.
        alert_id: The alert that it has fired; None while all is quiet.
        calm_since_ms: Since when there is no more reason for that alert.
        fired_at_ms: When that alert was fired, with
        count: events then, and
        usual: how many were usual.
        last_fired_at_ms: When it last fired, as far back as is known.
    """

    id: str
    project_id: str
    definition_id: str
    terms: Terms
    event: str
    color: int
    created_at_ms: int
    edited_at_ms: int
    paused_at_ms: int | None = None
    alert_id: str | None = None
    calm_since_ms: int | None = None
    fired_at_ms: int | None = None
    count: int | None = None
    usual: float | None = None
    last_fired_at_ms: int | None = None

    @property
    def is_on(self) -> bool:
        """Whether anything is counted for it."""
        return self.paused_at_ms is None

    @property
    def is_firing(self) -> bool:
        """Whether what it is for is the case."""
        return self.alert_id is not None


def add_rule(db: Connection, project_id: str, definition_id: str, terms: Terms) -> AlertRule:
    """Keep a new rule.

    Raises:
        NotFoundError: The project has no such event.
        InvalidError: It has as many rules as it may have, or one like this, or it makes no sense.
    """
    get_definition(db, project_id, definition_id)
    terms.check()
    known = list_rules(db, project_id)
    if len(known) >= MOST:
        raise InvalidError(
            f"This project has {MOST} alert rules, which is the most. Delete one that is not used."
        )
    refuse_twin(known, definition_id, terms)
    rule_id = new_id("rule_")
    db.execute(
        "insert into alert_rules (id, project_id, definition_id, window_minutes, at_least, factor, "
        "created_at_ms, edited_at_ms) values (:id, :project_id, :definition_id, :window_minutes, "
        ":at_least, :factor, :now, :now)",
        {
            "id": rule_id,
            "project_id": project_id,
            "definition_id": definition_id,
            "now": now_ms(),
            **vars(terms),
        },
    )
    return get_rule(db, project_id, rule_id)


def refuse_twin(known: Sequence[AlertRule], definition_id: str, terms: Terms) -> None:
    """Refuse a rule that an event has already.

    Raises:
        InvalidError: It has.
    """
    if any(each.definition_id == definition_id and each.terms == terms for each in known):
        raise InvalidError("This event has the same alert rule already. Change a number.")


def list_rules(db: Connection, project_id: str) -> list[AlertRule]:
    """Return a project's rules, those that fire first, then by event."""
    rows = db.rows(
        f"{_FROM} where r.project_id = :project_id "
        "order by r.alert_id is null, d.name, r.created_at_ms, r.id",
        {"project_id": project_id},
    )
    return [_read(row) for row in rows]


def list_of_event(db: Connection, project_id: str, definition_id: str) -> list[AlertRule]:
    """Return the rules of an event."""
    return [each for each in list_rules(db, project_id) if each.definition_id == definition_id]


def list_firing(db: Connection, project_id: str) -> list[AlertRule]:
    """Return the rules of a project that fire, the longest first."""
    rows = db.rows(
        f"{_FROM} where r.project_id = :project_id and r.alert_id is not null "
        "order by a.fired_at_ms, r.id",
        {"project_id": project_id},
    )
    return [_read(row) for row in rows]


def list_active(db: Connection) -> list[AlertRule]:
    """Return the rules of all projects that are on."""
    return [_read(row) for row in db.rows(f"{_FROM} where r.paused_at_ms is null order by r.id")]


def get_rule(db: Connection, project_id: str, rule_id: str) -> AlertRule:
    """Return a rule.

    Raises:
        NotFoundError: The project has no such rule.
    """
    row = db.row(
        f"{_FROM} where r.project_id = :project_id and r.id = :id",
        {"project_id": project_id, "id": rule_id},
    )
    if row is None:
        raise NotFoundError(
            "This alert rule does not exist any more. Settings lists those that do."
        )
    return _read(row)


def _read(row: Row) -> AlertRule:
    columns = dict(row)
    terms = Terms(*(columns.pop(name) for name in ("window_minutes", "at_least", "factor")))
    return AlertRule(**columns, terms=terms)

"""The filters of existing clients: 23 keys, of which null is off, and all others must hold.

Most are facts, which an index finds (`store/filters.py`); the rest is asked of each interaction
that these leave.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from phospho_server.clock import DAY_MS
from phospho_server.errors import InvalidError
from phospho_server.incoming import to_ms
from phospho_server.store import Connection
from phospho_server.store.definitions import list_defined
from phospho_server.store.facts import EVENT, NOTES, Fact, facts_of_metadata
from phospho_server.store.filters import Filter
from phospho_server.store.records import Record

Check = Callable[[Record], bool]

# Ids that one list is asked for; each is looked up.
_MOST_IDS = 10_000

# Each key is a condition of the query.
_MOST_KEYS = 50


@dataclass
class Wanted:
    """What a list of interactions is asked for.

    Args:
        has: Facts that must be true.
        lacks: Facts that must not.
        since_ms: Not older than this.
        until_ms: Older than this.
        task_ids: Only these, if not None.
        session_ids: Only those of these, if not None.
        checks: What else must hold of each.
        nothing: Whether nothing can match, as an event of another name.
    """

    has: list[Fact] = field(default_factory=list)
    lacks: list[Fact] = field(default_factory=list)
    since_ms: int | None = None
    until_ms: int | None = None
    task_ids: Sequence[str] | None = None
    session_ids: Sequence[str] | None = None
    checks: list[Check] = field(default_factory=list)
    nothing: bool = False

    @property
    def is_of_one(self) -> bool:
        """Tell whether something is asked that only a single interaction can answer."""
        return bool(self.checks) or self.task_ids is not None or self.session_ids is not None

    @property
    def filter(self) -> Filter:
        """Return the part that an index finds."""
        return Filter(
            tuple(self.has), tuple(self.lacks), since_ms=self.since_ms, until_ms=self.until_ms
        )

    def matches(self, record: Record) -> bool:
        """Tell whether the rest holds of an interaction that the index found."""
        return not self.checks or all(check(record) for check in self.checks)


def read_filters(db: Connection, project_id: str, body: Mapping[str, Any]) -> Wanted:
    """Return what the `filters` of a body ask for; unknown keys are left.

    Raises:
        InvalidError: A value is of a wrong type.
    """
    given = body.get("filters")
    if given is None:
        return Wanted()
    if not isinstance(given, dict):
        raise InvalidError('filters must be a JSON object, as in {"flag": "failure"}, or null.')
    wanted = Wanted()
    names = {each.name: each.id for each in list_defined(db, project_id)}
    for key, value in given.items():
        if value is None:
            continue
        if key in _FACTS:
            wanted.has.append(Fact(_FACTS[key], _text(key, value)))
        elif key in _READERS:
            _READERS[key](wanted, key, value, names)
    return wanted


_FACTS = {
    "flag": "flag",
    "user_id": "user",
    "version_id": "version",
    "sentiment": "sentiment",
    "language": "language",
}

Names = Mapping[str, str]


def _read_start(wanted: Wanted, key: str, value: Any, _names: Names) -> None:
    wanted.since_ms = _time(key, value)


def _read_end(wanted: Wanted, key: str, value: Any, _names: Names) -> None:
    # A whole second is meant.
    wanted.until_ms = _time(key, value) + 1000


def _read_event_names(wanted: Wanted, key: str, value: Any, names: Names) -> None:
    _want_any_event(wanted, [names[name] for name in _texts(key, value) if name in names])


def _read_event_ids(wanted: Wanted, key: str, value: Any, names: Names) -> None:
    known = set(names.values())
    _want_any_event(wanted, [each for each in _texts(key, value) if each in known])


def _want_any_event(wanted: Wanted, ids: Sequence[str]) -> None:
    if not ids:
        wanted.nothing = True
    elif len(ids) == 1:
        wanted.has.append(Fact(EVENT, ids[0]))
    else:
        any_of = frozenset(ids)
        wanted.checks.append(
            lambda record: any(event.definition_id in any_of for event in record.events)
        )


def _read_values(wanted: Wanted, key: str, value: Any, _names: Names) -> None:
    for event_id, asked in _object(key, value).items():
        wanted.has.append(Fact(EVENT, event_id))
        wanted.checks.append(_has_value(event_id, asked))


def _has_value(event_id: str, asked: Any) -> Check:
    return lambda record: any(
        event.definition_id == event_id and event.value == asked for event in record.events
    )


def _read_metadata(wanted: Wanted, key: str, value: Any, _names: Names) -> None:
    for name, asked in _object(key, value).items():
        if name in ("user_id", "version_id") and isinstance(asked, str):
            wanted.has.append(Fact(_FACTS[name], asked))
        elif found := facts_of_metadata({name: asked}):
            wanted.has += found
        else:
            wanted.checks.append(_has_metadata(name, asked))


def _has_metadata(name: str, asked: Any) -> Check:
    return lambda record: record.metadata.get(name) == asked


def _read_notes(wanted: Wanted, key: str, value: Any, _names: Names) -> None:
    (wanted.has if _truth(key, value) else wanted.lacks).append(Fact(NOTES, "yes"))


def _read_excluded(wanted: Wanted, key: str, value: Any, _names: Names) -> None:
    users = _texts(key, value)
    if len(users) <= _MOST_KEYS:
        wanted.lacks += [Fact("user", user) for user in users]
    else:
        excluded = frozenset(users)
        wanted.checks.append(lambda record: record.user_id not in excluded)


def _read_tasks(wanted: Wanted, key: str, value: Any, _names: Names) -> None:
    wanted.task_ids = _texts(key, value)


def _read_sessions(wanted: Wanted, key: str, value: Any, _names: Names) -> None:
    wanted.session_ids = _texts(key, value)


def _read_source(wanted: Wanted, key: str, value: Any, _names: Names) -> None:
    source = _text(key, value)
    wanted.checks.append(
        lambda record: record.flagged is not None and (record.flagged.source or "user") == source
    )


def _read_last(wanted: Wanted, key: str, value: Any, _names: Names) -> None:
    is_last = _truth(key, value)
    wanted.checks.append(lambda record: record.is_last == is_last)


def _read_position(wanted: Wanted, key: str, value: Any, _names: Names) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidError(f"The filter {key} must be a whole number, from 1.")
    wanted.checks.append(lambda record: record.position == value)


def _read_task_search(wanted: Wanted, key: str, value: Any, _names: Names) -> None:
    part = _text(key, value).lower()
    wanted.checks.append(lambda record: part in record.task_id.lower())


def _read_session_search(wanted: Wanted, key: str, value: Any, _names: Names) -> None:
    part = _text(key, value).lower()
    wanted.checks.append(lambda record: part in record.session_id.lower())


def _read_cluster(wanted: Wanted, key: str, value: Any, _names: Names) -> None:
    """Nothing is in a cluster: there are none here."""
    if isinstance(value, list):
        _texts(key, value)
    else:
        _text(key, value)
    wanted.nothing = True


_READERS: Mapping[str, Callable[[Wanted, str, Any, Names], None]] = {
    "created_at_start": _read_start,
    "created_at_end": _read_end,
    "event_name": _read_event_names,
    "event_id": _read_event_ids,
    "scorer_value": _read_values,
    "classifier_value": _read_values,
    "metadata": _read_metadata,
    "last_eval_source": _read_source,
    "has_notes": _read_notes,
    "tasks_ids": _read_tasks,
    "sessions_ids": _read_sessions,
    "clustering_id": _read_cluster,
    "clusters_ids": _read_cluster,
    "is_last_task": _read_last,
    "task_position": _read_position,
    "task_id_search": _read_task_search,
    "session_id_search": _read_session_search,
    "excluded_users": _read_excluded,
}

KEYS = frozenset(_FACTS) | frozenset(_READERS)


def _time(key: str, value: Any) -> int:
    at_ms = to_ms(value, 1000)
    if at_ms is None:
        raise InvalidError(f"The filter {key} must be seconds since 1970, or a time in ISO 8601.")
    # Beyond what a column holds nothing was stored.
    return max(-DAY_MS, min(at_ms, 2**62))


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidError(f"The filter {key} must be text or null.")
    return value


def _texts(key: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InvalidError(f"The filter {key} must be a list of texts, or null.")
    if len(value) > _MOST_IDS:
        raise InvalidError(f"The filter {key} has more than {_MOST_IDS:,} entries. Send fewer.")
    return list(dict.fromkeys(value))


def _object(key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidError(f"The filter {key} must be a JSON object, or null.")
    if len(value) > _MOST_KEYS:
        raise InvalidError(f"The filter {key} has more than {_MOST_KEYS} keys. Send fewer.")
    return value


def _truth(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidError(f"The filter {key} must be true, false or null.")
    return value

"""In which sessions and at which of their messages events occur, of the newest sessions.

A late arrival moves every later message of its session one place on, so places are counted when
they are asked for, over a bounded number of sessions, and the page says over how many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from phospho_server.store import Connection, in_list
from phospho_server.store.facts import EVENT, Fact, find_facts

# Looked at: so many sessions, and of these for the places of events so many interactions.
MOST_SESSIONS = 400
MOST_INTERACTIONS = 800

# A longer session would stand for all others.
LONGEST = 100

LENGTHS = ("1", "2", "3\u20135", "6\u201310", "11+")
_LENGTH_ENDS = (1, 2, 5, 10)
POSITIONS = (*map(str, range(1, 10)), "10+")

ANY = ""
"""Stands for whichever event."""


@dataclass(frozen=True)
class Shape:
    """How often events occur in parts of what there is.

    Args:
        names: What each part is called.
        totals: How much there is in each.
        counts: By the id of a definition, or `ANY`: in how much of each part it occurs.
    """

    names: Sequence[str]
    totals: Sequence[int]
    counts: Mapping[str, Sequence[int]]

    def share(self, definition_id: str, part: int) -> float | None:
        """Return in which share of a part an event occurs; None of an empty part."""
        total = self.totals[part]
        return self.counts[definition_id][part] / total if total else None


@dataclass(frozen=True)
class EventShapes:
    """Events by the length of their session and by their place in it.

    Args:
        lengths: Of `sessions` sessions, by their number of interactions.
        positions: Of `interactions` interactions, by their place in the session.
        is_whole: Whether these are all sessions of the period.
        placed: Sessions whose interactions were looked at.
    """

    lengths: Shape
    positions: Shape
    sessions: int
    is_whole: bool
    placed: int

    @property
    def interactions(self) -> int:
        """How many interactions were looked at."""
        return sum(self.positions.totals)


def get_shapes(
    db: Connection,
    project_id: str,
    definition_ids: Collection[str],
    *,
    since_ms: int,
    until_ms: int,
) -> EventShapes:
    """Return where events occur in the newest sessions of a period.

    Args:
        db: A connection.
        project_id: The project.
        definition_ids: The events that count.
        since_ms: Begin of the period that the newest message of a session lies in.
        until_ms: Its end.
    """
    rows = db.rows(
        "select session_id, interactions from sessions where project_id = :project_id "
        "and last_at_ms >= :since and last_at_ms < :until "
        "order by last_at_ms desc, id desc limit :limit",
        {
            "project_id": project_id,
            "since": since_ms,
            "until": until_ms,
            "limit": MOST_SESSIONS + 1,
        },
    )
    lengths = {row["session_id"]: int(row["interactions"]) for row in rows[:MOST_SESSIONS]}
    events = _list_events(db, project_id, list(lengths), definition_ids)
    placed = _choose(lengths)
    return EventShapes(
        lengths=_shape_lengths(lengths, events, definition_ids),
        positions=_shape_positions(db, project_id, placed, events, definition_ids),
        sessions=len(lengths),
        is_whole=len(rows) <= MOST_SESSIONS,
        placed=len(placed),
    )


def _list_events(
    db: Connection, project_id: str, session_ids: Sequence[str], definition_ids: Collection[str]
) -> dict[str, set[str]]:
    """Return the events of each session that has some."""
    known = find_facts(db, project_id, [Fact(EVENT, each) for each in definition_ids])
    definitions = {each.id: each.fact.value for each in known.values()}
    text, params = in_list("s", session_ids)
    of_events, more = in_list("f", list(definitions))
    rows = db.rows(
        "select s.session_id, g.fact_id from sessions s "
        f"join session_facts g on g.session_row = s.id and g.fact_id {of_events} "
        f"where s.project_id = :project_id and s.session_id {text}",
        {"project_id": project_id, **params, **more},
    )
    events: dict[str, set[str]] = {}
    for row in rows:
        events.setdefault(row["session_id"], set()).add(definitions[row["fact_id"]])
    return events


def _choose(lengths: Mapping[str, int]) -> dict[str, int]:
    """Return the newest sessions that together are not too long."""
    chosen, left = {}, MOST_INTERACTIONS
    for session_id, length in lengths.items():
        if length <= LONGEST and length <= left:
            chosen[session_id] = length
            left -= length
    return chosen


def _shape_lengths(
    lengths: Mapping[str, int], events: Mapping[str, set[str]], definition_ids: Collection[str]
) -> Shape:
    parts = {
        session_id: sum(length > end for end in _LENGTH_ENDS)
        for session_id, length in lengths.items()
    }
    found = [(parts[session], event) for session, some in events.items() for event in some]
    found += [(parts[session], ANY) for session in events]
    return _shape(LENGTHS, Counter(parts.values()), Counter(found), definition_ids)


def _shape_positions(
    db: Connection,
    project_id: str,
    placed: Mapping[str, int],
    events: Mapping[str, set[str]],
    definition_ids: Collection[str],
) -> Shape:
    last = len(POSITIONS) - 1
    totals = {place: sum(length > place for length in placed.values()) for place in range(last)}
    totals[last] = sum(max(0, length - last) for length in placed.values())
    text, params = in_list("s", [session_id for session_id in placed if session_id in events])
    rows = db.rows(
        "select i.id, i.session_id, d.definition_id from interactions i left join detections d "
        "on d.project_id = i.project_id and d.interaction_id = i.id and d.detected = 1 "
        f"where i.project_id = :project_id and i.session_id {text} "
        "order by i.session_id, i.created_at_ms, i.id",
        {"project_id": project_id, **params},
    )
    found: Counter[tuple[int, str]] = Counter()
    counting = set(definition_ids)
    session_id, last_id, place, has_any = "", 0, -1, False
    for row in rows:
        if row["session_id"] != session_id:
            session_id, place = row["session_id"], -1
        if row["id"] != last_id:
            last_id, has_any, place = row["id"], False, place + 1
        if row["definition_id"] in counting:
            part = min(place, last)
            found[part, row["definition_id"]] += 1
            found[part, ANY] += not has_any
            has_any = True
    return _shape(POSITIONS, totals, found, definition_ids)


def _shape(
    names: Sequence[str],
    totals: Mapping[int, int],
    found: Mapping[tuple[int, str], int],
    definition_ids: Collection[str],
) -> Shape:
    parts = range(len(names))
    return Shape(
        names,
        [totals.get(part, 0) for part in parts],
        {
            event: [found.get((part, event), 0) for part in parts]
            for event in (ANY, *definition_ids)
        },
    )

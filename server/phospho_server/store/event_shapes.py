"""In which sessions and at which of their messages events occur, of the newest sessions.

A late arrival moves every later message of its session one place on, so places are counted when
they are asked for, over a bounded number of sessions, and the page says over how many.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from phospho_server.store import Connection, Row, in_list
from phospho_server.store.facts import EVENT, Fact, find_facts

# Looked at: so many sessions, and of these for the places of events so many interactions.
MOST_SESSIONS = 400
MOST_INTERACTIONS = 800

# Where these arrived among more than so many times as many, they are looked up one by one.
_MOST_AMONG = 2

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
        "select id, session_id, last_at_ms, interactions from sessions "
        "where project_id = :project_id "
        "and last_at_ms >= :since and last_at_ms < :until "
        "order by last_at_ms desc, id desc limit :limit",
        {
            "project_id": project_id,
            "since": since_ms,
            "until": until_ms,
            "limit": MOST_SESSIONS + 1,
        },
    )
    newest = rows[:MOST_SESSIONS]
    lengths = {row["session_id"]: int(row["interactions"]) for row in newest}
    events = _list_events(db, project_id, newest, definition_ids)
    placed = _choose(lengths)
    return EventShapes(
        lengths=_shape_lengths(lengths, events, definition_ids),
        positions=_shape_positions(db, project_id, placed, events, definition_ids),
        sessions=len(lengths),
        is_whole=len(rows) <= MOST_SESSIONS,
        placed=len(placed),
    )


def _list_events(
    db: Connection, project_id: str, newest: Sequence[Row], definition_ids: Collection[str]
) -> dict[str, set[str]]:
    """Return the events of each session that has some, of those that are the newest of a period."""
    if not newest:
        return {}
    known = find_facts(db, project_id, [Fact(EVENT, each) for each in definition_ids])
    definitions = {each.id: each.fact.value for each in known.values()}
    text, params = in_list("f", list(definitions))
    first, last = newest[-1], newest[0]
    # They are a part of the index of each event without gaps, and not each of them is looked up.
    rows = db.rows(
        "select g.session_row, g.fact_id from session_facts g "
        f"where g.fact_id {text} and (g.last_at_ms, g.session_row) >= (:first_ms, :first_row) "
        "and (g.last_at_ms, g.session_row) <= (:last_ms, :last_row)",
        {
            "first_ms": first["last_at_ms"],
            "first_row": first["id"],
            "last_ms": last["last_at_ms"],
            "last_row": last["id"],
            **params,
        },
    )
    names = {row["id"]: row["session_id"] for row in newest}
    events: dict[str, set[str]] = {}
    for row in rows:
        session_id = names[row["session_row"]]
        events.setdefault(session_id, set()).add(definitions[row["fact_id"]])
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
        session_id: bisect_left(_LENGTH_ENDS, length) for session_id, length in lengths.items()
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
    with_events = [session_id for session_id in placed if session_id in events]
    parts, counting = _find_parts(db, project_id, with_events), set(definition_ids)
    places = [
        (row["interaction_id"], parts[row["interaction_id"]], row["definition_id"])
        for row in _list_events_of(db, project_id, list(parts), definition_ids)
        if row["interaction_id"] in parts and row["definition_id"] in counting
    ]
    found = Counter((part, definition_id) for _, part, definition_id in places)
    found.update((part, ANY) for _, part in {(row_id, part) for row_id, part, _ in places})
    return _shape(POSITIONS, totals, found, definition_ids)


def _find_parts(db: Connection, project_id: str, session_ids: Sequence[str]) -> dict[int, int]:
    """Return the part of `POSITIONS` that each interaction of some sessions belongs to."""
    text, params = in_list("s", session_ids)
    rows = db.rows(
        "select id, session_id from interactions "
        f"where project_id = :project_id and session_id {text} "
        "order by session_id, created_at_ms, id",
        {"project_id": project_id, **params},
    )
    last = len(POSITIONS) - 1
    parts: dict[int, int] = {}
    for _, interactions in groupby(rows, itemgetter("session_id")):
        parts |= {row["id"]: min(place, last) for place, row in enumerate(interactions)}
    return parts


def _list_events_of(
    db: Connection, project_id: str, ids: Sequence[int], definition_ids: Collection[str]
) -> Sequence[Row]:
    """Return the events of some interactions, and maybe some others.

    What arrived side by side is read from the index of events, in a twentieth of the time that it
    takes to look each interaction up.
    """
    if not ids:
        return []
    first, last = min(ids), max(ids)
    if last - first > _MOST_AMONG * len(ids):
        which, params = in_list("i", ids)
        which = f"interaction_id {which}"
    else:
        which, params = in_list("d", list(definition_ids))
        which = f"definition_id {which} and interaction_id >= :first and interaction_id <= :last"
    return db.rows(
        "select interaction_id, definition_id from detections "
        f"where project_id = :project_id and {which} and detected = 1",
        {"project_id": project_id, "first": first, "last": last, **params},
    )


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

"""Interactions with all that is known of them, for programs that read them back."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from phospho.models import Flag
from phospho_server.store import Connection, in_ids, in_list
from phospho_server.store.feedback import Feedback, list_flags
from phospho_server.store.interactions import find_ids, no_such_interaction
from phospho_server.store.review_values import Value, read_value

# In a session that never ends places are not counted: that would take longer with each message.
_MOST_COUNTED = 500

# Interactions read at a time. The texts of more outgrow the memory that a process keeps; having it
# again for each answer takes longer than another five statements.
_CHUNK = 500

# The first fields of a `Record`.
_COLUMNS = (
    "id, task_id, session_id, created_at_ms, input, output, user_id, version_id, flag, notes, "
    "metadata, raw_input, raw_output, language, sentiment"
)


class RecordEvent(NamedTuple):
    """An event in an interaction, without what is only for people to read."""

    definition_id: str
    name: str
    score: float
    detector: str
    value: Value
    reviewed: bool | None


class Record(NamedTuple):
    """An interaction, with what was found in it and its place in its session.

    A tuple, and with the JSON of the database as it is: a thousand at a time are read.

    Args:
        metadata_json: A JSON object; None where there is none.
        raw_input_json: Any JSON; None where it says no more than the text.
        session_length: Interactions of its session.
        position: Its place among them, from 1; None where the session has more than 500.
        is_last: Whether it is the last one so far.
        flagged: The newest feedback that said success or failure.
        events: Those that occurred in it, the surest first.
        rejected: Those that a detector found and a person said no to.
    """

    id: int
    task_id: str
    session_id: str
    created_at_ms: int
    input: str
    output: str | None
    user_id: str | None
    version_id: str | None
    flag: Flag | None
    notes: str | None
    metadata_json: str | None
    raw_input_json: str | None
    raw_output_json: str | None
    language: str | None
    sentiment: float | None
    session_length: int
    position: int | None
    is_last: bool
    flagged: Feedback | None
    events: Sequence[RecordEvent]
    rejected: Sequence[RecordEvent]

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata, read anew each time."""
        metadata = json.loads(self.metadata_json or "{}")
        return metadata if isinstance(metadata, dict) else {}


_TASK_ID, _SESSION_ID, _FLAG = map(Record._fields.index, ("task_id", "session_id", "flag"))


def get_record(db: Connection, project_id: str, task_id: str) -> Record:
    """Return an interaction.

    Raises:
        NotFoundError: The project has none with this id.
    """
    found = find_record(db, project_id, task_id)
    if found is None:
        raise no_such_interaction()
    return found


def find_record(db: Connection, project_id: str, task_id: str) -> Record | None:
    """Return an interaction, or None where the project has none with this id."""
    ids = list(find_ids(db, project_id, [task_id]).values())
    return next(load_records(db, project_id, ids), None)


def load_records(db: Connection, project_id: str, ids: Sequence[int]) -> Iterator[Record]:
    """Yield interactions in the order of their row ids as given; those that are gone are left."""
    for start in range(0, len(ids), _CHUNK):
        yield from _load_chunk(db, project_id, ids[start : start + _CHUNK])


def list_ids_of_session(db: Connection, project_id: str, session_id: str) -> list[int]:
    """Return the row ids of a session's first 10,000 interactions, in the order of time."""
    rows = db.rows(
        "select id from interactions where project_id = :project_id "
        "and session_id = :session_id order by created_at_ms, id limit 10000",
        {"project_id": project_id, "session_id": session_id},
    )
    return [row["id"] for row in rows]


def _load_chunk(db: Connection, project_id: str, ids: Sequence[int]) -> Iterator[Record]:
    text, params = in_ids("i", ids)
    found = {
        row[0]: row
        for row in db.tuples(
            # A plus keeps SQLite from walking through the project to find some ids.
            f"select {_COLUMNS} from interactions where +project_id = :project_id and id {text}",
            {"project_id": project_id, **params},
        )
    }
    rows = [found[each] for each in ids if each in found]
    sessions = _find_sessions(db, project_id, {row[_SESSION_ID] for row in rows})
    positions = _find_positions(
        db, project_id, [name for name, (length, _) in sessions.items() if length <= _MOST_COUNTED]
    )
    # Where no flag stands, none was ever given.
    flags = list_flags(db, project_id, [row[_TASK_ID] for row in rows if row[_FLAG]])
    events, rejected = _list_events(db, project_id, list(found))
    for row in rows:
        row_id, task_id, session_id, at_ms = row[:4]
        length, last_at_ms = sessions.get(session_id, (0, 0))
        position = positions.get(row_id)
        is_last = at_ms >= last_at_ms if position is None else position == length
        found_in_it = flags.get(task_id), events.get(row_id, ()), rejected.get(row_id, ())
        yield Record._make((*row, length, position, is_last, *found_in_it))


def _find_sessions(
    db: Connection, project_id: str, session_ids: Collection[str]
) -> dict[str, tuple[int, int]]:
    """Return of sessions how many interactions they have, and when the last one was."""
    text, params = in_list("s", sorted(session_ids))
    rows = db.tuples(
        "select session_id, interactions, last_at_ms from sessions "
        f"where project_id = :project_id and session_id {text}",
        {"project_id": project_id, **params},
    )
    return {name: (length, last_at_ms) for name, length, last_at_ms in rows}


def _find_positions(
    db: Connection, project_id: str, session_ids: Sequence[str]
) -> Mapping[int, int]:
    """Return the place in its session, from 1, of each interaction of some sessions."""
    text, params = in_list("s", session_ids)
    rows = db.tuples(
        "select session_id, id from interactions "
        f"where project_id = :project_id and session_id {text} "
        "order by session_id, created_at_ms, id",
        {"project_id": project_id, **params},
    )
    return {
        row_id: position
        for _, of_session in groupby(rows, key=itemgetter(0))
        for position, (_, row_id) in enumerate(of_session, start=1)
    }


EventsById = dict[int, list[RecordEvent]]


def _list_events(
    db: Connection, project_id: str, ids: Sequence[int]
) -> tuple[EventsById, EventsById]:
    """Return by interaction the events that occurred, and those that a person said no to."""
    text, params = in_ids("i", ids)
    rows = db.tuples(
        "select e.interaction_id, e.detected, e.judged, e.definition_id, d.name, e.score, "
        "e.detector, e.value, e.reviewed_value, e.reviewed from detections e "
        "join event_definitions d on d.id = e.definition_id "
        f"where e.project_id = :project_id and e.interaction_id {text} "
        "and (e.detected = 1 or (e.reviewed = 0 and e.judged = 1)) "
        "and d.deleted_at_ms is null order by e.score desc, d.name",
        {"project_id": project_id, **params},
    )
    events: EventsById = {}
    rejected: EventsById = {}
    for row_id, detected, judged, *found, said_json, given_json, reviewed in rows:
        said, given = read_value(said_json), read_value(given_json)
        value = said if given is None else given
        event = RecordEvent._make((*found, value, None if reviewed is None else bool(reviewed)))
        if detected:
            events.setdefault(row_id, []).append(event)
        if reviewed == 0 and judged:
            rejected.setdefault(row_id, []).append(event)
    return events, rejected

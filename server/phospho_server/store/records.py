"""Interactions with all that is known of them, for programs that read them back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from phospho_server.errors import NotFoundError
from phospho_server.store import Connection, in_list
from phospho_server.store.feedback import Feedback, list_flags
from phospho_server.store.interactions import CHUNK, find_ids
from phospho_server.store.rows import TranscriptLine
from phospho_server.store.transcripts import COLUMNS, read_lines

# In a session that never ends places are not counted: that would take longer with each message.
MOST_COUNTED = 500


@dataclass(frozen=True)
class Record:
    """An interaction, with what was found in it and its place in its session.

    Args:
        line: The interaction itself.
        session_length: Interactions of its session.
        position: Its place among them, from 1; None where the session has more than 500.
        is_last: Whether it is the last one so far.
        flagged: The newest feedback that said success or failure.
    """

    line: TranscriptLine
    session_id: str
    session_length: int
    position: int | None
    is_last: bool
    flagged: Feedback | None


def get_record(db: Connection, project_id: str, task_id: str) -> Record:
    """Return an interaction.

    Raises:
        NotFoundError: The project has none with this id.
    """
    found = find_record(db, project_id, task_id)
    if found is None:
        raise NotFoundError(
            "This project has no interaction with this task_id. One that was just logged may "
            "still be on its way: try again in a second."
        )
    return found


def find_record(db: Connection, project_id: str, task_id: str) -> Record | None:
    """Return an interaction, or None where the project has none with this id."""
    ids = list(find_ids(db, project_id, [task_id]).values())
    return next(load_records(db, project_id, ids), None)


def load_records(db: Connection, project_id: str, ids: Sequence[int]) -> Iterator[Record]:
    """Yield interactions in the order of their row ids as given; those that are gone are left."""
    for start in range(0, len(ids), CHUNK):
        yield from _load_chunk(db, project_id, ids[start : start + CHUNK])


def list_ids_of_session(db: Connection, project_id: str, session_id: str) -> list[int]:
    """Return the row ids of a session's first 10,000 interactions, in the order of time."""
    rows = db.rows(
        "select id from interactions where project_id = :project_id "
        "and session_id = :session_id order by created_at_ms, id limit 10000",
        {"project_id": project_id, "session_id": session_id},
    )
    return [row["id"] for row in rows]


def _load_chunk(db: Connection, project_id: str, ids: Sequence[int]) -> Iterator[Record]:
    text, params = in_list("i", ids)
    # With the project as a condition, SQLite would walk through all of it to find some ids.
    found = {
        row["id"]: dict(row)
        for row in db.rows(
            f"select project_id, session_id, {COLUMNS} from interactions where id {text}", params
        )
        if row["project_id"] == project_id
    }
    rows = [found[each] for each in ids if each in found]
    sessions = [(row.pop("project_id"), row.pop("session_id"))[1] for row in rows]
    places = _find_places(db, project_id, sorted(set(sessions)))
    flags = list_flags(db, project_id, [row["task_id"] for row in rows])
    for line, session_id in zip(read_lines(db, project_id, rows), sessions, strict=True):
        place = places.get(session_id, _Places(0, 0, {}))
        position = place.by_id.get(line.id)
        yield Record(
            line=line,
            session_id=session_id,
            session_length=place.length,
            position=position,
            is_last=(
                line.created_at_ms >= place.last_at_ms
                if position is None
                else position == place.length
            ),
            flagged=flags.get(line.task_id),
        )


@dataclass(frozen=True)
class _Places:
    """The interactions of a session by their place; none where they are too many to count."""

    length: int
    last_at_ms: int
    by_id: Mapping[int, int]


def _find_places(db: Connection, project_id: str, session_ids: Sequence[str]) -> dict[str, _Places]:
    text, params = in_list("s", session_ids)
    mine = {"project_id": project_id, **params}
    sessions = db.rows(
        "select session_id, interactions, last_at_ms from sessions "
        f"where project_id = :project_id and session_id {text}",
        mine,
    )
    found = {
        row["session_id"]: _Places(row["interactions"], row["last_at_ms"], {}) for row in sessions
    }
    short = [name for name, place in found.items() if place.length <= MOST_COUNTED]
    text, params = in_list("s", short)
    rows = db.rows(
        "select id, session_id, row_number() over (partition by session_id "
        "order by created_at_ms, id) as position from interactions "
        f"where project_id = :project_id and session_id {text}",
        {"project_id": project_id, **params},
    )
    counted: dict[str, dict[int, int]] = {}
    for row in rows:
        counted.setdefault(row["session_id"], {})[row["id"]] = row["position"]
    return {
        name: _Places(place.length, place.last_at_ms, counted.get(name, {}))
        for name, place in found.items()
    }

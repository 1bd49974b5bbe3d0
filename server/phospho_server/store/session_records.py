"""Sessions with all that is known of them, for programs that read them back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from phospho_server.store import Connection, Params, in_list, session_details
from phospho_server.store.filters import Filter
from phospho_server.store.session_details import SessionDetails
from phospho_server.store.sessions import IS_EVENT, StoredSession, find_stored, list_stored

# Sessions read by one statement: as many as existing clients ask for at once.
_CHUNK = 1_000

# Pages of an index that are looked at, each of some thousand rows at the most.
_MOST_PAGES = 100


class SessionRecord(NamedTuple):
    """A session, of which at least one of `row` and `details` is there.

    A tuple, as a thousand at a time are read.

    Args:
        row: What was said in it; None where nothing was yet.
        details: What was said of it; None where nothing was.
        events: Those in it, each with the id of its definition and its name, the most frequent
            first.
    """

    session_id: str
    row: StoredSession | None
    details: SessionDetails | None
    events: Sequence[tuple[str, str]] = ()


def get_session_record(db: Connection, project_id: str, session_id: str) -> SessionRecord:
    """Return one session.

    Raises:
        NotFoundError: The project has no such session.
    """
    row = find_stored(db, project_id, session_id)
    if row is not None:
        return _complete(db, project_id, [row], is_whole=False)[0]
    details = session_details.list_details(db, project_id, [session_id])
    if not details:
        raise session_details.no_such_session()
    return SessionRecord(session_id, None, details[session_id])


def list_session_records(
    db: Connection, project_id: str, wanted: Filter, *, limit: int
) -> list[SessionRecord]:
    """Return the newest sessions that match; without a filter also those that have nothing yet.

    Args:
        db: A connection.
        project_id: The project.
        wanted: What must hold of a session.
        limit: Sessions at the most.
    """
    is_all = wanted == Filter()
    records: list[SessionRecord] = []
    if is_all:
        empty = session_details.list_empty(db, project_id, limit=limit)
        records = [SessionRecord(each.session_id, None, each) for each in empty]
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        if len(records) >= limit:
            break
        rows, cursor = list_stored(
            db, project_id, wanted, cursor=cursor, limit=min(_CHUNK, limit - len(records))
        )
        records += _complete(db, project_id, rows, is_whole=is_all)
        if cursor is None:
            break
    return records


def _complete(
    db: Connection, project_id: str, rows: Sequence[StoredSession], *, is_whole: bool
) -> list[SessionRecord]:
    """Return sessions with what is known of them.

    Args:
        db: A connection.
        project_id: The project.
        rows: The sessions.
        is_whole: Whether these are all there are from the first to the last, the newest first.
    """
    if not rows:
        return []
    details = session_details.list_details(db, project_id, [row.session_id for row in rows])
    events = _list_events(db, project_id, rows, is_whole=is_whole)
    return [
        SessionRecord(
            session_id=row.session_id,
            row=row,
            details=details.get(row.session_id),
            events=events.get(row.id, ()),
        )
        for row in rows
    ]


def _list_events(
    db: Connection, project_id: str, rows: Sequence[StoredSession], *, is_whole: bool
) -> dict[int, list[tuple[str, str]]]:
    """Return the definition's id and the name of each event, the most frequent first."""
    found, params = _side_by_side(rows) if is_whole else _by_id(rows)
    listed = db.tuples(
        f"select g.session_row, d.id, d.name from {found} order by g.interactions desc, d.name",
        {**params, "project_id": project_id},
    )
    events: dict[int, list[tuple[str, str]]] = {}
    for row_id, definition_id, name in listed:
        events.setdefault(row_id, []).append((definition_id, name))
    return events


_DEFINED = "join event_definitions d on d.id = f.value and d.deleted_at_ms is null"


def _by_id(rows: Sequence[StoredSession]) -> tuple[str, Params]:
    """Return how events of sessions that lie anywhere are found: among the facts of each."""
    text, params = in_list("s", [row.id for row in rows])
    found = (
        f"session_facts g join facts f on f.id = g.fact_id {_DEFINED} "
        f"where g.session_row {text} and {IS_EVENT}"
    )
    return found, params


def _side_by_side(rows: Sequence[StoredSession]) -> tuple[str, Params]:
    """Return the same of sessions that follow each other in a list: each event in its order."""
    newest, oldest = rows[0], rows[-1]
    found = (
        f"facts f {_DEFINED} cross join session_facts g "
        "where f.project_id = :project_id and f.fact = 'event' and g.fact_id = f.id "
        "and (g.last_at_ms, g.session_row) <= (:newest_ms, :newest) "
        "and (g.last_at_ms, g.session_row) >= (:oldest_ms, :oldest)"
    )
    return found, {
        "newest_ms": newest.last_at_ms,
        "newest": newest.id,
        "oldest_ms": oldest.last_at_ms,
        "oldest": oldest.id,
    }

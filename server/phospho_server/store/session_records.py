"""Sessions with all that is known of them, for programs that read them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phospho_server.store import Connection, facts, in_list, session_details
from phospho_server.store.filters import Filter
from phospho_server.store.records import MOST_COUNTED
from phospho_server.store.rows import SessionRow
from phospho_server.store.session_details import SessionDetails
from phospho_server.store.sessions import find_session, list_sessions

# Sessions read by one statement.
_CHUNK = 200

# Pages of an index that are looked at, each of some thousand rows at the most.
_MOST_PAGES = 100


@dataclass(frozen=True)
class SessionRecord:
    """A session, of which at least one of `row` and `details` is there.

    Args:
        row: What was said in it; None where nothing was yet.
        details: What was said of it; None where nothing was.
        most_common: The most frequent language, sentiment and flag, by these names.
        sentiment: The mean sentiment of its messages, from -1 to 1, and the mean of its size;
            None where it is not known, or the session has more than 500 interactions.
    """

    session_id: str
    row: SessionRow | None
    details: SessionDetails | None
    most_common: Mapping[str, str]
    sentiment: tuple[float, float] | None


def get_session_record(db: Connection, project_id: str, session_id: str) -> SessionRecord:
    """Return one session.

    Raises:
        NotFoundError: The project has no such session.
    """
    row = find_session(db, project_id, session_id)
    details = session_details.list_details(db, project_id, [session_id])
    if row is None and not details:
        raise session_details.no_such_session()
    return _complete(db, project_id, {session_id: row}, details)[0]


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
    rows: dict[str, SessionRow | None] = {}
    details: dict[str, SessionDetails] = {}
    if wanted == Filter():
        empty = session_details.list_empty(db, project_id, limit=limit)
        details = {each.session_id: each for each in empty}
        rows = dict.fromkeys(details)
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        if len(rows) >= limit:
            break
        page = list_sessions(
            db, project_id, wanted, cursor=cursor, limit=min(_CHUNK, limit - len(rows))
        )
        rows |= {each.session_id: each for each in page.sessions}
        details |= session_details.list_details(
            db, project_id, [each.session_id for each in page.sessions]
        )
        cursor = page.next_cursor
        if cursor is None:
            break
    return _complete(db, project_id, rows, details)


def _complete(
    db: Connection,
    project_id: str,
    rows: Mapping[str, SessionRow | None],
    details: Mapping[str, SessionDetails],
) -> list[SessionRecord]:
    records = []
    names = list(rows)
    for start in range(0, len(names), _CHUNK):
        chunk = names[start : start + _CHUNK]
        common = facts.list_most_common(db, project_id, chunk)
        short = [name for name in chunk if (row := rows[name]) and row.interactions <= MOST_COUNTED]
        sentiments = _list_sentiments(db, project_id, short)
        records += [
            SessionRecord(
                session_id=name,
                row=rows[name],
                details=details.get(name),
                most_common=common.get(name, {}),
                sentiment=sentiments.get(name),
            )
            for name in chunk
        ]
    return records


def _list_sentiments(
    db: Connection, project_id: str, session_ids: Sequence[str]
) -> dict[str, tuple[float, float]]:
    text, params = in_list("s", session_ids)
    rows = db.rows(
        "select session_id, avg(sentiment) as score, avg(abs(sentiment)) as magnitude "
        f"from interactions where project_id = :project_id and session_id {text} "
        "and sentiment is not null group by session_id",
        {"project_id": project_id, **params},
    )
    return {row["session_id"]: (row["score"], row["magnitude"]) for row in rows}

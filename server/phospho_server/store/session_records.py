"""Sessions with all that is known of them, for programs that read them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from phospho.models import Flag
from phospho_server.store import Connection, Params, in_list, session_details
from phospho_server.store.facts import EVENT
from phospho_server.store.filters import Filter
from phospho_server.store.records import MOST_COUNTED
from phospho_server.store.session_details import SessionDetails
from phospho_server.store.sessions import StoredSession, find_stored, list_stored

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
        language: The most frequent one of its messages; None where it is not known.
        feeling: The same of how they sound: `negative`, `neutral` or `positive`.
        flag: The same of the feedback on them.
        sentiment: The mean sentiment of its messages, from -1 to 1, and the mean of its size;
            None where it is not known, or the session has more than 500 interactions.
    """

    session_id: str
    row: StoredSession | None
    details: SessionDetails | None
    events: Sequence[tuple[str, str]] = ()
    language: str | None = None
    feeling: str | None = None
    flag: Flag | None = None
    sentiment: tuple[float, float] | None = None


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
    these = _side_by_side(rows) if is_whole else _by_id(rows)
    events = _list_events(db, project_id, these)
    languages, feelings = (
        _list_most_common(db, project_id, these, fact) for fact in ("language", "sentiment")
    )
    short = [row.session_id for row in rows if row.interactions <= MOST_COUNTED]
    sentiments = _list_sentiments(db, project_id, short)
    return [
        SessionRecord(
            session_id=row.session_id,
            row=row,
            details=details.get(row.session_id),
            events=events.get(row.id, ()),
            language=languages.get(row.id),
            feeling=feelings.get(row.id),
            flag=_most_common_flag(row),
            sentiment=sentiments.get(row.session_id),
        )
        for row in rows
    ]


class _These(NamedTuple):
    """Some sessions, and how to find their facts.

    Args:
        facts: SQL: facts `f` and those of sessions `g`, in the order in which they are looked up;
            with room for what else is joined to `f`.
        where: SQL: what makes them those of these sessions.
        params: What it names, besides the project and the name of the fact.
    """

    facts: str
    where: str
    params: Params


def _by_id(rows: Sequence[StoredSession]) -> _These:
    """Return sessions that lie anywhere: of each its facts are read, and those of a name kept."""
    text, params = in_list("s", [row.id for row in rows])
    return _These(
        "session_facts g join facts f on f.id = g.fact_id {joined}",
        f"g.session_row {text} and +g.fact_id in "
        "(select id from facts where project_id = :project_id and fact = :fact)",
        params,
    )


def _side_by_side(rows: Sequence[StoredSession]) -> _These:
    """Return sessions that follow each other in a list: each fact is read in its order."""
    newest, oldest = rows[0], rows[-1]
    return _These(
        "facts f {joined} cross join session_facts g",
        "f.project_id = :project_id and f.fact = :fact and g.fact_id = f.id "
        "and (g.last_at_ms, g.session_row) <= (:newest_ms, :newest) "
        "and (g.last_at_ms, g.session_row) >= (:oldest_ms, :oldest)",
        {
            "newest_ms": newest.last_at_ms,
            "newest": newest.id,
            "oldest_ms": oldest.last_at_ms,
            "oldest": oldest.id,
        },
    )


def _list_events(
    db: Connection, project_id: str, these: _These
) -> dict[int, list[tuple[str, str]]]:
    """Return the definition's id and the name of each event, the most frequent first."""
    joined = "join event_definitions d on d.id = f.value and d.deleted_at_ms is null"
    rows = db.tuples(
        f"select g.session_row, d.id, d.name from {these.facts.format(joined=joined)} "
        f"where {these.where} order by g.interactions desc, d.name",
        {**these.params, "project_id": project_id, "fact": EVENT},
    )
    events: dict[int, list[tuple[str, str]]] = {}
    for row_id, definition_id, name in rows:
        events.setdefault(row_id, []).append((definition_id, name))
    return events


def _list_most_common(
    db: Connection, project_id: str, these: _These, fact: str
) -> Mapping[int, str]:
    """Return the most frequent value of a fact; of two as frequent, the first by name."""
    # Of the values of a session, the last one stands.
    return dict(
        db.tuples(
            f"select g.session_row, f.value from {these.facts.format(joined='')} "
            f"where {these.where} order by g.interactions, f.value desc",
            {**these.params, "project_id": project_id, "fact": fact},
        )
    )


def _most_common_flag(row: StoredSession) -> Flag | None:
    if not row.successes and not row.failures:
        return None
    return "success" if row.successes > row.failures else "failure"


def _list_sentiments(
    db: Connection, project_id: str, session_ids: Sequence[str]
) -> dict[str, tuple[float, float]]:
    text, params = in_list("s", session_ids)
    rows = db.tuples(
        "select session_id, avg(sentiment), avg(abs(sentiment)) "
        f"from interactions where project_id = :project_id and session_id {text} "
        "and sentiment is not null group by session_id",
        {"project_id": project_id, **params},
    )
    return {name: (score, magnitude) for name, score, magnitude in rows}

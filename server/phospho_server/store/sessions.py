"""Sessions: the list with its filters, and one session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from phospho.models import Flag
from phospho_server.errors import NotFoundError
from phospho_server.store import Connection, cursors, in_list, search
from phospho_server.store.cursors import Cursor
from phospho_server.store.facts import Fact, find_facts
from phospho_server.store.filters import Asked, Filter, name_facts, resolve
from phospho_server.store.message_facts import SENTIMENT_UNITS
from phospho_server.store.rows import EventCount, SessionPage, SessionRow
from phospho_server.store.walking import MOST_CANDIDATES, Way, walk

PAGE_SIZE = 50

# Sessions with some words among which neighbours are looked for.
_MOST_FOUND = 200

# Sessions that are looked at for a page in an order that their facts are not in.
_MOST_SCATTERED = 1_500

# Sessions of a user whose events are counted.
MOST_COUNTED = 300

# The column that orders a list, and whether it does so downwards.
SORTS = {
    "newest": ("last_at_ms", True),
    "oldest": ("last_at_ms", False),
    "longest": ("interactions", True),
}


class StoredSession(NamedTuple):
    """A row of `sessions`.

    A tuple, as a thousand at a time are read.

    Args:
        language: The most frequent one of its messages; None where it is not known.
        feeling: The same of how they sound: `negative`, `neutral` or `positive`.
        sentiments: Messages whose sentiment is known.
        sentiment_sum: Their sum, in millionths.
        sentiment_size: The sum of their sizes, in millionths.
    """

    id: int
    session_id: str
    first_at_ms: int
    last_at_ms: int
    interactions: int
    successes: int
    failures: int
    user_id: str | None
    version_id: str | None
    first_input: str
    language: str | None
    feeling: str | None
    sentiments: int
    sentiment_sum: int
    sentiment_size: int

    @property
    def flag(self) -> Flag | None:
        """The most frequent one of the feedback on it; of two as frequent, `failure`."""
        if not self.successes and not self.failures:
            return None
        return "success" if self.successes > self.failures else "failure"

    @property
    def mean_sentiment(self) -> tuple[float, float] | None:
        """The mean sentiment of its messages, from -1 to 1, and that of its size, if known."""
        units = self.sentiments * SENTIMENT_UNITS
        return (self.sentiment_sum / units, self.sentiment_size / units) if units else None


_COLUMNS = ", ".join(f"s.{name}" for name in StoredSession._fields)


# Most of a session's facts are none. Asked for before they are looked up, and, by the plus, not
# one by one.
IS_EVENT = "+g.fact_id in (select id from facts where project_id = :project_id and fact = 'event')"


def list_sessions(
    db: Connection,
    project_id: str,
    wanted: Filter | None = None,
    *,
    sort: str = "newest",
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> SessionPage:
    """Return the sessions that match, by default those with the newest interaction first.

    Where words are asked for, the session with the newest interaction that has them comes first.

    Args:
        db: A connection.
        project_id: The project.
        wanted: What must hold of a session.
        sort: One of `SORTS`.
        cursor: `next_cursor` of the page before.
        limit: Sessions a page. There may be fewer, and none, with more to come: a page looks at
            some thousands only.

    Raises:
        InvalidError: The cursor is not one of ours.
    """
    rows, next_cursor = list_stored(db, project_id, wanted, sort=sort, cursor=cursor, limit=limit)
    return SessionPage(_with_events(db, project_id, rows), next_cursor)


def list_stored(
    db: Connection,
    project_id: str,
    wanted: Filter | None = None,
    *,
    sort: str = "newest",
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> tuple[list[StoredSession], str | None]:
    """Return the sessions of a page as they are stored, and the cursor that continues it.

    Takes what `list_sessions` takes, and raises what it does.
    """
    wanted = wanted or Filter()
    place = cursors.read(cursor) if cursor is not None else None
    asked = resolve(db, project_id, wanted, by="sessions")
    if asked is None:
        return [], None
    if wanted.text:
        rows, next_place = _find_by_text(db, project_id, wanted, asked, place, limit)
    else:
        rows, next_place = _walk(db, project_id, wanted, asked, SORTS[sort], place, limit)
    next_cursor = cursors.write(next_place) if next_place else None
    return list(map(StoredSession._make, rows)), next_cursor


def _with_events(
    db: Connection, project_id: str, rows: Sequence[StoredSession]
) -> list[SessionRow]:
    events = _list_event_counts(db, project_id, [row.session_id for row in rows])
    # From `session_id` to `first_input` they are the same.
    return [SessionRow(*row[1:10], events.get(row.session_id, ())) for row in rows]


def _walk(
    db: Connection,
    project_id: str,
    wanted: Filter,
    asked: Asked,
    sort: tuple[str, bool],
    place: Cursor | None,
    limit: int,
) -> tuple[list[tuple[Any, ...]], Cursor | None]:
    """Return a page in the order of an index, and where the next one begins."""
    column, is_down = sort
    params: dict[str, object] = {"project_id": project_id}
    if asked.lead and column == "last_at_ms":
        source, join = "session_facts l", "join sessions s on s.id = l.session_row"
        keys, where = ["l.last_at_ms", "l.session_row"], ["l.fact_id = :lead"]
        params["lead"] = asked.lead.id
    else:
        source, join = "sessions s", ""
        keys, where = [f"s.{column}", "s.id"], ["s.project_id = :project_id"]
        asked = asked.without_lead()
    period = _period(keys[0] if column == "last_at_ms" else "s.last_at_ms", wanted, params)
    # Of `l` where there is one, so that only sessions with all facts are looked up.
    at = ("l.last_at_ms", "l.session_row") if asked.lead else ("s.last_at_ms", "s.id")
    conditions = _conditions(wanted, asked, params, at)
    if column == "last_at_ms":
        where += period
    else:
        conditions += period
    rows, next_place = walk(
        db,
        Way(source, keys, is_down, where, params),
        columns=_COLUMNS,
        join=join,
        conditions=conditions,
        place=[place.key, place.row] if place else None,
        limit=limit,
        most_candidates=MOST_CANDIDATES if column == "last_at_ms" else _MOST_SCATTERED,
    )
    return rows, cursors.of(next_place) if next_place else None


def _find_by_text(
    db: Connection,
    project_id: str,
    wanted: Filter,
    asked: Asked,
    place: Cursor | None,
    limit: int,
) -> tuple[list[tuple[Any, ...]], Cursor | None]:
    """Return a page in the order of the newest interactions that have the words."""
    before_id = place.row if place else None
    matches = search.list_matches(db, project_id, wanted.text or "", before_id=before_id)
    newest: dict[str, int] = {}
    for match in matches.found:
        newest.setdefault(match.session_id, match.interaction_id)
    if before_id is not None:
        earlier = search.list_sessions_found(
            db, project_id, wanted.text or "", list(newest), from_id=before_id
        )
        newest = {name: at for name, at in newest.items() if name not in earlier}
    asked = asked.without_lead()
    text, params = in_list("s", list(newest))
    params |= {"project_id": project_id}
    where = ["s.project_id = :project_id", f"s.session_id {text}"]
    where += [*_period("s.last_at_ms", wanted, params), *_conditions(wanted, asked, params)]
    rows = db.tuples(f"select {_COLUMNS} from sessions s where {' and '.join(where)}", params)
    found = sorted(rows, key=lambda row: -newest[row[1]])
    if len(found) > limit:
        return found[:limit], Cursor(0, str(newest[found[limit - 1][1]]))
    next_before_id = matches.next_before_id
    return found, None if next_before_id is None else Cursor(0, str(next_before_id))


def _period(column: str, wanted: Filter, params: dict[str, object]) -> list[str]:
    conditions = []
    if wanted.since_ms is not None:
        conditions.append(f"{column} >= :since_ms")
    if wanted.until_ms is not None:
        conditions.append(f"{column} < :until_ms")
    params |= {"since_ms": wanted.since_ms, "until_ms": wanted.until_ms}
    return conditions


def _conditions(
    wanted: Filter,
    asked: Asked,
    params: dict[str, object],
    at: tuple[str, str] = ("s.last_at_ms", "s.id"),
) -> list[str]:
    """Return what has to hold of `s` besides its place in the list.

    Args:
        wanted: What is asked for.
        asked: The facts among it.
        params: Gets what the conditions name.
        at: The columns with the time and the row of a session.
    """
    last_at_ms, row = at
    # Looked up among the sessions of one fact, which lie in the order of the list, and not among
    # the facts of all sessions: a third of the time.
    conditions = [
        f"{word} (select 1 from session_facts f indexed by session_facts_by_fact "
        f"where f.fact_id = :{name} and f.last_at_ms = {last_at_ms} and f.session_row = {row})"
        for word, name in name_facts(asked, params)
    ]
    if wanted.shortest is not None:
        conditions.append("s.interactions >= :shortest")
    if wanted.longest is not None:
        conditions.append("s.interactions <= :longest")
    params |= {"shortest": wanted.shortest, "longest": wanted.longest}
    return conditions


def _list_event_counts(
    db: Connection, project_id: str, session_ids: Sequence[str]
) -> dict[str, list[EventCount]]:
    text, params = in_list("s", session_ids)
    rows = db.rows(
        "select s.session_id, d.id as definition_id, d.name, d.description, d.color, "
        "g.interactions as events from sessions s "
        f"join session_facts g on g.session_row = s.id and {IS_EVENT} "
        "join facts f on f.id = g.fact_id "
        "join event_definitions d on d.id = f.value and d.deleted_at_ms is null "
        f"where s.project_id = :project_id and s.session_id {text} "
        "order by events desc, d.name",
        {"project_id": project_id, **params},
    )
    found: dict[str, list[EventCount]] = {}
    for row in rows:
        count = {k: v for k, v in dict(row).items() if k != "session_id"}
        found.setdefault(row["session_id"], []).append(EventCount(**count))
    return found


def count_events_of(db: Connection, project_id: str, fact: Fact) -> list[EventCount]:
    """Return the events in the newest 300 sessions of which a fact is true, the most first."""
    known = find_facts(db, project_id, [fact]).get(fact)
    rows = db.rows(
        "select d.id as definition_id, d.name, d.description, d.color, "
        "n.events from (select g.fact_id, sum(g.interactions) as events "
        " from (select session_row from session_facts where fact_id = :fact_id "
        "  order by last_at_ms desc, session_row desc limit :most) s "
        f" join session_facts g on g.session_row = s.session_row and {IS_EVENT} "
        " group by g.fact_id) n join facts f on f.id = n.fact_id "
        "join event_definitions d on d.id = f.value and d.deleted_at_ms is null "
        "order by n.events desc, d.name",
        {"project_id": project_id, "fact_id": known.id if known else 0, "most": MOST_COUNTED},
    )
    return [EventCount(**dict(row)) for row in rows]


def get_session(db: Connection, project_id: str, session_id: str) -> SessionRow:
    """Return one session with its events.

    Raises:
        NotFoundError: The project has no such session.
    """
    found = find_session(db, project_id, session_id)
    if found is None:
        raise NotFoundError("This project has no session with this id. Look in the sessions list.")
    return found


def find_session(db: Connection, project_id: str, session_id: str) -> SessionRow | None:
    """Return one session with its events, or None where the project has no such session."""
    row = find_stored(db, project_id, session_id)
    if row is None:
        return None
    return _with_events(db, project_id, [row])[0]


def find_stored(db: Connection, project_id: str, session_id: str) -> StoredSession | None:
    """Return one session as it is stored, or None where the project has no such session."""
    rows = db.tuples(
        f"select {_COLUMNS} from sessions s "
        "where s.project_id = :project_id and s.session_id = :session_id",
        {"project_id": project_id, "session_id": session_id},
    )
    return StoredSession._make(rows[0]) if rows else None


def find_neighbours(
    db: Connection, project_id: str, session_id: str, wanted: Filter | None = None
) -> tuple[str | None, str | None]:
    """Return the ids of the sessions before and after one in a list, where there are.

    A list of those with some words is known as far as its first 200 sessions.
    """
    if wanted and wanted.text:
        listed = list_sessions(db, project_id, wanted, limit=_MOST_FOUND).sessions
        found = [None, *(each.session_id for each in listed), None]
        at = found.index(session_id) if session_id in found else 0
        return (found[at - 1], found[at + 1]) if at else (None, None)
    row = db.row(
        "select id, last_at_ms from sessions "
        "where project_id = :project_id and session_id = :session_id",
        {"project_id": project_id, "session_id": session_id},
    )
    if row is None:
        return None, None
    here = cursors.write(Cursor(row["last_at_ms"], str(row["id"])))
    newer, older = (
        list_sessions(db, project_id, wanted, sort=sort, cursor=here, limit=1).sessions
        for sort in ("oldest", "newest")
    )
    return newer[0].session_id if newer else None, older[0].session_id if older else None

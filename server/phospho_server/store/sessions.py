"""Sessions: the list with its filters, and one session's transcript."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from phospho_server.errors import InvalidError, NotFoundError
from phospho_server.store import Connection, facts, in_list, search
from phospho_server.store.events import list_events, list_rejected
from phospho_server.store.rows import (
    EventCount,
    SessionFilter,
    SessionPage,
    SessionRow,
    Step,
    TranscriptLine,
)

PAGE_SIZE = 50

# A transcript is one page; a session that never ends is shown in parts of this length.
TRANSCRIPT_SIZE = 200

# Milliseconds have this many digits until the year 33658.
_MAX_DIGITS = 15

_COLUMNS = (
    "s.session_id, s.first_at_ms, s.last_at_ms, s.interactions, s.successes, s.failures, "
    "s.user_id, s.version_id, s.first_input"
)

# Which of two tables gives the order: both know when a session was last heard of.
_ALL_SESSIONS = "sessions s"
_SESSIONS_WITH = (
    "session_facts f join sessions s on s.project_id = f.project_id and s.session_id = f.session_id"
)

_EVENT_CONDITION = (
    "exists (select 1 from session_events e join event_definitions d on d.id = e.definition_id "
    "where e.project_id = s.project_id and e.session_id = s.session_id and e.events > 0 "
    "and d.project_id = :project_id and d.name = :event and d.deleted_at_ms is null)"
)


def list_sessions(
    db: Connection,
    project_id: str,
    wanted: SessionFilter | None = None,
    *,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> SessionPage:
    """Return the sessions that match, those with the newest interaction first.

    Args:
        db: A connection.
        project_id: The project.
        wanted: What must hold of a session.
        cursor: `next_cursor` of the page before.
        limit: Sessions a page.

    Raises:
        InvalidError: The cursor is not one of ours.
    """
    wanted = wanted or SessionFilter()
    # A rare language or sentiment would be looked for in all sessions; its own index has them.
    by = "f" if wanted.language or wanted.sentiment else "s"
    conditions, params = _conditions(wanted, by)
    if cursor is not None:
        last_at_ms, session_id = _read_cursor(cursor)
        conditions.append(f"({by}.last_at_ms, {by}.session_id) < (:cursor_at_ms, :cursor_id)")
        params |= {"cursor_at_ms": last_at_ms, "cursor_id": session_id}
    rows = db.rows(
        f"select {_COLUMNS}, {by}.last_at_ms as listed_at_ms "
        f"from {_ALL_SESSIONS if by == 's' else _SESSIONS_WITH} where "
        + " and ".join([f"{by}.project_id = :project_id", *conditions])
        + f" order by {by}.last_at_ms desc, {by}.session_id desc limit :limit",
        {"project_id": project_id, "limit": limit + 1, **params},
    )
    found = [dict(row) for row in rows[:limit]]
    listed_at_ms = [row.pop("listed_at_ms") for row in found]
    sessions = [SessionRow(**row) for row in found]
    events = _list_event_counts(db, project_id, [s.session_id for s in sessions])
    return SessionPage(
        [replace(s, events=events.get(s.session_id, ())) for s in sessions],
        f"{listed_at_ms[-1]}.{sessions[-1].session_id}" if len(rows) > limit else None,
    )


def _conditions(wanted: SessionFilter, by: str) -> tuple[list[str], dict[str, object]]:
    words = search.quote_words(wanted.text or "")
    table: list[tuple[object, str]] = [
        (wanted.event, _EVENT_CONDITION),
        (wanted.user_id, "s.user_id = :user_id"),
        (wanted.version_id, "s.version_id = :version_id"),
        (wanted.since_ms, f"{by}.last_at_ms >= :since_ms"),
        (wanted.until_ms, f"{by}.last_at_ms < :until_ms"),
        (wanted.flag == "success", "s.successes > 0"),
        (wanted.flag == "failure", "s.failures > 0"),
        (words, search.session_condition()),
        *facts.session_conditions(wanted),
        # Asked for text in which there is no word to look for: nothing can match.
        (wanted.text and not words, "false"),
    ]
    conditions = [condition for is_asked, condition in table if is_asked not in (None, False, "")]
    return conditions, {**vars(wanted), "words": words}


def _read_cursor(cursor: str) -> tuple[int, str]:
    at_ms, dot, session_id = cursor.partition(".")
    if not (dot and at_ms.isascii() and at_ms.isdigit() and len(at_ms) <= _MAX_DIGITS):
        raise InvalidError("This page's address is not complete. Start again from the first page.")
    return int(at_ms), session_id


def _list_event_counts(
    db: Connection, project_id: str, session_ids: Sequence[str]
) -> dict[str, list[EventCount]]:
    text, params = in_list("s", session_ids)
    rows = db.rows(
        "select e.session_id, e.definition_id, d.name, d.description, d.color, e.events "
        "from session_events e join event_definitions d on d.id = e.definition_id "
        f"where e.project_id = :project_id and e.session_id {text} and e.events > 0 "
        "and d.deleted_at_ms is null order by e.events desc, d.name",
        {"project_id": project_id, **params},
    )
    found: dict[str, list[EventCount]] = {}
    for row in rows:
        count = {k: v for k, v in dict(row).items() if k != "session_id"}
        found.setdefault(row["session_id"], []).append(EventCount(**count))
    return found


def get_session(db: Connection, project_id: str, session_id: str) -> SessionRow:
    """Return one session with its events.

    Raises:
        NotFoundError: The project has no such session.
    """
    row = db.row(
        f"select {_COLUMNS} from sessions s "
        "where s.project_id = :project_id and s.session_id = :session_id",
        {"project_id": project_id, "session_id": session_id},
    )
    if row is None:
        raise NotFoundError("This project has no session with this id. Look in the sessions list.")
    events = _list_event_counts(db, project_id, [session_id])
    return replace(SessionRow(**dict(row)), events=events.get(session_id, ()))


def list_transcript(
    db: Connection, project_id: str, session_id: str, *, offset: int = 0
) -> Sequence[TranscriptLine]:
    """Return a session's interactions in the order of time, at most 200 from `offset` on."""
    rows = db.rows(
        "select id, task_id, created_at_ms, input, output, user_id, version_id, flag, notes, "
        "metadata, raw_input, raw_output, steps, language, sentiment from interactions "
        "where project_id = :project_id and session_id = :session_id "
        "order by created_at_ms, id limit :limit offset :offset",
        {
            "project_id": project_id,
            "session_id": session_id,
            "limit": TRANSCRIPT_SIZE,
            "offset": offset,
        },
    )
    ids = [row["id"] for row in rows]
    events = list_events(db, project_id, ids)
    rejected = list_rejected(db, project_id, ids)
    lines = []
    for row in rows:
        columns = dict(row)
        for name in ("metadata", "raw_input", "raw_output"):
            columns[name] = json.loads(columns[name]) if columns[name] else None
        columns["metadata"] = columns["metadata"] or {}
        columns["steps"] = [Step(**step) for step in json.loads(columns["steps"] or "[]")]
        columns["events"] = events.get(row["id"], ())
        columns["rejected"] = rejected.get(row["id"], ())
        lines.append(TranscriptLine(**columns))
    return lines


def find_position(db: Connection, project_id: str, session_id: str, interaction_id: int) -> int:
    """Return an interaction's place in its session, from 1; 0 if it is not in it."""
    row = db.row(
        "select count(*) as n from interactions i join interactions earlier "
        "on earlier.project_id = i.project_id and earlier.session_id = i.session_id "
        "and (earlier.created_at_ms, earlier.id) <= (i.created_at_ms, i.id) "
        "where i.id = :interaction_id and i.project_id = :project_id "
        "and i.session_id = :session_id",
        {"project_id": project_id, "session_id": session_id, "interaction_id": interaction_id},
    )
    return int(row["n"]) if row else 0


def find_neighbours(
    db: Connection, project_id: str, session: SessionRow
) -> tuple[str | None, str | None]:
    """Return the ids of the next newer and the next older session in the list."""
    here = {"project_id": project_id, "at_ms": session.last_at_ms, "id": session.session_id}
    newer = db.row(
        "select session_id from sessions where project_id = :project_id "
        "and (last_at_ms, session_id) > (:at_ms, :id) order by last_at_ms, session_id limit 1",
        here,
    )
    older = db.row(
        "select session_id from sessions where project_id = :project_id "
        "and (last_at_ms, session_id) < (:at_ms, :id) "
        "order by last_at_ms desc, session_id desc limit 1",
        here,
    )
    return newer["session_id"] if newer else None, older["session_id"] if older else None


def list_versions(db: Connection, project_id: str) -> Sequence[str]:
    """Return the versions of the newest 500 sessions, for a filter to offer."""
    rows = db.rows(
        "select distinct version_id from (select version_id from sessions "
        "where project_id = :project_id "
        "order by last_at_ms desc, session_id desc limit 500) newest "
        "where version_id is not null order by version_id",
        {"project_id": project_id},
    )
    return [row["version_id"] for row in rows]

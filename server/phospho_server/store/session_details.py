"""What programs say of a session as a whole, also before anything was said in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phospho.snapshot import MAX_METADATA_CHARS
from phospho_server.clock import new_id, now_ms
from phospho_server.errors import InvalidError, NotFoundError
from phospho_server.store import Connection, Row, in_list
from phospho_server.store.projects import get_project

# Of the sessions that were made last so many are looked at for those without an interaction.
_MOST_NEW = 1_000


@dataclass(frozen=True)
class SessionDetails:
    """What was said of one session."""

    session_id: str
    created_at_ms: int
    metadata: Mapping[str, Any] | None
    data: Mapping[str, Any] | None
    notes: str | None
    preview: str | None


_COLUMNS = "session_id, created_at_ms, metadata, data, notes, preview"

_UPSERT = f"""
insert into session_details (project_id, {_COLUMNS})
values (:project_id, :session_id, :created_at_ms, :metadata, :data, :notes, :preview)
on conflict (project_id, session_id) do update set
    metadata = coalesce(excluded.metadata, session_details.metadata),
    data = coalesce(excluded.data, session_details.data),
    notes = coalesce(excluded.notes, session_details.notes),
    preview = coalesce(excluded.preview, session_details.preview)
"""

_IS_EMPTY = (
    "not exists (select 1 from sessions s where s.project_id = d.project_id "
    "and s.session_id = d.session_id)"
)


def create_session(db: Connection, project_id: str, data: Mapping[str, Any] | None) -> str:
    """Make a session in which nothing was said yet, and return its id.

    Raises:
        NotFoundError: The project was deleted meanwhile.
        InvalidError: The data is too long.
    """
    get_project(db, project_id)
    session_id = new_id("session_")
    _keep(db, project_id, session_id, created_at_ms=now_ms(), data=data)
    return session_id


def say_of_session(
    db: Connection,
    project_id: str,
    session_id: str,
    *,
    metadata: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    notes: str | None = None,
    preview: str | None = None,
) -> None:
    """Keep what is said of a session; None leaves what was, and metadata is added to what was.

    Raises:
        NotFoundError: The project has no such session.
        InvalidError: Metadata or data are too long.
    """
    known = list_details(db, project_id, [session_id]).get(session_id)
    begun = db.row(
        "select first_at_ms from sessions "
        "where project_id = :project_id and session_id = :session_id",
        {"project_id": project_id, "session_id": session_id},
    )
    if known is None and begun is None:
        raise no_such_session()
    if metadata is not None and known is not None:
        metadata = {**(known.metadata or {}), **metadata}
    _keep(
        db,
        project_id,
        session_id,
        created_at_ms=begun["first_at_ms"] if begun else now_ms(),
        metadata=metadata,
        data=data,
        notes=notes,
        preview=preview,
    )


def no_such_session() -> NotFoundError:
    """Return what to raise for a session that a project does not have."""
    return NotFoundError(
        "This project has no session with this id. Log an interaction with it, or create it with "
        "`POST /v2/sessions`."
    )


def list_details(
    db: Connection, project_id: str, session_ids: Sequence[str]
) -> dict[str, SessionDetails]:
    """Return what was said of those of the sessions of which something was."""
    text, params = in_list("s", session_ids)
    rows = db.rows(
        f"select {_COLUMNS} from session_details "
        f"where project_id = :project_id and session_id {text}",
        {"project_id": project_id, **params},
    )
    return {row["session_id"]: _read(row) for row in rows}


def list_empty(db: Connection, project_id: str, *, limit: int) -> list[SessionDetails]:
    """Return the newest sessions that were made and in which nothing was said yet."""
    rows = db.rows(
        f"select {_COLUMNS} from (select * from session_details where project_id = :project_id "
        f" order by created_at_ms desc, session_id desc limit {_MOST_NEW}) d "
        f"where {_IS_EMPTY} order by created_at_ms desc, session_id desc limit :limit",
        {"project_id": project_id, "limit": limit},
    )
    return [_read(row) for row in rows]


def remove_empty(db: Connection, mine: Mapping[str, object]) -> int:
    """Remove sessions in which nothing was said, and that are too old; return how many.

    Args:
        db: A connection in a write transaction.
        mine: `project_id`, `before` in milliseconds, and `most` rows.
    """
    return db.execute(
        "delete from session_details where project_id = :project_id and session_id in ("
        " select session_id from session_details d where project_id = :project_id "
        f" and created_at_ms < :before and {_IS_EMPTY} limit :most)",
        mine,
    )


def _keep(
    db: Connection,
    project_id: str,
    session_id: str,
    *,
    created_at_ms: int,
    metadata: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    notes: str | None = None,
    preview: str | None = None,
) -> None:
    db.execute(
        _UPSERT,
        {
            "project_id": project_id,
            "session_id": session_id,
            "created_at_ms": created_at_ms,
            "metadata": _dump("metadata", metadata),
            "data": _dump("data", data),
            "notes": notes,
            "preview": preview,
        },
    )


def _dump(name: str, value: Mapping[str, Any] | None) -> str | None:
    if value is None:
        return None
    dumped = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if len(dumped) > MAX_METADATA_CHARS:
        raise InvalidError(
            f"{name} has {len(dumped):,} characters as JSON; send at most {MAX_METADATA_CHARS:,}."
        )
    return dumped


def _read(row: Row) -> SessionDetails:
    columns = dict(row)
    for name in ("metadata", "data"):
        columns[name] = json.loads(columns[name]) if columns[name] else None
    return SessionDetails(**columns)

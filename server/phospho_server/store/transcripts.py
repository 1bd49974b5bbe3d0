"""A session's transcript, a part at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from phospho_server.store import Connection
from phospho_server.store.events import list_events, list_rejected
from phospho_server.store.interactions import no_such_interaction
from phospho_server.store.rows import Step, TranscriptLine

# A session that never ends is told in parts of this length.
PART_SIZE = 200

_COLUMNS = (
    "id, task_id, created_at_ms, input, output, user_id, version_id, flag, notes, metadata, "
    "raw_input, raw_output, steps, language, sentiment"
)


def list_transcript(
    db: Connection,
    project_id: str,
    session_id: str,
    *,
    offset: int = 0,
    limit: int | None = None,
) -> Sequence[TranscriptLine]:
    """Return a session's interactions in the order of time, from `offset` on.

    At most `limit` of them, by default 200.
    """
    rows = db.rows(
        f"select {_COLUMNS} from interactions "
        "where project_id = :project_id and session_id = :session_id "
        "order by created_at_ms, id limit :limit offset :offset",
        {
            "project_id": project_id,
            "session_id": session_id,
            "limit": PART_SIZE if limit is None else limit,
            "offset": offset,
        },
    )
    return _read_lines(db, project_id, [dict(row) for row in rows])


def get_line(db: Connection, project_id: str, task_id: str) -> tuple[str, TranscriptLine]:
    """Return the session that an interaction is in, and the interaction.

    Raises:
        NotFoundError: The project has none with this id.
    """
    row = db.row(
        f"select session_id, {_COLUMNS} from interactions "
        "where project_id = :project_id and task_id = :task_id",
        {"project_id": project_id, "task_id": task_id},
    )
    if row is None:
        raise no_such_interaction()
    columns = dict(row)
    session_id = columns.pop("session_id")
    return session_id, _read_lines(db, project_id, [columns])[0]


def _read_lines(
    db: Connection, project_id: str, rows: Sequence[dict[str, Any]]
) -> list[TranscriptLine]:
    """Return rows of `interactions` with the events in them.

    Args:
        db: A connection.
        project_id: The project.
        rows: The values of `_COLUMNS`, by name.
    """
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

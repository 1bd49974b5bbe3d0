"""The newest interactions of a project, read at once for a preview, and what stands about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from phospho_server.store import Connection, Row, in_list

_COLUMNS = "id, task_id, session_id, created_at_ms, input, output"


@dataclass(frozen=True)
class Recent:
    """An interaction as a preview reads it."""

    id: int
    task_id: str
    session_id: str
    created_at_ms: int
    input: str
    output: str | None


def list_recent(db: Connection, project_id: str, *, most: int) -> list[Recent]:
    """Return the interactions that arrived last, the newest first."""
    rows = db.rows(
        f"select {_COLUMNS} from interactions where project_id = :project_id "
        "order by id desc limit :most",
        {"project_id": project_id, "most": most},
    )
    return _read(rows)


def list_before(
    db: Connection, project_id: str, rows: Sequence[Recent], *, most: int
) -> list[Recent]:
    """Return what the sessions of the newest interactions have besides, the newest first."""
    if not rows:
        return []
    text, params = in_list("s", sorted({row.session_id for row in rows}))
    # A plus keeps SQLite from reading all interactions in their order instead of by session.
    found = db.rows(
        f"select {_COLUMNS} from interactions where id in (select id from interactions "
        f" where project_id = :project_id and session_id {text} and +id < :oldest_id "
        " order by +id desc limit :most) order by id desc",
        {"project_id": project_id, "oldest_id": rows[-1].id, "most": most, **params},
    )
    return _read(found)


def list_event_ids(
    db: Connection, project_id: str, definition_id: str, *, oldest_id: int, most: int
) -> set[int]:
    """Return the interactions from `oldest_id` on in which an event occurred."""
    # The order makes SQLite read the events of one definition instead of all verdicts.
    rows = db.rows(
        "select interaction_id from detections where project_id = :project_id "
        "and definition_id = :definition_id and detected = 1 and interaction_id >= :oldest_id "
        "order by interaction_id desc limit :most",
        {
            "project_id": project_id,
            "definition_id": definition_id,
            "oldest_id": oldest_id,
            "most": most,
        },
    )
    return {row["interaction_id"] for row in rows}


def _read(rows: Sequence[Row]) -> list[Recent]:
    return [
        Recent(*(row[name] for name in ("id", "task_id", "session_id")),
               *(row[name] for name in ("created_at_ms", "input", "output")))
        for row in rows
    ]  # fmt: skip

"""The newest interactions of a project, read at once for a preview, and what stands about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from phospho_server.store import Connection, Row

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


def list_before(db: Connection, project_id: str, oldest_id: int, *, most: int) -> list[Recent]:
    """Return what the sessions of the interactions from `oldest_id` on have besides."""
    rows = db.rows(
        f"select {_COLUMNS} from interactions where project_id = :project_id "
        "and id < :oldest_id and session_id in (select session_id from interactions "
        " where project_id = :project_id and id >= :oldest_id) order by id desc limit :most",
        {"project_id": project_id, "oldest_id": oldest_id, "most": most},
    )
    return _read(rows)


def list_event_ids(
    db: Connection, project_id: str, definition_id: str, *, oldest_id: int
) -> set[int]:
    """Return the interactions from `oldest_id` on in which an event occurred."""
    rows = db.rows(
        "select interaction_id from detections where project_id = :project_id "
        "and definition_id = :definition_id and detected = 1 and interaction_id >= :oldest_id",
        {"project_id": project_id, "definition_id": definition_id, "oldest_id": oldest_id},
    )
    return {row["interaction_id"] for row in rows}


def list_reviewed_ids(
    db: Connection, project_id: str, definition_id: str, *, oldest_id: int
) -> set[int]:
    """Return the interactions from `oldest_id` on about which a person has spoken."""
    rows = db.rows(
        "select distinct interaction_id from reviews where project_id = :project_id "
        "and definition_id = :definition_id and interaction_id >= :oldest_id "
        "and undone_at_ms is null",
        {"project_id": project_id, "definition_id": definition_id, "oldest_id": oldest_id},
    )
    return {row["interaction_id"] for row in rows}


def _read(rows: Sequence[Row]) -> list[Recent]:
    return [
        Recent(*(row[name] for name in ("id", "task_id", "session_id")),
               *(row[name] for name in ("created_at_ms", "input", "output")))
        for row in rows
    ]  # fmt: skip

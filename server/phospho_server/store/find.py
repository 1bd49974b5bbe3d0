"""What an id belongs to: a session, a user or an interaction."""

from __future__ import annotations

from dataclasses import dataclass

from phospho_server.store import Connection


@dataclass(frozen=True)
class KnownId:
    """What an id belongs to; it may be several things, or nothing.

    Args:
        session_id: The session with this id, or that of the interaction.
        interaction_id: Row id of the interaction with this task id.
        user_id: The user.
    """

    session_id: str | None = None
    interaction_id: int | None = None
    user_id: str | None = None


def find_by_id(db: Connection, project_id: str, text: str) -> KnownId | None:
    """Return what has this text as its id, or None."""
    mine = {"project_id": project_id, "id": text}
    session = db.row(
        "select session_id from sessions where project_id = :project_id and session_id = :id", mine
    )
    user = db.row(
        "select user_id from users where project_id = :project_id and user_id = :id", mine
    )
    task = db.row(
        "select id, session_id from interactions where project_id = :project_id and task_id = :id",
        mine,
    )
    known = KnownId(
        session_id=session["session_id"] if session else task["session_id"] if task else None,
        interaction_id=task["id"] if task else None,
        user_id=user["user_id"] if user else None,
    )
    return None if known == KnownId() else known

"""Invitations to a project: links that let somebody in once."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from phospho_server.clock import DAY_MS, new_id, now_ms
from phospho_server.errors import NotFoundError
from phospho_server.store import Connection
from phospho_server.store.memberships import Role
from phospho_server.store.projects import get_project, hash_secret

LIFE_MS = 7 * DAY_MS

_COLUMNS = "id, project_id, role, invited_by, created_at_ms, expires_at_ms"


@dataclass(frozen=True)
class Invitation:
    """A link that was given to somebody; who has it may join.

    Args:
        invited_by: As in the audit log.
    """

    id: str
    project_id: str
    role: Role
    invited_by: str
    created_at_ms: int
    expires_at_ms: int


def create_invitation(
    db: Connection, project_id: str, role: Role, *, invited_by: str
) -> tuple[Invitation, str]:
    """Make an invitation; return it with the token of its link, which is kept nowhere.

    Raises:
        NotFoundError: There is no such project.
    """
    get_project(db, project_id)
    token = secrets.token_urlsafe(32)
    now = now_ms()
    invitation = Invitation(new_id("inv_"), project_id, role, invited_by, now, now + LIFE_MS)
    db.execute(
        f"insert into invitations ({_COLUMNS}, token_hash) values (:id, :project_id, :role, "
        ":invited_by, :created_at_ms, :expires_at_ms, :token_hash)",
        {**vars(invitation), "token_hash": hash_secret(token)},
    )
    return invitation, token


def find_invitation(db: Connection, token: str) -> Invitation | None:
    """Return the invitation that a link is of, or None if it is not valid any more."""
    row = db.row(
        f"select {_COLUMNS} from invitations "
        "where token_hash = :hash and used_at_ms is null and expires_at_ms > :now",
        {"hash": hash_secret(token), "now": now_ms()},
    )
    return None if row is None else Invitation(**dict(row))


def use_invitation(db: Connection, token: str) -> Invitation:
    """Use up an invitation and return it.

    Raises:
        NotFoundError: It is not valid any more.
    """
    invitation = find_invitation(db, token)
    if invitation is None:
        raise NotFoundError(
            "This invitation is no longer valid: it works once, for a week. Ask for another one."
        )
    db.execute(
        "update invitations set used_at_ms = :now "
        "where project_id = :project_id and id = :id and used_at_ms is null",
        {"project_id": invitation.project_id, "id": invitation.id, "now": now_ms()},
    )
    return invitation


def list_invitations(db: Connection, project_id: str) -> Sequence[Invitation]:
    """Return the invitations to a project that can still be used, newest first."""
    rows = db.rows(
        f"select {_COLUMNS} from invitations where project_id = :project_id "
        "and used_at_ms is null and expires_at_ms > :now order by created_at_ms desc, id desc",
        {"project_id": project_id, "now": now_ms()},
    )
    return [Invitation(**dict(row)) for row in rows]


def withdraw_invitation(db: Connection, project_id: str, invitation_id: str) -> Role:
    """Make an invitation useless; return the role that it offered.

    Raises:
        NotFoundError: There is no such invitation that can still be used.
    """
    for invitation in list_invitations(db, project_id):
        if invitation.id == invitation_id:
            db.execute(
                "delete from invitations where project_id = :project_id and id = :id",
                {"project_id": project_id, "id": invitation_id},
            )
            return invitation.role
    raise NotFoundError("There is no such invitation, or it was used. Settings list the open ones.")

"""Who may do what in a project: the roles of accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from phospho_server.clock import now_ms
from phospho_server.errors import ConflictError, InvalidError, NotFoundError
from phospho_server.store import Connection
from phospho_server.store.accounts import Account
from phospho_server.store.projects import get_project, no_such_project
from phospho_server.store.rows import Project

Role = Literal["viewer", "editor", "owner"]

# Each may do all that those before it may.
ROLES: tuple[Role, ...] = ("viewer", "editor", "owner")

# What a role may do, for people who choose one.
ROLE_HINTS: dict[Role, str] = {
    "viewer": "reads everything but keys and settings",
    "editor": "also changes events, reviews and notes",
    "owner": "also changes keys, members and settings",
}


@dataclass(frozen=True)
class Member:
    """An account with its role in a project."""

    account_id: str
    email: str
    role: Role
    created_at_ms: int


def is_enough(role: Role, needed: Role) -> bool:
    """Tell whether a role may do what another one may."""
    return ROLES.index(role) >= ROLES.index(needed)


def read_role(text: str) -> Role:
    """Return a role as somebody chose it.

    Raises:
        InvalidError: There is no such role.
    """
    if text not in ROLES:
        raise InvalidError("There is no such role. Choose viewer, editor or owner.")
    return text


def get_role(db: Connection, project_id: str, account: Account | None) -> Role:
    """Return what somebody may do in a project.

    Args:
        db: The database.
        project_id: The project.
        account: None for somebody who owns the server without an account.

    Raises:
        NotFoundError: There is no such project, or they are no member of it.
    """
    get_project(db, project_id)
    if account is None or account.is_owner:
        return "owner"
    member = find_member(db, project_id, account.id)
    if member is None:
        raise no_such_project()
    return member.role


def visible_to(account: Account | None) -> tuple[str, dict[str, object]]:
    """Return a condition on `projects.id` that leaves what somebody may see, and its parameters.

    Every query that lists projects to people takes it; None owns the server.
    """
    if account is None or account.is_owner:
        return "1 = 1", {}
    mine = "select project_id from memberships where account_id = :account_id"
    return f"projects.id in ({mine})", {"account_id": account.id}


def list_projects_of(db: Connection, account: Account | None) -> Sequence[Project]:
    """Return the projects that somebody may see, oldest first."""
    visible, params = visible_to(account)
    rows = db.rows(
        f"select id, name, created_at_ms from projects where {visible} order by created_at_ms, id",
        params,
    )
    return [Project(**dict(row)) for row in rows]


def list_members(db: Connection, project_id: str) -> Sequence[Member]:
    """Return the members of a project, owners first."""
    rows = db.rows(
        "select m.account_id, a.email, m.role, m.created_at_ms from memberships m "
        "join accounts a on a.id = m.account_id where m.project_id = :project_id "
        "order by a.email",
        {"project_id": project_id},
    )
    members = [Member(**dict(row)) for row in rows]
    return sorted(members, key=lambda member: -ROLES.index(member.role))


def find_member(db: Connection, project_id: str, account_id: str) -> Member | None:
    """Return a member, or None where the account is none of the project."""
    row = db.row(
        "select m.account_id, a.email, m.role, m.created_at_ms from memberships m "
        "join accounts a on a.id = m.account_id "
        "where m.project_id = :project_id and m.account_id = :account_id",
        {"project_id": project_id, "account_id": account_id},
    )
    return None if row is None else Member(**dict(row))


def get_member(db: Connection, project_id: str, account_id: str) -> Member:
    """Return a member.

    Raises:
        NotFoundError: The project has no such member.
    """
    member = find_member(db, project_id, account_id)
    if member is None:
        raise NotFoundError("The project has no such member. Settings list those it has.")
    return member


def add_member(db: Connection, project_id: str, account_id: str, role: Role) -> Role:
    """Make an account a member, or raise its role; return the role it has now."""
    before = find_member(db, project_id, account_id)
    if before is not None and is_enough(before.role, role):
        return before.role
    db.execute(
        "insert into memberships (project_id, account_id, role, created_at_ms) "
        "values (:project_id, :account_id, :role, :now) "
        "on conflict (project_id, account_id) do update set role = excluded.role",
        {"project_id": project_id, "account_id": account_id, "role": role, "now": now_ms()},
    )
    return role


def set_role(db: Connection, project_id: str, account_id: str, role: Role) -> Member:
    """Give a member another role; return the member as it was.

    Raises:
        NotFoundError: The project has no such member.
        ConflictError: It is the last owner, who must stay one.
    """
    before = get_member(db, project_id, account_id)
    if role != "owner":
        _end_ownership(db, before, project_id)
    db.execute(
        "update memberships set role = :role "
        "where project_id = :project_id and account_id = :account_id",
        {"project_id": project_id, "account_id": account_id, "role": role},
    )
    return before


def remove_member(db: Connection, project_id: str, account_id: str) -> Member:
    """Let an account see a project no longer, from this moment on; return who it was.

    Raises:
        NotFoundError: The project has no such member.
        ConflictError: It is the last owner, who must stay.
    """
    member = get_member(db, project_id, account_id)
    _end_ownership(db, member, project_id)
    db.execute(
        "delete from memberships where project_id = :project_id and account_id = :account_id",
        {"project_id": project_id, "account_id": account_id},
    )
    return member


def _end_ownership(db: Connection, member: Member, project_id: str) -> None:
    """Withdraw what an owner could come back by, unless they are the last one."""
    if member.role != "owner":
        return
    owners = db.row(
        "select count(*) as count from memberships "
        "where project_id = :project_id and role = 'owner'",
        {"project_id": project_id},
    )
    assert owners is not None  # noqa: S101 - a count is always a row
    if owners["count"] <= 1:
        raise ConflictError(
            "This is the last owner of the project. Make somebody else an owner first."
        )
    db.execute(
        "delete from invitations where project_id = :project_id and invited_by = :email "
        "and used_at_ms is null",
        {"project_id": project_id, "email": member.email},
    )

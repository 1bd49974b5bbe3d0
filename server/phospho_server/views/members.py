"""The members of a project: list, invite, change a role, remove."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from phospho_server.acting import act
from phospho_server.errors import ConflictError, InvalidError, ServerError
from phospho_server.security import OWNER, access
from phospho_server.services import services
from phospho_server.signing_in import get_visitor, who
from phospho_server.store import memberships as store
from phospho_server.store.accounts import list_accounts
from phospho_server.store.invitations import (
    create_invitation,
    list_invitations,
    withdraw_invitation,
)
from phospho_server.store.memberships import ROLE_HINTS, ROLES, read_role
from phospho_server.views.frame import base_url, open_project

bp = Blueprint("members", __name__, url_prefix="/projects/<project_id>/settings/members")


@bp.get("")
@access(OWNER)
def show(project_id: str) -> str:
    """List who may see the project."""
    return _render(project_id)


@bp.post("/invitations")
@access(OWNER)
def invite(project_id: str) -> ResponseReturnValue:
    """Make an invitation and show its link, this once."""
    try:
        role = read_role(request.form.get("role", ""))
    except InvalidError as error:
        return _render(project_id, problem=error), error.status
    by = who()
    invitation, token = act(
        "member invited",
        lambda db: create_invitation(db, project_id, role, invited_by=by),
        project_id=project_id,
        what=f"as {role}",
    )
    link = f"{base_url()}{url_for('sign_up.show', invitation=token)}"
    return _render(project_id, invitation=invitation, link=link)


@bp.post("/invitations/<invitation_id>/withdraw")
@access(OWNER)
def withdraw(project_id: str, invitation_id: str) -> ResponseReturnValue:
    """Make an invitation useless before it is used."""
    act(
        "invitation withdrawn",
        lambda db: withdraw_invitation(db, project_id, invitation_id),
        project_id=project_id,
        what=lambda role: f"as {role}",
    )
    return _back(project_id)


@bp.post("/<account_id>/role")
@access(OWNER)
def change_role(project_id: str, account_id: str) -> ResponseReturnValue:
    """Let a member do more, or less."""
    try:
        role = read_role(request.form.get("role", ""))
        act(
            "role changed",
            lambda db: store.set_role(db, project_id, account_id, role),
            project_id=project_id,
            what=lambda member: f"{member.email}, from {member.role} to {role}",
        )
    except (InvalidError, ConflictError) as error:
        return _render(project_id, problem=error), error.status
    return _back(project_id, account_id)


@bp.post("/<account_id>/remove")
@access(OWNER)
def remove(project_id: str, account_id: str) -> ResponseReturnValue:
    """Let a member see the project no longer."""
    try:
        act(
            "member removed",
            lambda db: store.remove_member(db, project_id, account_id),
            project_id=project_id,
            what=lambda member: f"{member.email}, who was {member.role}",
        )
    except ConflictError as error:
        return _render(project_id, problem=error), error.status
    return _back(project_id, account_id)


def _back(project_id: str, account_id: str = "") -> ResponseReturnValue:
    """Lead to the members, or home where they changed what they may do themselves."""
    sign_in = get_visitor().sign_in
    is_own = sign_in.account is not None and sign_in.account.id == account_id
    if is_own and not sign_in.owns_server:
        return redirect(url_for("projects.home"), 303)
    return redirect(url_for(".show", project_id=project_id), 303)


def _render(project_id: str, problem: ServerError | None = None, **shown: Any) -> str:
    """Render the page.

    Args:
        project_id: The project.
        problem: Why something was not done.
        shown: `invitation` and its `link`, where one was made.
    """
    with services().store.read() as db:
        project = open_project(db, project_id)
        members = store.list_members(db, project_id)
        invitations = list_invitations(db, project_id)
        owners = [account.email for account in list_accounts(db) if account.is_owner]
    return render_template(
        "settings/members.html",
        project=project,
        members=members,
        invitations=invitations,
        server_owners=owners,
        roles=ROLES,
        role_hints=ROLE_HINTS,
        problem=problem,
        **shown,
    )

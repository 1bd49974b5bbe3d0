"""Making an account: the first one, which owns the server, and those that were invited."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from phospho_server import signing_in
from phospho_server.answering import headers_of
from phospho_server.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    ServerError,
    TooManyTriesError,
)
from phospho_server.guarding import begin_try
from phospho_server.passwords import MIN_CHARS, check_password, hash_password
from phospho_server.security import PUBLIC, SIGNED_IN, access, make_recheck
from phospho_server.services import services
from phospho_server.store import Connection, audit_log
from phospho_server.store.accounts import Account, clean_email, create_account, has_owner
from phospho_server.store.invitations import Invitation, find_invitation, use_invitation
from phospho_server.store.memberships import add_member
from phospho_server.store.projects import get_project
from phospho_server.store.sign_ins import Browser, create_sign_in

bp = Blueprint("sign_up", __name__)


@bp.get("/signup")
@access(PUBLIC)
def show() -> ResponseReturnValue:
    """Ask for e-mail and password, whoever may make an account; say to others who can help."""
    token = request.args.get("invitation", "")
    problem = _find_refusal(token)
    if problem is not None:
        return _render(token, refusal=problem), problem.status
    return _render(token)


@bp.post("/signup")
@access(PUBLIC)
def create() -> ResponseReturnValue:
    """Make the account and sign it in."""
    token = request.form.get("invitation", "")
    email, password = request.form.get("email", ""), request.form.get("password", "")
    problem = _find_refusal(token)
    if problem is not None:
        return _render(token, refusal=problem), problem.status
    try:
        keys = begin_try()
        check_password(password, clean_email(email))
        password_hash = hash_password(password)
        browser = signing_in.this_browser()
        sign_in = services().store.write(
            lambda db: _create(db, token, email, password_hash, browser)
        )
    except (InvalidError, ConflictError, ForbiddenError, TooManyTriesError) as error:
        return _render(token, email=email, problem=error), error.status, headers_of(error)
    services().tries.take_back(*keys)
    signing_in.enter(sign_in)
    return redirect(url_for("projects.home"), 303)


@bp.post("/join")
@access(SIGNED_IN)
def join() -> ResponseReturnValue:
    """Use an invitation with the account that is signed in."""
    token = request.form.get("invitation", "")
    account = signing_in.get_visitor().sign_in.account
    if account is None:
        raise InvalidError("You are signed in by a one-time link. Sign in with an account to join.")
    recheck = make_recheck()

    def join(db: Connection) -> str:
        recheck(db)
        return _join(db, token, account)

    project_id = services().store.write(join)
    return redirect(url_for("dashboard.show", project_id=project_id), 303)


def _create(db: Connection, token: str, email: str, password_hash: str, browser: Browser) -> str:
    """Make the account in one transaction with what gives the right to it.

    Raises:
        ForbiddenError: Somebody else was first.
        NotFoundError: The invitation was used at this moment.
    """
    if not token and has_owner(db):
        raise _by_invitation_only()
    # Whoever is invited before there is an owner must not become one.
    account = create_account(db, email, password_hash, is_owner=not token)
    what = "owns the server" if account.is_owner else ""
    audit_log.record(db, None, who=account.email, action="account created", what=what)
    if token:
        _join(db, token, account)
    return create_sign_in(db, account, browser)


def _join(db: Connection, token: str, account: Account) -> str:
    invitation = use_invitation(db, token)
    role = add_member(db, invitation.project_id, account.id, invitation.role)
    audit_log.record(
        db,
        invitation.project_id,
        who=account.email,
        action="member joined",
        what=f"as {role}, invited by {invitation.invited_by}",
    )
    return invitation.project_id


def _find_refusal(token: str) -> ServerError | None:
    """Return why whoever asks may not make an account, if they may not."""
    with services().store.read() as db:
        if token:
            is_valid = find_invitation(db, token) is not None
            return None if is_valid else _no_longer_valid()
        if has_owner(db):
            return _by_invitation_only()
    visitor = signing_in.find_visitor()
    if visitor is not None and visitor.sign_in.owns_server:
        return None
    if signing_in.is_at_the_machine():
        return None
    return ForbiddenError(
        "The first account owns this server, so it is made where the server runs: open the link "
        "that `phospho link` prints there, or run `phospho accounts create EMAIL --password-stdin`."
    )


def _by_invitation_only() -> ForbiddenError:
    return ForbiddenError(
        "This server has an owner already. Ask the owner of a project for an invitation."
    )


def _no_longer_valid() -> ForbiddenError:
    return ForbiddenError(
        "This invitation is no longer valid: it works once, for a week. Ask for another one."
    )


def _render(
    token: str,
    *,
    email: str = "",
    problem: ServerError | None = None,
    refusal: ServerError | None = None,
) -> str:
    invitation: Invitation | None = None
    with services().store.read() as db:
        if token and refusal is None:
            invitation = find_invitation(db, token)
        invited_to = get_project(db, invitation.project_id) if invitation else None
    return render_template(
        "sign_in/sign_up.html",
        token=token,
        invitation=invitation,
        invited_to=invited_to,
        email=email,
        problem=problem,
        refusal=refusal,
        least=MIN_CHARS,
    )

"""Signing in, with an account or by a one-time link, and out."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from phospho_server import signing_in
from phospho_server.acting import act
from phospho_server.answering import headers_of
from phospho_server.errors import ForbiddenError, ServerError, TooManyTriesError
from phospho_server.guarding import sign_in_with_password
from phospho_server.security import PUBLIC, access
from phospho_server.services import services
from phospho_server.store import Connection, audit_log, sign_ins
from phospho_server.store.accounts import has_owner
from phospho_server.store.sign_ins import Browser
from phospho_server.views.frame import safe_path

bp = Blueprint("sign_in", __name__)

# With a longer address the cookie that carries it could be more than a browser keeps; without its
# cookie nobody could sign in.
_MOST_NEXT = 2_000


@bp.get("/login")
@access(PUBLIC)
def show() -> ResponseReturnValue:
    """Ask for e-mail and password; use up a sign-in link, if the address is one."""
    token = request.args.get("token", "")
    wanted = safe_path(request.args.get("next"))
    if request.method == "HEAD" or not token:
        if wanted and len(wanted) <= _MOST_NEXT:
            session["next"] = wanted
        return _render()
    browser = signing_in.this_browser()
    sign_in = services().store.write(lambda db: _use_link(db, token, browser))
    if sign_in is None:
        return _render(is_refused=True), ForbiddenError.status
    return _enter(sign_in, wanted or safe_path(session.get("next")))


@bp.post("/login")
@access(PUBLIC)
def enter() -> ResponseReturnValue:
    """Sign in with e-mail and password."""
    email = request.form.get("email", "")
    wanted = safe_path(session.get("next"))
    try:
        sign_in = sign_in_with_password(email, request.form.get("password", ""))
    except (ForbiddenError, TooManyTriesError) as error:
        return _render(email=email, problem=error), error.status, headers_of(error)
    return _enter(sign_in, wanted)


@bp.post("/logout")
@access(PUBLIC)
def end() -> ResponseReturnValue:
    """End the sign-in on the server, so that a copied cookie is worth nothing."""
    visitor = signing_in.find_visitor()
    try:
        if visitor is not None:
            sign_in = visitor.sign_in
            act("signed out", lambda db: sign_ins.end_sign_in(db, sign_in), project_id=None)
    finally:
        # On a full disk it goes on on the server, but not in this browser.
        signing_in.leave()
    return redirect(url_for("sign_in.show"))


def _use_link(db: Connection, token: str, browser: Browser) -> str | None:
    sign_in = sign_ins.use_link(db, token, browser)
    if sign_in is not None:
        audit_log.record(db, None, who=audit_log.BY_LINK, action="signed in")
    return sign_in


def _enter(token: str, wanted: str | None) -> ResponseReturnValue:
    signing_in.enter(token)
    return redirect(wanted or url_for("projects.home"))


def _render(
    *, email: str = "", problem: ServerError | None = None, is_refused: bool = False
) -> str:
    with services().store.read() as db:
        is_new = not has_owner(db)
    return render_template(
        "sign_in/show.html",
        email=email,
        problem=problem,
        is_refused=is_refused,
        is_new=is_new,
        may_sign_up=is_new and signing_in.is_at_the_machine(),
    )

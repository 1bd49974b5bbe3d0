"""One's own account: its password, and where it is signed in."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from phospho_server import signing_in
from phospho_server.acting import act
from phospho_server.answering import headers_of
from phospho_server.errors import ForbiddenError, InvalidError, ServerError, TooManyTriesError
from phospho_server.guarding import verify
from phospho_server.passwords import MIN_CHARS, check_password, hash_password
from phospho_server.security import SERVER_OWNER, SIGNED_IN, access
from phospho_server.services import services
from phospho_server.store import Connection
from phospho_server.store.accounts import Account, has_owner, set_password_hash
from phospho_server.store.sign_ins import (
    Browser,
    SignIn,
    create_sign_in,
    end_sign_ins,
    list_sign_ins,
)
from phospho_server.views.formats import counted

bp = Blueprint("account", __name__, url_prefix="/account")


@bp.get("")
@access(SIGNED_IN)
def show() -> str:
    """Show the account and where it is signed in."""
    return _render()


@bp.post("/password")
@access(SIGNED_IN)
def change_password() -> ResponseReturnValue:
    """Change the password; every other browser has to sign in again."""
    sign_in = signing_in.get_visitor().sign_in
    if sign_in.account is None:
        raise InvalidError("You are signed in by a one-time link, which has no password.")
    account, new = sign_in.account, request.form.get("new_password", "")
    try:
        verify(account.email, request.form.get("password", ""))
        check_password(new, account.email)
    except ForbiddenError:
        problem = InvalidError("The present password is not right. Try again.")
        return _render(problem=problem), problem.status
    except (InvalidError, TooManyTriesError) as error:
        return _render(problem=error), error.status, headers_of(error)
    password_hash = hash_password(new)
    browser = signing_in.this_browser()
    token = act(
        "password changed",
        lambda db: _change(db, account, password_hash, browser),
        project_id=None,
    )
    signing_in.enter(token)
    return redirect(url_for(".show"), 303)


@bp.post("/sign-outs")
@access(SIGNED_IN)
def sign_out_elsewhere() -> ResponseReturnValue:
    """End every other sign-in of this account."""
    sign_in = signing_in.get_visitor().sign_in
    act(
        "signed out everywhere else",
        lambda db: end_sign_ins(db, sign_in.account, but=sign_in),
        project_id=None,
    )
    return redirect(url_for(".show"), 303)


@bp.post("/link-sign-outs")
@access(SERVER_OWNER)
def sign_out_links() -> ResponseReturnValue:
    """End every sign-in by a one-time link, but for one's own."""
    present = signing_in.get_visitor().sign_in
    act(
        "signed out all who came by link",
        lambda db: _end_links(db, present),
        project_id=None,
        what=lambda ended: counted(ended, "sign-in"),
    )
    return redirect(url_for(".show", _anchor="link-sign-ins"), 303)


def _end_links(db: Connection, present: SignIn) -> int:
    """End the sign-ins by links but one; return how many had not ended by themselves."""
    ended = sum(sign_in.key != present.key for sign_in in list_sign_ins(db, None))
    end_sign_ins(db, None, but=present)
    return ended


def _change(db: Connection, account: Account, password_hash: str, browser: Browser) -> str:
    """Set the password, end every sign-in, and begin this one anew."""
    set_password_hash(db, account.id, password_hash)
    end_sign_ins(db, account)
    return create_sign_in(db, account, browser)


# Each of the first names itself as some of those below it, so the order matters.
_BROWSERS = ("Edg", "OPR", "Firefox", "Chrome", "Safari", "curl")
_NAMES = {"Edg": "Edge", "OPR": "Opera"}
_SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac", "Linux")


def name_browser(agent: str) -> str:
    """Return what people call a browser, as far as it says: `Firefox on Linux`."""
    browser = next((name for name in _BROWSERS if f"{name}/" in agent), None)
    system = next((name for name in _SYSTEMS if name in agent), None)
    named = _NAMES.get(browser or "", browser) or "A browser"
    return f"{named} on {system}" if system else named


def _named(sign_ins: Sequence[SignIn]) -> list[tuple[SignIn, str]]:
    return [(sign_in, name_browser(sign_in.agent)) for sign_in in sign_ins]


def _render(problem: ServerError | None = None) -> str:
    present: SignIn = signing_in.get_visitor().sign_in
    with services().store.read() as db:
        sign_ins = list_sign_ins(db, present.account)
        # Who came by a link has them above, as those of this sign-in.
        sees_links = present.account is not None and present.owns_server
        by_link = list_sign_ins(db, None) if sees_links else []
        is_new = not has_owner(db)
    return render_template(
        "account/show.html",
        account=present.account,
        present=present,
        sign_ins=_named(sign_ins),
        sees_links=sees_links,
        by_link=_named(by_link),
        is_new=is_new,
        problem=problem,
        least=MIN_CHARS,
    )

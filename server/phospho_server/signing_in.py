"""Who is signed in: Flask-Login, over the sign-ins that the database keeps.

The cookie holds a random token; everything else about a sign-in is in the database, so that it
ends there: by signing out, by another password, by time.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from flask import Flask, request, session
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user

from phospho_server.errors import ServerError
from phospho_server.same_machine import is_same_machine
from phospho_server.services import services
from phospho_server.store.audit_log import BY_LINK
from phospho_server.store.sign_ins import (
    Browser,
    SignIn,
    find_sign_in,
    is_seen_long_ago,
    touch_sign_in,
)

# Of IPv6 with the name of an interface, and then some.
_MAX_ADDRESS = 64


@dataclass(frozen=True, eq=False)
class Visitor(UserMixin):  # type: ignore[misc]
    """Somebody who is signed in."""

    token: str
    sign_in: SignIn

    def get_id(self) -> str:
        """Return what Flask-Login keeps in the cookie."""
        return self.token

    @property
    def who(self) -> str:
        """How the audit log calls them."""
        return self.sign_in.account.email if self.sign_in.account else BY_LINK


def register(app: Flask) -> None:
    """Let Flask-Login find who is signed in."""
    manager = LoginManager()
    # It would tie a sign-in to an address, and telephones change theirs on the way.
    manager.session_protection = None
    manager.user_loader(_load_visitor)
    # Not by `init_app`: it would look after each request whether there is to be a second cookie,
    # which lasts longer. Nobody has one, and programs have none at all.
    app.login_manager = manager  # type: ignore[attr-defined]


def find_visitor() -> Visitor | None:
    """Return who is signed in, or None."""
    # The object itself: changes run in another thread, where `current_user` is nobody.
    found = current_user._get_current_object()  # noqa: SLF001 - as Flask-Login documents it
    return found if isinstance(found, Visitor) else None


def get_visitor() -> Visitor:
    """Return who is signed in, on a page that nobody else may open."""
    visitor = find_visitor()
    assert visitor is not None  # noqa: S101 - `access` has led everybody else to the sign-in
    return visitor


def who() -> str:
    """Return how the audit log calls whoever makes this request."""
    return get_visitor().who


def this_browser() -> Browser:
    """Return what makes this request; ask before a change, which runs outside of it."""
    visitor = find_visitor()
    return Browser(
        request.user_agent.string, address(), None if visitor is None else visitor.sign_in
    )


def enter(token: str) -> None:
    """Give this browser the cookie of a new sign-in; nothing of the cookie before stays."""
    visitor = _load_visitor(token)
    session.clear()
    if visitor is not None:
        login_user(visitor)
        session.permanent = True


def leave() -> None:
    """Take the cookie of its sign-in from this browser."""
    logout_user()
    session.clear()


def address() -> str:
    """Return where the request comes from; a proxy that is believed may say whatever it likes."""
    return (request.remote_addr or "")[:_MAX_ADDRESS]


def is_at_the_machine() -> bool:
    """Tell whether the request comes from the server's own machine, straight."""
    if services().is_behind_proxy:
        return False
    return is_same_machine(address(), request.host, {name for name, _ in request.headers})


def _load_visitor(token: str) -> Visitor | None:
    with services().store.read() as db:
        sign_in = find_sign_in(db, token)
    if sign_in is None:
        return None
    # A page that is only left open asks for its pulse; that is no use of it.
    if is_seen_long_ago(sign_in) and request.blueprint != "pulse":
        # A full disk must not keep anybody from reading.
        with contextlib.suppress(ServerError):
            services().store.write(lambda db: touch_sign_in(db, sign_in))
    return Visitor(token, sign_in)

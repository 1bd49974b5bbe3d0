"""Who may call what: every route declares it, and it is checked before the route runs."""

from __future__ import annotations

import contextlib
import hmac
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

from flask import Flask, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFProtect

from phospho.errors import ConfigurationError
from phospho_server import answering, headers, signing_in, web_feedback
from phospho_server.addresses import current_path
from phospho_server.errors import ForbiddenError, UnauthorizedError
from phospho_server.metrics.gathering import METRICS_VARIABLE
from phospho_server.services import services
from phospho_server.store import Connection
from phospho_server.store.memberships import ROLES, Role, get_role, is_enough
from phospho_server.store.projects import (
    find_key,
    get_project,
    is_used_lately,
    no_such_key,
    require_keys,
    touch_key,
)
from phospho_server.store.rows import ApiKey
from phospho_server.store.sign_ins import SignIn, find_sign_in

Handler = TypeVar("Handler", bound=Callable[..., Any])

# Who may call a route. The last three are roles in the project that the address names, each of
# which may do what those before it may; `SIGNED_IN` is for addresses without a project.
PUBLIC, API_KEY, SIGNED_IN, SERVER_OWNER = "public", "api key", "signed in", "server owner"
# A key, or no key from a web page whose origin is named: see `web_feedback`.
API_KEY_OR_PAGE = "api key or named web page"
# Whoever asks from the server's own machine, or shows the token that the environment names.
OPERATOR = "this machine or metrics token"
VIEWER, EDITOR, OWNER = ROLES

_WITHOUT_PROJECT = frozenset({PUBLIC, API_KEY_OR_PAGE, OPERATOR, SIGNED_IN, SERVER_OWNER})

_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})

csrf = CSRFProtect()


def access(who: str, *, looks_again: bool = False) -> Callable[[Handler], Handler]:
    """Declare who may call a route; stands between the route's rule and its function.

    Args:
        who: One of those above.
        looks_again: Whether the route makes sure, when it stores something, that its key is still
            good. Then a key that was good within the last minute is not looked up before.
    """

    def declare(handler: Handler) -> Handler:
        handler.phospho_access = who  # type: ignore[attr-defined]
        handler.phospho_looks_again = looks_again  # type: ignore[attr-defined]
        return handler

    return declare


def access_of(app: Flask, endpoint: str | None) -> str:
    """Return who may call an endpoint. Flask's own static files are public."""
    if endpoint == "static":
        return PUBLIC
    return str(getattr(app.view_functions[endpoint or ""], "phospho_access", None))


def allow_pages(app: Flask) -> None:
    """Tell browsers which routes web pages may call without a key; called once all are there."""
    named = {name for name in app.view_functions if access_of(app, name) == API_KEY_OR_PAGE}
    web_feedback.allow(app, frozenset(named))


def protect(app: Flask) -> None:
    """Put the checks before every request and the headers on every response."""
    headers.register(app)
    answering.register(app)
    signing_in.register(app)
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False  # checked below, where it is known who asks
    csrf.init_app(app)
    for check in (_refuse_other_sites, _check_access, _check_token):
        app.before_request(check)


def check_declarations(app: Flask) -> None:
    """Refuse an application with a route that does not say who may call it.

    Raises:
        ConfigurationError: A route declares nothing, or a role without a project.
    """
    for rule in app.url_map.iter_rules():
        handler = app.view_functions[rule.endpoint]
        who = PUBLIC if rule.endpoint == "static" else getattr(handler, "phospho_access", None)
        has_project = "project_id" in rule.arguments
        if who not in {*_WITHOUT_PROJECT, API_KEY, *ROLES}:
            problem = "does not declare who may call it"
        elif who in ROLES and not has_project:
            problem = f"is for the {who} of a project, and its address names none"
        elif has_project and who not in {API_KEY, *ROLES}:
            problem = f"is {who}, and its address names a project"
        else:
            continue
        raise ConfigurationError(
            f"The route {rule.rule} {problem}. Declare it with `@access(...)` of "
            "phospho_server.security: API_KEY for programs, VIEWER, EDITOR or OWNER for people."
        )


def _refuse_other_sites() -> None:
    """Refuse a change of a page that another site sends, even one that has a token.

    Raises:
        ForbiddenError: The browser says that the request comes from elsewhere.
    """
    if not _changes_a_page():
        return
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    is_foreign = (
        site not in {"same-origin", "none"}
        if site
        else origin is not None and origin.partition("://")[2] != request.host
    )
    if is_foreign:
        raise ForbiddenError(
            "This form was sent from another site. Open the page and use it there."
        )


def _check_token() -> None:
    """Refuse a change of a page without the token that the page gave."""
    if _changes_a_page():
        csrf.protect()


def _changes_a_page() -> bool:
    """Tell whether a cookie could give the right to this change; none does to a program's."""
    return (
        request.method in _CHANGING
        and request.endpoint is not None
        and access_of(current_app, request.endpoint) not in {API_KEY, API_KEY_OR_PAGE}
    )


def _check_access() -> ResponseReturnValue | None:
    who = PUBLIC if request.endpoint is None else access_of(current_app, request.endpoint)
    if who == API_KEY_OR_PAGE and "Authorization" not in request.headers:
        web_feedback.require_origin()
        g.key = None
    elif who in {API_KEY, API_KEY_OR_PAGE}:
        g.key = _authenticate()
        if project_id := (request.view_args or {}).get("project_id"):
            require_project(project_id)
    elif who == OPERATOR:
        _check_token_of_metrics()
    elif who != PUBLIC:
        return _check_visitor(who)
    return None


def _check_token_of_metrics() -> None:
    """Refuse whoever asks from elsewhere without the token.

    Raises:
        UnauthorizedError: It is another token, or there is none.
    """
    expected = services().metrics.token
    if expected is not None and hmac.compare_digest(_bearer().encode(), expected.encode()):
        return
    if not signing_in.is_at_the_machine():
        raise UnauthorizedError(
            "This is for the server's own machine. From elsewhere, send 'Authorization: Bearer "
            f"<token>' with the token that {METRICS_VARIABLE} names where the server runs."
        )


def _bearer() -> str:
    """Return what the request shows after `Bearer`; empty where it shows nothing."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def _check_visitor(who: str) -> ResponseReturnValue | None:
    """Lead to the sign-in, or refuse what the role of who is signed in is not enough for.

    Raises:
        NotFoundError: There is no such project, or they are no member of it: which, nobody learns.
        ForbiddenError: Their role may do less.
    """
    visitor = signing_in.find_visitor()
    if visitor is None:
        return _ask_to_sign_in()
    _check_owner(who, visitor.sign_in)
    if who in ROLES:
        with services().store.read() as db:
            g.role = get_role(db, _named_project(), visitor.sign_in.account)
            if not is_enough(g.role, who):
                # The page that says so stays within the project.
                g.project = get_project(db, _named_project())
            _require_role(g.role, who)
    return None


def _named_project() -> str:
    return str((request.view_args or {})["project_id"])


def _require_role(role: Role, who: str) -> None:
    """Refuse a role that may do less than `who`.

    Raises:
        ForbiddenError: It is not enough.
    """
    if not is_enough(role, cast("Role", who)):
        raise ForbiddenError(
            f"You are {'an' if role == EDITOR else 'a'} {role} of this project, and this "
            f"needs an {who}. Ask an owner of the project for that role."
        )


def make_recheck() -> Callable[[Connection], None]:
    """Return what a change asks first, in its transaction: may this request still make it?

    It was checked before the request ran. Meanwhile somebody may have lost their role, or been
    signed out, and what they make now could let them in again.
    """
    who = access_of(current_app, request.endpoint)
    if who == PUBLIC:
        return lambda _: None
    token = signing_in.get_visitor().token
    project_id = _named_project() if who in ROLES else ""

    def recheck(db: Connection) -> None:
        sign_in = find_sign_in(db, token)
        if sign_in is None:
            raise ForbiddenError("You were signed out meanwhile. Sign in, and repeat what you did.")
        _check_owner(who, sign_in)
        if who in ROLES:
            _require_role(get_role(db, project_id, sign_in.account), who)

    return recheck


def _check_owner(who: str, sign_in: SignIn) -> None:
    if who == SERVER_OWNER and not sign_in.owns_server:
        raise ForbiddenError("Only owners of the server may do this. Ask one of them.")


def _ask_to_sign_in() -> ResponseReturnValue:
    if request.method in _CHANGING:
        return redirect(url_for("sign_in.show"), 303)
    return redirect(url_for("sign_in.show", next=current_path()))


def _authenticate() -> ApiKey:
    """Return the API key of the request.

    Raises:
        UnauthorizedError: There is none, or it is unknown or revoked.
    """
    secret = _bearer()
    if not secret:
        raise UnauthorizedError(
            "An API key is needed. Send the header 'Authorization: Bearer <key>'; "
            "make a key in Settings or with `phospho keys create PROJECT_ID`."
        )
    known = services().keys.find(secret) if _looks_again() else None
    return known or _look_up(secret)


def _looks_again() -> bool:
    handler = current_app.view_functions[request.endpoint or ""]
    return bool(getattr(handler, "phospho_looks_again", False))


def _look_up(secret: str) -> ApiKey:
    store = services().store
    with store.glance() as db:
        key = find_key(db, secret)
    if key is None:
        raise no_such_key()
    if is_used_lately(key):
        services().keys.keep(secret, key)
    else:
        store.write(lambda db: touch_key(db, key.id))
    return key


def require_key() -> None:
    """Look again at the key of a request that stores nothing, where it was not looked up before.

    Raises:
        UnauthorizedError: It was revoked.
    """
    with looking_again(), services().store.glance() as db:
        require_keys(db, [g.key.id])


@contextlib.contextmanager
def looking_again() -> Iterator[None]:
    """Make sure within that the key of the request is still good: see `access`."""
    try:
        yield
    except UnauthorizedError:
        services().keys.forget(_bearer())
        raise


def require_project(project_id: str) -> None:
    """Refuse a project that the request's API key does not belong to.

    Where the address names the project, this has been checked already; call it for one that is
    named in the body.

    Raises:
        NotFoundError: There is no such project.
        ForbiddenError: The key belongs to another project.
    """
    if g.key.project_id == project_id:
        return
    with services().store.read() as db:
        get_project(db, project_id)
    raise ForbiddenError(
        "This API key belongs to another project. Use a key of this project, or the other "
        "project's id."
    )

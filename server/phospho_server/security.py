"""Who may call what, and the headers and error answers every response shares."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from flask import (
    Flask,
    Response,
    current_app,
    g,
    jsonify,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import HTTPException

from phospho_server.clock import now_ms
from phospho_server.errors import (
    BusyError,
    ForbiddenError,
    ServerError,
    StorageFullError,
    UnauthorizedError,
)
from phospho_server.services import services
from phospho_server.store.projects import KEY_USE_STEP_MS, find_key, get_project, touch_key
from phospho_server.store.sign_ins import is_signed_in

Handler = TypeVar("Handler", bound=Callable[..., Any])

# Who may call a route; every route declares one, and `phospho routes` shows it.
PUBLIC, API_KEY, SIGNED_IN = "public", "api key", "signed in"

csrf = CSRFProtect()

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}

# Paths that programs call: their refusals are JSON.
_API_PATH = re.compile(r"/(v\d+|api|healthz|metrics)(/|$)")

_RETRY_AFTER_S = "5"


def access(who: str) -> Callable[[Handler], Handler]:
    """Declare who may call a route: `PUBLIC`, `API_KEY` or `SIGNED_IN`."""

    def declare(handler: Handler) -> Handler:
        handler.phospho_access = who  # type: ignore[attr-defined]
        return handler

    return declare


def access_of(app: Flask, endpoint: str | None) -> str:
    """Return who may call an endpoint. Flask's own static files are public."""
    if endpoint == "static":
        return PUBLIC
    handler = app.view_functions.get(endpoint or "")
    return getattr(handler, "phospho_access", SIGNED_IN)


def protect(app: Flask) -> None:
    """Put the checks before every request and the headers on every response."""
    csrf.init_app(app)
    app.before_request(_refuse_other_sites)
    app.before_request(_check_access)
    app.after_request(_add_headers)
    app.register_error_handler(CSRFError, _answer_csrf)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(ServerError, _answer_server_error)
    app.register_error_handler(Exception, _answer_unexpected)


_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def _refuse_other_sites() -> None:
    """Refuse a change of a page that another site sends, even one that has a token.

    Raises:
        ForbiddenError: The browser says that the request comes from elsewhere.
    """
    if request.method not in _CHANGING or access_of(current_app, request.endpoint) == API_KEY:
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


def _check_access() -> ResponseReturnValue | None:
    who = PUBLIC if request.endpoint is None else access_of(current_app, request.endpoint)
    if who == API_KEY:
        g.key = _authenticate()
    elif who == SIGNED_IN and not _is_signed_in():
        return redirect(url_for("sign_in.show", next=request.full_path.rstrip("?")))
    return None


def _is_signed_in() -> bool:
    token = session.get("sign_in")
    if not isinstance(token, str):
        return False
    with services().store.read() as db:
        return is_signed_in(db, token)


def _authenticate() -> Any:
    """Return the API key of the request.

    Raises:
        UnauthorizedError: There is none, or it is unknown or revoked.
    """
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise UnauthorizedError(
            "An API key is needed. Send the header 'Authorization: Bearer <key>'; "
            "make a key in Settings or with `phospho keys create PROJECT_ID`."
        )
    store = services().store
    with store.read() as db:
        key = find_key(db, secret.strip())
    if key is None:
        raise UnauthorizedError(
            "This API key is unknown or revoked. Make another in Settings or with "
            "`phospho keys create PROJECT_ID`."
        )
    if key.last_used_at_ms is None or now_ms() - key.last_used_at_ms > KEY_USE_STEP_MS:
        key_id = key.id
        store.write(lambda db: touch_key(db, key_id))
    return key


def require_project(project_id: str) -> None:
    """Refuse a project that the request's API key does not belong to.

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


def _add_headers(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _answer_csrf(error: CSRFError) -> ResponseReturnValue:
    message = f"{error.description} Open the page again and repeat what you did."
    return _answer(403, "csrf", message)


def _answer_http(error: HTTPException) -> ResponseReturnValue:
    if error.code is not None and error.code < 400:  # noqa: PLR2004 - redirects are no errors
        return error
    name = (error.name or "error").lower().replace(" ", "_")
    return _answer(error.code or 500, name, error.description or "Something went wrong.")


def _answer_server_error(error: ServerError) -> ResponseReturnValue:
    response, status = _answer(error.status, error.code, str(error))
    headers = {}
    if isinstance(error, BusyError | StorageFullError):
        headers["Retry-After"] = _RETRY_AFTER_S
    if isinstance(error, UnauthorizedError):
        headers["WWW-Authenticate"] = "Bearer"
    return response, status, headers


def _answer_unexpected(error: Exception) -> ResponseReturnValue:
    """Log what nobody foresaw, and tell the caller nothing internal."""
    current_app.logger.error("An unexpected error", exc_info=error)
    message = "The server made a mistake; its log says more. What was sent may be sent again."
    return _answer(500, "internal", message)


def _answer(status: int, code: str, message: str) -> tuple[Any, int]:
    """Return an error as JSON to programs and as a page to people."""
    if _API_PATH.match(request.path):
        return jsonify(error={"code": code, "message": message}), status
    return render_template("error.html", status=status, message=message), status

"""What refusals and mistakes are answered with: JSON to programs, a page to people."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask, current_app, g, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from phospho_server.errors import (
    BusyError,
    ServerError,
    StorageFullError,
    TooManyTriesError,
    UnauthorizedError,
    UnsupportedError,
)
from phospho_server.metrics.instruments import REFUSALS

# Paths that programs call: their refusals are JSON.
_API_PATH = re.compile(r"/(v\d+|api|healthz|readyz|metrics)(/|$)")

_RETRY_AFTER_S = "5"


def register(app: Flask) -> None:
    """Answer every error."""
    app.register_error_handler(CSRFError, _answer_csrf)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(ServerError, _answer_server_error)
    app.register_error_handler(Exception, _answer_unexpected)


def is_api_path() -> bool:
    """Tell whether programs call what this request asks for."""
    return _API_PATH.match(request.path) is not None


def headers_of(error: ServerError) -> dict[str, str]:
    """Return what an answer says besides its message: when to come again, and with what."""
    if isinstance(error, TooManyTriesError):
        return {"Retry-After": str(error.wait_s)}
    if isinstance(error, BusyError | StorageFullError):
        return {"Retry-After": _RETRY_AFTER_S}
    if isinstance(error, UnauthorizedError):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, UnsupportedError):
        return {"Accept-Encoding": "gzip, identity"}
    return {}


def _answer_csrf(error: CSRFError) -> ResponseReturnValue:
    message = f"{error.description} Open the page again and repeat what you did."
    return _answer(403, "csrf", message)


def _answer_http(error: HTTPException) -> ResponseReturnValue:
    if error.code is not None and error.code < 400:  # noqa: PLR2004 - redirects are no errors
        return error
    name = (error.name or "error").lower().replace(" ", "_")
    response, status = _answer(
        error.code or 500, name, error.description or "Something went wrong."
    )
    # For example `Allow`, which says what an address can do instead.
    more = {name: value for name, value in error.get_headers() if name != "Content-Type"}
    return response, status, more


def _answer_server_error(error: ServerError) -> ResponseReturnValue:
    response, status = _answer(error.status, error.code, str(error))
    if is_api_path():
        REFUSALS.add(error.code)
    return response, status, headers_of(error)


def _answer_unexpected(error: Exception) -> ResponseReturnValue:
    """Log what nobody foresaw, and tell the caller nothing internal."""
    current_app.logger.error("An unexpected error", exc_info=error)
    # Whatever it was must not happen again in the frame of the page that tells of it.
    g.is_broken = True
    message = "The server made a mistake; its log says more. What was sent may be sent again."
    return _answer(500, "internal", message)


def _answer(status: int, code: str, message: str) -> tuple[Any, int]:
    """Return an error as JSON to programs and as a page to people."""
    if is_api_path():
        return jsonify(error={"code": code, "message": message}), status
    return render_template("error.html", status=status, message=message), status

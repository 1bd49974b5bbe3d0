"""Feedback that web pages send without a key, where whoever runs the server named their origins.

A page cannot keep a key secret, and the JavaScript client of existing apps sends none. So nothing
is answered that its sender does not know, and only interactions that are there take feedback: no
stranger fills a disk. An origin keeps other pages out, and no program that pretends to be one.
"""

from __future__ import annotations

from flask import Flask, Response, request

from phospho_server.errors import UnauthorizedError
from phospho_server.services import services

# Of one interaction: a user may change their mind, and no more is worth keeping.
MOST_OF_ONE = 20

ANY = "*"


def is_expected() -> bool:
    """Tell whether the request says that it comes from a page that may send feedback."""
    origin = request.headers.get("Origin")
    named = services().feedback_from
    return origin is not None and (ANY in named or origin in named)


def require_origin() -> None:
    """Refuse feedback without a key from anywhere else.

    Raises:
        UnauthorizedError: No page of this origin may send any.
    """
    if not is_expected():
        raise UnauthorizedError(
            "An API key is needed. Send the header 'Authorization: Bearer <key>'. A web page may "
            "do without where its origin is named: phospho serve --feedback-from ORIGIN."
        )


def allow(app: Flask, endpoints: frozenset[str]) -> None:
    """Tell browsers which pages may call these endpoints."""

    def add_headers(response: Response) -> Response:
        if request.endpoint in endpoints:
            response.headers.add("Vary", "Origin")
            if is_expected():
                response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
                response.headers["Access-Control-Allow-Methods"] = "POST"
                response.headers["Access-Control-Allow-Headers"] = "content-type"
        return response

    app.after_request(add_headers)

"""Which requests may read a replica: those that change nothing, for people and programs.

A replica is some moments behind. Whoever has made a change wants to see it on the next page, so
their browser reads the database itself for a while.
"""

from __future__ import annotations

import time

from flask import Flask, Response, request, session

from phospho_server.security import OPERATOR, PUBLIC, SERVER_OWNER, SIGNED_IN, access_of
from phospho_server.store import may_be_late
from phospho_server.store.memberships import ROLES

# Far longer than a replica that is well is behind.
_FRESH_S = 10

_CHANGED_AT = "changed_at_s"


def register(app: Flask) -> None:
    """Have requests of an application read a replica where they may; call it after all checks."""

    @app.before_request
    def _allow() -> None:
        who = access_of(app, request.endpoint) if request.endpoint else PUBLIC
        # What is asked about the server itself is about its database.
        if request.method not in {"GET", "HEAD"} or who in {PUBLIC, OPERATOR}:
            return
        if time.time() - float(session.get(_CHANGED_AT, 0)) > _FRESH_S:
            may_be_late.set(True)

    @app.after_request
    def _note(response: Response) -> Response:
        who = access_of(app, request.endpoint) if request.endpoint else PUBLIC
        # Programs, and web pages of others that send feedback, are given no cookie.
        if request.method == "POST" and who in {SIGNED_IN, SERVER_OWNER, *ROLES}:
            session[_CHANGED_AT] = int(time.time())
        return response

    @app.teardown_request
    def _end(_problem: BaseException | None) -> None:
        may_be_late.set(False)

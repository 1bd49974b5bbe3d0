"""What is noted of each request: a number that finds it again, a count, and a line in the log.

Never a body, a key, a cookie, a query or a path: paths hold ids of people, and some are secrets.
"""

from __future__ import annotations

import logging
import random
import re
import time

from flask import Flask, Response, g, request

from phospho_server.logs import requests_logger
from phospho_server.metrics.instruments import DURATIONS, INTERACTIONS, REQUESTS

# Of a proxy or a program, as long as it is a name and nothing else.
_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

HEADER = "X-Request-ID"

# No secrets, so the system is asked once: each time would let another thread go first.
_numbers = random.Random()  # noqa: S311 - nobody is kept out by a number of a request


def watch(app: Flask) -> None:
    """Note every request; to be registered before all else."""
    app.before_request(_begin)
    app.after_request(_end)


def route_of_request() -> str:
    """Return the rule of the route that answers, as in `/v2/log/<project_id>`; never the path."""
    return "none" if request.url_rule is None else request.url_rule.rule


def count_ingest(*, stored: int = 0, sent: int = 0, invalid: int = 0) -> None:
    """Count interactions that a program sent, once they are stored.

    Args:
        stored: Those that were new.
        sent: Those that could be kept, new or known already.
        invalid: Those that could not.
    """
    for result, count in (
        ("stored", stored),
        ("repeated", max(0, sent - stored)),
        ("invalid", invalid),
    ):
        if count:
            INTERACTIONS.add(route_of_request(), result, by=count)


def _begin() -> None:
    g.began_s = time.perf_counter()
    given = request.headers.get(HEADER, "")
    g.request_id = given if _ID.fullmatch(given) else f"{_numbers.getrandbits(64):016x}"


def _end(response: Response) -> Response:
    took_s = time.perf_counter() - g.began_s
    method = request.method if request.method in _METHODS else "other"
    route = route_of_request()
    REQUESTS.add(method, route, f"{response.status_code // 100}xx")
    DURATIONS.observe(took_s, route)
    response.headers[HEADER] = g.request_id
    if requests_logger.isEnabledFor(logging.INFO):
        facts = {
            "method": method,
            "route": route,
            "project_id": _find_project_id(),
            "status": response.status_code,
            "duration_ms": round(took_s * 1000, 1),
        }
        requests_logger.info("request", extra={"request": facts})
    return response


def _find_project_id() -> str | None:
    """Return the project of the key, or of the address where whoever asks may see it."""
    if (key := g.get("key")) is not None:
        return str(key.project_id)
    project = g.get("project")
    return None if project is None else str(project.id)

"""Where the numbers of a dashboard lead: to the list that each one counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import url_for

from phospho_server.clock import DAY_MS
from phospho_server.views.formats import to_datetime
from phospho_server.views.periods import Period

# What a figure's list is asked for besides the period. Every list is one of sessions, so far.
_ASKED: Mapping[str, Mapping[str, str]] = {
    "success": {"flag": "success"},
    "failure": {"flag": "failure"},
}


def list_url(project_id: str, what: str, period: Period, **asked: Any) -> str:
    """Return the address of the list behind a number.

    Args:
        project_id: The project.
        what: `sessions`, `interactions`, `users`, `events`, `success` or `failure`.
        period: The period of the number.
        asked: Further filters of the list: `event`, `language`, `sentiment`, `version`.
    """
    if what == "events" and not asked.get("event"):
        return url_for("event_pages.index", project_id=project_id)
    asked |= _ASKED.get(what, {})
    name = None if period.name == "all" else period.name
    return url_for("sessions.index", **{"project_id": project_id, **asked, "period": name})


def bar_url(project_id: str, what: str, start_ms: int, end_ms: int, **asked: Any) -> str:
    """Return the address of the list behind a bar; nothing for one that is no whole days."""
    if start_ms % DAY_MS or end_ms % DAY_MS:
        return ""
    # Both days are within what is asked for.
    since, until = (f"{to_datetime(at):%Y-%m-%d}" for at in (start_ms, end_ms - DAY_MS))
    asked |= {**_ASKED.get(what, {}), "period": "custom", "since": since, "until": until}
    return url_for("sessions.index", **{"project_id": project_id, **asked})

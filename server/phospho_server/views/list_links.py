"""Where the numbers of a dashboard lead: to the list that each one counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from phospho_server.addresses import url_for
from phospho_server.clock import DAY_MS
from phospho_server.views.formats import to_datetime
from phospho_server.views.periods import Period

# What a figure's list is asked for besides the period.
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
    return url_for(_endpoint(what), **{"project_id": project_id, **asked, "period": name})


def _endpoint(what: str) -> str:
    """Return the list whose rows a number counts."""
    return f"{what}.index" if what in {"sessions", "users"} else "interactions.index"


def part_urls(
    project_id: str, what: str, period: Period, by: str, values: Sequence[str], **asked: Any
) -> list[str]:
    """Return the addresses of lists that differ in the value of one filter.

    Args:
        project_id: The project.
        what: As in `list_url`.
        period: As in `list_url`.
        by: The filter.
        values: Its value in each, of characters that an address may have.
        asked: As in `list_url`.
    """
    # One address is made for all, as in `bar_urls`.
    url = list_url(project_id, what, period, **asked)
    sign = "&" if "?" in url else "?"
    return [f"{url}{sign}{by}={value}" for value in values]


def bar_urls(
    project_id: str, what: str, starts_ms: Sequence[int], until_ms: int, **asked: Any
) -> Sequence[str]:
    """Return the address of the list behind each bar.

    Args:
        project_id: The project.
        what: As in `list_url`.
        starts_ms: Where each bar begins; it ends where the next one begins.
        until_ms: Where the last one ends.
        asked: As in `list_url`.
    """
    bounds_ms = [*starts_ms, until_ms]
    asked |= {**_ASKED.get(what, {}), "period": "custom"}
    # One address is made for all: each takes longer than the bar it is for. Users are listed by
    # when they were seen last, so who was there then is found by their sessions.
    endpoint = "sessions.index" if what == "users" else _endpoint(what)
    url = url_for(endpoint, **{"project_id": project_id, **asked})
    if any(at_ms % DAY_MS for at_ms in bounds_ms):
        since = [f"{to_datetime(at_ms):%Y-%m-%dT%H:%MZ}" for at_ms in starts_ms]
        until = [f"{to_datetime(at_ms):%Y-%m-%dT%H:%MZ}" for at_ms in bounds_ms[1:]]
    else:
        since = [to_datetime(at_ms).date().isoformat() for at_ms in starts_ms]
        # Both days are within what is asked for.
        until = [to_datetime(at_ms - DAY_MS).date().isoformat() for at_ms in bounds_ms[1:]]
    return [f"{url}&since={first}&until={last}" for first, last in zip(since, until, strict=True)]

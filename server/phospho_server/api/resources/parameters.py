"""What addresses of the JSON API may say: the filters of the pages, and where a list goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from flask import request

from phospho.detectors.language_names import CODES, language_name
from phospho.detectors.sentiment import FEELINGS
from phospho.snapshot import MAX_ID_CHARS
from phospho_server.api.resources.operations import Parameter
from phospho_server.clock import DAY_MS, HOUR_MS, now_ms
from phospho_server.errors import InvalidError
from phospho_server.store import Connection
from phospho_server.store.counters import whole_hours
from phospho_server.store.definitions import list_defined
from phospho_server.views import periods
from phospho_server.views.filter_reading import read_filter, read_span
from phospho_server.views.filters import FLAGS, NAMES, USERS, Asked, ListKind, Offered
from phospho_server.views.query import MAX_LENGTH, Choices

MOST, USUAL = 200, 50

_TEXT: Mapping[str, Any] = {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH}
ID_SCHEMA: Mapping[str, Any] = {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARS}
_TIME: Mapping[str, Any] = {
    "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]
}


def _choice(*values: str) -> Mapping[str, Any]:
    return {"type": "string", "enum": list(values)}


LIMIT = Parameter(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
    "The most that one answer has.",
)
_CURSOR = r"^[0-9]{1,15}\.[0-9]{1,15}$"
_CURSOR_OF_USERS = r"^[0-9]{1,15}\."


def cursor_like(pattern: str) -> Parameter:
    """Return the parameter that continues a list, whose cursors have some form."""
    return Parameter(
        "cursor", {"type": "string", "pattern": pattern}, "`next_cursor` of the answer before."
    )


SINCE = Parameter("since", _TIME, "From this day or time on, in UTC unless it says otherwise.")
UNTIL = Parameter("until", _TIME, "To the end of this day, or to this time.")
PERIOD = Parameter("period", _choice(*periods.NAMES), "A period up to now, by its name.")

EVENT = Parameter("event", _TEXT, "The name of an event that occurred.", is_many=True)

_FILTERS = (
    Parameter("q", _TEXT, "All of these words occur in a message; of users, ids begin with it."),
    EVENT,
    Parameter("without", _TEXT, "The name of an event that did not occur.", is_many=True),
    Parameter("flag", _choice(*FLAGS), "What feedback says."),
    Parameter("notes", _choice("yes"), "Somebody wrote a note."),
    Parameter("user", ID_SCHEMA, "The id of a user."),
    Parameter("version", ID_SCHEMA, "The version of the app."),
    Parameter("model", _TEXT, "The model that answered."),
    Parameter("language", _choice(*CODES), "The language of the user, as an ISO 639-1 code."),
    Parameter("sentiment", _choice(*FEELINGS), "How a message of the user sounds."),
    Parameter(
        "metadata",
        {**_TEXT, "pattern": "^[^=]+="},
        "A key and its value, as in `plan=pro`.",
        is_many=True,
    ),
    PERIOD,
    SINCE,
    UNTIL,
    Parameter(
        "length",
        {"type": "string", "pattern": "^[0-9]{1,6}(-([0-9]{1,6})?)?$"},
        "Interactions of the session: a number, or two as in `3-5`, or `11-`.",
    ),
    Parameter(
        "position",
        {"type": "string", "pattern": "^[1-9][0-9]{0,2}(-([1-9][0-9]{0,2})?)?$"},
        "The place of the interaction in its session, as `length` is written.",
    ),
)


TRANSCRIPT_CURSOR = cursor_like(_CURSOR)


def of_list(kind: ListKind) -> tuple[Parameter, ...]:
    """Return what the address of a list may say: the filters of its page, the order, the place."""
    sort = Parameter("sort", _choice(*kind.sorts), "The order, by default the first.")
    cursor = cursor_like(_CURSOR_OF_USERS if kind is USERS else _CURSOR)
    return (*(each for each in _FILTERS if each.name not in kind.lacks), sort, LIMIT, cursor)


def of_export(kind: ListKind, formats: Mapping[str, str]) -> tuple[Parameter, ...]:
    """Return what the address of a file may say."""
    listed = (each for each in of_list(kind) if each.name in NAMES)
    return (*listed, Parameter("format", _choice(*formats), "The kind of file, `csv` by default."))


def read_asked(db: Connection, project_id: str, kind: ListKind) -> Asked:
    """Return what an address asks of a list.

    Raises:
        InvalidError: A filter cannot be meant; says which and why.
    """
    check_period()
    choices = Choices()
    asked = read_filter(choices, kind, offer(db, project_id))
    if choices.problems:
        raise InvalidError(choices.problems[0])
    return asked


def check_period() -> None:
    """Refuse a period beside days of one's own: one of the two would ask for nothing.

    Raises:
        InvalidError: There is both, or the form's name for days of one's own without them.
    """
    period = request.args.get("period")
    has_days = not {"since", "until"}.isdisjoint(request.args)
    if has_days and period in periods.NAMES:
        raise InvalidError("'period' stands beside 'since' or 'until'. Leave one of them out.")
    # In the address of a page it stands beside the days.
    if period == "custom" and not has_days:
        raise InvalidError(f"'period' must be one of: {', '.join(periods.NAMES)}. Change it.")


def offer(db: Connection, project_id: str) -> Offered:
    """Return what may be asked for: also a language that nobody has spoken yet."""
    return Offered(
        events={each.name: each.id for each in list_defined(db, project_id)},
        languages={code: language_name(code) for code in CODES},
        sentiments={feeling: feeling for feeling in FEELINGS},
        versions=(),
        models=(),
        metadata=(),
    )


@dataclass(frozen=True)
class Span:
    """A stretch of whole hours.

    Args:
        is_all: Whether nothing can lie before it.
        is_open: Whether it ends with the present hour because no other end was asked for.
    """

    since_ms: int
    until_ms: int
    is_all: bool
    is_open: bool

    @property
    def length_ms(self) -> int:
        """How long it is."""
        return self.until_ms - self.since_ms

    def to_whole_day(self) -> Span:
        """Return it with all of today, where it is open: parts of it are whole UTC days then."""
        if not self.is_open:
            return self
        return replace(self, until_ms=-(-self.until_ms // DAY_MS) * DAY_MS)


def read_period(first_ms: int | None) -> Span:
    """Return the period that an address names, in the whole hours that it touches.

    Args:
        first_ms: The hour of the project's first interaction, if there is one.

    Raises:
        InvalidError: It cannot be meant.
    """
    check_period()
    choices = Choices()
    since_ms, until_ms = read_span(choices)
    if choices.problems:
        raise InvalidError(choices.problems[0])
    now = now_ms()
    if since_ms is until_ms is None and request.args.get("period") != "all":
        usual = periods.get_period("30d", now)
        since_ms, until_ms = usual.since_ms, usual.until_ms
    end_ms = whole_hours(now) if until_ms is None else -(-until_ms // HOUR_MS) * HOUR_MS
    start_ms = since_ms if since_ms is not None else min(first_ms or end_ms, end_ms) - HOUR_MS
    start_ms = max(0, start_ms - start_ms % HOUR_MS)
    if start_ms >= end_ms:
        raise InvalidError("The period ends before it begins. Change 'since' or 'until'.")
    return Span(start_ms, end_ms, is_all=since_ms is None, is_open=until_ms is None)


def read_limit() -> int:
    """Return how many an answer may have.

    Raises:
        InvalidError: It is no number, or one that no answer may have.
    """
    text = request.args.get("limit", str(USUAL))
    if text.isascii() and text.isdigit() and len(text) <= len(str(MOST)) and 1 <= int(text) <= MOST:
        return int(text)
    raise InvalidError(f"'limit' must be a number from 1 to {MOST}. Change it.")


def read_cursor() -> str | None:
    """Return where a list goes on; None where it begins."""
    return request.args.get("cursor") or None


def read_id(name: str = "id") -> str:
    """Return an id of an address."""
    return request.args.get(name, "")


ID = Parameter(
    "id", ID_SCHEMA, "The id, where it cannot stand in a path.", is_required=True, is_exact=True
)

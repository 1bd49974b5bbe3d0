"""`/api/projects/{id}/stats`: the numbers of a period, and their course."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, request

from phospho.api import answers
from phospho_server.api.resources import shapes
from phospho_server.api.resources.operations import Operation, Parameter, operation
from phospho_server.api.resources.parameters import PERIOD, SINCE, UNTIL, Span, read_period
from phospho_server.clock import DAY_MS, HOUR_MS
from phospho_server.errors import InvalidError
from phospho_server.security import API_KEY, access
from phospho_server.services import services
from phospho_server.store import Connection, counters
from phospho_server.store.definitions import list_defined
from phospho_server.views.formats import to_datetime
from phospho_server.views.periods import WEEK_MS

bp = Blueprint("api_stats", __name__, url_prefix="/api/projects/<project_id>/stats")

_STEPS_MS: dict[str, int] = {"hour": HOUR_MS, "day": DAY_MS, "week": WEEK_MS}

# Of a series. A year by the hour has fewer.
_MOST_PARTS = 10_000

_PERIOD = (
    replace(PERIOD, description=f"{PERIOD.description} 30 days where no time is given."),
    SINCE,
    UNTIL,
)
_STEP = Parameter("step", {"type": "string", "enum": list(_STEPS_MS)}, "How long a part is.")
_EVENT = Parameter(
    "event",
    {"type": "string", "minLength": 1, "maxLength": 300},
    "The name of an event, whose numbers are read then.",
)


@bp.get("")
@access(API_KEY)
@operation(Operation(answers.Stats, _PERIOD))
def show(project_id: str) -> answers.Stats:
    """Read the numbers of a period, beside those of the one before.

    Numbers are kept by the hour, and users by the day, in UTC: a period is as many whole hours as
    it touches.
    """
    with services().store.read() as db:
        span = read_period(counters.first_hour(db, project_id))
        since_ms, until_ms = span.since_ms, span.until_ms
        before_ms = since_ms - span.length_ms
        totals = counters.get_totals(db, project_id, since_ms=since_ms, until_ms=until_ms)
        before = counters.get_totals(db, project_id, since_ms=before_ms, until_ms=since_ms)
        events = counters.count_events(db, project_id, since_ms=since_ms, until_ms=until_ms)
    return answers.Stats(
        since=to_datetime(since_ms),
        until=to_datetime(until_ms),
        totals=shapes.totals(totals),
        before=None if span.is_all else shapes.totals(before),
        events=[
            answers.EventCount(definition_id=e.definition_id, name=e.name, count=e.events)
            for e in events
        ],
    )


@bp.get("/series")
@access(API_KEY)
@operation(Operation(answers.Series, (*_PERIOD, _STEP, _EVENT)))
def series(project_id: str) -> answers.Series:
    """Read numbers over time, by default by the hour for up to two days, and else by the day.

    Without an end of its own, a series of days or weeks has all of today in UTC.
    """
    with services().store.read() as db:
        span = read_period(counters.first_hour(db, project_id))
        step = _read_step(span)
        span = span if step == "hour" else span.to_whole_day()
        parts = {
            "since_ms": span.since_ms, "until_ms": span.until_ms, "step_ms": _STEPS_MS[step]
        }  # fmt: skip
        definition_id = _find_event(db, project_id)
        if definition_id is None:
            found = counters.get_series(db, project_id, **parts)
        else:
            found = counters.get_event_series(db, project_id, definition_id, **parts)
    return answers.Series(
        since=to_datetime(span.since_ms),
        until=to_datetime(span.until_ms),
        step=step,
        starts=[to_datetime(start_ms) for start_ms in found.starts_ms],
        values=found.values,
    )


def _read_step(span: Span) -> answers.Step:
    usual: answers.Step = "hour" if span.length_ms <= 2 * DAY_MS else "day"
    steps: dict[str, answers.Step] = {"hour": "hour", "day": "day", "week": "week"}
    asked = request.args.get("step", usual)
    if asked not in steps:
        raise InvalidError(f"'step' must be one of: {', '.join(steps)}. Change it.")
    parts = -(-span.length_ms // _STEPS_MS[asked])
    if parts > _MOST_PARTS:
        raise InvalidError(
            f"This period has {parts:,} parts of a{'n' if asked == 'hour' else ''} {asked}, and "
            f"{_MOST_PARTS:,} are the most. Ask for a shorter one, or for longer steps."
        )
    return steps[asked]


def _find_event(db: Connection, project_id: str) -> str | None:
    """Return the id of the event that the address names; None where it names none.

    Raises:
        InvalidError: The project has no such event.
    """
    name = request.args.get("event")
    if not name:
        return None
    for definition in list_defined(db, project_id):
        if definition.name == name:
            return definition.id
    raise InvalidError("This project has no event with this name. List its definitions.")

"""The events of a project, and one event: how often, how well it is found, and where."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, render_template

from phospho_server.clock import now_ms
from phospho_server.estimating import Estimate
from phospho_server.mixing import list_mixes
from phospho_server.security import VIEWER, access
from phospho_server.services import services
from phospho_server.store import counters, quality
from phospho_server.store.alerts import list_log
from phospho_server.store.definitions import find_color, get_definition, list_definitions
from phospho_server.store.matches import Match, list_matches
from phospho_server.store.values import count_answers
from phospho_server.views import periods
from phospho_server.views.alert_panel import load_panel
from phospho_server.views.formats import Message, hue, lay_out
from phospho_server.views.frame import open_project
from phospho_server.views.query import Choices, read_choice, read_number
from phospho_server.views.trends import get_trend

bp = Blueprint("event_pages", __name__)

# More than any row id has yet.
_MOST_ID = 10**9 - 1


@dataclass(frozen=True)
class Shown:
    """A match as the page shows it, its evidence marked."""

    match: Match
    input: Message
    output: Message | None


@bp.get("/projects/<project_id>/events")
@access(VIEWER)
def index(project_id: str) -> str:
    """List the events of a project, and how well each is found."""
    with services().store.read() as db:
        project = open_project(db, project_id)
        clicked = quality.list_clicked(db, project_id)
        rows = [
            (
                row,
                quality.measure_precision(db, project_id, row.definition, at_ms=now_ms())
                if row.definition.id in clicked
                else Estimate(found=row.events),
            )
            for row in list_definitions(db, project_id)
        ]
    return render_template("events/index.html", project=project, rows=rows)


@bp.get("/projects/<project_id>/events/<event_id>")
@access(VIEWER)
def show(project_id: str, event_id: str) -> str:
    """Show an event's course, how well it is found, and its newest matches."""
    choices = Choices()
    name = read_choice(choices, "period", periods.NAMES, default="30d")
    before = read_number("before", default=0, most=_MOST_ID)
    with services().store.read() as db:
        project = open_project(db, project_id)
        definition = get_definition(db, project_id, event_id)
        measured = quality.measure(db, project_id, definition, at_ms=now_ms())
        period = periods.get_period(name, now_ms(), counters.first_hour(db, project_id))
        mix = list_mixes(db, project_id).get(event_id)
        trend = get_trend(db, project_id, event_id, period, known=measured.known, mix=mix)
        page = list_matches(db, project_id, event_id, before=before or None)
        color = find_color(db, event_id)
        answers = count_answers(db, project_id, definition)
        alerts = load_panel(db, project_id, definition_id=event_id)
        alert_log = list_log(db, project_id, definition_id=event_id)
    return render_template(
        "events/show.html",
        project=project,
        notices=choices.notices,
        definition=definition,
        color=color,
        known=measured.known,
        can_review=any(not each.is_reviewed for each in measured.drawn),
        period=period,
        periods=periods.NAMES,
        trend=trend,
        answers=answers,
        alerts=alerts,
        alert_log=alert_log,
        matches=[_lay_out(match, color) for match in page.matches],
        before=before,
        next_before=page.next_before,
    )


def _lay_out(match: Match, color: int) -> Shown:
    evidence = match.event.evidence
    quotes = [(evidence.quote, hue(color))] if evidence else []
    side = evidence.side if evidence else None
    return Shown(
        match,
        lay_out(match.input, quotes if side == "input" else []),
        None if match.output is None else lay_out(match.output, quotes if side == "output" else []),
    )

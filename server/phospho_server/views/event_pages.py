"""The events of a project, and one event: how often, how well it is found, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, render_template

from phospho_server.charts import BarChart, bar_chart
from phospho_server.clock import now_ms
from phospho_server.estimating import Estimate, Range, Step, correct
from phospho_server.services import services
from phospho_server.store import Connection, counters, quality
from phospho_server.store.definitions import find_color, get_definition, list_definitions
from phospho_server.store.matches import Match, list_matches
from phospho_server.views import periods
from phospho_server.views.formats import Message, hue, lay_out
from phospho_server.views.frame import open_project
from phospho_server.views.periods import Period
from phospho_server.views.query import Choices, read_choice, read_number

bp = Blueprint("event_pages", __name__)

_SIZES = {"wide": 1040, "narrow": 340}
_HEIGHT = 200

# More than any row id has yet.
_MOST_ID = 10**9 - 1


@dataclass(frozen=True)
class Trend:
    """How often an event occurred over a period.

    Args:
        labels: The name of each step.
        counts: What was found in each.
        corrected: How often it occurred, misses and mistakes put right; empty where clicks are few.
        total: The same of the whole period; None where clicks are few.
    """

    labels: Sequence[str]
    counts: Sequence[int]
    corrected: Sequence[Range]
    total: Range | None

    @property
    def charts(self) -> dict[str, BarChart]:
        """Return the chart at both of its widths; the stylesheet shows the one that fits."""
        ranges = [(each.low, each.value, each.high) for each in self.corrected]
        return {
            size: bar_chart(self.labels, self.counts, width=width, height=_HEIGHT, ranges=ranges)
            for size, width in _SIZES.items()
        }


@dataclass(frozen=True)
class Shown:
    """A match as the page shows it, its evidence marked."""

    match: Match
    input: Message
    output: Message | None


@bp.get("/projects/<project_id>/events")
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
        trend = get_trend(db, project_id, event_id, period, measured.known)
        page = list_matches(db, project_id, event_id, before=before or None)
        color = find_color(db, event_id)
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
        matches=[_lay_out(match, color) for match in page.matches],
        before=before,
        next_before=page.next_before,
    )


def get_trend(
    db: Connection, project_id: str, event_id: str, period: Period, known: Estimate
) -> Trend:
    """Return the course of an event, put right where enough clicks say how."""
    series = counters.get_event_series(
        db,
        project_id,
        event_id,
        since_ms=period.since_ms,
        until_ms=period.until_ms,
        step_ms=period.step_ms,
    )
    counts = series.values["events"]
    labels = [period.label(start) for start in series.starts_ms]
    if not known.can_correct:
        return Trend(labels, counts, (), None)
    counted = [
        Step(events, interactions)
        for events, interactions in zip(counts, series.values["interactions"], strict=True)
    ]
    steps = quality.add_words(
        db, project_id, event_id, counted, since_ms=period.since_ms, step_ms=period.step_ms
    )
    whole = Step(
        events=sum(step.events for step in steps),
        interactions=sum(step.interactions for step in steps),
        known=sum(step.known for step in steps),
        refuted=sum(step.refuted for step in steps),
    )
    return Trend(labels, counts, correct(known, steps), correct(known, [whole])[0])


def _lay_out(match: Match, color: int) -> Shown:
    evidence = match.event.evidence
    quotes = [(evidence.quote, hue(color))] if evidence else []
    side = evidence.side if evidence else None
    return Shown(
        match,
        lay_out(match.input, quotes if side == "input" else []),
        None if match.output is None else lay_out(match.output, quotes if side == "output" else []),
    )

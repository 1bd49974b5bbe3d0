"""The dashboard: how much happened in a period, which events, where, and in which versions."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, render_template

from phospho_server.charts import shares
from phospho_server.clock import now_ms
from phospho_server.estimating import Estimate
from phospho_server.mixing import find_marks, list_mixes
from phospho_server.security import VIEWER, access
from phospho_server.services import services
from phospho_server.store import counters, quality
from phospho_server.store.definitions import get_definition
from phospho_server.store.event_shapes import get_shapes
from phospho_server.store.rows import EventCount
from phospho_server.store.sessions import list_sessions
from phospho_server.views import chart_steps, periods
from phospho_server.views.course import get_course
from phospho_server.views.fact_figures import figure_facts
from phospho_server.views.figures import METRICS, get_figures
from phospho_server.views.filters import LENGTHS
from phospho_server.views.frame import base_url, open_project
from phospho_server.views.list_links import list_url
from phospho_server.views.query import Choices, read_choice
from phospho_server.views.shape_tables import lay_out_shapes
from phospho_server.views.trends import get_trend
from phospho_server.views.version_figures import figure_versions

bp = Blueprint("dashboard", __name__)

# What fits beside each other: an event is a line, a session two.
_MOST_EVENTS, _RECENT = 10, 7


@bp.get("/projects/<project_id>/dashboard")
@access(VIEWER)
def show(project_id: str) -> str:
    """Show a period's numbers, their course, its events, and the sessions that had some.

    In the address: `period`, `show` (a metric), `step` of its chart, and `event`, the one among the
    events whose course is shown.
    """
    choices = Choices()
    name = read_choice(choices, "period", periods.NAMES, default="30d")
    metric = read_choice(choices, "show", METRICS, default="interactions")
    with services().store.read() as db:
        project = open_project(db, project_id)
        first_ms = counters.first_hour(db, project_id)
        if first_ms is None:
            return render_template("dashboard/empty.html", project=project, base_url=base_url())
        period = periods.get_period(name, now_ms(), first_ms)
        steps = chart_steps.list_steps(period)
        own_step = chart_steps.name_of(period)
        step = read_choice(choices, "step", steps, default=own_step)
        period = chart_steps.with_step(period, step)
        series = counters.get_series(
            db,
            project_id,
            since_ms=period.since_ms,
            until_ms=period.until_ms,
            step_ms=period.step_ms,
        )
        figures = get_figures(db, project_id, period, series)
        events = counters.count_events(
            db, project_id, since_ms=period.since_ms, until_ms=period.until_ms
        )
        mixes = list_mixes(db, project_id)
        event_id = read_choice(choices, "event", [event.definition_id for event in events])
        known, trend = Estimate(), None
        if event_id and metric == "events":
            definition = get_definition(db, project_id, event_id)
            known = quality.measure(db, project_id, definition, at_ms=now_ms()).known
            trend = get_trend(
                db, project_id, event_id, period, known=known, mix=mixes.get(event_id)
            )
        shapes = get_shapes(
            db,
            project_id,
            [event.definition_id for event in events],
            since_ms=period.since_ms,
            until_ms=period.until_ms,
        )
        facts = figure_facts(db, project_id, period)
        versions = figure_versions(db, project_id, period)
        recent = list_sessions(db, project_id, limit=_RECENT).sessions
    shown = metric if any(f.metric == metric and f.has_chart for f in figures) else "interactions"
    named = {
        event.name: mixes[event.definition_id] for event in events if event.definition_id in mixes
    }
    marks = find_marks(named, series) if shown == "events" else {}
    by_length, by_position = lay_out_shapes(shapes, events)
    return render_template(
        "dashboard/show.html",
        project=project,
        notices=choices.notices,
        period=period,
        periods=periods.NAMES,
        steps=steps,
        step=step,
        asked_step=None if step == own_step else step,
        figures=figures,
        shown=shown,
        shown_name="Feedback" if shown == "feedback" else METRICS[shown],
        course=get_course(project_id, period, series, shown, marks),
        mixes={name: mix.sentences for name, mix in named.items()},
        events=_with_shares(events),
        shapes=shapes,
        by_length=by_length,
        lengths=list(LENGTHS),
        by_position=by_position,
        event_id=event_id,
        known=known,
        trend=trend,
        facts=facts,
        versions=versions,
        recent=recent,
        most_events=_MOST_EVENTS,
        list_url=list_url,
    )


def _with_shares(events: Sequence[EventCount]) -> list[tuple[EventCount, float]]:
    return list(zip(events, shares([event.events for event in events]), strict=True))

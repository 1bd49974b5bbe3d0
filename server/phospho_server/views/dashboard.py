"""The dashboard: how much happened in a period, which events, where, and in which versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, render_template

from phospho_server.charts import shares
from phospho_server.clock import MINUTE_MS, now_ms
from phospho_server.estimating import Estimate
from phospho_server.mixing import find_marks, list_mixes
from phospho_server.security import VIEWER, access
from phospho_server.services import services
from phospho_server.store import Connection, counters, quality
from phospho_server.store.alert_rules import list_firing
from phospho_server.store.definitions import get_definition
from phospho_server.store.event_shapes import get_shapes
from phospho_server.store.queues import find_backlog
from phospho_server.store.sessions import list_sessions
from phospho_server.views import chart_steps, periods
from phospho_server.views.alert_panel import show_rule
from phospho_server.views.course import get_course
from phospho_server.views.fact_figures import figure_facts
from phospho_server.views.figures import METRICS, Figure, get_figures
from phospho_server.views.filters import LENGTHS
from phospho_server.views.frame import base_url, open_project
from phospho_server.views.list_links import list_url, part_urls
from phospho_server.views.periods import Period
from phospho_server.views.query import Choices, read_choice
from phospho_server.views.shape_tables import lay_out_shapes
from phospho_server.views.trends import get_trend
from phospho_server.views.version_figures import figure_versions

# The filters behind the columns of `event_shapes.POSITIONS`.
_POSITIONS = (*map(str, range(1, 10)), "10-")

bp = Blueprint("dashboard", __name__)

# What fits beside each other: an event is a line, a session two.
_MOST_EVENTS, _RECENT = 12, 8


# What waits for less is looked at before anybody would read that it waits.
_BEHIND_MS = MINUTE_MS


@dataclass(frozen=True)
class Asked:
    """What the address asks for.

    Args:
        period: The period, with the step of its chart.
        facts_period: The same with the step of the smaller chart.
        metric: The number whose course is shown.
        steps: The names of the steps that the chart may have.
        step: The one it has.
        own_step: The one that the period has by itself.
    """

    period: Period
    facts_period: Period
    metric: str
    steps: Sequence[str]
    step: str
    own_step: str


@bp.get("/projects/<project_id>/dashboard")
@access(VIEWER)
def show(project_id: str) -> str:
    """Show a period's numbers, their course, its events, and the sessions that had some.

    In the address: `period`, `show` (a metric), `step` of its chart, and `event`, the one among the
    events whose course is shown.
    """
    choices = Choices()
    with services().store.read() as db:
        project = open_project(db, project_id)
        first_ms = counters.first_hour(db, project_id)
        if first_ms is None:
            return render_template("dashboard/empty.html", project=project, base_url=base_url())
        asked = _read_asked(choices, first_ms)
        parts = _load(db, project_id, asked, choices)
    return render_template(
        "dashboard/show.html",
        project=project,
        notices=choices.notices,
        periods=periods.NAMES,
        period=asked.period,
        facts_period=asked.facts_period,
        steps=asked.steps,
        step=asked.step,
        asked_step=None if asked.step == asked.own_step else asked.step,
        most_events=_MOST_EVENTS,
        list_url=list_url,
        part_urls=part_urls,
        **parts,
    )


def _read_asked(choices: Choices, first_ms: int) -> Asked:
    name = read_choice(choices, "period", periods.NAMES, default="30d")
    metric = read_choice(choices, "show", METRICS, default="interactions")
    period = periods.get_period(name, now_ms(), first_ms)
    steps, own_step = chart_steps.list_steps(period), chart_steps.name_of(period)
    step = read_choice(choices, "step", steps, default=own_step)
    facts_period = chart_steps.for_half_a_page(period)
    return Asked(chart_steps.with_step(period, step), facts_period, metric, steps, step, own_step)


def _load(db: Connection, project_id: str, asked: Asked, choices: Choices) -> dict[str, object]:
    """Return the parts of the page, by the names that its template has for them."""
    period = asked.period
    since_until = {"since_ms": period.since_ms, "until_ms": period.until_ms}
    series = counters.get_series(db, project_id, **since_until, step_ms=period.step_ms)
    figures = get_figures(db, project_id, period, series)
    events = counters.count_events(db, project_id, **since_until)
    ids = [event.definition_id for event in events]
    shapes = get_shapes(db, project_id, ids, **since_until)
    by_length, by_position = lay_out_shapes(shapes, events)
    mixes = list_mixes(db, project_id)
    named = {each.name: mixes[each.definition_id] for each in events if each.definition_id in mixes}
    shown = _choose_shown(figures, asked.metric)
    marks = find_marks(named, series) if shown == "events" else {}
    event_id = read_choice(choices, "event", ids)
    known, trend = Estimate(), None
    if event_id and shown == "events":
        definition = get_definition(db, project_id, event_id)
        known = quality.measure_rates(db, project_id, definition, at_ms=now_ms())
        mix = mixes.get(event_id)
        trend = get_trend(db, project_id, event_id, period, known=known, mix=mix)
    backlog = find_backlog(db, project_id)
    return {
        "figures": figures,
        "shown": shown,
        "shown_name": "Feedback" if shown == "feedback" else METRICS[shown],
        "course": get_course(project_id, period, series, shown, marks),
        "events": list(zip(events, shares([each.events for each in events]), strict=True)),
        "event_id": event_id,
        "known": known,
        "trend": trend,
        "mixes": {name: mix.sentences for name, mix in named.items()},
        "shapes": shapes,
        "by_length": by_length,
        "lengths": list(LENGTHS),
        "by_position": by_position,
        "positions": _POSITIONS,
        "facts": figure_facts(db, project_id, asked.facts_period),
        "versions": figure_versions(db, project_id, period),
        "backlog": backlog if backlog.oldest_ms > _BEHIND_MS else None,
        "firing": [show_rule(db, rule) for rule in list_firing(db, project_id)],
        "recent": list_sessions(db, project_id, limit=_RECENT).sessions,
    }


def _choose_shown(figures: Sequence[Figure], metric: str) -> str:
    """Return the metric whose course is shown: one that has none gives way to the interactions."""
    has_chart = any(figure.metric == metric and figure.has_chart for figure in figures)
    return metric if has_chart else "interactions"

"""The dashboard: how much happened in a period, and which events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Blueprint, render_template

from phospho_server.charts import BarChart, bar_chart, shares
from phospho_server.clock import now_ms
from phospho_server.estimating import Estimate
from phospho_server.mixing import find_marks, list_mixes
from phospho_server.security import VIEWER, access
from phospho_server.services import services
from phospho_server.store import Connection, counters, quality
from phospho_server.store.definitions import get_definition
from phospho_server.store.rows import EventCount, Series, Totals
from phospho_server.store.sessions import list_sessions
from phospho_server.views import periods
from phospho_server.views.fact_figures import figure_facts
from phospho_server.views.frame import base_url, open_project
from phospho_server.views.periods import Period
from phospho_server.views.query import Choices, read_choice
from phospho_server.views.trends import get_trend

bp = Blueprint("dashboard", __name__)

METRICS = {
    "sessions": "Sessions",
    "interactions": "Interactions",
    "users": "Users",
    "events": "Events",
}

_RECENT = 6

# Natural widths: beside the navigation of a desktop, and on a phone.
_WIDE, _NARROW, _HEIGHT = 1040, 340, 240


@dataclass(frozen=True)
class Figure:
    """One number of a period.

    Args:
        before: The number of the period before; None where there is none.
        has_chart: Whether it can be shown over time.
    """

    metric: str
    name: str
    value: int
    before: int | None
    has_chart: bool

    @property
    def change(self) -> float | None:
        """The growth against the period before, as a share; None where it has no meaning."""
        return (self.value - self.before) / self.before if self.before else None


@bp.get("/projects/<project_id>/dashboard")
@access(VIEWER)
def show(project_id: str) -> str:
    """Show a period's numbers, their course, its events, and the sessions that had some.

    `event` in the address shows the course of this one among the events.
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
        figures, series = _figures(db, project_id, period)
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
        facts = figure_facts(db, project_id, period)
        recent = list_sessions(db, project_id, limit=_RECENT).sessions
    shown = metric if metric in series.values else "interactions"
    named = {
        event.name: mixes[event.definition_id] for event in events if event.definition_id in mixes
    }
    marks = find_marks(named, series) if shown == "events" else {}
    return render_template(
        "dashboard/show.html",
        project=project,
        notices=choices.notices,
        period=period,
        periods=periods.NAMES,
        figures=figures,
        shown=shown,
        shown_name=METRICS[shown],
        labels=[period.label(start) for start in series.starts_ms],
        series=series,
        charts=_charts(period, series, shown, marks),
        marks=marks,
        mixes={name: mix.sentences for name, mix in named.items()},
        events=_with_shares(events),
        event_id=event_id,
        known=known,
        trend=trend,
        facts=facts,
        recent=recent,
    )


def _figures(db: Connection, project_id: str, period: Period) -> tuple[Sequence[Figure], Series]:
    totals = counters.get_totals(db, project_id, since_ms=period.since_ms, until_ms=period.until_ms)
    before: Totals | None = None
    if period.before_ms is not None:
        before = counters.get_totals(
            db, project_id, since_ms=period.before_ms, until_ms=period.since_ms
        )
    series = counters.get_series(
        db,
        project_id,
        since_ms=period.since_ms,
        until_ms=period.until_ms,
        step_ms=period.step_ms,
    )
    if period.step_name != "day":
        # Users are counted by the day; over several days one user would be several.
        series = Series(series.starts_ms, {k: v for k, v in series.values.items() if k != "users"})
    return [
        Figure(
            metric=metric,
            name=name,
            value=getattr(totals, metric),
            before=None if before is None else getattr(before, metric),
            has_chart=metric in series.values,
        )
        for metric, name in METRICS.items()
    ], series


def _charts(
    period: Period, series: Series, metric: str, marks: Mapping[int, str]
) -> dict[str, BarChart]:
    """Return the chart at both of its widths; the stylesheet shows the one that fits."""
    labels = [period.label(start) for start in series.starts_ms]
    return {
        name: bar_chart(labels, series.values[metric], width=width, height=_HEIGHT, marks=marks)
        for name, width in (("wide", _WIDE), ("narrow", _NARROW))
    }


def _with_shares(events: Sequence[EventCount]) -> list[tuple[EventCount, float]]:
    return list(zip(events, shares([event.events for event in events]), strict=True))

"""What the dashboard's chart shows: one metric over time, with a table of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phospho_server.charts import BarChart, bar_chart
from phospho_server.clock import HOUR_MS
from phospho_server.stacked_charts import StackedChart, stacked_charts
from phospho_server.store.rows import Series
from phospho_server.views.figures import METRICS
from phospho_server.views.formats import iso
from phospho_server.views.list_links import bar_urls
from phospho_server.views.periods import Period

# Natural widths: beside the navigation of a desktop, and on a phone.
_WIDTHS, _HEIGHT = {"wide": 1040, "narrow": 340}, 240


@dataclass(frozen=True)
class Course:
    """What the chart shows, and its table twin.

    Args:
        labels: The name of each step.
        times: Their moments, where a reader in another zone reads another hour.
        urls: The list of what each bar counts; empty where a list is by whole days.
        values: The table: all metrics by name, as many numbers as steps.
        marks: What to say before which steps: where another version of an event begins.
        charts: By "wide" and "narrow"; the stylesheet shows the one that fits.
        stacks: The same of feedback, whose bars have two parts.
    """

    labels: Sequence[str]
    times: Sequence[str]
    urls: Sequence[str]
    values: Mapping[str, Sequence[int]]
    marks: Mapping[int, str]
    charts: Mapping[str, BarChart]
    stacks: Mapping[str, StackedChart]


def get_course(
    project_id: str, period: Period, series: Series, metric: str, marks: Mapping[int, str]
) -> Course:
    """Return the course of a metric.

    Args:
        project_id: The project.
        period: The period, with the step of the chart.
        series: The numbers.
        metric: One of `METRICS`.
        marks: What to say before which steps.
    """
    starts = series.starts_ms
    labels = [period.label(start) for start in starts]
    times = [iso(start) for start in starts] if period.step_ms == HOUR_MS else []
    urls = bar_urls(project_id, metric, starts, period.until_ms)
    feedback = {"negative": series.values["failure"], "positive": series.values["success"]}
    values = {name: each for name, each in series.values.items() if name in METRICS}
    charts: dict[str, BarChart] = {}
    stacks: dict[str, StackedChart] = {}
    if metric == "feedback":
        stacks = stacked_charts(labels, feedback, widths=_WIDTHS, height=_HEIGHT, times=times)
    else:
        charts = {
            size: bar_chart(
                labels,
                values[metric],
                width=width,
                height=_HEIGHT,
                marks=marks,
                times=times,
                urls=urls,
            )
            for size, width in _WIDTHS.items()
        }
    return Course(labels, times, urls, {**values, **feedback}, marks, charts, stacks)

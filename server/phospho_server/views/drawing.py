"""The many parts of a chart as SVG text: a template would take ten times as long for them."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask
from markupsafe import Markup, escape

from phospho_server.charts import Bar, BarChart
from phospho_server.stacked_charts import Stack, StackedChart


def axes(chart: BarChart | StackedChart) -> Markup:
    """Return the lines and labels of a chart."""
    return Markup("\n".join([*_y_axis(chart), *_x_axis(chart)]))  # noqa: S704 - numbers and escaped text


def bars(chart: BarChart | StackedChart) -> Markup:
    """Return what stands for each step of a chart; one with a list is a link to it."""
    rows = chart.stacks if isinstance(chart, StackedChart) else chart.bars
    return Markup("\n".join(_column(row, chart) for row in rows))  # noqa: S704 - as above


def register(app: Flask) -> None:
    """Make the parts available to templates, as filters of the same names."""
    app.add_template_filter(axes)
    app.add_template_filter(bars)


def _y_axis(chart: BarChart | StackedChart) -> Iterator[str]:
    kind = "axis"
    for tick in chart.y_ticks:
        yield (
            f'<line class="{kind}" x1="{chart.left}" x2="{chart.right}" y1="{tick.at}" '
            f'y2="{tick.at}"/><text x="{chart.left - 10}" y="{tick.at + 4}" text-anchor="end">'
            f"{escape(tick.label)}</text>"
        )
        kind = "grid"


def _x_axis(chart: BarChart | StackedChart) -> Iterator[str]:
    for tick in chart.x_ticks:
        at = f' data-at="{tick.time}"' if tick.time else ""
        yield (
            f'<text x="{tick.at}" y="{chart.bottom + 20}" text-anchor="middle"{at}>'
            f"{escape(tick.label)}</text>"
        )


def _column(row: Bar | Stack, chart: BarChart | StackedChart) -> str:
    if isinstance(row, Stack):
        said = ", ".join(f"{layer.value:,} {layer.name}" for layer in row.layers)
        drawn = "".join(
            f'<rect class="{layer.name}" x="{row.left}" y="{layer.top}" width="{row.width}" '
            f'height="{layer.height}"/>'
            for layer in row.layers
            if layer.value
        )
    else:
        said = f"{row.value:,}"
        drawn = f'<path d="{row.path}"/>' if row.path else ""
    tag, link = ("a", f' href="{escape(row.url)}" tabindex="-1"') if row.url else ("g", "")
    at = f' data-at="{row.time}"' if row.time else ""
    return (
        f'<{tag} class="bar"{link}{at}><title>{escape(row.label)}: {said}</title>'
        f'<rect class="hit" x="{row.start}" y="{chart.top}" width="{row.step}" '
        f'height="{chart.bottom - chart.top}"/>{drawn}</{tag}>'
    )

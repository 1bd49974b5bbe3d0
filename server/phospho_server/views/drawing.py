"""The many parts of charts and tables of numbers: a template takes ten times as long for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from flask import Flask
from markupsafe import Markup, escape

from phospho.visible import visible
from phospho_server.charts import Bar, BarChart
from phospho_server.stacked_charts import Stack, StackedChart
from phospho_server.views.shape_tables import Cell


def axes(chart: BarChart | StackedChart) -> Markup:
    """Return the lines and labels of a chart."""
    return Markup("\n".join([*_y_axis(chart), *_x_axis(chart)]))  # noqa: S704 - numbers and escaped text


def bars(chart: BarChart | StackedChart) -> Markup:
    """Return what stands for each step of a chart; one with a list is a link to it.

    Where they are too thin to be chosen, they are one picture.
    """
    if chart.is_dense:
        outlines = "".join(_silhouettes(chart))
        return Markup(f'<g class="bars">{outlines}</g>')  # noqa: S704 - numbers and our own names
    rows: Sequence[Bar | Stack] = chart.bars if isinstance(chart, BarChart) else chart.stacks
    labels = _escaped([row.label for row in rows])
    urls = _escaped([bar.url for bar in chart.bars]) if isinstance(chart, BarChart) else None
    of_column = f'y="{chart.top}" height="{chart.bottom - chart.top}"/>'
    drawn = [
        _column(row, label, url, of_column)
        for row, label, url in zip(rows, labels, urls or [""] * len(rows), strict=True)
    ]
    return Markup("\n".join(drawn))  # noqa: S704 - as above


def number_rows(
    labels: Sequence[str],
    columns: Collection[Sequence[int]],
    times: Sequence[str] = (),
    urls: Sequence[str] = (),
    marks: Mapping[int, str] | None = None,
) -> Markup:
    """Return the rows of a chart's table twin: a step with the number of each column.

    Args:
        labels: The name of each step.
        columns: As many numbers each.
        times: For each step its moment, or nothing.
        urls: For each step the list of what its bar counts, or nothing.
        marks: What to say of which steps, in a column of its own where there is any.
    """
    rows = []
    names = _escaped(labels)
    if times:
        names = [
            f'<time datetime="{time}">{name} UTC</time>'
            for name, time in zip(names, times, strict=True)
        ]
    elif urls:
        names = [_link(name, url) for name, url in zip(names, _escaped(urls), strict=True)]
    for row, (name, numbers) in enumerate(zip(names, zip(*columns, strict=True), strict=True)):
        cells = "".join([f'<td class="num">{number:,}</td>' for number in numbers])
        if marks:
            cells += f"<td><bdi>{escape(visible(marks.get(row, '')))}</bdi></td>"
        rows.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
    return Markup("\n".join(rows))  # noqa: S704 - as above


def share_cells(cells: Sequence[Cell], urls: Sequence[str] | None = None) -> Markup:
    """Return the cells of a row of shares, each a link to its list where it has one."""
    drawn = [
        f'<td role="cell" class="num tint-{cell.tint}" title="{cell.title}">'
        f"{_link(cell.text, url)}</td>"
        for cell, url in zip(cells, _escaped(urls or [""] * len(cells)), strict=True)
    ]
    return Markup("".join(drawn))  # noqa: S704 - as above


def total_cells(totals: Sequence[int], urls: Sequence[str]) -> Markup:
    """Return the cells of a row of numbers, each a link to its list."""
    drawn = [
        f'<td role="cell" class="num">{_link(f"{total:,}", url)}</td>'
        for total, url in zip(totals, _escaped(urls), strict=True)
    ]
    return Markup("".join(drawn))  # noqa: S704 - as above


def register(app: Flask) -> None:
    """Make the parts available to templates, as filters of the same names."""
    for function in (axes, bars, number_rows, share_cells, total_cells):
        app.add_template_filter(function)


def _escaped(texts: Sequence[str]) -> Sequence[str]:
    """Return texts of ours, none of which has a line break, escaped in one step."""
    return str(escape("\n".join(texts))).split("\n") if texts else []


def _link(text: str, url: str) -> str:
    return f'<a href="{url}">{text}</a>' if url else text


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


def _silhouettes(chart: BarChart | StackedChart) -> Iterator[str]:
    """Return all bars in one outline, and of several parts one for each."""
    if isinstance(chart, BarChart):
        yield f'<path d="{"".join([bar.path for bar in chart.bars])}"/>'
        return
    outlines: dict[str, list[str]] = {}
    for stack in chart.stacks:
        x, width = stack.left, stack.width
        for name, value, top, height in stack.layers:
            if value:
                outline = f"M{x} {top}h{width}v{height}h-{width}z"
                outlines.setdefault(name, []).append(outline)
    for name, parts in outlines.items():
        yield f'<path class="{name}" d="{"".join(parts)}"/>'


def _draw_bar(row: Bar) -> tuple[str, str]:
    """Return what a bar says, and its outline."""
    return f"{row.value:,}", f'<path d="{row.path}"/>' if row.path else ""


def _draw_stack(row: Stack) -> tuple[str, str]:
    """Return what a bar of several parts says, and its parts."""
    x, width = row.left, row.width
    drawn = [
        f'<rect class="{name}" x="{x}" y="{top}" width="{width}" height="{height}"/>'
        for name, value, top, height in row.layers
        if value
    ]
    return ", ".join([f"{layer.value:,} {layer.name}" for layer in row.layers]), "".join(drawn)


def _column(row: Bar | Stack, label: str, url: str, of_column: str) -> str:
    said, drawn = _draw_stack(row) if isinstance(row, Stack) else _draw_bar(row)
    tag, link = ("a", f' href="{url}" tabindex="-1"') if url else ("g", "")
    at = f' data-at="{row.time}"' if row.time else ""
    return (
        f'<{tag} class="bar"{link}{at}><title>{label}: {said}</title>'
        f'<rect class="hit" x="{row.start}" width="{row.step}" {of_column}{drawn}</{tag}>'
    )

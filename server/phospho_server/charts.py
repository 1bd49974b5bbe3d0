"""From numbers to the geometry of a chart; a template draws it as SVG.

Everything here is pure: the same numbers give the same picture. Lengths are in the chart's own
units, which are CSS pixels at its natural width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

# Room for the labels around the plot.
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 8, 12, 28

_GRID_LINES = 4
_GAP = 0.28  # of a step, between two bars
_WIDEST_BAR = 44
_ROUNDING = 3
_MOST_ROOM = 2  # times the highest value, for ranges
_CAP = 4  # half the width of the ends of an error bar

# Width of a character of an axis label, and the room between two labels.
_CHARACTER, _LABEL_GAP = 6.4, 18


@dataclass(frozen=True)
class Tick:
    """A label on an axis, at a position along it.

    Args:
        time: The moment it names, as ISO 8601, where a reader in another zone reads another.
    """

    at: float
    label: str
    time: str = ""


@dataclass(frozen=True)
class Bar:
    """One value: its outline, the column that reacts to the pointer, and what it says.

    Args:
        start: Where the column begins.
        step: Its width.
        time: The moment its label names, as ISO 8601.
        url: The list of what it counts.
    """

    path: str
    start: float
    step: float
    label: str
    value: int
    time: str = ""
    url: str = ""


@dataclass(frozen=True)
class Mark:
    """A line across the plot where what is counted changes, with what it says."""

    at: float
    label: str


@dataclass(frozen=True)
class ErrorBar:
    """An estimate beside a count: the middle of its bar, its value, and its range."""

    at: float
    value: float
    path: str


@dataclass(frozen=True)
class BarChart:
    """A chart ready to be drawn."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    bars: Sequence[Bar]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    marks: Sequence[Mark] = ()
    errors: Sequence[ErrorBar] = ()


def bar_chart(
    labels: Sequence[str],
    values: Sequence[int],
    *,
    width: int,
    height: int,
    marks: Mapping[int, str] | None = None,
    ranges: Sequence[tuple[float, float, float]] = (),
    times: Sequence[str] = (),
    urls: Sequence[str] = (),
) -> BarChart:
    """Return the geometry of a bar chart.

    Args:
        labels: What each bar stands for, in order.
        values: As many numbers; a negative one is drawn as 0.
        width: Of the whole chart.
        height: Of the whole chart.
        marks: What to say before which bars, by their place.
        ranges: For each bar an estimate as its low end, its value and its high end, or nothing.
        times: For each bar the moment that its label names, or nothing.
        urls: For each bar the list of what it counts, or nothing.
    """
    right, bottom = width - _RIGHT, height - _BOTTOM
    scale = nice_scale(_highest(values, ranges))
    step = (right - _LEFT) / max(1, len(values))
    unit = (bottom - _TOP) / scale[-1]
    blank = [""] * len(labels)
    bars = [
        _bar(_LEFT + i * step, step, bottom, max(0, value) * unit, label, value, time, url)
        for i, (label, value, time, url) in enumerate(
            zip(labels, values, times or blank, urls or blank, strict=True)
        )
    ]
    return BarChart(
        width=width,
        height=height,
        left=_LEFT,
        right=right,
        top=_TOP,
        bottom=bottom,
        bars=bars,
        x_ticks=_x_ticks(labels, step, right, times),
        y_ticks=[Tick(_round(bottom - value * unit), short_number(value)) for value in scale],
        marks=[Mark(_round(_LEFT + i * step), label) for i, label in sorted((marks or {}).items())],
        errors=[
            _error_bar(_LEFT + (i + 0.5) * step, min(step, _WIDEST_BAR), bottom, unit, ends)
            for i, ends in enumerate(ranges)
            if ends[-1] > 0
        ],
    )


@dataclass(frozen=True)
class Layer:
    """One part of a stacked bar."""

    name: str
    value: int
    top: float
    height: float


@dataclass(frozen=True)
class Stack:
    """A bar of several parts, that of the first name at the bottom; the rest as in `Bar`."""

    start: float
    step: float
    left: float
    width: float
    label: str
    layers: Sequence[Layer]
    time: str = ""
    url: str = ""


@dataclass(frozen=True)
class StackedChart:
    """A chart of stacked bars ready to be drawn."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    stacks: Sequence[Stack]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]


def stacked_chart(
    labels: Sequence[str],
    values: Mapping[str, Sequence[int]],
    *,
    width: int,
    height: int,
    times: Sequence[str] = (),
    urls: Sequence[str] = (),
) -> StackedChart:
    """Return the geometry of a chart whose bars have a part for each name.

    Args:
        labels: What each bar stands for, in order.
        values: By name, from the bottom up, as many numbers; a negative one is drawn as 0.
        width: Of the whole chart.
        height: Of the whole chart.
        times: For each bar the moment that its label names, or nothing.
        urls: For each bar the list of what it counts, or nothing.
    """
    right, bottom = width - _RIGHT, height - _BOTTOM
    rows = [
        [(name, max(0, numbers[i])) for name, numbers in values.items()] for i in range(len(labels))
    ]
    scale = nice_scale(max((sum(value for _, value in row) for row in rows), default=0))
    step = (right - _LEFT) / max(1, len(labels))
    unit = (bottom - _TOP) / scale[-1]
    blank = [""] * len(labels)
    return StackedChart(
        width=width,
        height=height,
        left=_LEFT,
        right=right,
        top=_TOP,
        bottom=bottom,
        stacks=[
            _stack(_LEFT + i * step, step, bottom, unit, label, row, time, url)
            for i, (label, row, time, url) in enumerate(
                zip(labels, rows, times or blank, urls or blank, strict=True)
            )
        ],
        x_ticks=_x_ticks(labels, step, right, times),
        y_ticks=[Tick(_round(bottom - value * unit), short_number(value)) for value in scale],
    )


def _highest(values: Sequence[int], ranges: Sequence[tuple[float, float, float]]) -> int:
    """Return how high a chart must reach: a range far beyond all values runs out at the top."""
    shown = max([*values, *(math.ceil(value) for _, value, _ in ranges)], default=0)
    high = max((math.ceil(high) for _, _, high in ranges), default=0)
    return max(shown, min(high, _MOST_ROOM * shown))


def nice_scale(maximum: int) -> list[int]:
    """Return round numbers from 0 to at least `maximum`, evenly apart."""
    rough = max(1, maximum) / _GRID_LINES
    power = 1
    while power * 10 <= rough:
        power *= 10
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= rough)
    count = max(1, -(-maximum // step))
    return [step * n for n in range(count + 1)]


def short_number(value: int) -> str:
    """Return a number that fits beside an axis: `950`, `1.5k`, `20M`."""
    for size, unit in ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:.1f}".rstrip("0").rstrip(".") + unit
    return str(value)


def shares(values: Sequence[int]) -> list[float]:
    """Return each value as a percentage of the largest, so that none above 0 is invisible."""
    largest = max(values, default=0)
    return [max(1.0, _round(100 * value / largest)) if value > 0 else 0.0 for value in values]


def _bar(
    start: float,
    step: float,
    bottom: float,
    length: float,
    label: str,
    value: int,
    time: str,
    url: str,
) -> Bar:
    width = min(step * (1 - _GAP), _WIDEST_BAR)
    left = start + (step - width) / 2
    return Bar(
        path=_outline(left, bottom, width, length) if length > 0 else "",
        start=_round(start),
        step=_round(step),
        label=label,
        value=value,
        time=time,
        url=url,
    )


def _error_bar(
    at: float, width: float, bottom: float, unit: float, ends: tuple[float, float, float]
) -> ErrorBar:
    low, value, high = (_round(bottom - max(0.0, end) * unit) for end in ends)
    half = _round(min(_CAP, width / 3))
    x, left = _round(at), _round(at - half)
    caps = "".join(f"M{left} {y}h{2 * half}" for y in (low, high) if y >= _TOP)
    return ErrorBar(x, max(value, _TOP), f"M{x} {max(low, _TOP)}V{max(high, _TOP)}{caps}")


def _stack(
    start: float,
    step: float,
    bottom: float,
    unit: float,
    label: str,
    row: list[tuple[str, int]],
    time: str,
    url: str,
) -> Stack:
    width = min(step * (1 - _GAP), _WIDEST_BAR)
    layers, below = [], 0
    for name, value in row:
        top = _round(bottom - (below + value) * unit)
        layers.append(Layer(name, value, top, _round(bottom - below * unit - top)))
        below += value
    left = _round(start + (step - width) / 2)
    return Stack(_round(start), _round(step), left, _round(width), label, layers, time, url)


def _outline(left: float, bottom: float, width: float, length: float) -> str:
    """Return the path of a bar that stands on the axis, its upper corners rounded."""
    length = max(length, 1.5)
    r = _round(min(_ROUNDING, width / 2, length))
    x1, x2, y1, y2 = (_round(n) for n in (left, left + width, bottom, bottom - length))
    return (
        f"M{x1} {y1}V{_round(y2 + r)}Q{x1} {y2} {_round(x1 + r)} {y2}"
        f"H{_round(x2 - r)}Q{x2} {y2} {x2} {_round(y2 + r)}V{y1}Z"
    )


def _x_ticks(labels: Sequence[str], step: float, right: float, times: Sequence[str]) -> list[Tick]:
    """Return as many labels as have room, counted from the newest, which is at the right."""
    if not labels:
        return []
    room = max(map(len, labels)) * _CHARACTER + _LABEL_GAP
    every = max(1, math.ceil(room / step))
    ticks = [
        Tick(_round(_LEFT + (i + 0.5) * step), labels[i], times[i] if times else "")
        for i in range(len(labels) - 1, -1, -every)
    ]
    # The newest label may not run over the edge: it is moved left, instead of another one.
    newest = replace(ticks[0], at=min(ticks[0].at, _round(right - (room - _LABEL_GAP) / 2)))
    others = [tick for tick in ticks[1:] if newest.at - tick.at >= room - _LABEL_GAP / 2]
    return [*reversed(others), newest]


def _round(value: float) -> float:
    return round(value, 1)

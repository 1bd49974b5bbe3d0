"""From numbers to the geometry of a chart; a template draws it as SVG.

Everything here is pure: the same numbers give the same picture. Lengths are in the chart's own
units, which are CSS pixels at its natural width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from phospho_server.axes import (
    BOTTOM,
    GAP,
    LEFT,
    RIGHT,
    THINNEST_TO_CHOOSE,
    TOP,
    WIDEST_BAR,
    Tick,
    nice_scale,
    rounded,
    short_number,
    x_ticks,
)

_ROUNDING = 3
_MOST_ROOM = 2  # times the highest value, for ranges
_CAP = 4  # half the width of the ends of an error bar


class Bar(NamedTuple):
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

    @property
    def is_dense(self) -> bool:
        """Whether its bars are too thin for one of them to be chosen."""
        return bool(self.bars) and self.bars[0].step < THINNEST_TO_CHOOSE


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
    right, bottom = width - RIGHT, height - BOTTOM
    scale = nice_scale(_highest(values, ranges))
    step = (right - LEFT) / max(1, len(values))
    unit = (bottom - TOP) / scale[-1]
    blank = [""] * len(labels)
    width_of_bar = min(step * (1 - GAP), WIDEST_BAR)
    column = rounded(step)
    bars = []
    for i, (label, value, time, url) in enumerate(
        zip(labels, values, times or blank, urls or blank, strict=True)
    ):
        start = LEFT + i * step
        left = rounded(start + (step - width_of_bar) / 2)
        path = _outline(left, bottom, width_of_bar, value * unit) if value > 0 else ""
        bars.append(Bar(path, rounded(start), column, label, value, time, url))
    return BarChart(
        width=width,
        height=height,
        left=LEFT,
        right=right,
        top=TOP,
        bottom=bottom,
        bars=bars,
        x_ticks=x_ticks(labels, step, right, times),
        y_ticks=[Tick(rounded(bottom - value * unit), short_number(value)) for value in scale],
        marks=[Mark(rounded(LEFT + i * step), label) for i, label in sorted((marks or {}).items())],
        errors=[
            _error_bar(LEFT + (i + 0.5) * step, min(step, WIDEST_BAR), bottom, unit, ends)
            for i, ends in enumerate(ranges)
            if ends[-1] > 0
        ],
    )


def _highest(values: Sequence[int], ranges: Sequence[tuple[float, float, float]]) -> int:
    """Return how high a chart must reach: a range far beyond all values runs out at the top."""
    shown = max([*values, *(math.ceil(value) for _, value, _ in ranges)], default=0)
    high = max((math.ceil(high) for _, _, high in ranges), default=0)
    return max(shown, min(high, _MOST_ROOM * shown))


def shares(values: Sequence[int]) -> list[float]:
    """Return each value as a percentage of the largest, so that none above 0 is invisible."""
    largest = max(values, default=0)
    return [max(1.0, rounded(100 * value / largest)) if value > 0 else 0.0 for value in values]


def _error_bar(
    at: float, width: float, bottom: float, unit: float, ends: tuple[float, float, float]
) -> ErrorBar:
    low, value, high = (rounded(bottom - max(0.0, end) * unit) for end in ends)
    half = rounded(min(_CAP, width / 3))
    x, left = rounded(at), rounded(at - half)
    caps = "".join(f"M{left} {y}h{2 * half}" for y in (low, high) if y >= TOP)
    return ErrorBar(x, max(value, TOP), f"M{x} {max(low, TOP)}V{max(high, TOP)}{caps}")


def _outline(left: float, bottom: int, width: float, length: float) -> str:
    """Return the path of a bar that stands on the axis, its upper corners rounded."""
    length = max(length, 1.5)
    r = _ROUNDING if length >= _ROUNDING <= width / 2 else rounded(min(width / 2, length))
    side = rounded(length - r)
    return (
        f"M{left} {bottom}v-{side}q0 -{r} {r} -{r}h{rounded(width - 2 * r)}q{r} 0 {r} {r}v{side}z"
    )

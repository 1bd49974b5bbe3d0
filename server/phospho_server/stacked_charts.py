"""From several numbers a step to the geometry of stacked bars; a template draws it as SVG."""

from __future__ import annotations

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


class Layer(NamedTuple):
    """One part of a stacked bar."""

    name: str
    value: int
    top: float
    height: float


class Stack(NamedTuple):
    """A bar of several parts, that of the first name at the bottom; the rest as in `Bar`."""

    start: float
    step: float
    left: float
    width: float
    label: str
    layers: Sequence[Layer]
    time: str = ""


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

    @property
    def is_dense(self) -> bool:
        """Whether its bars are too thin for one of them to be chosen."""
        return bool(self.stacks) and self.stacks[0].step < THINNEST_TO_CHOOSE


def stacked_charts(
    labels: Sequence[str],
    values: Mapping[str, Sequence[int]],
    *,
    widths: Mapping[str, int],
    height: int,
    times: Sequence[str] = (),
) -> dict[str, StackedChart]:
    """Return the geometry of a chart whose bars have a part for each name, at some widths.

    Args:
        labels: What each bar stands for, in order.
        values: By name, from the bottom up, as many numbers; a negative one is drawn as 0.
        widths: Of the whole chart, by what each is called.
        height: Of the whole chart.
        times: For each bar the moment that its label names, or nothing.
    """
    bottom = height - BOTTOM
    rows = [
        [(name, max(0, numbers[i])) for name, numbers in values.items()] for i in range(len(labels))
    ]
    scale = nice_scale(max((sum(value for _, value in row) for row in rows), default=0))
    unit = (bottom - TOP) / scale[-1]
    layers = [_layers(row, bottom, unit) for row in rows]
    y_ticks = [Tick(rounded(bottom - value * unit), short_number(value)) for value in scale]
    return {
        name: _lay_out(labels, times, layers, y_ticks, width, height)
        for name, width in widths.items()
    }


def _lay_out(
    labels: Sequence[str],
    times: Sequence[str],
    layers: Sequence[Sequence[Layer]],
    y_ticks: Sequence[Tick],
    width: int,
    height: int,
) -> StackedChart:
    right = width - RIGHT
    step = (right - LEFT) / max(1, len(labels))
    width_of_bar = min(step * (1 - GAP), WIDEST_BAR)
    column, of_bar = rounded(step), rounded(width_of_bar)
    stacks = []
    for i, (label, parts, time) in enumerate(
        zip(labels, layers, times or [""] * len(labels), strict=True)
    ):
        start = LEFT + i * step
        left = rounded(start + (step - width_of_bar) / 2)
        stacks.append(Stack(rounded(start), column, left, of_bar, label, parts, time))
    return StackedChart(
        width=width,
        height=height,
        left=LEFT,
        right=right,
        top=TOP,
        bottom=height - BOTTOM,
        stacks=stacks,
        x_ticks=x_ticks(labels, step, right, times),
        y_ticks=y_ticks,
    )


def _layers(row: list[tuple[str, int]], bottom: int, unit: float) -> list[Layer]:
    layers, below, floor = [], 0, float(bottom)
    for name, value in row:
        below += value
        top = rounded(bottom - below * unit) if value else floor
        layers.append(Layer(name, value, top, rounded(floor - top)))
        floor = top
    return layers

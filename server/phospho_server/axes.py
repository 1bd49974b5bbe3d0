"""What all charts have around their bars: room, lines, and labels that do not touch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

# Room for the labels around the plot.
LEFT, RIGHT, TOP, BOTTOM = 48, 8, 12, 28

GAP = 0.28  # of a step, between two bars
WIDEST_BAR = 44

# Nobody can choose among steps that are thinner than this.
THINNEST_TO_CHOOSE = 4

_GRID_LINES = 4

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


def x_ticks(labels: Sequence[str], step: float, right: float, times: Sequence[str]) -> list[Tick]:
    """Return as many labels as have room, counted from the newest, which is at the right."""
    if not labels:
        return []
    room = max(map(len, labels)) * _CHARACTER + _LABEL_GAP
    every = max(1, math.ceil(room / step))
    ticks = [
        Tick(rounded(LEFT + (i + 0.5) * step), labels[i], times[i] if times else "")
        for i in range(len(labels) - 1, -1, -every)
    ]
    # The newest label may not run over the edge: it is moved left, instead of another one.
    newest = replace(ticks[0], at=min(ticks[0].at, rounded(right - (room - _LABEL_GAP) / 2)))
    others = [tick for tick in ticks[1:] if newest.at - tick.at >= room]
    return [*reversed(others), newest]


def rounded(value: float) -> float:
    """Return a length as it is drawn, to one decimal: `round` takes three times as long."""
    return math.floor(value * 10 + 0.5) / 10

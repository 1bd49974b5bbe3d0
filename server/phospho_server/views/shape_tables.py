"""Events by the length of their session and by their place in it, as tables to be looked at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from phospho_server.store.event_shapes import ANY, EventShapes, Shape
from phospho_server.store.rows import EventCount
from phospho_server.views.formats import number, percent

# Events with a row of their own.
_MOST_EVENTS = 5

# The stylesheet has this many tints. A share of fewer than this is chance and gets none.
_TINTS, _FEWEST = 5, 5


@dataclass(frozen=True)
class Cell:
    """A share, as a number and as a tint from 0 to 5, with what it is a share of."""

    text: str
    tint: int
    title: str


@dataclass(frozen=True)
class ShapeTable:
    """One table.

    Args:
        names: What each column is called.
        totals: How much there is in each.
        rows: An event, or None for any, and its shares.
    """

    names: Sequence[str]
    totals: Sequence[int]
    rows: Sequence[tuple[EventCount | None, Sequence[Cell]]]


def lay_out_shapes(
    shapes: EventShapes, events: Sequence[EventCount]
) -> tuple[ShapeTable, ShapeTable]:
    """Return the tables by length and by position, of the most frequent events."""
    top = [event for event in events if event.events][:_MOST_EVENTS]
    return _lay_out(shapes.lengths, top), _lay_out(shapes.positions, top)


def _lay_out(shape: Shape, events: Sequence[EventCount]) -> ShapeTable:
    shown: list[EventCount | None] = [None, *events]
    ids = [event.definition_id if event else ANY for event in shown]
    parts = range(len(shape.names))
    most = max(
        (
            shape.share(each, part) or 0.0
            for each in ids
            for part in parts
            if shape.totals[part] >= _FEWEST
        ),
        default=0.0,
    )
    rows = [
        (event, [_cell(shape, each, part, most) for part in parts])
        for event, each in zip(shown, ids, strict=True)
    ]
    return ShapeTable(shape.names, shape.totals, rows)


def _cell(shape: Shape, definition_id: str, part: int, most: float) -> Cell:
    share = shape.share(definition_id, part)
    if share is None:
        return Cell("\u2013", 0, "nothing here")
    count, total = shape.counts[definition_id][part], shape.totals[part]
    is_tinted = share and total >= _FEWEST
    tint = min(_TINTS, math.ceil(_TINTS * share / most)) if is_tinted else 0
    return Cell(percent(share), tint, f"{number(count)} of {number(total)}")

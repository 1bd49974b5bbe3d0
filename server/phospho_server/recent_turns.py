"""Turns made of the newest interactions, which were read at once."""

from __future__ import annotations

from collections.abc import Sequence

from phospho.models import Interaction, Turn
from phospho_server.store.recent import Recent
from phospho_server.store.turns import MAX_HISTORY, shortened


def make_turns(rows: Sequence[Recent]) -> dict[int, Turn]:
    """Return turns by row id, each with the history that is found among the rows."""
    said: dict[str, list[Interaction]] = {}
    turns: dict[int, Turn] = {}
    for row in sorted(rows, key=place):
        earlier = said.setdefault(row.session_id, [])
        interaction = _read(row)
        turns[row.id] = Turn(interaction=interaction, history=tuple(earlier[-MAX_HISTORY:]))
        earlier.append(shortened(interaction))
    return turns


def place(row: Recent) -> tuple[int, int]:
    """Return what puts interactions in the order of time."""
    return row.created_at_ms, row.id


def _read(row: Recent) -> Interaction:
    return Interaction(
        task_id=row.task_id,
        session_id=row.session_id,
        input=row.input,
        output=row.output,
        created_at_ms=row.created_at_ms,
    )

"""Many interactions at once, each with what was said before, to be judged in one go."""

from __future__ import annotations

from collections.abc import Sequence

from phospho.models import Interaction, Turn
from phospho_server.store import Connection
from phospho_server.store.detections import (
    FACTS,
    HISTORY_LENGTH,
    MAX_HISTORY,
    load_turns,
    read_interaction,
)

# Rows read by one statement.
_CHUNK = 500


def list_newest_ids(db: Connection, project_id: str, *, limit: int) -> list[int]:
    """Return the newest interactions."""
    rows = db.rows(
        "select id from interactions where project_id = :project_id order by id desc limit :limit",
        {"project_id": project_id, "limit": limit},
    )
    return [row["id"] for row in rows]


def load_turns_of(db: Connection, project_id: str, ids: Sequence[int]) -> list[Turn]:
    """Return interactions, each with what was said before, in the order they arrived."""
    ordered = sorted(ids)
    return [
        turn
        for start in range(0, len(ordered), _CHUNK)
        for _, turn in load_turns(db, project_id, ordered[start : start + _CHUNK])
    ]


def load_all_turns(db: Connection, project_id: str) -> list[Turn]:
    """Return every interaction with what was said before, in the order they arrived.

    An interaction and the history of later ones share memory.
    """
    rows = db.rows(
        f"select {FACTS}, input, output from interactions where project_id = :project_id "
        "order by session_id, created_at_ms, id",
        {"project_id": project_id},
    )
    found: list[tuple[int, Turn]] = []
    history: tuple[Interaction, ...] = ()
    for row in rows:
        interaction = read_interaction(row)
        if history and history[-1].session_id != interaction.session_id:
            history = ()
        found.append((row["id"], Turn(interaction=interaction, history=history)))
        history = (*history, _shortened(interaction))[-MAX_HISTORY:]
    found.sort(key=lambda each: each[0])
    return [turn for _, turn in found]


def _shortened(interaction: Interaction) -> Interaction:
    """Return what detectors see of an earlier interaction, which is itself if it is short."""
    said, answered = interaction.input, interaction.output
    if max(len(said), len(answered or "")) <= HISTORY_LENGTH:
        return interaction
    return interaction.model_copy(
        update={
            "input": said[:HISTORY_LENGTH],
            "output": answered and answered[:HISTORY_LENGTH],
        }
    )

"""Interactions as detectors see them: each with what was said before in its session."""

from __future__ import annotations

import json
from collections.abc import Sequence

from phospho.models import Interaction, Turn
from phospho_server.store import Connection, Row, in_list

# Earlier interactions of its session that a detector sees with each: what was said last matters.
MAX_HISTORY = 20

# Of what was said before, detectors see the beginning of each text: enough for its gist.
HISTORY_LENGTH = 4_000

# Rows read by one statement.
_CHUNK = 500

_FACTS = "id, task_id, session_id, user_id, version_id, created_at_ms, flag, metadata"


def load_turns(
    db: Connection, project_id: str, interaction_ids: Sequence[int]
) -> list[tuple[int, Turn]]:
    """Return those interactions that still exist, each with its row id and what was said before.

    The history is read back from each interaction, so that a session that never ends costs no
    more than a short one.
    """
    text, params = in_list("i", interaction_ids)
    # With the project as a condition, SQLite would walk through all of it to find some ids.
    rows = [
        row
        for row in db.rows(
            f"select project_id, {_FACTS}, input, output from interactions "
            f"where id {text} order by id",
            params,
        )
        if row["project_id"] == project_id
    ]
    return [
        (
            row["id"],
            Turn(interaction=_read_interaction(row), history=_load_history(db, project_id, row)),
        )
        for row in rows
    ]


def _load_history(db: Connection, project_id: str, row: Row) -> tuple[Interaction, ...]:
    earlier = db.rows(
        f"select {_FACTS}, substr(input, 1, cast(:length as integer)) as input, "
        "substr(output, 1, cast(:length as integer)) as output from interactions "
        "where project_id = :project_id and session_id = :session_id "
        "and (created_at_ms, id) < (:created_at_ms, :id) "
        "order by created_at_ms desc, id desc limit :limit",
        {
            "project_id": project_id,
            "session_id": row["session_id"],
            "created_at_ms": row["created_at_ms"],
            "id": row["id"],
            "limit": MAX_HISTORY,
            "length": HISTORY_LENGTH,
        },
    )
    return tuple(_read_interaction(each) for each in reversed(earlier))


def _read_interaction(row: Row) -> Interaction:
    """Return an interaction as detectors see it, given the columns `_FACTS`, input and output."""
    columns = dict(row)
    del columns["id"]
    columns.pop("project_id", None)
    columns["metadata"] = json.loads(columns["metadata"]) if columns["metadata"] else {}
    return Interaction(**columns)


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
        f"select {_FACTS}, input, output from interactions where project_id = :project_id "
        "order by session_id, created_at_ms, id",
        {"project_id": project_id},
    )
    found: list[tuple[int, Turn]] = []
    history: tuple[Interaction, ...] = ()
    for row in rows:
        interaction = _read_interaction(row)
        if history and history[-1].session_id != interaction.session_id:
            history = ()
        found.append((row["id"], Turn(interaction=interaction, history=history)))
        history = (*history, shortened(interaction))[-MAX_HISTORY:]
    found.sort(key=lambda each: each[0])
    return [turn for _, turn in found]


def shortened(interaction: Interaction) -> Interaction:
    """Return as much of an earlier interaction as detectors see: itself if it is short."""
    said, answered = interaction.input, interaction.output
    if max(len(said), len(answered or "")) <= HISTORY_LENGTH:
        return interaction
    return interaction.model_copy(
        update={
            "input": said[:HISTORY_LENGTH],
            "output": answered and answered[:HISTORY_LENGTH],
        }
    )

"""What people say of interactions, as labels: all that stands of `reviews`."""

from __future__ import annotations

from dataclasses import dataclass

from phospho_server.store import Connection


@dataclass(frozen=True)
class Label:
    """What a person says of one event and one interaction.

    Args:
        interaction_id: The row of `interactions`.
        occurred: What the person said.
        judged: What the detector had said; None where it had not yet.
        score: With which score.
    """

    definition_id: str
    interaction_id: int
    task_id: str
    occurred: bool
    judged: bool | None
    score: float | None


def list_words(
    db: Connection, project_id: str, definition_id: str, *, oldest_id: int = 0
) -> dict[int, bool]:
    """Return what people say of a definition's interactions from `oldest_id` on, by row id."""
    rows = db.rows(
        "select interaction_id, occurred from reviews where project_id = :project_id "
        "and definition_id = :definition_id and interaction_id >= :oldest_id "
        "and undone_at_ms is null",
        {"project_id": project_id, "definition_id": definition_id, "oldest_id": oldest_id},
    )
    return {row["interaction_id"]: bool(row["occurred"]) for row in rows}


def list_labels(db: Connection, project_id: str) -> list[Label]:
    """Return what people say of each event and interaction that still exists."""
    rows = db.rows(
        "select r.definition_id, r.interaction_id, i.task_id, r.occurred, r.judged, r.score "
        "from reviews r join interactions i on i.id = r.interaction_id "
        "and i.project_id = r.project_id "
        "where r.project_id = :project_id and r.undone_at_ms is null "
        "order by r.created_at_ms, r.id",
        {"project_id": project_id},
    )
    return [
        Label(
            definition_id=row["definition_id"],
            interaction_id=row["interaction_id"],
            task_id=row["task_id"],
            occurred=bool(row["occurred"]),
            judged=None if row["judged"] is None else bool(row["judged"]),
            score=row["score"],
        )
        for row in rows
    ]

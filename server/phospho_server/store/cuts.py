"""What the traffic of a project taught about its events, kept for each definition."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phospho.models import Cut, EventDefinition
from phospho_server.clock import now_ms
from phospho_server.store import Connection, in_list

_UPSERT = """
insert into event_cuts (project_id, definition_id, definition_version, embedder, prevalence,
    threshold, directions, interactions, updated_at_ms)
values (:project_id, :definition_id, :version, :embedder, :prevalence, :threshold, :directions,
    :interactions, :now)
on conflict (project_id, definition_id) do update set
    definition_version = excluded.definition_version, embedder = excluded.embedder,
    prevalence = excluded.prevalence, threshold = excluded.threshold,
    directions = excluded.directions, interactions = excluded.interactions,
    updated_at_ms = excluded.updated_at_ms
"""


@dataclass(frozen=True)
class Lesson:
    """What was learned about a definition, and from how many interactions of its project."""

    cut: Cut
    interactions: int


def keep_cuts(
    db: Connection,
    project_id: str,
    definitions: Sequence[EventDefinition],
    cuts: Mapping[str, Cut],
    *,
    interactions: int,
) -> None:
    """Keep what was learned about definitions, in place of what was known.

    Args:
        db: A connection in a write transaction.
        project_id: Their project.
        definitions: As they were when they were studied.
        cuts: What was learned, by definition id.
        interactions: How many the project had then.
    """
    db.execute_many(
        _UPSERT,
        (
            {
                "project_id": project_id,
                "definition_id": definition.id,
                "version": definition.version,
                "embedder": cut.embedder,
                "prevalence": cut.prevalence,
                "threshold": cut.threshold,
                "directions": json.dumps(
                    {side: one.model_dump() for side, one in cut.directions.items()}
                ),
                "interactions": interactions,
                "now": now_ms(),
            }
            for definition in definitions
            if (cut := cuts.get(definition.id))
        ),
    )


def load_lessons(
    db: Connection, project_id: str, definitions: Sequence[EventDefinition]
) -> dict[str, Lesson]:
    """Return what is known about definitions at their present version, by id."""
    text, params = in_list("d", [definition.id for definition in definitions])
    rows = db.rows(
        "select definition_id, definition_version, embedder, prevalence, threshold, directions, "
        f"interactions from event_cuts where project_id = :project_id and definition_id {text}",
        {"project_id": project_id, **params},
    )
    versions = {definition.id: definition.version for definition in definitions}
    return {
        row["definition_id"]: Lesson(
            Cut(
                prevalence=row["prevalence"],
                threshold=row["threshold"],
                embedder=row["embedder"],
                directions=json.loads(row["directions"]),
            ),
            row["interactions"],
        )
        for row in rows
        if row["definition_version"] == versions[row["definition_id"]]
    }

"""How often an LLM said what had been said already, by event and by how near the score was."""

from __future__ import annotations

from collections.abc import Mapping

from phospho.detectors.llm.band import Answered
from phospho.models import EventDefinition
from phospho_server.store import Connection

# At so many answers of a part they are halved, so that what was long ago counts for less.
_MOST = 200

_OF_EVENT = "where project_id = :project_id and definition_id = :definition_id"


def note(
    db: Connection,
    project_id: str,
    definition: EventDefinition,
    model: str,
    answered: Mapping[int, Answered],
) -> None:
    """Add answers to those before; answers of another model or version are forgotten.

    Args:
        db: A connection in a write transaction.
        project_id: The project.
        definition: The event.
        model: The model that has answered.
        answered: What it has answered, by part of the band.
    """
    mine = {
        "project_id": project_id,
        "definition_id": definition.id,
        "version": definition.version,
        "model": model,
    }
    db.execute(
        f"delete from llm_agreement {_OF_EVENT} "
        "and (definition_version <> :version or model <> :model)",
        mine,
    )
    db.execute_many(
        "insert into llm_agreement values "
        "(:project_id, :definition_id, :part, :version, :model, :asked, :differed) "
        "on conflict (project_id, definition_id, part) do update set "
        "asked = llm_agreement.asked + excluded.asked, "
        "differed = llm_agreement.differed + excluded.differed",
        [
            {**mine, "part": part, "asked": each.asked, "differed": each.differed}
            for part, each in answered.items()
        ],
    )
    db.execute(
        "update llm_agreement set asked = asked / 2, differed = differed / 2 "
        f"{_OF_EVENT} and asked >= :most",
        {**mine, "most": _MOST},
    )


def load(db: Connection, project_id: str, definition_id: str, version: int) -> dict[int, Answered]:
    """Return what has been answered about an event at a version, by part of its band."""
    rows = db.rows(
        f"select part, asked, differed from llm_agreement {_OF_EVENT} "
        "and definition_version = :version",
        {"project_id": project_id, "definition_id": definition_id, "version": version},
    )
    return {row["part"]: Answered(row["asked"], row["differed"]) for row in rows}

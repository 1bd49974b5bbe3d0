"""Events as pages and plugins see them: those that stand, and those that a person said no to."""

from __future__ import annotations

import json
from collections.abc import Sequence

from phospho.models import Detection, EventDefinition, Evidence, Interaction
from phospho_server.errors import NotFoundError
from phospho_server.store import Connection, in_list
from phospho_server.store.definitions import get_definition
from phospho_server.store.review_values import read_value
from phospho_server.store.rows import Event
from phospho_server.store.turns import load_turns


def list_events(
    db: Connection, project_id: str, interaction_ids: Sequence[int]
) -> dict[int, list[Event]]:
    """Return the events of interactions, the surest first."""
    return _list_where(db, project_id, interaction_ids, "e.detected = 1")


def list_rejected(
    db: Connection, project_id: str, interaction_ids: Sequence[int]
) -> dict[int, list[Event]]:
    """Return what a detector found in interactions and a person said no to."""
    return _list_where(db, project_id, interaction_ids, "e.reviewed = 0 and e.judged = 1")


def _list_where(
    db: Connection, project_id: str, interaction_ids: Sequence[int], condition: str
) -> dict[int, list[Event]]:
    text, params = in_list("i", interaction_ids)
    rows = db.rows(
        "select e.interaction_id, e.definition_id, d.name, d.description, d.color, e.score, "
        "e.detector, e.evidence, e.value, e.reviewed_value, e.definition_version, d.version, "
        "e.reviewed, e.judged from detections e "
        "join event_definitions d on d.id = e.definition_id "
        f"where e.project_id = :project_id and e.interaction_id {text} and {condition} "
        "and d.deleted_at_ms is null order by e.score desc, d.name",
        {"project_id": project_id, **params},
    )
    events: dict[int, list[Event]] = {}
    for row in rows:
        said, given = read_value(row["value"]), read_value(row["reviewed_value"])
        events.setdefault(row["interaction_id"], []).append(
            Event(
                definition_id=row["definition_id"],
                name=row["name"],
                description=row["description"],
                color=row["color"],
                score=row["score"],
                detector=row["detector"],
                evidence=_read_evidence(row["evidence"]),
                value=said if given is None else given,
                said_value=None if given in (None, said) else said,
                version=row["definition_version"],
                is_of_old_version=row["definition_version"] < row["version"],
                reviewed=None if row["reviewed"] is None else bool(row["reviewed"]),
                judged=None if row["judged"] is None else bool(row["judged"]),
            )
        )
    return events


def load_events(
    db: Connection, project_id: str, definition_id: str, interaction_ids: Sequence[int]
) -> list[tuple[int, Detection, Interaction, EventDefinition]]:
    """Return those events of a definition that still stand, with all there is to know of them."""
    try:
        definition = get_definition(db, project_id, definition_id)
    except NotFoundError:
        return []
    text, params = in_list("i", interaction_ids)
    rows = db.rows(
        "select interaction_id, score, detector, evidence, embedder, "
        "coalesce(reviewed_value, value) as value from detections "
        "where project_id = :project_id and definition_id = :definition_id "
        f"and interaction_id {text} and detected = 1 order by interaction_id",
        {"project_id": project_id, "definition_id": definition_id, **params},
    )
    turns = dict(load_turns(db, project_id, [row["interaction_id"] for row in rows]))
    found = []
    for row in rows:
        interaction = turns[row["interaction_id"]].interaction
        event = Detection(
            event_id=definition_id,
            task_id=interaction.task_id,
            detected=True,
            score=row["score"],
            detector=row["detector"],
            evidence=_read_evidence(row["evidence"]),
            embedder=row["embedder"] or "",
            value=read_value(row["value"]),
        )
        found.append((row["interaction_id"], event, interaction, definition))
    return found


def _read_evidence(text: str | None) -> Evidence | None:
    return Evidence(**json.loads(text)) if text else None

"""What was answered where more than yes or no was asked for: which categories, which scores."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from phospho.models import EventDefinition
from phospho_server.store import Connection
from phospho_server.store.review_values import standing_value

# Interactions looked at for a summary, the newest: few enough to be read for a page.
LATELY = 1_000


@dataclass(frozen=True)
class AnswerCount:
    """What was answered about the newest interactions, by the definition's present version.

    Args:
        interactions: Those that were judged.
        mean: Of a score; None where there is none.
        categories: How often each was given, the most frequent first.
    """

    interactions: int
    mean: float | None
    categories: Mapping[str, int]


def count_answers(
    db: Connection, project_id: str, definition: EventDefinition
) -> AnswerCount | None:
    """Return what was answered lately; None for a definition that asks for yes or no."""
    if definition.answer == "yes_no":
        return None
    rows = db.rows(
        f"select {standing_value('d')} as value from "
        "(select id from interactions where project_id = :project_id "
        " order by id desc limit :most) i join detections d on d.project_id = :project_id "
        "and d.interaction_id = i.id and d.definition_id = :definition_id "
        "and d.definition_version = :version",
        {
            "project_id": project_id,
            "most": LATELY,
            "definition_id": definition.id,
            "version": definition.version,
        },
    )
    values = [json.loads(row["value"]) for row in rows if row["value"] is not None]
    scores = [value for value in values if isinstance(value, int | float)]
    return AnswerCount(
        interactions=len(rows),
        mean=sum(scores) / len(scores) if scores else None,
        categories=dict(Counter(v for v in values if isinstance(v, str)).most_common()),
    )

"""A project with its event definitions as JSON, as existing phospho clients read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from phospho.models import EventDefinition
from phospho_server.api.v2.shapes import ORG_ID, Json
from phospho_server.store.rows import DefinitionRow, Project

_SCOPES = {
    "user_message": "task_input_only",
    "assistant_message": "task_output_only",
    "session": "session",
}


def project(found: Project, definitions: Sequence[DefinitionRow]) -> Json:
    """Return a project with its event definitions by name."""
    return {
        "id": found.id,
        "created_at": found.created_at_ms // 1000,
        "org_id": ORG_ID,
        "project_name": found.name,
        "user_id": None,
        "settings": {
            "events": {row.definition.name: _event_definition(row, found.id) for row in definitions}
        },
    }


def _event_definition(row: DefinitionRow, project_id: str) -> Json:
    definition = row.definition
    return {
        "id": definition.id,
        "created_at": row.created_at_ms // 1000,
        "org_id": ORG_ID,
        "project_id": project_id,
        "event_version_id": definition.version,
        "event_name": definition.name,
        "description": definition.description,
        "webhook": None,
        "webhook_headers": None,
        "detection_engine": _engine(definition),
        "detection_scope": _SCOPES.get(definition.scope, "task"),
        "keywords": ", ".join(definition.keywords) or None,
        "regex_pattern": definition.pattern,
        "recipe_id": None,
        "recipe_type": "event_detection",
        "removed": not row.enabled,
        "score_range_settings": _range_settings(definition),
        "is_last_task": False,
    }


def _engine(definition: EventDefinition) -> str:
    if definition.keywords:
        return "keyword_detection"
    return "regex_detection" if definition.pattern else "llm_detection"


def _range_settings(definition: EventDefinition) -> Json:
    kinds: Mapping[str, str] = {"score": "range", "category": "category"}
    low, high = definition.score_range if definition.answer == "score" else (0.0, 1.0)
    return {
        "min": low,
        "max": high,
        "score_type": kinds.get(definition.answer, "confidence"),
        "categories": list(definition.categories) or None,
    }

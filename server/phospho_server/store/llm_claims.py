"""What an LLM claimed of verdicts that people have reviewed since."""

from __future__ import annotations

from phospho_server.store import Connection

# Enough for two numbers, and the newest say most about the model of now.
_MOST = 500


def list_claims(
    db: Connection, project_id: str, definition_id: str, version: int
) -> list[tuple[float, bool]]:
    """Return of an LLM's answers that people saw the log-odds it claimed, and what they said.

    They are the newest about one version of the definition.
    """
    rows = db.rows(
        "select claimed, occurred from reviews where project_id = :project_id "
        "and definition_id = :definition_id and undone_at_ms is null and claimed is not null "
        "and definition_version = :version order by created_at_ms desc, id desc limit :limit",
        {
            "project_id": project_id,
            "definition_id": definition_id,
            "version": version,
            "limit": _MOST,
        },
    )
    return [(row["claimed"], bool(row["occurred"])) for row in rows]

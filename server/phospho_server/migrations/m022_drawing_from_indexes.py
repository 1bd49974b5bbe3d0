"""Indexes that verdicts are drawn from, and clicks compared in, without reading the verdicts."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations.steps import migrations, run

_INDEXES = """
drop index events_by_definition;
create index events_by_definition
    on detections (project_id, definition_id, interaction_id, detected, definition_version,
        score, reviewed, judged, detector, embedder) where detected = 1;
create index reviewed_verdicts
    on detections (project_id, definition_id, interaction_id, definition_version,
        score, reviewed, judged, detector, embedder) where reviewed is not null;
"""


@migrations()
def m022_drawing_from_indexes(db: Database) -> None:
    """Indexes that have all of a verdict that a sample needs."""
    run(db, _INDEXES)

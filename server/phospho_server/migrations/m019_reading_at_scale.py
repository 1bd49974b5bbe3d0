"""Indexes for what pages ask of a large project, and of a long queue."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations.steps import migrations, run

_READING_AT_SCALE = """
-- Whole in the index, so that what is to do is summed without the jobs' lists of interactions.
drop index jobs_by_project;
create index jobs_by_project on jobs (project_id, kind, definition_id, size);
create index jobs_with_problems on jobs (project_id, definition_id, kind) where error is not null;

-- With the condition in it, or SQLite looks each of its rows up in the table.
drop index events_by_definition;
create index events_by_definition
    on detections (project_id, definition_id, interaction_id, detected) where detected = 1;

-- The newest alerts of a project, whatever they are about.
create index alerts_by_project on alerts (project_id, id);
"""


@migrations()
def m019_reading_at_scale(db: Database) -> None:
    """Indexes for what pages ask of a large project, and of a long queue."""
    run(db, _READING_AT_SCALE)

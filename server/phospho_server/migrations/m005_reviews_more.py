"""Whose verdict was reviewed, so that detectors are measured by their own."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations.steps import migrations, run

_REVIEWS_MORE = """
-- Whose verdict a person saw: only those of one version and model are compared.
alter table reviews add column definition_version integer;
alter table reviews add column detector text;
alter table reviews add column embedder text;
-- One word of people stands for each verdict, also where two click at once.
create unique index reviews_that_stand on reviews (project_id, definition_id, interaction_id)
    where undone_at_ms is null;
"""


@migrations()
def m005_reviews_more(db: Database) -> None:
    """Whose verdict was reviewed, so that detectors are measured by their own."""
    run(db, _REVIEWS_MORE)

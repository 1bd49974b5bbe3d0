"""What messages mean, kept for the newest interactions."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations.steps import migrations, run

_VECTORS = """
-- Vectors of the newest interactions of each project, so that a draft is tried on all of them at
-- once; each could be made again. Those of a project are of one range of ids without gaps.
create table vectors (
    interaction_id integer primary key,
    project_id text not null,
    made_by text not null,              -- the model, and how texts were split and vectors packed
    input blob not null,
    output blob not null
) strict;
create index vectors_by_project on vectors (project_id, interaction_id);
"""


@migrations()
def m008_vectors(db: Database) -> None:
    """What messages mean, kept for the newest interactions."""
    run(db, _VECTORS)

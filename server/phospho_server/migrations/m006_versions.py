"""Which verdicts are of which version, and events that occur once in a session."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations.steps import migrations, run

_VERSIONS = """
-- 1: the session had the event already, so it did not occur again in this interaction.
alter table detections add column repeated integer;
-- The version decides about interactions with this id and later ones; 0: about all.
alter table event_definition_versions add column from_id integer not null default 0;

create table verdict_counts (
    project_id text not null,
    definition_id text not null,
    definition_version integer not null,
    detector text not null,
    embedder text not null,             -- empty where no vectors were compared
    verdicts integer not null,
    primary key (project_id, definition_id, definition_version, detector, embedder)
) strict, without rowid;
insert into verdict_counts
    select project_id, definition_id, definition_version, detector, coalesce(embedder, ''), count(*)
    from detections group by 1, 2, 3, 4, 5;

update event_definition_versions set from_id = coalesce((
    select max(before_id) from jobs j join event_definitions d on d.id = j.definition_id
    where j.kind = 'backfill' and d.version = event_definition_versions.version
    and d.id = event_definition_versions.definition_id
), 0);

-- Interactions of a project in the order of arrival, which every index of SQLite ends with.
create index interactions_by_project on interactions (project_id);
"""


@migrations()
def m006_versions(db: Database) -> None:
    """Which verdicts are of which version, and events that occur once in a session."""
    run(db, _VERSIONS)

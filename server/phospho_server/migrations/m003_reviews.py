"""What people say of verdicts, what traffic teaches, and answers other than yes and no."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations.steps import migrations, run

_REVIEWS = """
-- Whose vectors the score was computed with.
alter table detections add column embedder text;
-- JSON: the score on a range, or the category.
alter table detections add column value text;
-- What the detector said, where a person overruled or confirmed it.
alter table detections add column judged integer;
-- What a person said: 1 it occurred, 0 it did not.
alter table detections add column reviewed integer;

create table reviews (
    id text primary key,
    project_id text not null,
    definition_id text not null,
    interaction_id integer not null,
    occurred integer not null,          -- 1: the event occurred, 0: it did not
    judged integer,                     -- what the detector had said, null where it had not yet
    score real,
    source text not null,               -- transcript, events or audit
    created_at_ms integer not null,
    undone_at_ms integer
) strict;
create index reviews_by_definition on reviews (project_id, definition_id, created_at_ms);
create index reviews_by_interaction on reviews (project_id, interaction_id, definition_id);

create table event_cuts (
    project_id text not null,
    definition_id text not null,
    definition_version integer not null,
    embedder text not null,
    prevalence real not null,           -- estimated share of interactions with the event
    threshold real not null,            -- the least score that is a yes
    directions text not null,           -- JSON: for each side where the event lies among messages
    interactions integer not null,      -- looked at for the estimate
    updated_at_ms integer not null,
    primary key (project_id, definition_id)
) strict, without rowid;
"""


@migrations()
def m003_reviews(db: Database) -> None:
    """What people say of verdicts, what traffic teaches, and answers other than yes and no."""
    run(db, _REVIEWS)

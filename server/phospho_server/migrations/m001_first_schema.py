"""Projects, interactions, roll-ups, detection and sign-in."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations.steps import migrations, run

_PROJECTS = """
create table projects (
    id text primary key,
    name text not null,
    created_at_ms integer not null
) strict;

create table api_keys (
    id text primary key,
    project_id text not null references projects (id) on delete cascade,
    name text not null,
    prefix text not null,               -- the first characters, to recognise a key by
    key_hash text not null unique,      -- SHA-256 of the key, hexadecimal
    created_at_ms integer not null,
    last_used_at_ms integer,
    revoked_at_ms integer
) strict;
create index api_keys_by_project on api_keys (project_id, created_at_ms);
"""

_INTERACTIONS = """
create table interactions (
    id integer primary key,             -- order of arrival
    project_id text not null,
    task_id text not null,
    session_id text not null,
    user_id text,
    version_id text,
    created_at_ms integer not null,
    received_at_ms integer not null,
    input text not null,
    output text,
    flag text,                          -- success or failure, from the newest feedback
    notes text,
    metadata text,                      -- JSON object
    raw_input text,                     -- JSON, where it says more than the text
    raw_output text
) strict;
create unique index interactions_by_task on interactions (project_id, task_id);
create index interactions_by_session on interactions (project_id, session_id, created_at_ms);

create virtual table interactions_fts using fts5 (
    input, output, content = 'interactions', content_rowid = 'id'
);

create table feedback (
    id text primary key,
    project_id text not null,
    task_id text not null,              -- may arrive before the interaction
    flag text,
    notes text,
    source text,
    created_at_ms integer not null
) strict;
create index feedback_by_task on feedback (project_id, task_id, created_at_ms);
"""

# Kept in the transaction of the data they sum up, so that no page has to scan.
_ROLL_UPS = """
create table sessions (
    project_id text not null,
    session_id text not null,
    first_at_ms integer not null,
    last_at_ms integer not null,
    interactions integer not null,
    successes integer not null default 0,
    failures integer not null default 0,
    user_id text,
    version_id text,
    first_input text not null,
    primary key (project_id, session_id)
) strict, without rowid;
create index sessions_by_time on sessions (project_id, last_at_ms, session_id);

create table session_events (
    project_id text not null,
    session_id text not null,
    definition_id text not null,
    events integer not null,
    primary key (project_id, session_id, definition_id)
) strict, without rowid;

create table users (
    project_id text not null,
    user_id text not null,
    first_at_ms integer not null,
    last_at_ms integer not null,
    interactions integer not null,
    primary key (project_id, user_id)
) strict, without rowid;

create table user_days (
    project_id text not null,
    day_ms integer not null,
    user_id text not null,
    primary key (project_id, day_ms, user_id)
) strict, without rowid;

create table counters (
    project_id text not null,
    metric text not null,               -- interactions, sessions, active_users, events
    key text not null,                  -- the event definition's id for events, otherwise empty
    hour_ms integer not null,
    value integer not null,
    primary key (project_id, metric, key, hour_ms)
) strict, without rowid;
"""

_DETECTION = """
create table event_definitions (
    id text primary key,
    project_id text not null,
    name text not null,
    version integer not null,
    description text not null,
    scope text not null,
    detector text not null,
    settings text not null,             -- JSON: keywords, pattern, examples and others
    color integer not null,             -- place in the project, for a colour of its own
    enabled integer not null default 1,
    created_at_ms integer not null,
    updated_at_ms integer not null,
    deleted_at_ms integer
) strict;
create unique index event_definitions_by_name
    on event_definitions (project_id, name) where deleted_at_ms is null;

create table event_definition_versions (
    definition_id text not null references event_definitions (id),
    version integer not null,
    description text not null,
    scope text not null,
    detector text not null,
    settings text not null,
    created_at_ms integer not null,
    primary key (definition_id, version)
) strict, without rowid;

create table detections (
    project_id text not null,
    definition_id text not null,
    interaction_id integer not null,
    definition_version integer not null,
    detected integer not null,
    score real not null,
    detector text not null,
    evidence text,                      -- JSON object: side, quote, reason
    created_at_ms integer not null,
    primary key (project_id, interaction_id, definition_id)
) strict, without rowid;
create index events_by_definition
    on detections (project_id, definition_id, interaction_id) where detected = 1;

create table jobs (
    id text primary key,
    project_id text not null,
    kind text not null,                 -- detect, backfill or notify
    definition_id text,                 -- null: every definition that is enabled
    payload text not null,              -- JSON object
    before_id integer,                  -- how far a backfill has come
    size integer not null,              -- interactions still to do
    attempts integer not null default 0,
    run_at_ms integer not null,
    leased_until_ms integer not null default 0,
    parked_at_ms integer,               -- failed too often; waits for a person
    error text,
    created_at_ms integer not null
) strict;
create index jobs_to_claim on jobs (kind, before_id desc, run_at_ms, project_id, id)
    where parked_at_ms is null;
create index jobs_by_project on jobs (project_id, kind);
"""

_SIGN_INS = """
create table sign_in_links (
    token_hash text primary key,
    expires_at_ms integer not null,
    used_at_ms integer
) strict;

create table sign_ins (
    token_hash text primary key,
    created_at_ms integer not null,
    expires_at_ms integer not null
) strict;

create table secrets (
    name text primary key,
    value text not null
) strict;
"""


@migrations()
def m001_first_schema(db: Database) -> None:
    """Projects, interactions, roll-ups, detection and sign-in."""
    for script in (_PROJECTS, _INTERACTIONS, _ROLL_UPS, _DETECTION, _SIGN_INS):
        run(db, script)

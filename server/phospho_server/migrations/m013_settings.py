"""How long data is kept, and who is told of events."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations.steps import migrations, run

_SETTINGS = """
-- How long interactions are kept; without a row, for ever.
create table retention (
    project_id text primary key,
    days integer not null,
    removing integer not null,          -- interactions that the run under way has removed
    last_run_at_ms integer,             -- when a run last came to its end
    last_removed integer,               -- interactions that it removed
    updated_at_ms integer not null
) strict;

-- The hour in which the session is counted, where the interactions it began with were removed.
alter table sessions add column counted_hour_ms integer;

-- What one user said: to remove it, and to know when they were first and last seen.
create index interactions_by_user on interactions (project_id, user_id, created_at_ms)
    where user_id is not null;

-- The highest id there was among rows that were removed: none is given twice, as a worker may
-- still have a verdict on the one before.
create table removed_ids (
    table_name text primary key,
    highest_id integer not null
) strict, without rowid;

create table webhooks (
    id text primary key,
    project_id text not null,
    url text not null,                  -- sealed:TOKEN: an address may be a secret
    shown_url text not null,            -- as much of it as pages show
    format text not null,               -- json or slack
    secret text not null,               -- sealed:TOKEN
    definition_ids text,                -- JSON list; null: every event
    page_url text not null,             -- of the server, for links in messages
    created_at_ms integer not null,
    failing_since_ms integer,
    failures integer not null,          -- in a row
    rests_until_ms integer not null,    -- nothing is sent before, after a failure
    disabled_at_ms integer,
    disabled_reason text
) strict;
create index webhooks_by_project on webhooks (project_id, created_at_ms);

-- What is to be sent, and the newest of what was.
create table webhook_deliveries (
    id text primary key,                -- sent as webhook-id, the same at every attempt
    project_id text not null,
    webhook_id text not null references webhooks (id),
    definition_id text not null,        -- empty for a test
    interaction_id integer not null,    -- 0 for a test
    state text not null,                -- waiting, sent, parked or dropped
    attempts integer not null,
    run_at_ms integer not null,
    created_at_ms integer not null,
    tried_at_ms integer,
    duration_ms integer,
    status integer,                     -- of the last answer
    error text
) strict;
create index webhook_deliveries_by_state
    on webhook_deliveries (webhook_id, state, run_at_ms, id);
create index webhook_deliveries_by_webhook on webhook_deliveries (project_id, webhook_id, id);
"""


@migrations()
def m013_settings(db: Database) -> None:
    """How long data is kept, and who is told of events."""
    run(db, _SETTINGS)

"""Which LLM judges, what it answered, and what that cost."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations.steps import migrations, run

_LLM = """
create table llm_settings (
    project_id text primary key,
    is_off integer not null,            -- 1: nothing of this project is sent to an LLM
    base_url text not null,             -- empty: the environment names the LLM
    model text not null,
    api_key text not null,              -- empty, env:NAME, or sealed:TOKEN; never the key itself
    currency text not null,
    price_in text,                      -- decimal, of a million tokens
    price_out text,
    price_cached text,
    daily_budget text,                  -- decimal, in the currency
    daily_tokens integer,
    updated_at_ms integer not null
) strict;

-- No calls are made for a project that stands here, until a person says so.
create table llm_pauses (
    project_id text primary key,
    reason text not null,
    paused_at_ms integer not null
) strict;

create table llm_answers (
    project_id text not null,
    key text not null,                  -- SHA-256 of all that the answer depends on
    answer text not null,               -- JSON object
    created_at_ms integer not null,
    primary key (project_id, key)
) strict, without rowid;
create index llm_answers_by_time on llm_answers (project_id, created_at_ms);

create table llm_usage (
    project_id text not null,
    definition_id text not null,        -- empty: all of the project, where a call counts once
    day_ms integer not null,            -- start of the UTC day
    verdicts integer not null,          -- verdicts that an LLM could have been asked for
    asked integer not null,             -- those that it was asked for
    calls integer not null,
    tokens_in integer not null,
    tokens_out integer not null,
    tokens_cached integer not null,
    cost_nanos integer not null,        -- billionths of the currency
    primary key (project_id, definition_id, day_ms)
) strict, without rowid;
"""


@migrations()
def m004_llm(db: Database) -> None:
    """Which LLM judges, what it answered, and what that cost."""
    run(db, _LLM)

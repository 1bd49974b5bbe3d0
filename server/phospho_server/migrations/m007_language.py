"""What language a user's message is in and how it sounds, and a roll-up for filters."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations.steps import migrations, run

_LANGUAGE = """
-- ISO 639-1 code of the user's message; null where it cannot be told.
alter table interactions add column language text;
-- The user's message from -1, cross, to 1, glad; null where it cannot be told.
alter table interactions add column sentiment real;

create table session_facts (
    project_id text not null,
    session_id text not null,
    fact text not null,                 -- language or sentiment
    value text not null,                -- a language's code; negative, neutral or positive
    interactions integer not null,      -- of the session, of which it is true
    last_at_ms integer not null,        -- that of the session, for a list in its order
    primary key (project_id, session_id, fact, value)
) strict, without rowid;
create index session_facts_by_value
    on session_facts (project_id, fact, value, last_at_ms, session_id) where interactions > 0;

-- The facts that are kept of every interaction of a project, or soon are of the past.
create table kept_facts (
    project_id text not null,
    fact text not null,
    primary key (project_id, fact)
) strict, without rowid;
"""


@migrations()
def m007_language(db: Database) -> None:
    """What language a user's message is in and how it sounds, and a roll-up for filters."""
    run(db, _LANGUAGE)

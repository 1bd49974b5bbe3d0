"""What programs say of a session as a whole, also before anything was said in it."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations.steps import migrations, run

_SESSION_DETAILS = """
create table session_details (
    project_id text not null,
    session_id text not null,           -- may have no interaction yet
    created_at_ms integer not null,
    metadata text,                      -- JSON object
    data text,                          -- JSON object
    notes text,
    preview text,
    primary key (project_id, session_id)
) strict, without rowid;
create index session_details_by_time on session_details (project_id, created_at_ms, session_id);
"""


@migrations()
def m014_session_details(db: Database) -> None:
    """What programs say of a session as a whole, also before anything was said in it."""
    run(db, _SESSION_DETAILS)

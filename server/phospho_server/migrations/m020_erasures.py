"""What was erased for good, when, and how that was checked: the receipts name nobody."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations.steps import migrations, run

_ERASURES = """
create table erasures (
    id text primary key,                -- what was asked for later sorts later
    project_id text not null,
    kind text not null,                 -- user or session
    target text,                        -- whose data goes; null once none is left
    target_hash text not null,          -- SHA-256 of id:kind:target, hexadecimal
    asked_by text not null,             -- as `audit_log.who`
    asked_at_ms integer not null,
    since_ms integer,                   -- when the first of what is gone had arrived
    removed text not null,              -- JSON object: rows by table
    removed_at_ms integer,              -- when no row was left
    checked text,                       -- JSON object: pages read and cleaned, copies removed
    verified_at_ms integer              -- when no byte was left
) strict;
create index erasures_by_project on erasures (project_id, id);
create index erasures_open on erasures (removed_at_ms, id) where verified_at_ms is null;
"""


@migrations()
def m020_erasures(db: Database) -> None:
    """Make the table of receipts."""
    run(db, _ERASURES)

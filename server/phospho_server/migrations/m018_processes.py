"""Which processes work on the jobs, and which of them holds each."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations.steps import migrations, run

_PROCESSES = """
create table processes (
    id text primary key,
    host text not null,
    pid integer not null,
    started_at_ms integer not null,
    seen_at_ms integer not null         -- it tells every few seconds that it lives
) strict;

-- While a job is leased, who holds it.
alter table jobs add column holder text not null default '';
create index jobs_by_holder on jobs (holder) where leased_until_ms > 0;

-- What held them before has ended, or this step could not run.
update jobs set leased_until_ms = 0;
"""


@migrations()
def m018_processes(db: Database) -> None:
    """Which processes work on the jobs, and which of them holds each."""
    run(db, _PROCESSES)

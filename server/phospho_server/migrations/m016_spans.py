"""Spans of OpenTelemetry, until their traces have become interactions and for a day after."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations.steps import migrations, run

_SPANS = """
create table traces (
    project_id text not null,
    trace_id text not null,             -- 32 hex digits
    revision integer not null,          -- grows with every request that brings something of it
    due_at_ms integer,                  -- when it becomes interactions; null: nothing is new
    is_complete integer not null,       -- whether its root has ended
    received_at_ms integer not null,    -- when something of it last came
    closed_at_ms integer,               -- from then on nothing of it is taken any more
    primary key (project_id, trace_id)
) strict, without rowid;
create index traces_by_due on traces (due_at_ms) where due_at_ms is not null;
create index traces_by_received on traces (received_at_ms) where closed_at_ms is null;
create index traces_by_closed on traces (closed_at_ms) where closed_at_ms is not null;

create table spans (
    project_id text not null,
    trace_id text not null,
    span_id text not null,              -- 16 hex digits
    record text not null,               -- empty for the span; of a log record, what tells it apart
    ended_at_ns integer not null,
    content text not null,              -- JSON
    primary key (project_id, trace_id, span_id, record)
) strict;

-- Which interactions a trace became.
create table trace_turns (
    project_id text not null,
    task_id text not null,
    trace_id text not null,
    primary key (project_id, task_id)
) strict, without rowid;
create index trace_turns_by_trace on trace_turns (project_id, trace_id);
"""


@migrations()
def m016_spans(db: Database) -> None:
    """Spans of OpenTelemetry, and which interactions they became."""
    run(db, _SPANS)

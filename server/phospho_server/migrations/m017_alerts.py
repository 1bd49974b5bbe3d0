"""Alert rules, what became of them, and the counts by the minute that they are measured with."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations.steps import migrations, run

_COUNTS = """
-- Like `counters`, by the minute and for the newest days alone.
create table minute_counters (
    project_id text not null,
    metric text not null,               -- interactions or events
    key text not null,                  -- the event definition's id for events, otherwise empty
    minute_ms integer not null,           -- start of the minute
    value integer not null,
    primary key (project_id, metric, key, minute_ms)
) strict, without rowid;
create index minute_counters_by_minute on minute_counters (minute_ms);

-- What was counted before by the hour stands at the beginning of its hour.
insert into minute_counters
    select project_id, metric, key, hour_ms, value from counters
    where metric in ('interactions', 'events')
    and hour_ms >= (cast(strftime('%s', 'now') as integer) - 16 * 86400) * 1000;
"""

_ALERTS = """
create table alert_rules (
    id text primary key,
    project_id text not null,
    definition_id text not null,
    window_minutes integer not null,    -- how far back events are counted
    at_least integer not null,          -- it fires at so many events,
    factor integer,                     -- and so many times the usual; null: compare nothing
    created_at_ms integer not null,
    edited_at_ms integer not null,
    paused_at_ms integer,               -- null: it is on
    alert_id text,                      -- the alert that it has fired; null: all is quiet
    calm_since_ms integer               -- since when there is no more reason for that alert
) strict;
create index alert_rules_by_project on alert_rules (project_id, definition_id, created_at_ms);

-- Each time that a rule fired, as the rule then was.
create table alerts (
    id text primary key,                -- what fired later sorts later
    project_id text not null,
    rule_id text not null,
    definition_id text not null,
    window_minutes integer not null,
    at_least integer not null,
    factor integer,
    count integer not null,             -- events when it fired
    usual real,                         -- how many were usual; null where nothing was compared
    fired_at_ms integer not null,
    ended_at_ms integer,                -- null: it is on
    ended_count integer                 -- events when it ended
) strict;
create index alerts_by_event on alerts (project_id, definition_id, id);
create index alerts_by_rule on alerts (project_id, rule_id, id);
"""

_WEBHOOKS = """
-- events, alerts or both: those there are go on hearing of events alone.
alter table webhooks add column hears text not null default 'events';
alter table webhook_deliveries add column type text not null default 'event.detected';
alter table webhook_deliveries add column alert_id text not null default '';
update webhook_deliveries set type = 'test' where definition_id = '';
"""


@migrations()
def m017_alerts(db: Database) -> None:
    """Alert rules, what became of them, and the counts that they are measured with."""
    run(db, _COUNTS + _ALERTS + _WEBHOOKS)

"""Roll-ups by day, of feedback, of the app's versions, and of how long users were away."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations.steps import migrations, run

_DASHBOARD = """
-- `counters` by UTC day: what a page sums of a year.
create table day_counters (
    project_id text not null,
    metric text not null,
    key text not null,
    day_ms integer not null,
    value integer not null,
    primary key (project_id, metric, key, day_ms)
) strict, without rowid;

-- How many users of a day had been there last so many days before.
create table user_gaps (
    project_id text not null,
    day_ms integer not null,
    gap_days integer not null,          -- 0: a first day
    users integer not null,
    primary key (project_id, day_ms, gap_days)
) strict, without rowid;
insert into user_gaps
    select project_id, day_ms, gap_days, count(*) from (
        select project_id, day_ms, coalesce((day_ms - lag(day_ms) over (
            partition by project_id, user_id order by day_ms
        )) / 86400000, 0) as gap_days from user_days
    ) group by 1, 2, 3;
create index user_days_by_user on user_days (project_id, user_id, day_ms);

create table version_days (
    project_id text not null,
    day_ms integer not null,
    version_id text not null,           -- of the app
    interactions integer not null,
    successes integer not null,
    failures integer not null,
    primary key (project_id, day_ms, version_id)
) strict, without rowid;
insert into version_days
    select project_id, created_at_ms - created_at_ms % 86400000, version_id, count(*),
        coalesce(sum(flag = 'success'), 0), coalesce(sum(flag = 'failure'), 0)
    from interactions where version_id <> '' group by 1, 2, 3;
create index version_days_by_version on version_days (project_id, version_id, day_ms);

create table version_events (
    project_id text not null,
    day_ms integer not null,
    version_id text not null,
    definition_id text not null,
    events integer not null,
    primary key (project_id, day_ms, version_id, definition_id)
) strict, without rowid;
insert into version_events
    select d.project_id, i.created_at_ms - i.created_at_ms % 86400000, i.version_id,
        d.definition_id, count(*)
    from detections d join interactions i on i.id = d.interaction_id
    join event_definitions e on e.id = d.definition_id and e.deleted_at_ms is null
    where d.detected = 1 and i.version_id <> '' group by 1, 2, 3, 4;

insert into counters
    select project_id, 'feedback', flag, created_at_ms - created_at_ms % 3600000, count(*)
    from interactions where flag in ('success', 'failure') group by 1, 3, 4;
-- The users of a day are what `user_gaps` has of it.
delete from counters where metric = 'active_users';
insert into day_counters
    select project_id, metric, key, hour_ms - hour_ms % 86400000, sum(value)
    from counters group by 1, 2, 3, 4;
"""


@migrations()
def m012_dashboard(db: Database) -> None:
    """Roll-ups by day, of feedback, of the app's versions, and of how long users were away."""
    run(db, _DASHBOARD)

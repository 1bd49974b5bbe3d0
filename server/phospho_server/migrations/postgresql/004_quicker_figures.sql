-- Verdicts are drawn from these, and clicks compared in them, without reading the verdicts.
drop index events_by_definition;
create index events_by_definition
    on detections (project_id, definition_id, interaction_id)
    include (definition_version, score, reviewed, judged) where detected = 1;
create index reviewed_verdicts
    on detections (project_id, definition_id, interaction_id)
    include (definition_version, score, reviewed, judged)
    where reviewed is not null;

-- All events of a version in a day, which a dashboard summed up by definition.
alter table version_days add column events bigint not null default 0;
update version_days set events = coalesce((
    select sum(e.events) from version_events e where e.project_id = version_days.project_id
    and e.day_ms = version_days.day_ms and e.version_id = version_days.version_id), 0);

-- Verdicts are drawn from these, and clicks compared in them, without reading the verdicts.
drop index events_by_definition;
create index events_by_definition
    on detections (project_id, definition_id, interaction_id)
    include (definition_version, score, reviewed, judged, detector, embedder) where detected = 1;
create index reviewed_verdicts
    on detections (project_id, definition_id, interaction_id)
    include (definition_version, score, reviewed, judged, detector, embedder)
    where reviewed is not null;

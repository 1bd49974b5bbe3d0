-- What is to do is summed from the index alone, without the jobs' lists of interactions.
drop index jobs_by_project;
create index jobs_by_project on jobs (project_id, kind, definition_id, size);
create index jobs_with_problems on jobs (project_id, definition_id, kind) where error is not null;

-- The newest alerts of a project, whatever they are about.
create index alerts_by_project on alerts (project_id, id);

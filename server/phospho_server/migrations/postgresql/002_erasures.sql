create table erasures (
    id text collate "C" primary key,        -- what was asked for later sorts later
    project_id text collate "C" not null,
    kind text collate "C" not null,         -- user or session
    target text collate "C",                -- whose data goes; null once none is left
    target_hash text collate "C" not null,  -- SHA-256 of id:kind:target, hexadecimal
    asked_by text collate "C" not null,     -- as `audit_log.who`
    asked_at_ms bigint not null,
    since_ms bigint,                        -- when the first of what is gone had arrived
    removed text collate "C" not null,      -- JSON object: rows by table
    removed_at_ms bigint,                   -- when no row was left
    checked text collate "C",               -- JSON object: pages read and cleaned, copies removed
    verified_at_ms bigint                   -- when no byte was left
);
create index erasures_by_project on erasures (project_id, id);
create index erasures_open on erasures (removed_at_ms, id) where verified_at_ms is null;

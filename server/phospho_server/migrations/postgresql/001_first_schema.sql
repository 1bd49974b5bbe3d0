-- The schema as SQLite has it after all its steps. What differs: integers are bigint, texts compare
-- by their bytes as in SQLite, and an index names the id that SQLite appends by itself.

-- Ids of interactions; taken before they are stored, so no column takes them by itself.
create sequence interactions_ids;

create table projects (
    id text collate "C" primary key,
    name text collate "C" not null,
    created_at_ms bigint not null
);

create table api_keys (
    id text collate "C" primary key,
    project_id text collate "C" not null references projects (id) on delete cascade,
    name text collate "C" not null,
    prefix text collate "C" not null,       -- the first characters, to recognise a key by
    key_hash text collate "C" not null unique,  -- SHA-256 of the key, hexadecimal
    created_at_ms bigint not null,
    last_used_at_ms bigint,
    revoked_at_ms bigint
);
create index api_keys_by_project on api_keys (project_id, created_at_ms);

create table interactions (
    id bigint primary key,                  -- order of arrival
    project_id text collate "C" not null,
    task_id text collate "C" not null,
    session_id text collate "C" not null,
    user_id text collate "C",
    version_id text collate "C",
    created_at_ms bigint not null,
    received_at_ms bigint not null,
    input text collate "C" not null,
    output text collate "C",
    flag text collate "C",                  -- success or failure, from the newest feedback
    notes text collate "C",
    metadata text collate "C",              -- JSON object
    raw_input text collate "C",             -- JSON, where it says more than the text
    raw_output text collate "C",
    steps text collate "C",
    language text collate "C",
    sentiment double precision,
    tokens bigint
);
create unique index interactions_by_task on interactions (project_id, task_id);
create index interactions_by_session on interactions (project_id, session_id, created_at_ms, id);

create table feedback (
    id text collate "C" primary key,
    project_id text collate "C" not null,
    task_id text collate "C" not null,      -- may arrive before the interaction
    flag text collate "C",
    notes text collate "C",
    source text collate "C",
    created_at_ms bigint not null
);
create index feedback_by_task on feedback (project_id, task_id, created_at_ms);

create table users (
    project_id text collate "C" not null,
    user_id text collate "C" not null,
    first_at_ms bigint not null,
    last_at_ms bigint not null,
    interactions bigint not null,
    tokens bigint not null default 0,
    primary key (project_id, user_id)
);

create table user_days (
    project_id text collate "C" not null,
    day_ms bigint not null,
    user_id text collate "C" not null,
    primary key (project_id, day_ms, user_id)
);

create table counters (
    project_id text collate "C" not null,
    metric text collate "C" not null,       -- interactions, sessions, active_users, events
    key text collate "C" not null,          -- the event definition's id for events, otherwise empty
    hour_ms bigint not null,
    value bigint not null,
    primary key (project_id, metric, key, hour_ms)
);

create table event_definitions (
    id text collate "C" primary key,
    project_id text collate "C" not null,
    name text collate "C" not null,
    version bigint not null,
    description text collate "C" not null,
    scope text collate "C" not null,
    detector text collate "C" not null,
    settings text collate "C" not null,     -- JSON: keywords, pattern, examples and others
    color bigint not null,                  -- place in the project, for a colour of its own
    enabled bigint not null default 1,
    created_at_ms bigint not null,
    updated_at_ms bigint not null,
    deleted_at_ms bigint
);
create unique index event_definitions_by_name
    on event_definitions (project_id, name) where deleted_at_ms is null;

create table event_definition_versions (
    definition_id text collate "C" not null references event_definitions (id),
    version bigint not null,
    description text collate "C" not null,
    scope text collate "C" not null,
    detector text collate "C" not null,
    settings text collate "C" not null,
    created_at_ms bigint not null,
    from_id bigint not null default 0,
    primary key (definition_id, version)
);

create table detections (
    project_id text collate "C" not null,
    definition_id text collate "C" not null,
    interaction_id bigint not null,
    definition_version bigint not null,
    detected bigint not null,
    score double precision not null,
    detector text collate "C" not null,
    evidence text collate "C",              -- JSON object: side, quote, reason
    created_at_ms bigint not null,
    embedder text collate "C",
    value text collate "C",
    judged bigint,
    reviewed bigint,
    repeated bigint,
    reviewed_value text collate "C",
    claimed double precision,
    primary key (project_id, interaction_id, definition_id)
);
create index events_by_definition
    on detections (project_id, definition_id, interaction_id) where detected = 1;

create table jobs (
    id text collate "C" primary key,
    project_id text collate "C" not null,
    kind text collate "C" not null,         -- detect, backfill or notify
    definition_id text collate "C",         -- null: every definition that is enabled
    payload text collate "C" not null,      -- JSON object
    before_id bigint,                       -- how far a backfill has come
    size bigint not null,                   -- interactions still to do
    attempts bigint not null default 0,
    run_at_ms bigint not null,
    leased_until_ms bigint not null default 0,
    parked_at_ms bigint,                    -- failed too often; waits for a person
    error text collate "C",
    created_at_ms bigint not null,
    holder text collate "C" not null default ''
);
create index jobs_to_claim on jobs (kind, before_id desc, run_at_ms, project_id, id)
    where parked_at_ms is null;
create index jobs_by_project on jobs (project_id, kind);

create table sign_in_links (
    token_hash text collate "C" primary key,
    expires_at_ms bigint not null,
    used_at_ms bigint
);

create table accounts (
    id text collate "C" primary key,
    email text collate "C" not null unique,   -- in lower case
    password_hash text collate "C" not null,  -- argon2id, with its salt and costs
    is_owner bigint not null,               -- 1: of the server, and so of every project
    created_at_ms bigint not null
);

create table sign_ins (
    token_hash text collate "C" primary key,
    created_at_ms bigint not null,
    expires_at_ms bigint not null,
    account_id text collate "C" references accounts (id) on delete cascade,
    last_seen_at_ms bigint not null default 0,
    agent text collate "C" not null default '',
    address text collate "C" not null default ''
);

create table secrets (
    name text collate "C" primary key,
    value text collate "C" not null
);

create table reviews (
    id text collate "C" primary key,
    project_id text collate "C" not null,
    definition_id text collate "C" not null,
    interaction_id bigint not null,
    occurred bigint not null,               -- 1: the event occurred, 0: it did not
    judged bigint,                          -- what the detector had said, null where it had not yet
    score double precision,
    source text collate "C" not null,       -- transcript, events or audit
    created_at_ms bigint not null,
    undone_at_ms bigint,
    definition_version bigint,
    detector text collate "C",
    embedder text collate "C",
    value text collate "C",
    claimed double precision
);
create index reviews_by_definition on reviews (project_id, definition_id, created_at_ms);
create index reviews_by_interaction on reviews (project_id, interaction_id, definition_id);

create table event_cuts (
    project_id text collate "C" not null,
    definition_id text collate "C" not null,
    definition_version bigint not null,
    embedder text collate "C" not null,
    prevalence double precision not null,   -- estimated share of interactions with the event
    threshold double precision not null,    -- the least score that is a yes
    directions text collate "C" not null,   -- JSON: for each side where the event lies among messages
    interactions bigint not null,           -- looked at for the estimate
    updated_at_ms bigint not null,
    primary key (project_id, definition_id)
);

create table llm_settings (
    project_id text collate "C" primary key,
    is_off bigint not null,                 -- 1: nothing of this project is sent to an LLM
    base_url text collate "C" not null,     -- empty: the environment names the LLM
    model text collate "C" not null,
    api_key text collate "C" not null,      -- empty, env:NAME, or sealed:TOKEN; never the key itself
    currency text collate "C" not null,
    price_in text collate "C",              -- decimal, of a million tokens
    price_out text collate "C",
    price_cached text collate "C",
    daily_budget text collate "C",          -- decimal, in the currency
    daily_tokens bigint,
    updated_at_ms bigint not null,
    is_trusted bigint not null default 0
);

create table llm_pauses (
    project_id text collate "C" primary key,
    reason text collate "C" not null,
    paused_at_ms bigint not null
);

create table llm_answers (
    project_id text collate "C" not null,
    key text collate "C" not null,          -- SHA-256 of all that the answer depends on
    answer text collate "C" not null,       -- JSON object
    created_at_ms bigint not null,
    primary key (project_id, key)
);
create index llm_answers_by_time on llm_answers (project_id, created_at_ms);

create table llm_usage (
    project_id text collate "C" not null,
    definition_id text collate "C" not null,  -- empty: all of the project, where a call counts once
    day_ms bigint not null,                 -- start of the UTC day
    verdicts bigint not null,               -- verdicts that an LLM could have been asked for
    asked bigint not null,                  -- those that it was asked for
    calls bigint not null,
    tokens_in bigint not null,
    tokens_out bigint not null,
    tokens_cached bigint not null,
    cost_nanos bigint not null,             -- billionths of the currency
    primary key (project_id, definition_id, day_ms)
);
create unique index reviews_that_stand on reviews (project_id, definition_id, interaction_id)
    where undone_at_ms is null;

create table verdict_counts (
    project_id text collate "C" not null,
    definition_id text collate "C" not null,
    definition_version bigint not null,
    detector text collate "C" not null,
    embedder text collate "C" not null,     -- empty where no vectors were compared
    verdicts bigint not null,
    primary key (project_id, definition_id, definition_version, detector, embedder)
);
create index interactions_by_project on interactions (project_id, id);

create table kept_facts (
    project_id text collate "C" not null,
    fact text collate "C" not null,
    primary key (project_id, fact)
);

create table vectors (
    interaction_id bigint primary key,
    project_id text collate "C" not null,
    made_by text collate "C" not null,      -- the model, and how texts were split and vectors packed
    input bytea not null,
    output bytea not null
);
create index vectors_by_project on vectors (project_id, interaction_id);

create table llm_unasked (
    project_id text collate "C" not null,
    definition_id text collate "C" not null,
    interaction_id bigint not null,
    definition_version bigint not null,
    counted bigint not null,                -- 1: among `llm_usage.verdicts` already
    primary key (project_id, definition_id, interaction_id)
);

create table llm_agreement (
    project_id text collate "C" not null,
    definition_id text collate "C" not null,
    part bigint not null,                   -- of the band around the threshold: half logits from it
    definition_version bigint not null,
    model text collate "C" not null,
    asked double precision not null,        -- answers; halved at 200, so that old ones count for less
    differed double precision not null,     -- those that changed the verdict
    primary key (project_id, definition_id, part)
);

create table memberships (
    project_id text collate "C" not null references projects (id) on delete cascade,
    account_id text collate "C" not null references accounts (id) on delete cascade,
    role text collate "C" not null,         -- owner, editor or viewer
    created_at_ms bigint not null,
    primary key (project_id, account_id)
);
create index memberships_by_account on memberships (account_id, project_id);

create table invitations (
    id text collate "C" primary key,
    project_id text collate "C" not null references projects (id) on delete cascade,
    token_hash text collate "C" not null unique,  -- SHA-256 of the token in the link, hexadecimal
    role text collate "C" not null,
    invited_by text collate "C" not null,   -- as `audit_log.who`
    created_at_ms bigint not null,
    expires_at_ms bigint not null,
    used_at_ms bigint
);
create index invitations_by_project on invitations (project_id, created_at_ms);
create index sign_ins_by_account on sign_ins (account_id);

create table audit_log (
    id text collate "C" primary key,        -- what was noted later sorts later
    project_id text collate "C",            -- null: about accounts or the whole server
    who text collate "C" not null,          -- an account's e-mail, or how else somebody got in
    action text collate "C" not null,
    what text collate "C" not null,         -- never a secret
    at_ms bigint not null
);
create index audit_log_by_project on audit_log (project_id, id);

create table facts (
    id bigint generated by default as identity primary key,
    project_id text collate "C" not null,
    fact text collate "C" not null,         -- user, version, model, flag, notes, language, sentiment,
                                            -- event, or metadata. and a key
    value text collate "C" not null,        -- of an event the definition's id
    interactions bigint not null,
    sessions bigint not null
);
create unique index facts_by_value on facts (project_id, fact, value);

create table interaction_facts (
    fact_id bigint not null,
    interaction_id bigint not null,
    primary key (fact_id, interaction_id)
);

create table interaction_days (
    project_id text collate "C" not null,
    day_ms bigint not null,                 -- start of the UTC day
    first_id bigint not null,
    last_id bigint not null,
    primary key (project_id, day_ms)
);

create table sessions (
    id bigint generated by default as identity primary key,
    project_id text collate "C" not null,
    session_id text collate "C" not null,
    first_at_ms bigint not null,
    last_at_ms bigint not null,
    interactions bigint not null,
    successes bigint not null default 0,
    failures bigint not null default 0,
    user_id text collate "C",
    version_id text collate "C",
    first_input text collate "C" not null,
    counted_hour_ms bigint
);
create unique index sessions_by_session on sessions (project_id, session_id);
create index sessions_by_time on sessions (project_id, last_at_ms, id);
create index sessions_by_length on sessions (project_id, interactions, id);

create table session_facts (
    session_row bigint not null,            -- sessions.id
    fact_id bigint not null,
    interactions bigint not null,           -- of the session, of which it is true
    last_at_ms bigint not null,             -- that of the session, for a list in its order
    primary key (session_row, fact_id)
);
create index session_facts_by_fact on session_facts (fact_id, last_at_ms, session_row);
create index users_by_time on users (project_id, last_at_ms, user_id);
create index users_by_length on users (project_id, interactions, user_id);

create table saved_views (
    id text collate "C" primary key,
    project_id text collate "C" not null,
    page text collate "C" not null,         -- sessions or interactions
    name text collate "C" not null,
    query text collate "C" not null,        -- as it stands in the address
    created_at_ms bigint not null
);
create index saved_views_by_project on saved_views (project_id, page, name);

create table day_counters (
    project_id text collate "C" not null,
    metric text collate "C" not null,
    key text collate "C" not null,
    day_ms bigint not null,
    value bigint not null,
    primary key (project_id, metric, key, day_ms)
);

create table user_gaps (
    project_id text collate "C" not null,
    day_ms bigint not null,
    gap_days bigint not null,               -- 0: a first day
    users bigint not null,
    primary key (project_id, day_ms, gap_days)
);
create index user_days_by_user on user_days (project_id, user_id, day_ms);

create table version_days (
    project_id text collate "C" not null,
    day_ms bigint not null,
    version_id text collate "C" not null,   -- of the app
    interactions bigint not null,
    successes bigint not null,
    failures bigint not null,
    primary key (project_id, day_ms, version_id)
);
create index version_days_by_version on version_days (project_id, version_id, day_ms);

create table version_events (
    project_id text collate "C" not null,
    day_ms bigint not null,
    version_id text collate "C" not null,
    definition_id text collate "C" not null,
    events bigint not null,
    primary key (project_id, day_ms, version_id, definition_id)
);

create table retention (
    project_id text collate "C" primary key,
    days bigint not null,
    removing bigint not null,               -- interactions that the run under way has removed
    last_run_at_ms bigint,                  -- when a run last came to its end
    last_removed bigint,                    -- interactions that it removed
    updated_at_ms bigint not null
);
create index interactions_by_user on interactions (project_id, user_id, created_at_ms, id)
    where user_id is not null;

create table removed_ids (
    table_name text collate "C" primary key,
    highest_id bigint not null
);

create table webhooks (
    id text collate "C" primary key,
    project_id text collate "C" not null,
    url text collate "C" not null,          -- sealed:TOKEN: an address may be a secret
    shown_url text collate "C" not null,    -- as much of it as pages show
    format text collate "C" not null,       -- json or slack
    secret text collate "C" not null,       -- sealed:TOKEN
    definition_ids text collate "C",        -- JSON list; null: every event
    page_url text collate "C" not null,     -- of the server, for links in messages
    created_at_ms bigint not null,
    failing_since_ms bigint,
    failures bigint not null,               -- in a row
    rests_until_ms bigint not null,         -- nothing is sent before, after a failure
    disabled_at_ms bigint,
    disabled_reason text collate "C",
    hears text collate "C" not null default 'events'
);
create index webhooks_by_project on webhooks (project_id, created_at_ms);

create table webhook_deliveries (
    id text collate "C" primary key,        -- sent as webhook-id, the same at every attempt
    project_id text collate "C" not null,
    webhook_id text collate "C" not null references webhooks (id),
    definition_id text collate "C" not null,  -- empty for a test
    interaction_id bigint not null,         -- 0 for a test
    state text collate "C" not null,        -- waiting, sent, parked or dropped
    attempts bigint not null,
    run_at_ms bigint not null,
    created_at_ms bigint not null,
    tried_at_ms bigint,
    duration_ms bigint,
    status bigint,                          -- of the last answer
    error text collate "C",
    type text collate "C" not null default 'event.detected',
    alert_id text collate "C" not null default ''
);
create index webhook_deliveries_by_state
    on webhook_deliveries (webhook_id, state, run_at_ms, id);
create index webhook_deliveries_by_webhook on webhook_deliveries (project_id, webhook_id, id);

create table session_details (
    project_id text collate "C" not null,
    session_id text collate "C" not null,   -- may have no interaction yet
    created_at_ms bigint not null,
    metadata text collate "C",              -- JSON object
    data text collate "C",                  -- JSON object
    notes text collate "C",
    preview text collate "C",
    primary key (project_id, session_id)
);
create index session_details_by_time on session_details (project_id, created_at_ms, session_id);

create table llm_shared_usage (
    day_ms bigint primary key,              -- start of the UTC day
    tokens bigint not null
);

create table traces (
    project_id text collate "C" not null,
    trace_id text collate "C" not null,     -- 32 hex digits
    revision bigint not null,               -- grows with every request that brings something of it
    due_at_ms bigint,                       -- when it becomes interactions; null: nothing is new
    is_complete bigint not null,            -- whether its root has ended
    received_at_ms bigint not null,         -- when something of it last came
    closed_at_ms bigint,                    -- from then on nothing of it is taken any more
    primary key (project_id, trace_id)
);
create index traces_by_due on traces (due_at_ms) where due_at_ms is not null;
create index traces_by_received on traces (received_at_ms) where closed_at_ms is null;
create index traces_by_closed on traces (closed_at_ms) where closed_at_ms is not null;

create table spans (
    project_id text collate "C" not null,
    trace_id text collate "C" not null,
    span_id text collate "C" not null,      -- 16 hex digits
    record text collate "C" not null,       -- empty for the span; of a log record, what tells it apart
    ended_at_ns bigint not null,
    content text collate "C" not null,      -- JSON
    primary key (project_id, trace_id, span_id, record)
);

create table trace_turns (
    project_id text collate "C" not null,
    task_id text collate "C" not null,
    trace_id text collate "C" not null,
    primary key (project_id, task_id)
);
create index trace_turns_by_trace on trace_turns (project_id, trace_id);

create table minute_counters (
    project_id text collate "C" not null,
    metric text collate "C" not null,       -- interactions or events
    key text collate "C" not null,          -- the event definition's id for events, otherwise empty
    minute_ms bigint not null,              -- start of the minute
    value bigint not null,
    primary key (project_id, metric, key, minute_ms)
);
create index minute_counters_by_minute on minute_counters (minute_ms);

create table alert_rules (
    id text collate "C" primary key,
    project_id text collate "C" not null,
    definition_id text collate "C" not null,
    window_minutes bigint not null,         -- how far back events are counted
    at_least bigint not null,               -- it fires at so many events,
    factor bigint,                          -- and so many times the usual; null: compare nothing
    created_at_ms bigint not null,
    edited_at_ms bigint not null,
    paused_at_ms bigint,                    -- null: it is on
    alert_id text collate "C",              -- the alert that it has fired; null: all is quiet
    calm_since_ms bigint                    -- since when there is no more reason for that alert
);
create index alert_rules_by_project on alert_rules (project_id, definition_id, created_at_ms);

create table alerts (
    id text collate "C" primary key,        -- what fired later sorts later
    project_id text collate "C" not null,
    rule_id text collate "C" not null,
    definition_id text collate "C" not null,
    window_minutes bigint not null,
    at_least bigint not null,
    factor bigint,
    count bigint not null,                  -- events when it fired
    usual double precision,                 -- how many were usual; null where nothing was compared
    fired_at_ms bigint not null,
    ended_at_ms bigint,                     -- null: it is on
    ended_count bigint                      -- events when it ended
);
create index alerts_by_event on alerts (project_id, definition_id, id);
create index alerts_by_rule on alerts (project_id, rule_id, id);

create table processes (
    id text collate "C" primary key,
    host text collate "C" not null,
    pid bigint not null,
    started_at_ms bigint not null,
    seen_at_ms bigint not null              -- it tells every few seconds that it lives
);
create index jobs_by_holder on jobs (holder) where leased_until_ms > 0;

-- The words of interactions: lexemes with their positions, and one for the project.
create table interactions_fts (
    id bigint primary key,
    words tsvector not null
);
create index interactions_fts_by_word on interactions_fts using gin (words);

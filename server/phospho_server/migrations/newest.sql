-- What all steps make of an empty file, written by `make schema`. Change no line here.
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE TABLE projects (
    id text primary key,
    name text not null,
    created_at_ms integer not null
) strict;
CREATE TABLE api_keys (
    id text primary key,
    project_id text not null references projects (id) on delete cascade,
    name text not null,
    prefix text not null,               -- the first characters, to recognise a key by
    key_hash text not null unique,      -- SHA-256 of the key, hexadecimal
    created_at_ms integer not null,
    last_used_at_ms integer,
    revoked_at_ms integer
) strict;
CREATE INDEX api_keys_by_project on api_keys (project_id, created_at_ms);
CREATE TABLE interactions (
    id integer primary key,             -- order of arrival
    project_id text not null,
    task_id text not null,
    session_id text not null,
    user_id text,
    version_id text,
    created_at_ms integer not null,
    received_at_ms integer not null,
    input text not null,
    output text,
    flag text,                          -- success or failure, from the newest feedback
    notes text,
    metadata text,                      -- JSON object
    raw_input text,                     -- JSON, where it says more than the text
    raw_output text
, steps text, language text, sentiment real, tokens integer) strict;
CREATE UNIQUE INDEX interactions_by_task on interactions (project_id, task_id);
CREATE INDEX interactions_by_session on interactions (project_id, session_id, created_at_ms);
CREATE TABLE feedback (
    id text primary key,
    project_id text not null,
    task_id text not null,              -- may arrive before the interaction
    flag text,
    notes text,
    source text,
    created_at_ms integer not null
) strict;
CREATE INDEX feedback_by_task on feedback (project_id, task_id, created_at_ms);
CREATE TABLE users (
    project_id text not null,
    user_id text not null,
    first_at_ms integer not null,
    last_at_ms integer not null,
    interactions integer not null, tokens integer not null default 0,
    primary key (project_id, user_id)
) strict, without rowid;
CREATE TABLE user_days (
    project_id text not null,
    day_ms integer not null,
    user_id text not null,
    primary key (project_id, day_ms, user_id)
) strict, without rowid;
CREATE TABLE counters (
    project_id text not null,
    metric text not null,               -- interactions, sessions, active_users, events
    key text not null,                  -- the event definition's id for events, otherwise empty
    hour_ms integer not null,
    value integer not null,
    primary key (project_id, metric, key, hour_ms)
) strict, without rowid;
CREATE TABLE event_definitions (
    id text primary key,
    project_id text not null,
    name text not null,
    version integer not null,
    description text not null,
    scope text not null,
    detector text not null,
    settings text not null,             -- JSON: keywords, pattern, examples and others
    color integer not null,             -- place in the project, for a colour of its own
    enabled integer not null default 1,
    created_at_ms integer not null,
    updated_at_ms integer not null,
    deleted_at_ms integer
) strict;
CREATE UNIQUE INDEX event_definitions_by_name
    on event_definitions (project_id, name) where deleted_at_ms is null;
CREATE TABLE event_definition_versions (
    definition_id text not null references event_definitions (id),
    version integer not null,
    description text not null,
    scope text not null,
    detector text not null,
    settings text not null,
    created_at_ms integer not null, from_id integer not null default 0,
    primary key (definition_id, version)
) strict, without rowid;
CREATE TABLE detections (
    project_id text not null,
    definition_id text not null,
    interaction_id integer not null,
    definition_version integer not null,
    detected integer not null,
    score real not null,
    detector text not null,
    evidence text,                      -- JSON object: side, quote, reason
    created_at_ms integer not null, embedder text, value text, judged integer, reviewed integer, repeated integer, reviewed_value text, claimed real,
    primary key (project_id, interaction_id, definition_id)
) strict, without rowid;
CREATE TABLE jobs (
    id text primary key,
    project_id text not null,
    kind text not null,                 -- detect, backfill or notify
    definition_id text,                 -- null: every definition that is enabled
    payload text not null,              -- JSON object
    before_id integer,                  -- how far a backfill has come
    size integer not null,              -- interactions still to do
    attempts integer not null default 0,
    run_at_ms integer not null,
    leased_until_ms integer not null default 0,
    parked_at_ms integer,               -- failed too often; waits for a person
    error text,
    created_at_ms integer not null
, holder text not null default '') strict;
CREATE INDEX jobs_to_claim on jobs (kind, before_id desc, run_at_ms, project_id, id)
    where parked_at_ms is null;
CREATE TABLE sign_in_links (
    token_hash text primary key,
    expires_at_ms integer not null,
    used_at_ms integer
) strict;
CREATE TABLE sign_ins (
    token_hash text primary key,
    created_at_ms integer not null,
    expires_at_ms integer not null
, account_id text references accounts (id) on delete cascade, last_seen_at_ms integer not null default 0, agent text not null default '', address text not null default '') strict;
CREATE TABLE secrets (
    name text primary key,
    value text not null
) strict;
CREATE TABLE reviews (
    id text primary key,
    project_id text not null,
    definition_id text not null,
    interaction_id integer not null,
    occurred integer not null,          -- 1: the event occurred, 0: it did not
    judged integer,                     -- what the detector had said, null where it had not yet
    score real,
    source text not null,               -- transcript, events or audit
    created_at_ms integer not null,
    undone_at_ms integer
, definition_version integer, detector text, embedder text, value text, claimed real) strict;
CREATE INDEX reviews_by_definition on reviews (project_id, definition_id, created_at_ms);
CREATE INDEX reviews_by_interaction on reviews (project_id, interaction_id, definition_id);
CREATE TABLE event_cuts (
    project_id text not null,
    definition_id text not null,
    definition_version integer not null,
    embedder text not null,
    prevalence real not null,           -- estimated share of interactions with the event
    threshold real not null,            -- the least score that is a yes
    directions text not null,           -- JSON: for each side where the event lies among messages
    interactions integer not null,      -- looked at for the estimate
    updated_at_ms integer not null,
    primary key (project_id, definition_id)
) strict, without rowid;
CREATE TABLE llm_settings (
    project_id text primary key,
    is_off integer not null,            -- 1: nothing of this project is sent to an LLM
    base_url text not null,             -- empty: the environment names the LLM
    model text not null,
    api_key text not null,              -- empty, env:NAME, or sealed:TOKEN; never the key itself
    currency text not null,
    price_in text,                      -- decimal, of a million tokens
    price_out text,
    price_cached text,
    daily_budget text,                  -- decimal, in the currency
    daily_tokens integer,
    updated_at_ms integer not null
, is_trusted integer not null default 0) strict;
CREATE TABLE llm_pauses (
    project_id text primary key,
    reason text not null,
    paused_at_ms integer not null
) strict;
CREATE TABLE llm_answers (
    project_id text not null,
    key text not null,                  -- SHA-256 of all that the answer depends on
    answer text not null,               -- JSON object
    created_at_ms integer not null,
    primary key (project_id, key)
) strict, without rowid;
CREATE INDEX llm_answers_by_time on llm_answers (project_id, created_at_ms);
CREATE TABLE llm_usage (
    project_id text not null,
    definition_id text not null,        -- empty: all of the project, where a call counts once
    day_ms integer not null,            -- start of the UTC day
    verdicts integer not null,          -- verdicts that an LLM could have been asked for
    asked integer not null,             -- those that it was asked for
    calls integer not null,
    tokens_in integer not null,
    tokens_out integer not null,
    tokens_cached integer not null,
    cost_nanos integer not null,        -- billionths of the currency
    primary key (project_id, definition_id, day_ms)
) strict, without rowid;
CREATE UNIQUE INDEX reviews_that_stand on reviews (project_id, definition_id, interaction_id)
    where undone_at_ms is null;
CREATE TABLE verdict_counts (
    project_id text not null,
    definition_id text not null,
    definition_version integer not null,
    detector text not null,
    embedder text not null,             -- empty where no vectors were compared
    verdicts integer not null,
    primary key (project_id, definition_id, definition_version, detector, embedder)
) strict, without rowid;
CREATE INDEX interactions_by_project on interactions (project_id);
CREATE TABLE kept_facts (
    project_id text not null,
    fact text not null,
    primary key (project_id, fact)
) strict, without rowid;
CREATE TABLE vectors (
    interaction_id integer primary key,
    project_id text not null,
    made_by text not null,              -- the model, and how texts were split and vectors packed
    input blob not null,
    output blob not null
) strict;
CREATE INDEX vectors_by_project on vectors (project_id, interaction_id);
CREATE TABLE llm_unasked (
    project_id text not null,
    definition_id text not null,
    interaction_id integer not null,
    definition_version integer not null,
    counted integer not null,           -- 1: among `llm_usage.verdicts` already
    primary key (project_id, definition_id, interaction_id)
) strict, without rowid;
CREATE TABLE llm_agreement (
    project_id text not null,
    definition_id text not null,
    part integer not null,              -- of the band around the threshold: half logits from it
    definition_version integer not null,
    model text not null,
    asked real not null,                -- answers; halved at 200, so that old ones count for less
    differed real not null,             -- those that changed the verdict
    primary key (project_id, definition_id, part)
) strict, without rowid;
CREATE TABLE accounts (
    id text primary key,
    email text not null unique,         -- in lower case
    password_hash text not null,        -- argon2id, with its salt and costs
    is_owner integer not null,          -- 1: of the server, and so of every project
    created_at_ms integer not null
) strict;
CREATE TABLE memberships (
    project_id text not null references projects (id) on delete cascade,
    account_id text not null references accounts (id) on delete cascade,
    role text not null,                 -- owner, editor or viewer
    created_at_ms integer not null,
    primary key (project_id, account_id)
) strict, without rowid;
CREATE INDEX memberships_by_account on memberships (account_id, project_id);
CREATE TABLE invitations (
    id text primary key,
    project_id text not null references projects (id) on delete cascade,
    token_hash text not null unique,    -- SHA-256 of the token in the link, hexadecimal
    role text not null,
    invited_by text not null,           -- as `audit_log.who`
    created_at_ms integer not null,
    expires_at_ms integer not null,
    used_at_ms integer
) strict;
CREATE INDEX invitations_by_project on invitations (project_id, created_at_ms);
CREATE INDEX sign_ins_by_account on sign_ins (account_id);
CREATE TABLE audit_log (
    id text primary key,                -- what was noted later sorts later
    project_id text,                    -- null: about accounts or the whole server
    who text not null,                  -- an account's e-mail, or how else somebody got in
    action text not null,
    what text not null,                 -- never a secret
    at_ms integer not null
) strict;
CREATE INDEX audit_log_by_project on audit_log (project_id, id);
CREATE TABLE facts (
    id integer primary key,
    project_id text not null,
    fact text not null,                 -- user, version, model, flag, notes, language, sentiment,
                                        -- event, or metadata. and a key
    value text not null,                -- of an event the definition's id
    interactions integer not null,
    sessions integer not null
) strict;
CREATE UNIQUE INDEX facts_by_value on facts (project_id, fact, value);
CREATE TABLE interaction_facts (
    fact_id integer not null,
    interaction_id integer not null,
    primary key (fact_id, interaction_id)
) strict, without rowid;
CREATE TABLE interaction_days (
    project_id text not null,
    day_ms integer not null,            -- start of the UTC day
    first_id integer not null,
    last_id integer not null,
    primary key (project_id, day_ms)
) strict, without rowid;
CREATE TABLE "sessions" (
    id integer primary key,
    project_id text not null,
    session_id text not null,
    first_at_ms integer not null,
    last_at_ms integer not null,
    interactions integer not null,
    successes integer not null default 0,
    failures integer not null default 0,
    user_id text,
    version_id text,
    first_input text not null
, counted_hour_ms integer, language text, feeling text, sentiments integer not null default 0, sentiment_sum integer not null default 0, sentiment_size integer not null default 0) strict;
CREATE UNIQUE INDEX sessions_by_session on sessions (project_id, session_id);
CREATE INDEX sessions_by_time on sessions (project_id, last_at_ms, id);
CREATE INDEX sessions_by_length on sessions (project_id, interactions, id);
CREATE TABLE session_facts (
    session_row integer not null,       -- sessions.id
    fact_id integer not null,
    interactions integer not null,      -- of the session, of which it is true
    last_at_ms integer not null,        -- that of the session, for a list in its order
    primary key (session_row, fact_id)
) strict, without rowid;
CREATE INDEX session_facts_by_fact on session_facts (fact_id, last_at_ms, session_row);
CREATE INDEX users_by_time on users (project_id, last_at_ms, user_id);
CREATE INDEX users_by_length on users (project_id, interactions, user_id);
CREATE TABLE saved_views (
    id text primary key,
    project_id text not null,
    page text not null,                 -- sessions or interactions
    name text not null,
    query text not null,                -- as it stands in the address
    created_at_ms integer not null
) strict;
CREATE INDEX saved_views_by_project on saved_views (project_id, page, name);
CREATE TABLE day_counters (
    project_id text not null,
    metric text not null,
    key text not null,
    day_ms integer not null,
    value integer not null,
    primary key (project_id, metric, key, day_ms)
) strict, without rowid;
CREATE TABLE user_gaps (
    project_id text not null,
    day_ms integer not null,
    gap_days integer not null,          -- 0: a first day
    users integer not null,
    primary key (project_id, day_ms, gap_days)
) strict, without rowid;
CREATE INDEX user_days_by_user on user_days (project_id, user_id, day_ms);
CREATE TABLE version_days (
    project_id text not null,
    day_ms integer not null,
    version_id text not null,           -- of the app
    interactions integer not null,
    successes integer not null,
    failures integer not null, events integer not null default 0,
    primary key (project_id, day_ms, version_id)
) strict, without rowid;
CREATE INDEX version_days_by_version on version_days (project_id, version_id, day_ms);
CREATE TABLE version_events (
    project_id text not null,
    day_ms integer not null,
    version_id text not null,
    definition_id text not null,
    events integer not null,
    primary key (project_id, day_ms, version_id, definition_id)
) strict, without rowid;
CREATE TABLE retention (
    project_id text primary key,
    days integer not null,
    removing integer not null,          -- interactions that the run under way has removed
    last_run_at_ms integer,             -- when a run last came to its end
    last_removed integer,               -- interactions that it removed
    updated_at_ms integer not null
) strict;
CREATE INDEX interactions_by_user on interactions (project_id, user_id, created_at_ms)
    where user_id is not null;
CREATE TABLE removed_ids (
    table_name text primary key,
    highest_id integer not null
) strict, without rowid;
CREATE TABLE webhooks (
    id text primary key,
    project_id text not null,
    url text not null,                  -- sealed:TOKEN: an address may be a secret
    shown_url text not null,            -- as much of it as pages show
    format text not null,               -- json or slack
    secret text not null,               -- sealed:TOKEN
    definition_ids text,                -- JSON list; null: every event
    page_url text not null,             -- of the server, for links in messages
    created_at_ms integer not null,
    failing_since_ms integer,
    failures integer not null,          -- in a row
    rests_until_ms integer not null,    -- nothing is sent before, after a failure
    disabled_at_ms integer,
    disabled_reason text
, hears text not null default 'events') strict;
CREATE INDEX webhooks_by_project on webhooks (project_id, created_at_ms);
CREATE TABLE webhook_deliveries (
    id text primary key,                -- sent as webhook-id, the same at every attempt
    project_id text not null,
    webhook_id text not null references webhooks (id),
    definition_id text not null,        -- empty for a test
    interaction_id integer not null,    -- 0 for a test
    state text not null,                -- waiting, sent, parked or dropped
    attempts integer not null,
    run_at_ms integer not null,
    created_at_ms integer not null,
    tried_at_ms integer,
    duration_ms integer,
    status integer,                     -- of the last answer
    error text
, type text not null default 'event.detected', alert_id text not null default '') strict;
CREATE INDEX webhook_deliveries_by_state
    on webhook_deliveries (webhook_id, state, run_at_ms, id);
CREATE INDEX webhook_deliveries_by_webhook on webhook_deliveries (project_id, webhook_id, id);
CREATE TABLE session_details (
    project_id text not null,
    session_id text not null,           -- may have no interaction yet
    created_at_ms integer not null,
    metadata text,                      -- JSON object
    data text,                          -- JSON object
    notes text,
    preview text,
    primary key (project_id, session_id)
) strict, without rowid;
CREATE INDEX session_details_by_time on session_details (project_id, created_at_ms, session_id);
CREATE TABLE llm_shared_usage (
    day_ms integer primary key,         -- start of the UTC day
    tokens integer not null
) strict;
CREATE TABLE traces (
    project_id text not null,
    trace_id text not null,             -- 32 hex digits
    revision integer not null,          -- grows with every request that brings something of it
    due_at_ms integer,                  -- when it becomes interactions; null: nothing is new
    is_complete integer not null,       -- whether its root has ended
    received_at_ms integer not null,    -- when something of it last came
    closed_at_ms integer,               -- from then on nothing of it is taken any more
    primary key (project_id, trace_id)
) strict, without rowid;
CREATE INDEX traces_by_due on traces (due_at_ms) where due_at_ms is not null;
CREATE INDEX traces_by_received on traces (received_at_ms) where closed_at_ms is null;
CREATE INDEX traces_by_closed on traces (closed_at_ms) where closed_at_ms is not null;
CREATE TABLE spans (
    project_id text not null,
    trace_id text not null,
    span_id text not null,              -- 16 hex digits
    record text not null,               -- empty for the span; of a log record, what tells it apart
    ended_at_ns integer not null,
    content text not null,              -- JSON
    primary key (project_id, trace_id, span_id, record)
) strict;
CREATE TABLE trace_turns (
    project_id text not null,
    task_id text not null,
    trace_id text not null,
    primary key (project_id, task_id)
) strict, without rowid;
CREATE INDEX trace_turns_by_trace on trace_turns (project_id, trace_id);
CREATE TABLE minute_counters (
    project_id text not null,
    metric text not null,               -- interactions or events
    key text not null,                  -- the event definition's id for events, otherwise empty
    minute_ms integer not null,           -- start of the minute
    value integer not null,
    primary key (project_id, metric, key, minute_ms)
) strict, without rowid;
CREATE INDEX minute_counters_by_minute on minute_counters (minute_ms);
CREATE TABLE alert_rules (
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
CREATE INDEX alert_rules_by_project on alert_rules (project_id, definition_id, created_at_ms);
CREATE TABLE alerts (
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
CREATE INDEX alerts_by_event on alerts (project_id, definition_id, id);
CREATE INDEX alerts_by_rule on alerts (project_id, rule_id, id);
CREATE TABLE processes (
    id text primary key,
    host text not null,
    pid integer not null,
    started_at_ms integer not null,
    seen_at_ms integer not null         -- it tells every few seconds that it lives
) strict;
CREATE INDEX jobs_by_holder on jobs (holder) where leased_until_ms > 0;
CREATE INDEX jobs_by_project on jobs (project_id, kind, definition_id, size);
CREATE INDEX jobs_with_problems on jobs (project_id, definition_id, kind) where error is not null;
CREATE INDEX alerts_by_project on alerts (project_id, id);
CREATE TABLE erasures (
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
CREATE INDEX erasures_by_project on erasures (project_id, id);
CREATE INDEX erasures_open on erasures (removed_at_ms, id) where verified_at_ms is null;
CREATE VIEW interactions_words as
    select id, input, output, char(57344) || hex(project_id) as project from interactions;
CREATE VIRTUAL TABLE interactions_fts using fts5 (
    input, output, project,
    content = 'interactions_words', content_rowid = 'id', detail = none, columnsize = 0
);
CREATE INDEX events_by_definition
    on detections (project_id, definition_id, interaction_id, detected, definition_version,
        score, reviewed, judged) where detected = 1;
CREATE INDEX reviewed_verdicts
    on detections (project_id, definition_id, interaction_id, definition_version,
        score, reviewed, judged) where reviewed is not null;

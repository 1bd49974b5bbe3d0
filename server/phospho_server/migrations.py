"""The schema, one append-only step at a time. A shipped step is never edited.

People query the file with Datasette or pandas, so the tables are part of what we document:
`project_id` leads every key, times are UTC milliseconds (`*_at_ms`), flags are 0 or 1.
"""

from __future__ import annotations

from sqlite_utils import Database, Migrations

migrations = Migrations("phospho")

_PROJECTS = """
create table projects (
    id text primary key,
    name text not null,
    created_at_ms integer not null
) strict;

create table api_keys (
    id text primary key,
    project_id text not null references projects (id) on delete cascade,
    name text not null,
    prefix text not null,               -- the first characters, to recognise a key by
    key_hash text not null unique,      -- SHA-256 of the key, hexadecimal
    created_at_ms integer not null,
    last_used_at_ms integer,
    revoked_at_ms integer
) strict;
create index api_keys_by_project on api_keys (project_id, created_at_ms);
"""

_INTERACTIONS = """
create table interactions (
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
) strict;
create unique index interactions_by_task on interactions (project_id, task_id);
create index interactions_by_session on interactions (project_id, session_id, created_at_ms);

create virtual table interactions_fts using fts5 (
    input, output, content = 'interactions', content_rowid = 'id'
);

create table feedback (
    id text primary key,
    project_id text not null,
    task_id text not null,              -- may arrive before the interaction
    flag text,
    notes text,
    source text,
    created_at_ms integer not null
) strict;
create index feedback_by_task on feedback (project_id, task_id, created_at_ms);
"""

# Kept in the transaction of the data they sum up, so that no page has to scan.
_ROLL_UPS = """
create table sessions (
    project_id text not null,
    session_id text not null,
    first_at_ms integer not null,
    last_at_ms integer not null,
    interactions integer not null,
    successes integer not null default 0,
    failures integer not null default 0,
    user_id text,
    version_id text,
    first_input text not null,
    primary key (project_id, session_id)
) strict, without rowid;
create index sessions_by_time on sessions (project_id, last_at_ms, session_id);

create table session_events (
    project_id text not null,
    session_id text not null,
    definition_id text not null,
    events integer not null,
    primary key (project_id, session_id, definition_id)
) strict, without rowid;

create table users (
    project_id text not null,
    user_id text not null,
    first_at_ms integer not null,
    last_at_ms integer not null,
    interactions integer not null,
    primary key (project_id, user_id)
) strict, without rowid;

create table user_days (
    project_id text not null,
    day_ms integer not null,
    user_id text not null,
    primary key (project_id, day_ms, user_id)
) strict, without rowid;

create table counters (
    project_id text not null,
    metric text not null,               -- interactions, sessions, active_users, events
    key text not null,                  -- the event definition's id for events, otherwise empty
    hour_ms integer not null,
    value integer not null,
    primary key (project_id, metric, key, hour_ms)
) strict, without rowid;
"""

_DETECTION = """
create table event_definitions (
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
create unique index event_definitions_by_name
    on event_definitions (project_id, name) where deleted_at_ms is null;

create table event_definition_versions (
    definition_id text not null references event_definitions (id),
    version integer not null,
    description text not null,
    scope text not null,
    detector text not null,
    settings text not null,
    created_at_ms integer not null,
    primary key (definition_id, version)
) strict, without rowid;

create table detections (
    project_id text not null,
    definition_id text not null,
    interaction_id integer not null,
    definition_version integer not null,
    detected integer not null,
    score real not null,
    detector text not null,
    evidence text,                      -- JSON object: side, quote, reason
    created_at_ms integer not null,
    primary key (project_id, interaction_id, definition_id)
) strict, without rowid;
create index events_by_definition
    on detections (project_id, definition_id, interaction_id) where detected = 1;

create table jobs (
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
) strict;
create index jobs_to_claim on jobs (kind, before_id desc, run_at_ms, project_id, id)
    where parked_at_ms is null;
create index jobs_by_project on jobs (project_id, kind);
"""

_SIGN_INS = """
create table sign_in_links (
    token_hash text primary key,
    expires_at_ms integer not null,
    used_at_ms integer
) strict;

create table sign_ins (
    token_hash text primary key,
    created_at_ms integer not null,
    expires_at_ms integer not null
) strict;

create table secrets (
    name text primary key,
    value text not null
) strict;
"""


@migrations()
def m001_first_schema(db: Database) -> None:
    """Projects, interactions, roll-ups, detection and sign-in."""
    for script in (_PROJECTS, _INTERACTIONS, _ROLL_UPS, _DETECTION, _SIGN_INS):
        for statement in script.split(";\n"):
            if statement.strip():
                db.execute(statement)


@migrations()
def m002_steps(db: Database) -> None:
    """The calls that led to an answer, a JSON list; null where none were logged."""
    db.execute("alter table interactions add column steps text")


_REVIEWS = """
-- Whose vectors the score was computed with.
alter table detections add column embedder text;
-- JSON: the score on a range, or the category.
alter table detections add column value text;
-- What the detector said, where a person overruled or confirmed it.
alter table detections add column judged integer;
-- What a person said: 1 it occurred, 0 it did not.
alter table detections add column reviewed integer;

create table reviews (
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
) strict;
create index reviews_by_definition on reviews (project_id, definition_id, created_at_ms);
create index reviews_by_interaction on reviews (project_id, interaction_id, definition_id);

create table event_cuts (
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
"""


@migrations()
def m003_reviews(db: Database) -> None:
    """What people say of verdicts, what traffic teaches, and answers other than yes and no."""
    for statement in _REVIEWS.split(";\n"):
        if statement.strip():
            db.execute(statement)


_LLM = """
create table llm_settings (
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
) strict;

-- No calls are made for a project that stands here, until a person says so.
create table llm_pauses (
    project_id text primary key,
    reason text not null,
    paused_at_ms integer not null
) strict;

create table llm_answers (
    project_id text not null,
    key text not null,                  -- SHA-256 of all that the answer depends on
    answer text not null,               -- JSON object
    created_at_ms integer not null,
    primary key (project_id, key)
) strict, without rowid;
create index llm_answers_by_time on llm_answers (project_id, created_at_ms);

create table llm_usage (
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
"""


@migrations()
def m004_llm(db: Database) -> None:
    """Which LLM judges, what it answered, and what that cost."""
    for statement in _LLM.split(";\n"):
        if statement.strip():
            db.execute(statement)


_REVIEWS_MORE = """
-- Whose verdict a person saw: only those of one version and model are compared.
alter table reviews add column definition_version integer;
alter table reviews add column detector text;
alter table reviews add column embedder text;
-- One word of people stands for each verdict, also where two click at once.
create unique index reviews_that_stand on reviews (project_id, definition_id, interaction_id)
    where undone_at_ms is null;
"""


@migrations()
def m005_reviews_more(db: Database) -> None:
    """Whose verdict was reviewed, so that detectors are measured by their own."""
    for statement in _REVIEWS_MORE.split(";\n"):
        if statement.strip():
            db.execute(statement)


_VERSIONS = """
-- 1: the session had the event already, so it did not occur again in this interaction.
alter table detections add column repeated integer;
-- The version decides about interactions with this id and later ones; 0: about all.
alter table event_definition_versions add column from_id integer not null default 0;

create table verdict_counts (
    project_id text not null,
    definition_id text not null,
    definition_version integer not null,
    detector text not null,
    embedder text not null,             -- empty where no vectors were compared
    verdicts integer not null,
    primary key (project_id, definition_id, definition_version, detector, embedder)
) strict, without rowid;
insert into verdict_counts
    select project_id, definition_id, definition_version, detector, coalesce(embedder, ''), count(*)
    from detections group by 1, 2, 3, 4, 5;

update event_definition_versions set from_id = coalesce((
    select max(before_id) from jobs j join event_definitions d on d.id = j.definition_id
    where j.kind = 'backfill' and d.version = event_definition_versions.version
    and d.id = event_definition_versions.definition_id
), 0);

-- Interactions of a project in the order of arrival, which every index of SQLite ends with.
create index interactions_by_project on interactions (project_id);
"""


@migrations()
def m006_versions(db: Database) -> None:
    """Which verdicts are of which version, and events that occur once in a session."""
    for statement in _VERSIONS.split(";\n"):
        if statement.strip():
            db.execute(statement)


_LANGUAGE = """
-- ISO 639-1 code of the user's message; null where it cannot be told.
alter table interactions add column language text;
-- The user's message from -1, cross, to 1, glad; null where it cannot be told.
alter table interactions add column sentiment real;

create table session_facts (
    project_id text not null,
    session_id text not null,
    fact text not null,                 -- language or sentiment
    value text not null,                -- a language's code; negative, neutral or positive
    interactions integer not null,      -- of the session, of which it is true
    last_at_ms integer not null,        -- that of the session, for a list in its order
    primary key (project_id, session_id, fact, value)
) strict, without rowid;
create index session_facts_by_value
    on session_facts (project_id, fact, value, last_at_ms, session_id) where interactions > 0;

-- The facts that are kept of every interaction of a project, or soon are of the past.
create table kept_facts (
    project_id text not null,
    fact text not null,
    primary key (project_id, fact)
) strict, without rowid;
"""


@migrations()
def m007_language(db: Database) -> None:
    """What language a user's message is in and how it sounds, and a roll-up for filters."""
    for statement in _LANGUAGE.split(";\n"):
        if statement.strip():
            db.execute(statement)


_VECTORS = """
-- Vectors of the newest interactions of each project, so that a draft is tried on all of them at
-- once; each could be made again. Those of a project are of one range of ids without gaps.
create table vectors (
    interaction_id integer primary key,
    project_id text not null,
    made_by text not null,              -- the model, and how texts were split and vectors packed
    input blob not null,
    output blob not null
) strict;
create index vectors_by_project on vectors (project_id, interaction_id);
"""


@migrations()
def m008_vectors(db: Database) -> None:
    """What messages mean, kept for the newest interactions."""
    for statement in _VECTORS.split(";\n"):
        if statement.strip():
            db.execute(statement)


_LLM_LATER = """
-- Uncertain verdicts that no LLM could be asked about when they were given: the newest 1,000 of
-- each event. It is asked about them when it can be.
create table llm_unasked (
    project_id text not null,
    definition_id text not null,
    interaction_id integer not null,
    definition_version integer not null,
    counted integer not null,           -- 1: among `llm_usage.verdicts` already
    primary key (project_id, definition_id, interaction_id)
) strict, without rowid;

-- Those from before there was this table, among the newest interactions; what is near its
-- threshold is e^-3 to e^3 times as likely as that.
insert into llm_unasked
    select project_id, definition_id, interaction_id, definition_version, 0 from (
        select d.project_id, d.definition_id, d.interaction_id, d.definition_version,
            row_number() over (
                partition by d.project_id, d.definition_id order by d.interaction_id desc
            ) as place
        from detections d
        join event_definitions e on e.id = d.definition_id and e.version = d.definition_version
        left join event_cuts c on c.project_id = d.project_id and c.definition_id = e.id
            and c.definition_version = e.version
        left join llm_settings s on s.project_id = d.project_id
        where d.interaction_id > (select coalesce(max(id), 0) - 20000 from interactions)
            and d.detector = 'semantic' and d.reviewed is null
            and e.detector = 'auto' and e.enabled = 1 and e.deleted_at_ms is null
            and coalesce(s.is_off, 0) = 0
            and d.score / (1.0001 - d.score) between
                0.0498 * coalesce(c.threshold, 0.5) / (1.0001 - coalesce(c.threshold, 0.5))
                and 20.1 * coalesce(c.threshold, 0.5) / (1.0001 - coalesce(c.threshold, 0.5))
    ) where place <= 1000;
"""

_LLM_AGREEMENT = """
create table llm_agreement (
    project_id text not null,
    definition_id text not null,
    part integer not null,              -- of the band around the threshold: half logits from it
    definition_version integer not null,
    model text not null,
    asked real not null,                -- answers; halved at 200, so that old ones count for less
    differed real not null,             -- those that changed the verdict
    primary key (project_id, definition_id, part)
) strict, without rowid;
"""

_VALUES_OF_PEOPLE = """
-- JSON: the score or the category that a person says it is; what stands of `value` and this.
alter table detections add column reviewed_value text;
alter table reviews add column value text;
-- Log-odds of the event that an LLM claimed; `score` is what these are worth.
alter table detections add column claimed real;
alter table reviews add column claimed real;
-- What a person said where no detector had looked is no verdict of one, but was counted as such.
delete from verdict_counts where detector = 'person';
"""


@migrations()
def m009_llm_later_and_values(db: Database) -> None:
    """What an LLM is asked about later, what it need not be asked, and values that people give."""
    for statement in (_LLM_LATER + _LLM_AGREEMENT + _VALUES_OF_PEOPLE).split(";\n"):
        if statement.strip():
            db.execute(statement)


_ACCOUNTS = """
create table accounts (
    id text primary key,
    email text not null unique,         -- in lower case
    password_hash text not null,        -- argon2id, with its salt and costs
    is_owner integer not null,          -- 1: of the server, and so of every project
    created_at_ms integer not null
) strict;

create table memberships (
    project_id text not null references projects (id) on delete cascade,
    account_id text not null references accounts (id) on delete cascade,
    role text not null,                 -- owner, editor or viewer
    created_at_ms integer not null,
    primary key (project_id, account_id)
) strict, without rowid;
create index memberships_by_account on memberships (account_id, project_id);

create table invitations (
    id text primary key,
    project_id text not null references projects (id) on delete cascade,
    token_hash text not null unique,    -- SHA-256 of the token in the link, hexadecimal
    role text not null,
    invited_by text not null,           -- as `audit_log.who`
    created_at_ms integer not null,
    expires_at_ms integer not null,
    used_at_ms integer
) strict;
create index invitations_by_project on invitations (project_id, created_at_ms);

-- Null: signed in by a one-time link, as the owner of the server.
alter table sign_ins add column account_id text references accounts (id) on delete cascade;
alter table sign_ins add column last_seen_at_ms integer not null default 0;
-- What the browser says of itself, and where it is, so that people recognise their sign-ins.
alter table sign_ins add column agent text not null default '';
alter table sign_ins add column address text not null default '';
update sign_ins set last_seen_at_ms = created_at_ms;
create index sign_ins_by_account on sign_ins (account_id);

create table audit_log (
    id text primary key,                -- what was noted later sorts later
    project_id text,                    -- null: about accounts or the whole server
    who text not null,                  -- an account's e-mail, or how else somebody got in
    action text not null,
    what text not null,                 -- never a secret
    at_ms integer not null
) strict;
create index audit_log_by_project on audit_log (project_id, id);
"""


@migrations()
def m010_accounts(db: Database) -> None:
    """Accounts with roles in projects, invitations, and the log of administrative acts."""
    for statement in _ACCOUNTS.split(";\n"):
        if statement.strip():
            db.execute(statement)


_FACTS = """
-- What is true of interactions and can be asked for in a filter, each once: a user, a version, a
-- value of a metadata key. `interactions` and `sessions` count those of which it is true.
create table facts (
    id integer primary key,
    project_id text not null,
    fact text not null,                 -- user, version, model, flag, notes, language, sentiment,
                                        -- event, or metadata. and a key
    value text not null,                -- of an event the definition's id
    interactions integer not null,
    sessions integer not null
) strict;
create unique index facts_by_value on facts (project_id, fact, value);

-- Events are not among them: `detections` has those.
create table interaction_facts (
    fact_id integer not null,
    interaction_id integer not null,
    primary key (fact_id, interaction_id)
) strict, without rowid;

-- Which interactions a day has, by the order of arrival: a period is then a range of ids.
create table interaction_days (
    project_id text not null,
    day_ms integer not null,            -- start of the UTC day
    first_id integer not null,
    last_id integer not null,
    primary key (project_id, day_ms)
) strict, without rowid;
insert into interaction_days
    select project_id, created_at_ms - created_at_ms % 86400000, min(id), max(id)
    from interactions group by 1, 2;

create table new_sessions (
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
) strict;
insert into new_sessions (project_id, session_id, first_at_ms, last_at_ms, interactions, successes,
    failures, user_id, version_id, first_input)
    select project_id, session_id, first_at_ms, last_at_ms, interactions, successes, failures,
        user_id, version_id, first_input from sessions order by last_at_ms;
drop table sessions;
alter table new_sessions rename to sessions;
create unique index sessions_by_session on sessions (project_id, session_id);
create index sessions_by_time on sessions (project_id, last_at_ms, id);
create index sessions_by_length on sessions (project_id, interactions, id);

create temp table found as
    select i.id as interaction_id, i.project_id, s.id as session_row, t.fact, t.value
    from interactions i
    join sessions s on s.project_id = i.project_id and s.session_id = i.session_id
    join (
        select id, 'user' as fact, user_id as value from interactions
        union all select id, 'version', version_id from interactions
        union all select id, 'flag', flag from interactions
        union all select id, 'language', language from interactions
        union all select id, 'notes', 'yes' from interactions where notes is not null
        union all select id, 'sentiment', case when sentiment > 0.3 then 'positive'
            when sentiment < -0.3 then 'negative' else 'neutral' end
            from interactions where sentiment is not null
        union all select id, case when key = 'model' then key else 'metadata.' || key end, value
            from (
                select i.id, m.key, case m.type when 'true' then 'true' when 'false' then 'false'
                    else cast(m.value as text) end as value,
                    row_number() over (partition by i.id) as place
                from interactions i, json_each(i.metadata) m
                where m.type in ('text', 'integer', 'true', 'false')
                and length(m.key) <= 64 and length(m.value) between 1 and 64
            ) where place <= 32
    ) t on t.id = i.id
    where t.value is not null and t.value <> '';
insert into facts (project_id, fact, value, interactions, sessions)
    select project_id, fact, value, count(distinct interaction_id), count(distinct session_row)
    from found group by 1, 2, 3;
insert into facts (project_id, fact, value, interactions, sessions)
    select project_id, 'event', definition_id, sum(events), count(*)
    from session_events where events > 0 group by 1, 3;
insert or ignore into interaction_facts
    select f.id, found.interaction_id from found join facts f on f.project_id = found.project_id
    and f.fact = found.fact and f.value = found.value order by 1, 2;

drop table session_facts;
create table session_facts (
    session_row integer not null,       -- sessions.id
    fact_id integer not null,
    interactions integer not null,      -- of the session, of which it is true
    last_at_ms integer not null,        -- that of the session, for a list in its order
    primary key (session_row, fact_id)
) strict, without rowid;
insert into session_facts
    select s.id, f.fact_id, count(*), s.last_at_ms from interaction_facts f
    join interactions i on i.id = f.interaction_id
    join sessions s on s.project_id = i.project_id and s.session_id = i.session_id
    group by 1, 2;
insert into session_facts
    select s.id, f.id, e.events, s.last_at_ms from session_events e
    join sessions s on s.project_id = e.project_id and s.session_id = e.session_id
    join facts f on f.project_id = e.project_id and f.fact = 'event' and f.value = e.definition_id
    where e.events > 0;
create index session_facts_by_fact on session_facts (fact_id, last_at_ms, session_row);
drop table session_events;
drop table found;

-- Tokens that a model read and wrote for an answer, where that was logged.
alter table interactions add column tokens integer;
update interactions set tokens = coalesce(
    json_extract(metadata, '$.usage.total_tokens'),
    json_extract(metadata, '$.usage.prompt_tokens')
    + json_extract(metadata, '$.usage.completion_tokens')
) where json_type(metadata, '$.usage') = 'object'
    and coalesce(json_type(metadata, '$.usage.total_tokens'), 'integer') = 'integer'
    and coalesce(json_type(metadata, '$.usage.prompt_tokens'), 'integer') = 'integer'
    and coalesce(json_type(metadata, '$.usage.completion_tokens'), 'integer') = 'integer';
alter table users add column tokens integer not null default 0;
update users set tokens = coalesce((select sum(i.tokens) from interactions i
    where i.project_id = users.project_id and i.user_id = users.user_id), 0)
    where exists (select 1 from interactions where tokens is not null);
create index users_by_time on users (project_id, last_at_ms, user_id);
create index users_by_length on users (project_id, interactions, user_id);

-- The project is searched for with the words: a large one must not hide a small one beside it.
drop table interactions_fts;
create virtual table interactions_fts using fts5 (
    input, output, project_id, content = 'interactions', content_rowid = 'id'
);
insert into interactions_fts (interactions_fts) values ('rebuild');

-- Filters of a list that people come back to.
create table saved_views (
    id text primary key,
    project_id text not null,
    page text not null,                 -- sessions or interactions
    name text not null,
    query text not null,                -- as it stands in the address
    created_at_ms integer not null
) strict;
create index saved_views_by_project on saved_views (project_id, page, name);
"""


@migrations()
def m011_facts(db: Database) -> None:
    """What filters ask for, in one place; the search knows the project; views are saved."""
    for statement in _FACTS.split(";\n"):
        if statement.strip():
            db.execute(statement)


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
    for statement in _DASHBOARD.split(";\n"):
        if statement.strip():
            db.execute(statement)


_SETTINGS = """
-- How long interactions are kept; without a row, for ever.
create table retention (
    project_id text primary key,
    days integer not null,
    removing integer not null,          -- interactions that the run under way has removed
    last_run_at_ms integer,             -- when a run last came to its end
    last_removed integer,               -- interactions that it removed
    updated_at_ms integer not null
) strict;

-- The hour in which the session is counted, where the interactions it began with were removed.
alter table sessions add column counted_hour_ms integer;

-- What one user said: to remove it, and to know when they were first and last seen.
create index interactions_by_user on interactions (project_id, user_id, created_at_ms)
    where user_id is not null;

-- The highest id there was among rows that were removed: none is given twice, as a worker may
-- still have a verdict on the one before.
create table removed_ids (
    table_name text primary key,
    highest_id integer not null
) strict, without rowid;

create table webhooks (
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
) strict;
create index webhooks_by_project on webhooks (project_id, created_at_ms);

-- What is to be sent, and the newest of what was.
create table webhook_deliveries (
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
) strict;
create index webhook_deliveries_by_state
    on webhook_deliveries (webhook_id, state, run_at_ms, id);
create index webhook_deliveries_by_webhook on webhook_deliveries (project_id, webhook_id, id);
"""


@migrations()
def m013_settings(db: Database) -> None:
    """How long data is kept, and who is told of events."""
    for statement in _SETTINGS.split(";\n"):
        if statement.strip():
            db.execute(statement)

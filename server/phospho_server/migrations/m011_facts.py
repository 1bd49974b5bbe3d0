"""What filters ask for, in one place; the search knows the project; views are saved."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations.steps import migrations, run

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
    run(db, _FACTS)

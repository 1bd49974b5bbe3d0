-- The most frequent language and feeling of a session's messages; of two as frequent, the first.
alter table sessions add column language text;
alter table sessions add column feeling text;
-- How many have a sentiment, and the sums of it and of its size, both in millionths.
alter table sessions add column sentiments bigint not null default 0;
alter table sessions add column sentiment_sum bigint not null default 0;
alter table sessions add column sentiment_size bigint not null default 0;

update sessions set
    language = (select f.value from session_facts g join facts f on f.id = g.fact_id
        where g.session_row = sessions.id and f.fact = 'language'
        order by g.interactions desc, f.value limit 1),
    feeling = (select f.value from session_facts g join facts f on f.id = g.fact_id
        where g.session_row = sessions.id and f.fact = 'sentiment'
        order by g.interactions desc, f.value limit 1);
update sessions set (sentiments, sentiment_sum, sentiment_size) = (
    select count(i.sentiment),
        coalesce(sum(cast(round(i.sentiment * 1000000) as bigint)), 0),
        coalesce(sum(cast(round(abs(i.sentiment) * 1000000) as bigint)), 0)
    from interactions i
    where i.project_id = sessions.project_id and i.session_id = sessions.session_id)
where feeling is not null;

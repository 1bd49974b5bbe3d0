"""What an LLM is asked about later, what it need not be asked, and values that people give."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations.steps import migrations, run

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
    run(db, _LLM_LATER + _LLM_AGREEMENT + _VALUES_OF_PEOPLE)

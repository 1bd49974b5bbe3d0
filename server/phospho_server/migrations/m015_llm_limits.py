"""Which LLMs may be in a private network, and what projects ask of one that they share."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations.steps import migrations, run

# Before there was an audit log, everybody who got in owned the server.
_LLM_TRUST = """
-- 1: an owner of the server named the base URL, which may lead into a private network.
alter table llm_settings add column is_trusted integer not null default 0;
update llm_settings set is_trusted = 1
    where base_url <> '' and coalesce(
        (select a.who from audit_log a
            where a.project_id = llm_settings.project_id and a.action = 'LLM settings changed'
            order by a.id desc limit 1),
        'one-time link'
    ) in (select 'one-time link' union all select email from accounts where is_owner = 1);
"""

_SHARED_LLM = """
-- What all projects together have asked of the LLM that the environment names. Of no project, as
-- it is spent also when the project is deleted.
create table llm_shared_usage (
    day_ms integer primary key,         -- start of the UTC day
    tokens integer not null
) strict;
"""


@migrations()
def m015_llm_limits(db: Database) -> None:
    """Which LLMs may be in a private network, and what projects ask of one that they share."""
    run(db, _LLM_TRUST + _SHARED_LLM)

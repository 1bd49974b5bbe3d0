"""Which LLMs may be in a private network."""

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


@migrations()
def m016_llm_limits(db: Database) -> None:
    """Which LLMs may be in a private network."""
    run(db, _LLM_TRUST)

"""Projects that are deleted: out of sight at once, and their rows a part at a time.

This is the one place that knows every table with data of a project. A test walks the schema, so
that a new table cannot be forgotten: add it to `OWNED`, or to `OF_NO_PROJECT` with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

from phospho_server.errors import InvalidError
from phospho_server.store import Connection, Result, in_list, jobs
from phospho_server.store.interactions import note_removed
from phospho_server.store.projects import get_project
from phospho_server.store.search import remove_from_index


@dataclass(frozen=True)
class Owned:
    """A table whose rows are of a project.

    Args:
        table: Its name.
        key: The columns that name a row.
        of: Which rows are of `:project_id`.
    """

    table: str
    key: str
    of: str = "project_id = :project_id"

    @property
    def has_project(self) -> bool:
        """Whether each row names its project."""
        return self.of.startswith("project_id")


_FACTS = "(select id from facts where project_id = :project_id)"

# In the order in which they go: a row before those that it points to.
OWNED = (
    Owned("interactions", "id"),
    Owned("detections", "project_id, interaction_id, definition_id"),
    Owned("reviews", "id"),
    Owned("feedback", "id"),
    Owned("vectors", "interaction_id"),
    Owned("sessions", "project_id, session_id"),
    Owned("session_details", "project_id, session_id"),
    Owned("interaction_facts", "fact_id, interaction_id", of=f"fact_id in {_FACTS}"),
    Owned("session_facts", "session_row, fact_id", of=f"fact_id in {_FACTS}"),
    Owned("facts", "id"),
    Owned("interaction_days", "project_id, day_ms"),
    Owned("users", "project_id, user_id"),
    Owned("user_days", "project_id, day_ms, user_id"),
    Owned("user_gaps", "project_id, day_ms, gap_days"),
    Owned("counters", "project_id, metric, key, hour_ms"),
    Owned("day_counters", "project_id, metric, key, day_ms"),
    Owned("minute_counters", "project_id, metric, key, minute_ms"),
    Owned("version_days", "project_id, day_ms, version_id"),
    Owned("version_events", "project_id, day_ms, version_id, definition_id"),
    Owned("verdict_counts", "project_id, definition_id, definition_version, detector, embedder"),
    Owned("event_cuts", "project_id, definition_id"),
    Owned(
        "event_definition_versions",
        "definition_id, version",
        of="definition_id in (select id from event_definitions where project_id = :project_id)",
    ),
    Owned("event_definitions", "id"),
    Owned("kept_facts", "project_id, fact"),
    Owned("llm_answers", "project_id, key"),
    Owned("llm_unasked", "project_id, definition_id, interaction_id"),
    Owned("llm_agreement", "project_id, definition_id, part"),
    Owned("llm_usage", "project_id, definition_id, day_ms"),
    Owned("llm_settings", "project_id"),
    Owned("llm_pauses", "project_id"),
    Owned("trace_turns", "project_id, task_id"),
    Owned("spans", "project_id, trace_id, span_id, record"),
    Owned("traces", "project_id, trace_id"),
    Owned("alert_rules", "id"),
    Owned("alerts", "id"),
    Owned("webhook_deliveries", "id"),
    Owned("webhooks", "id"),
    Owned("retention", "project_id"),
    Owned("erasures", "id"),
    Owned("saved_views", "id"),
    Owned("memberships", "project_id, account_id"),
    Owned("invitations", "id"),
    Owned("audit_log", "id"),
    Owned("api_keys", "id"),
    # The job that erases all of them stays until there is nothing left.
    Owned("jobs", "id", of="project_id = :project_id and kind <> 'erase'"),
)

OF_NO_PROJECT = {
    "projects": "the row itself goes first",
    "sign_in_links": "of the server",
    "sign_ins": "of the server",
    "accounts": "of the server",
    "secrets": "of the server",
    "llm_shared_usage": "of the server: what was spent stays spent",
    "processes": "of the server",
    "removed_ids": "of the server",
    "_sqlite_migrations": "of the schema",
    "interactions_fts": "goes with `interactions`",
}

# What lets somebody in, sends anything out, or has a worker do something; and whatever refers to
# `projects` without `on delete cascade`, whose row goes after these.
_AT_ONCE = (
    "api_keys",
    "alert_rules",
    "webhook_deliveries",
    "webhooks",
    "llm_settings",
    "llm_pauses",
    "jobs",
    "erasures",
    "memberships",
    "invitations",
)

ERASE = "erase"


def delete_project(db: Connection, project_id: str, *, typed_name: str) -> None:
    """Remove a project from sight with all it holds; its keys work no more from now on.

    The rows go in the background (`erase_part`).

    Args:
        db: A connection in a write transaction.
        project_id: The project.
        typed_name: What somebody typed to confirm it.

    Raises:
        NotFoundError: There is no such project.
        InvalidError: The name is not that of the project.
    """
    project = get_project(db, project_id)
    if " ".join(typed_name.split()) != project.name:
        raise InvalidError(
            "This is not the name of the project, so nothing was deleted. Type the name as it "
            "stands above."
        )
    mine = {"project_id": project_id}
    for table in _AT_ONCE:
        db.execute(f"delete from {table} where project_id = :project_id", mine)
    db.execute("delete from projects where id = :project_id", mine)
    jobs.insert(db, project_id, ERASE, {}, size=0)


def unless_gone(
    project_id: str, change: Callable[[Connection], Result]
) -> Callable[[Connection], Result | None]:
    """Return a change that does nothing once its project is deleted.

    For whoever has worked on a project for a while: nothing of it must come back.
    """

    @wraps(change)
    def guarded(db: Connection) -> Result | None:
        if db.row("select 1 from projects where id = :id", {"id": project_id}) is None:
            return None
        return change(db)

    return guarded


def find_next(db: Connection) -> str | None:
    """Return a deleted project that still has rows, or None."""
    row = db.row(
        "select project_id from jobs where kind = :kind and parked_at_ms is null "
        "order by id limit 1",
        {"kind": ERASE},
    )
    return None if row is None else str(row["project_id"])


def erase_part(db: Connection, project_id: str, *, most: int) -> int:
    """Remove some rows of a deleted project; return how many, 0 when there are none left.

    Args:
        db: A connection in a write transaction.
        project_id: A project that is deleted.
        most: Rows at the most; whoever stores something waits as long as they take.
    """
    for owned in OWNED:
        params = {"project_id": project_id, "most": most}
        if owned.table == "interactions":
            removed = _erase_interactions(db, project_id, most)
        else:
            removed = db.execute(
                f"delete from {owned.table} where ({owned.key}) in "
                f"(select {owned.key} from {owned.table} where {owned.of} limit :most)",
                params,
            )
        if removed:
            return removed
    db.execute(
        "delete from jobs where project_id = :project_id and kind = :kind",
        {"project_id": project_id, "kind": ERASE},
    )
    return 0


def _erase_interactions(db: Connection, project_id: str, most: int) -> int:
    rows = db.rows(
        "select id from interactions where project_id = :project_id limit :most",
        {"project_id": project_id, "most": most},
    )
    ids = [row["id"] for row in rows]
    remove_from_index(db, ids)
    text, params = in_list("i", ids)
    db.execute(f"delete from interactions where id {text}", params)
    note_removed(db, ids)
    return len(ids)


# One step through the index for each project there is, however many rows it has.
_PROJECTS_IN = """
with recursive ids (id) as (
    select min(project_id) from {table}
    union all
    select (select min(t.project_id) from {table} t where t.project_id > ids.id)
    from ids where ids.id is not null
)
select id from ids where id is not null and id not in (select id from projects)
"""


def plan_strays(db: Connection) -> None:
    """Have rows erased that came back after their project was deleted.

    Another program may have held it open, for example an import of files.
    """
    strays: set[str] = set()
    for owned in OWNED:
        if owned.has_project:
            rows = db.rows(_PROJECTS_IN.format(table=owned.table))
            strays |= {row["id"] for row in rows}
    known = db.rows(
        "select project_id from jobs where kind = :kind and parked_at_ms is null",
        {"kind": ERASE},
    )
    for project_id in sorted(strays - {row["project_id"] for row in known}):
        jobs.insert(db, project_id, ERASE, {}, size=0)

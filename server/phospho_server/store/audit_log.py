"""Administrative acts: who did what, and when. Kept beside what they changed, never edited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from phospho.snapshot import clean_text
from phospho_server.clock import new_id, now_ms
from phospho_server.store import Connection

PAGE_SIZE = 50

# The name of an event or a key is shorter; nobody reads more.
_MAX_CHARS = 300

# Who acts without an account.
BY_LINK = "one-time link"
BY_COMMAND = "command line"


@dataclass(frozen=True)
class AuditEntry:
    """One act.

    Args:
        project_id: None where it is about accounts or the whole server.
        who: The e-mail of an account, or how else somebody got in.
        action: What was done, in the past: `key created`.
        what: What it was done to; empty where that is clear.
    """

    id: str
    project_id: str | None
    who: str
    action: str
    what: str
    at_ms: int


@dataclass(frozen=True)
class AuditPage:
    """Entries, newest first.

    Args:
        next_before: The id that the page after this one begins below; None on the last one.
    """

    entries: Sequence[AuditEntry]
    next_before: str | None


def record(
    db: Connection, project_id: str | None, *, who: str, action: str, what: str = ""
) -> AuditEntry:
    """Note an act. Call it in the transaction of what it is about, so that both are kept or none.

    Args:
        db: The database, to be written to.
        project_id: The project that was changed; None for accounts and the whole server.
        who: `who()` of `signing_in` in a request; `BY_COMMAND` in a command.
        action: What was done, in the past, with what comes first: `key created`.
        what: The name of what it was done to; never a secret. Cut to 300 characters.
    """
    entry = AuditEntry(
        new_id("aud_"),
        project_id,
        clean_text(who, _MAX_CHARS),
        action,
        clean_text(what, _MAX_CHARS),
        now_ms(),
    )
    db.execute(
        "insert into audit_log (id, project_id, who, action, what, at_ms) "
        "values (:id, :project_id, :who, :action, :what, :at_ms)",
        vars(entry),
    )
    return entry


def list_entries(db: Connection, project_id: str | None, *, before: str | None = None) -> AuditPage:
    """Return a page of what was done in a project, or, with None, to accounts and the server."""
    mine = "project_id is null" if project_id is None else "project_id = :project_id"
    older = "" if before is None else "and id < :before "
    rows = db.rows(
        f"select id, project_id, who, action, what, at_ms from audit_log where {mine} "
        f"{older}order by id desc limit {PAGE_SIZE + 1}",
        {"project_id": project_id, "before": before},
    )
    entries = [AuditEntry(**dict(row)) for row in rows]
    is_last = len(entries) <= PAGE_SIZE
    return AuditPage(entries[:PAGE_SIZE], None if is_last else entries[PAGE_SIZE - 1].id)

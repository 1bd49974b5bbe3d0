"""Erasing a person or a session for good, and the receipt of it, which names neither.

An erasure is asked for, then carried out a part at a time by whoever does the housekeeping: first
the rows go (`forgetting`), then the words in the search index and every byte that no row owns
(`cleaning`). Only then the receipt says that it is verified.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from phospho_server.clock import new_id, now_ms
from phospho_server.errors import NotFoundError
from phospho_server.store import Connection, Row
from phospho_server.store.projects import get_project

Kind = Literal["user", "session"]
KINDS: tuple[Kind, ...] = ("user", "session")

# Of a project, as many as anybody reads.
MOST_LISTED = 50

# No call of an LLM that began before an erasure lasts longer.
_LONGEST_CALL_MS = 15 * 60_000


@dataclass(frozen=True)
class Checked:
    """What was looked at before an erasure was called verified.

    Args:
        pages: Pages of the file that were read; 0 where the data is in no file of ours.
        cleaned: Those in which something stood that no row owns, which was overwritten.
        copies: Names of copies beside the database that were removed.
    """

    pages: int = 0
    cleaned: int = 0
    copies: Sequence[str] = ()


@dataclass(frozen=True)
class Erasure:
    """One erasure, as its receipt has it.

    Args:
        target: Whose data goes; None once no row of it is left.
        target_hash: What the target can be recognised by: `hash_target`.
        since_ms: When the first of what is gone had arrived; None while nothing is.
        removed: Rows that are gone, by table.
        removed_at_ms: When no row was left; None before.
        verified_at_ms: When no byte was left; None before.
    """

    id: str
    project_id: str
    kind: Kind
    target: str | None
    target_hash: str
    asked_by: str
    asked_at_ms: int
    since_ms: int | None = None
    removed: Mapping[str, int] = field(default_factory=dict)
    removed_at_ms: int | None = None
    checked: Checked | None = None
    verified_at_ms: int | None = None

    @property
    def state(self) -> Literal["removing", "pending", "verified"]:
        """Whether rows are still there, bytes may be, or nothing is."""
        if self.removed_at_ms is None:
            return "removing"
        return "pending" if self.verified_at_ms is None else "verified"


def hash_target(erasure_id: str, kind: Kind, target: str) -> str:
    """Return what a receipt says of whose data went: SHA-256 of `id:kind:target`, hexadecimal.

    Who has both can tell that they belong together; the id keeps receipts from being compared.
    """
    return hashlib.sha256(f"{erasure_id}:{kind}:{target}".encode()).hexdigest()


def ask(db: Connection, project_id: str, kind: Kind, target: str, *, who: str) -> Erasure:
    """Have somebody or a session erased; return the receipt, which fills.

    One that is under way for the same target is returned as it is.

    Raises:
        NotFoundError: There is no such project, or nothing of this user or session in it.
    """
    get_project(db, project_id)
    mine = {"project_id": project_id, "kind": kind, "target": target}
    row = db.row(
        "select * from erasures where project_id = :project_id and kind = :kind "
        "and target = :target and removed_at_ms is null",
        mine,
    )
    if row is not None:
        return _read(row)
    if not _is_known(db, mine):
        raise NotFoundError(
            f"The project has nothing of this {kind}, so nothing was erased. Look for the "
            f"{kind}'s id in the list of {kind}s, and give it exactly."
        )
    erasure_id = new_id("era_")
    erasure = Erasure(
        erasure_id,
        project_id,
        kind,
        target,
        hash_target(erasure_id, kind, target),
        asked_by=who,
        asked_at_ms=now_ms(),
    )
    db.execute(
        "insert into erasures (id, project_id, kind, target, target_hash, asked_by, asked_at_ms, "
        "removed) values (:id, :project_id, :kind, :target, :target_hash, :asked_by, "
        ":asked_at_ms, '{}')",
        {**vars(erasure), "removed": None},
    )
    return erasure


def _is_known(db: Connection, mine: Mapping[str, object]) -> bool:
    tables = ("users",) if mine["kind"] == "user" else ("sessions", "session_details")
    column = "user_id" if mine["kind"] == "user" else "session_id"
    return any(
        db.row(f"select 1 from {table} where project_id = :project_id and {column} = :target", mine)
        for table in tables
    )


def count_interactions(db: Connection, project_id: str, kind: Kind, target: str) -> int | None:
    """Return how many interactions are known of a user or session; None where there is none."""
    mine = {"project_id": project_id, "kind": kind, "target": target}
    if not _is_known(db, mine):
        return None
    table, column = ("users", "user_id") if kind == "user" else ("sessions", "session_id")
    row = db.row(
        f"select interactions from {table} where project_id = :project_id and {column} = :target",
        mine,
    )
    return int(row["interactions"]) if row else 0


def get_erasure(db: Connection, project_id: str, erasure_id: str) -> Erasure:
    """Return a receipt.

    Raises:
        NotFoundError: The project has no such erasure.
    """
    row = db.row(
        "select * from erasures where project_id = :project_id and id = :id",
        {"project_id": project_id, "id": erasure_id},
    )
    if row is None:
        raise NotFoundError("There is no such erasure in this project. List them first.")
    return _read(row)


def list_erasures(
    db: Connection, project_id: str, *, before: str | None = None, most: int = MOST_LISTED
) -> Sequence[Erasure]:
    """Return the receipts of a project, the newest first.

    Args:
        db: A connection.
        project_id: The project.
        before: Only those that were asked for before the one with this id.
        most: So many at the most.
    """
    older = "" if before is None else "and id < :before "
    rows = db.rows(
        f"select * from erasures where project_id = :project_id {older}"
        "order by id desc limit :most",
        {"project_id": project_id, "before": before, "most": most},
    )
    return [_read(row) for row in rows]


def find_removing(db: Connection) -> Erasure | None:
    """Return the erasure whose rows are to go now, or None."""
    row = db.row(
        "select * from erasures where verified_at_ms is null and removed_at_ms is null "
        "order by id limit 1"
    )
    return None if row is None else _read(row)


def find_pending(db: Connection) -> Erasure | None:
    """Return an erasure whose rows are gone and whose bytes may not be, or None."""
    row = db.row(
        "select * from erasures where verified_at_ms is null and removed_at_ms is not null "
        "order by removed_at_ms, id limit 1"
    )
    return None if row is None else _read(row)


def was_asked_lately(db: Connection, project_id: str) -> bool:
    """Tell whether what is still under way may be about somebody who was erased meanwhile."""
    row = db.row(
        "select asked_at_ms from erasures where project_id = :project_id "
        "and (verified_at_ms is null or asked_at_ms > :since) limit 1",
        {"project_id": project_id, "since": now_ms() - _LONGEST_CALL_MS},
    )
    return row is not None


def note_removed(
    db: Connection, erasure: Erasure, removed: Mapping[str, int], *, since_ms: int | None
) -> None:
    """Add to a receipt what was removed of each table."""
    row = db.row("select removed, since_ms from erasures where id = :id", {"id": erasure.id})
    if row is None:
        return
    counts = json.loads(row["removed"])
    for table, n in removed.items():
        counts[table] = counts.get(table, 0) + n
    times = [at for at in (row["since_ms"], since_ms) if at is not None]
    db.execute(
        "update erasures set removed = :removed, since_ms = :since where id = :id",
        {"id": erasure.id, "removed": json.dumps(counts), "since": min(times, default=None)},
    )


def end_removing(db: Connection, erasure: Erasure) -> None:
    """Note that no row is left; the receipt no longer says of whom."""
    db.execute(
        "update erasures set target = null, removed_at_ms = :now where id = :id",
        {"id": erasure.id, "now": now_ms()},
    )


def note_checked(db: Connection, checked: Checked, *, until_ms: int) -> None:
    """Note how far cleaning has come for all whose rows were gone by a time."""
    db.execute(
        "update erasures set checked = :checked "
        "where verified_at_ms is null and removed_at_ms <= :until",
        {"checked": json.dumps(vars(checked)), "until": until_ms},
    )


def verify(db: Connection, checked: Checked, *, until_ms: int) -> int:
    """Note that no byte is left of all whose rows were gone by a time; return how many."""
    return db.execute(
        "update erasures set checked = :checked, verified_at_ms = :now "
        "where verified_at_ms is null and removed_at_ms <= :until",
        {"checked": json.dumps(vars(checked)), "now": now_ms(), "until": until_ms},
    )


def _read(row: Row) -> Erasure:
    fields = dict(row)
    checked = fields["checked"] and Checked(**json.loads(fields["checked"]))
    return Erasure(**{**fields, "removed": json.loads(fields["removed"]), "checked": checked})

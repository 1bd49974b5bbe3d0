"""How much waits in the whole database: jobs, and messages of webhooks.

Counted are the first 10,000 of each kind, so that asking costs the same however far behind the
server is: that number means so many, or more.
"""

from __future__ import annotations

from dataclasses import dataclass

from phospho_server.clock import now_ms
from phospho_server.store import Connection

MOST = 10_000

# As many pages of SQLite as an interaction of a hundred words changes, with what is counted of it.
_PROOF_CHARS = 100_000

KINDS = ("notify", "detect", "backfill", "purge", "facts", "llm", "erase")


@dataclass(frozen=True)
class Queue:
    """What waits of one kind of jobs.

    Args:
        waiting: Jobs that could be done now.
        resting: Jobs that have failed, and wait for their next attempt.
        working: Jobs that somebody works at.
        interactions: Of these jobs.
        oldest_ms: How long the job has waited that waits longest; 0 where none does.
    """

    kind: str
    waiting: int
    resting: int
    working: int
    interactions: int
    oldest_ms: int


@dataclass(frozen=True)
class Backlog:
    """New interactions of a project that are still to be looked at for events.

    Args:
        interactions: How many; of the first jobs alone, where there are more.
        is_more: Whether there are more.
        oldest_ms: How long the one has waited that waits longest; 0 where none does.
    """

    interactions: int
    is_more: bool
    oldest_ms: int


def find_backlog(db: Connection, project_id: str) -> Backlog:
    """Return how far detection is behind in a project, but for what waits for another attempt."""
    now = now_ms()
    row = db.row(
        "select count(*) as jobs, coalesce(sum(size), 0) as interactions, "
        "min(run_at_ms) as since_ms from (select size, run_at_ms from jobs "
        "where project_id = :project_id and kind = 'detect' and definition_id is null "
        "and parked_at_ms is null and run_at_ms <= :now limit :most) j",
        {"project_id": project_id, "now": now, "most": MOST},
    )
    if row is None or row["since_ms"] is None:
        return Backlog(0, is_more=False, oldest_ms=0)
    return Backlog(int(row["interactions"]), row["jobs"] >= MOST, max(1, now - row["since_ms"]))


def list_queues(db: Connection) -> list[Queue]:
    """Return what waits, for each kind of jobs."""
    return [_read_queue(db, kind) for kind in KINDS]


def _read_queue(db: Connection, kind: str) -> Queue:
    now = now_ms()
    row = db.row(
        "select count(*) as jobs, coalesce(sum(size), 0) as interactions, "
        "coalesce(sum(case when leased_until_ms > :now then 1 else 0 end), 0) as working, "
        "coalesce(sum(case when leased_until_ms <= :now and run_at_ms > :now then 1 else 0 end), "
        "0) as resting, min(case when leased_until_ms <= :now and run_at_ms <= :now "
        "then run_at_ms end) as since_ms from (select size, leased_until_ms, run_at_ms from jobs "
        "where kind = :kind and parked_at_ms is null "
        "order by before_id desc, run_at_ms limit :most) j",
        {"kind": kind, "now": now, "most": MOST},
    )
    if row is None:
        return Queue(kind, 0, 0, 0, 0, 0)
    return Queue(
        kind,
        waiting=row["jobs"] - row["working"] - row["resting"],
        resting=row["resting"],
        working=row["working"],
        interactions=int(row["interactions"]),
        oldest_ms=0 if row["since_ms"] is None else now - row["since_ms"],
    )


def count_parked(db: Connection) -> dict[str, int]:
    """Return how many jobs wait for a person, by kind; those that were made first are looked at."""
    rows = db.rows(
        "select kind, count(*) as n from (select kind, parked_at_ms from jobs "
        "order by id limit :most) j where parked_at_ms is not null group by kind",
        {"most": MOST},
    )
    return {row["kind"]: row["n"] for row in rows}


def count_deliveries(db: Connection) -> dict[str, int]:
    """Return how many of the newest messages of webhooks wait, and how many are parked."""
    rows = db.rows(
        "select state, count(*) as n from (select state from webhook_deliveries "
        "order by id desc limit :most) d where state in ('waiting', 'parked') group by state",
        {"most": MOST},
    )
    return {row["state"]: row["n"] for row in rows}


def prove_writable(db: Connection) -> None:
    """Change something and take it back, on SQLite as much as an interaction does.

    Its commit is a sync to disk.
    """
    name = {"name": "whether it can be written"}
    # On a disk that is full there is often room for a page more, where the last that failed ended.
    db.execute(
        "insert into secrets (name, value) values (:name, :value)",
        {**name, "value": "0" * _PROOF_CHARS},
    )
    db.execute("delete from secrets where name = :name", name)

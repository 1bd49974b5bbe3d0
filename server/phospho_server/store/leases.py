"""Jobs are taken for a time: what a worker has that died is taken by another one after it.

Where its death is noticed before (`processes.py`), they are given back at once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from phospho_server.clock import now_ms
from phospho_server.store import Connection, in_list
from phospho_server.store.jobs import MAX_ATTEMPTS
from phospho_server.store.rows import Job

# A worker that has died gives its jobs back after this; a living one is done long before.
LEASE_MS = 120_000

# Between two processes that die with a job: it is parked after some minutes.
_LONGEST_PAUSE_MS = 60_000

# Calls of a judge that stalls take longer.
_LLM_LEASE_MS = 300_000

# New interactions come before those of the past. What an LLM is asked has a worker of its own.
KINDS = ("notify", "detect", "backfill", "purge", "facts")


def claim(
    db: Connection,
    *,
    most: int,
    kinds: Sequence[str] = KINDS,
    project_id: str | None = None,
    holder: str = "",
) -> list[Job]:
    """Take jobs that can be done together, leased for two minutes.

    They are of one project and kind. New interactions are looked at for the same events; backfills
    stand at the same place of the past, the newest place first, so that definitions made one
    after the other soon share each step.

    Args:
        db: A connection in a write transaction.
        most: Interactions to take at the most; one job may hold more.
        kinds: What to take, the most urgent first.
        project_id: Take jobs of this project alone; None for all.
        holder: The process that takes them; when it dies, they are given back before their time.
    """
    for kind in kinds:
        jobs = claim_kind(db, kind, most, project_id=project_id, holder=holder)
        if jobs:
            return jobs
    return []


def claim_kind(
    db: Connection, kind: str, most: int, *, project_id: str | None = None, holder: str = ""
) -> list[Job]:
    """Take jobs of one kind that can be done together, of one project where it is named."""
    now = now_ms()
    _park_exhausted(db, kind, now)
    rows = db.rows(
        "select id, project_id, kind, definition_id, payload, before_id, size, attempts + 1 as "
        "attempts from jobs where kind = :kind and parked_at_ms is null and run_at_ms <= :now "
        "and leased_until_ms <= :now and (:project_id is null or project_id = :project_id) "
        "order by before_id desc, run_at_ms, project_id, id limit :most",
        {"kind": kind, "now": now, "most": most, "project_id": project_id},
    )
    taken: list[Job] = []
    for row in rows:
        job = Job(**{**dict(row), "payload": json.loads(row["payload"])})
        if taken and not _belong_together(taken, job, most):
            break
        taken.append(job)
    if taken:
        text, params = in_list("j", [job.id for job in taken])
        db.execute(
            "update jobs set leased_until_ms = :until, attempts = attempts + 1, holder = :holder "
            f"where id {text}",
            {
                "until": now + (_LLM_LEASE_MS if kind == "llm" else LEASE_MS),
                "holder": holder,
                **params,
            },
        )
    return taken


def _park_exhausted(db: Connection, kind: str, now: int) -> None:
    """Park what was claimed too often without an end: it may have taken the process down."""
    db.execute(
        "update jobs set parked_at_ms = :now, error = coalesce(error, :reason) "
        "where kind = :kind and parked_at_ms is null and leased_until_ms <= :now "
        "and attempts >= :limit",
        {
            "kind": kind,
            "now": now,
            "limit": MAX_ATTEMPTS[kind],
            "reason": "The server ended each time it worked on this. Its log may say why.",
        },
    )


def _belong_together(taken: Sequence[Job], job: Job, most: int) -> bool:
    first = taken[0]
    if job.project_id != first.project_id:
        return False
    if job.kind == "backfill":
        return job.before_id == first.before_id
    if job.kind == "llm":
        is_about_the_same = job.before_id == taken[-1].before_id
        return is_about_the_same or sum(other.size for other in taken) + job.size <= most
    return (
        job.kind == "detect"
        and job.definition_id == first.definition_id
        # What has failed before is done alone: it may be what takes the others down.
        and job.attempts == first.attempts == 1
        and sum(other.size for other in taken) + job.size <= most
    )


def release(db: Connection, holder: str) -> None:
    """Give back what a process holds that ends in order; this was no attempt."""
    db.execute(
        "update jobs set leased_until_ms = 0, "
        "attempts = case when attempts > 0 then attempts - 1 else 0 end "
        "where leased_until_ms > 0 and holder = :holder",
        {"holder": holder},
    )


def take_from_dead(db: Connection, holder: str) -> None:
    """Give back what a process held that has died.

    It may have died of it. So others come first from the second time on, and where processes die of
    something else, every few seconds, no job is held often enough to be parked.
    """
    rows = db.rows(
        "select id, attempts from jobs where leased_until_ms > 0 and holder = :holder",
        {"holder": holder},
    )
    now = now_ms()
    db.execute_many(
        "update jobs set leased_until_ms = 0, "
        "run_at_ms = case when run_at_ms < :at then :at else run_at_ms end where id = :id",
        [{"id": row["id"], "at": now + _pause_ms(row["attempts"])} for row in rows],
    )


def _pause_ms(deaths: int) -> int:
    """Return how long a job waits that processes have died with: 0, then 2, 4, 8 ... seconds."""
    return 0 if deaths <= 1 else min(_LONGEST_PAUSE_MS, 1000 * 2 ** (deaths - 1))

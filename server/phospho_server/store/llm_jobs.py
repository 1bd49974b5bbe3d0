"""Jobs that ask an LLM: what is newest first, and all about the same interactions together."""

from __future__ import annotations

from collections.abc import Sequence

from phospho_server.clock import now_ms
from phospho_server.store import Connection
from phospho_server.store.jobs import insert
from phospho_server.store.leases import claim_kind
from phospho_server.store.rows import Job

# Interactions of one job for an LLM at the most, those with neighbouring ids: so jobs of several
# events are claimed together, and ask in one call what they ask about the same interaction.
_SIZE = 50


def add(
    db: Connection,
    project_id: str,
    interaction_ids: Sequence[int],
    *,
    definition_id: str,
    version: int,
) -> None:
    """Have an LLM asked about interactions, for one event as it is defined now.

    What is newest is asked first, and what several events ask about the same interactions together.
    """
    by_place: dict[int, list[int]] = {}
    for row_id in interaction_ids:
        by_place.setdefault(row_id // _SIZE, []).append(row_id)
    for place, ids in by_place.items():
        insert(
            db,
            project_id,
            "llm",
            {"interaction_ids": ids, "version": version},
            size=len(ids),
            definition_id=definition_id,
            before_id=(place + 1) * _SIZE,
        )


def claim(db: Connection, project_id: str, *, most: int, holder: str = "") -> list[Job]:
    """Take what an LLM is to be asked for one project, of any events, leased for five minutes."""
    return claim_kind(db, "llm", most, project_id=project_id, holder=holder)


def list_projects(db: Connection) -> list[str]:
    """Return the projects for which an LLM is to be asked now."""
    rows = db.rows(
        "select id from projects p where exists (select 1 from jobs j where j.project_id = p.id "
        "and j.kind = 'llm' and j.parked_at_ms is null and j.run_at_ms <= :now "
        "and j.leased_until_ms <= :now) order by id",
        {"now": now_ms()},
    )
    return [row["id"] for row in rows]


def release(
    db: Connection, job: Job, *, run_at_ms: int | None = None, reason: str | None = None
) -> None:
    """Give back a job that was not tried, so that it counts as no attempt.

    Args:
        db: A connection in a write transaction.
        job: The job.
        run_at_ms: When it is to run; None: as soon as may be.
        reason: Why it waits, for people.
    """
    db.execute(
        "update jobs set leased_until_ms = 0, attempts = :attempts, run_at_ms = :run_at_ms, "
        "error = :reason where id = :id",
        {
            "id": job.id,
            "attempts": max(job.attempts - 1, 0),
            "run_at_ms": now_ms() if run_at_ms is None else run_at_ms,
            "reason": reason,
        },
    )


def judge_anew(db: Connection, project_id: str, definition_id: str) -> None:
    """Have what waits for an LLM looked at for the event as it is defined now.

    The jobs have other ids then, so that a worker that has one of them under way does not end it.
    """
    db.execute(
        "update jobs set id = id || '+', kind = 'detect', before_id = null, attempts = 0, "
        "run_at_ms = :now, leased_until_ms = 0, parked_at_ms = null, error = null "
        "where project_id = :project_id and definition_id = :definition_id and kind = 'llm'",
        {"project_id": project_id, "definition_id": definition_id, "now": now_ms()},
    )


def count(db: Connection, project_id: str) -> int:
    """Return the number of verdicts an LLM is still to be asked for."""
    row = db.row(
        "select coalesce(sum(size), 0) as n from jobs "
        "where project_id = :project_id and kind = 'llm'",
        {"project_id": project_id},
    )
    return int(row["n"]) if row else 0

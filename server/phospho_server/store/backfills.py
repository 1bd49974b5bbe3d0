"""Definitions on their way through past interactions: how far they are, paused and left off.

The way itself is a job (`jobs.py`), advanced in the transaction that keeps its verdicts. Facts of
past interactions are told on the same way.
"""

from __future__ import annotations

import json

from phospho_server.clock import now_ms
from phospho_server.store import Connection
from phospho_server.store.rows import Backfill, Job


def pause_backfill(db: Connection, project_id: str, definition_id: str) -> None:
    """Let the way through past interactions rest until somebody resumes it (`retry_parked`)."""
    db.execute(
        "update jobs set parked_at_ms = :now where project_id = :project_id "
        "and definition_id = :definition_id and kind = 'backfill' and parked_at_ms is null",
        {"now": now_ms(), "project_id": project_id, "definition_id": definition_id},
    )


def drop_backfill(db: Connection, project_id: str, definition_id: str) -> None:
    """Leave past interactions as they are; those that could not be judged still will be."""
    db.execute(
        "delete from jobs where project_id = :project_id and definition_id = :id "
        "and kind = 'backfill'",
        {"project_id": project_id, "id": definition_id},
    )


def list_backfills(db: Connection, project_id: str) -> dict[str, Backfill]:
    """Return how far each definition is that is being applied to past interactions."""
    rows = db.rows(
        "select definition_id, payload, size, parked_at_ms, error from jobs "
        "where project_id = :project_id and kind = 'backfill'",
        {"project_id": project_id},
    )
    backfills = {}
    for row in rows:
        payload = json.loads(row["payload"])
        backfills[row["definition_id"]] = Backfill(
            version=payload["version"],
            # Jobs of the first release did not note it.
            total=max(payload.get("total", 0), row["size"]),
            left=row["size"],
            is_paused=row["parked_at_ms"] is not None and row["error"] is None,
        )
    return backfills


def list_next_ids(db: Connection, job: Job, *, limit: int) -> tuple[list[int], int]:
    """Return the interactions a backfill comes to next, the newest first, and where it then is.

    It stops where another backfill of the project stands, which then goes on together with it.
    At place 0 it has reached the end of the past.
    """
    here = {"project_id": job.project_id, "before_id": job.before_id}
    row = db.row(
        "select coalesce(max(before_id), 0) as place from jobs "
        "where project_id = :project_id and kind = 'backfill' and before_id < :before_id",
        here,
    )
    place = int(row["place"]) if row else 0
    rows = db.rows(
        "select id from interactions where project_id = :project_id and id < :before_id "
        "and id >= :place order by id desc limit :limit",
        {**here, "place": place, "limit": limit},
    )
    ids = [row["id"] for row in rows]
    return ids, ids[-1] if len(ids) == limit else place

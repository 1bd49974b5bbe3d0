"""Verdicts of a deleted event go a part at a time, so that nobody who stores waits for long."""

from __future__ import annotations

from phospho_server.store import Connection, facts
from phospho_server.store.facts import EVENT, Fact
from phospho_server.store.jobs import insert
from phospho_server.store.rows import Job

# Verdicts on so many interactions go at once: some ten milliseconds, if there are ten events.
PART = 20_000


def add_purge(db: Connection, project_id: str, definition_id: str) -> None:
    """Have the verdicts of a definition removed that no page shows any more."""
    newest = db.row("select max(id) as id from interactions")
    if newest and newest["id"]:
        insert(
            db,
            project_id,
            "purge",
            {},
            size=0,
            definition_id=definition_id,
            before_id=newest["id"] + 1,
        )


def purge_part(db: Connection, job: Job) -> int:
    """Remove verdicts on the newest interactions that are left; return where to go on, 0: done."""
    before_id = job.before_id or 0
    place = max(0, before_id - PART)
    mine = {"project_id": job.project_id, "definition_id": job.definition_id}
    db.execute(
        "delete from detections where project_id = :project_id and interaction_id >= :place "
        "and interaction_id < :before_id and definition_id = :definition_id",
        {**mine, "place": place, "before_id": before_id},
    )
    if not place:
        facts.forget(db, job.project_id, Fact(EVENT, job.definition_id or ""))
    return place

"""Work that waits in the database: claimed with a lease, retried, parked when it keeps failing."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from phospho_server.clock import new_id, now_ms
from phospho_server.store import Connection, in_list
from phospho_server.store.rows import Job

logger = logging.getLogger("phospho_server")

# A worker that has died gives its jobs back after this; a living one is done long before.
LEASE_MS = 120_000

# Calls of a judge that stalls take longer.
_LLM_LEASE_MS = 300_000

# With pauses doubled up to five minutes: half an hour for a detector, which a person has to repair
# and then releases, and a day for whoever is told of events. An LLM that is away costs no attempt;
# each of these is a question that it answered with junk, and that was paid for.
MAX_ATTEMPTS = {"detect": 12, "backfill": 12, "facts": 12, "notify": 290, "llm": 5}
_LONGEST_PAUSE_MS = 300_000
_MAX_REASON = 1000

# New interactions come before those of the past. What an LLM is asked has a worker of its own.
KINDS = ("notify", "detect", "backfill", "facts")

_INSERT = """
insert into jobs (id, project_id, kind, definition_id, payload, before_id, size, run_at_ms,
    created_at_ms)
values (:id, :project_id, :kind, :definition_id, :payload, :before_id, :size, :now, :now)
"""


def add_detect(
    db: Connection,
    project_id: str,
    interaction_ids: Sequence[int],
    *,
    definition_id: str | None = None,
) -> str:
    """Have interactions looked at for one event, or for every event that is defined.

    Returns:
        The id of the job.
    """
    return insert(
        db,
        project_id,
        "detect",
        {"interaction_ids": list(interaction_ids)},
        size=len(interaction_ids),
        definition_id=definition_id,
    )


def add_backfill(
    db: Connection, project_id: str, definition_id: str, version: int, *, before_id: int, size: int
) -> None:
    """Have a definition applied to the `size` interactions with ids below `before_id`."""
    insert(
        db,
        project_id,
        "backfill",
        {"version": version, "total": size},
        size=size,
        definition_id=definition_id,
        before_id=before_id,
    )


def add_facts(
    db: Connection, project_id: str, facts: Sequence[str], interaction_ids: Sequence[int]
) -> None:
    """Have facts told of interactions when nothing else is to do."""
    payload = {"facts": list(facts), "interaction_ids": list(interaction_ids)}
    insert(db, project_id, "facts", payload, size=len(interaction_ids))


def add_past_facts(
    db: Connection, project_id: str, facts: Sequence[str], *, before_id: int, size: int
) -> None:
    """Have facts told of the `size` interactions with ids below `before_id`."""
    insert(db, project_id, "facts", {"facts": list(facts)}, size=size, before_id=before_id)


def add_notify(
    db: Connection,
    project_id: str,
    definition_id: str,
    plugin: str,
    interaction_ids: Sequence[int],
) -> None:
    """Have a plugin told that an event occurred in interactions."""
    insert(
        db,
        project_id,
        "notify",
        {"plugin": plugin, "interaction_ids": list(interaction_ids)},
        size=len(interaction_ids),
        definition_id=definition_id,
    )


def add_failed(
    db: Connection,
    project_id: str,
    interaction_ids: Sequence[int],
    *,
    definition_id: str,
    attempts: int,
    reason: str,
) -> None:
    """Have interactions looked at again for one event that could not be judged.

    They wait for a pause that grows with the attempts; after the last they are parked.
    """
    job_id = add_detect(db, project_id, interaction_ids, definition_id=definition_id)
    _note_failure(db, job_id, "detect", attempts, reason)


def insert(
    db: Connection,
    project_id: str,
    kind: str,
    payload: Mapping[str, Any],
    *,
    size: int,
    definition_id: str | None = None,
    before_id: int | None = None,
) -> str:
    """Add a job and return its id."""
    job_id = new_id("job_")
    db.execute(
        _INSERT,
        {
            "id": job_id,
            "project_id": project_id,
            "kind": kind,
            "definition_id": definition_id,
            "payload": _dump(payload),
            "before_id": before_id,
            "size": size,
            "now": now_ms(),
        },
    )
    return job_id


def claim(
    db: Connection, *, most: int, kinds: Sequence[str] = KINDS, project_id: str | None = None
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
    """
    for kind in kinds:
        jobs = claim_kind(db, kind, most, project_id=project_id)
        if jobs:
            return jobs
    return []


def claim_kind(db: Connection, kind: str, most: int, *, project_id: str | None = None) -> list[Job]:
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
            f"update jobs set leased_until_ms = :until, attempts = attempts + 1 where id {text}",
            {"until": now + (_LLM_LEASE_MS if kind == "llm" else LEASE_MS), **params},
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


def finish(db: Connection, job: Job) -> None:
    """Remove a job that is done."""
    db.execute("delete from jobs where id = :id", {"id": job.id})


def advance(db: Connection, job: Job, *, before_id: int, done: int) -> None:
    """Note how far a backfill has come, and give it back."""
    db.execute(
        "update jobs set before_id = :before_id, size = :size, attempts = 0, error = null, "
        "leased_until_ms = 0 where id = :id",
        {"id": job.id, "before_id": before_id, "size": max(job.size - done, 0)},
    )


def shrink(db: Connection, job: Job, interaction_ids: Sequence[int]) -> None:
    """Leave in a job those interactions that are still to do."""
    db.execute(
        "update jobs set payload = :payload, size = :size where id = :id",
        {
            "id": job.id,
            "payload": _dump({**job.payload, "interaction_ids": list(interaction_ids)}),
            "size": len(interaction_ids),
        },
    )


def fail(db: Connection, job: Job, reason: str) -> None:
    """Have a job tried again after a growing pause, or park it when this was its last attempt."""
    _note_failure(db, job.id, job.kind, job.attempts, reason)


def _note_failure(db: Connection, job_id: str, kind: str, attempts: int, reason: str) -> None:
    now = now_ms()
    is_last = attempts >= MAX_ATTEMPTS[kind]
    if is_last:
        logger.warning("A %s job is parked after %d attempts: %s", kind, attempts, reason)
    db.execute(
        "update jobs set attempts = :attempts, error = :reason, leased_until_ms = 0, "
        "run_at_ms = :run_at_ms, parked_at_ms = coalesce(parked_at_ms, :parked_at_ms) "
        "where id = :id",
        {
            "id": job_id,
            "attempts": attempts,
            "reason": reason[:_MAX_REASON],
            "run_at_ms": now + min(_LONGEST_PAUSE_MS, 1000 * 2 ** min(attempts, 20)),
            "parked_at_ms": now if is_last else None,
        },
    )


def retry_parked(db: Connection, project_id: str, definition_id: str | None = None) -> int:
    """Let parked jobs run again; return how many there were."""
    return db.execute(
        "update jobs set parked_at_ms = null, attempts = 0, run_at_ms = :now "
        "where project_id = :project_id and parked_at_ms is not null "
        "and (definition_id = :definition_id or :definition_id is null or definition_id is null)",
        {"project_id": project_id, "definition_id": definition_id, "now": now_ms()},
    )


def release_all(db: Connection) -> None:
    """Give back what a process held that ended, when the only server of a file starts."""
    db.execute("update jobs set leased_until_ms = 0 where leased_until_ms > 0")


def drop_for_definition(db: Connection, definition_id: str) -> None:
    """Remove the judging that belongs to one definition alone; who is to be told still is."""
    db.execute(
        "delete from jobs where definition_id = :id and kind in ('detect', 'backfill', 'llm')",
        {"id": definition_id},
    )


def count_pending(db: Connection, project_id: str) -> int:
    """Return the number of interactions still to look at for all events."""
    row = db.row(
        "select coalesce(sum(size), 0) as n from jobs "
        "where project_id = :project_id and kind = 'detect' and definition_id is null",
        {"project_id": project_id},
    )
    return int(row["n"]) if row else 0


def count_all_pending(db: Connection, project_id: str) -> int:
    """Return the interactions still to look at, counted once for each event of the past."""
    row = db.row(
        "select coalesce(sum(size), 0) as n from jobs "
        "where project_id = :project_id and kind in ('detect', 'backfill')",
        {"project_id": project_id},
    )
    return int(row["n"]) if row else 0


def _dump(payload: Mapping[str, Any]) -> str:
    return json.dumps(payload, separators=(",", ":"))

"""Work that waits in the database: added, done, tried again, and parked when it keeps failing."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phospho_server.clock import new_id, now_ms
from phospho_server.store import Connection
from phospho_server.store.rows import Job

logger = logging.getLogger("phospho_server")

# With pauses doubled up to five minutes: half an hour for a detector, which a person has to repair
# and then releases, and a day for whoever is told of events. An LLM that is away costs no attempt;
# each of these is a question that it answered with junk, and that was paid for.
MAX_ATTEMPTS = {"detect": 12, "backfill": 12, "purge": 12, "facts": 12, "notify": 290, "llm": 5}
_LONGEST_PAUSE_MS = 300_000
_MAX_REASON = 1000

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


def add_alert(
    db: Connection,
    project_id: str,
    definition_id: str,
    alert_id: str,
    hook: str,
    *,
    plugin: str | None = None,
) -> None:
    """Have a plugin told of an alert; None: every one that there is."""
    payload = {"alert_id": alert_id, "hook": hook, "plugin": plugin}
    insert(db, project_id, "notify", payload, size=1, definition_id=definition_id)


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


def drop_for_definition(db: Connection, project_id: str, definition_id: str) -> None:
    """Remove the judging that belongs to one definition alone; who is to be told still is."""
    db.execute(
        "delete from jobs where project_id = :project_id and definition_id = :id "
        "and kind in ('detect', 'backfill', 'llm')",
        {"project_id": project_id, "id": definition_id},
    )


def count_pending(db: Connection, project_id: str) -> int:
    """Return the number of interactions still to look at for all events."""
    row = db.row(
        "select coalesce(sum(size), 0) as n from jobs "
        "where project_id = :project_id and kind = 'detect' and definition_id is null",
        {"project_id": project_id},
    )
    return int(row["n"]) if row else 0


@dataclass(frozen=True)
class Waiting:
    """What is still to do for single events of a project.

    Args:
        sizes: Interactions, by the event's id and the kind of the jobs.
        problems: Why a job failed, by the event's id, None for all events, and the kind.
    """

    sizes: Mapping[tuple[str, str], int]
    problems: Mapping[tuple[str | None, str], str]

    def count(self, definition_id: str, detector: str) -> int:
        """Return the interactions that an event is still looked for in."""
        return sum(self.sizes.get((definition_id, kind), 0) for kind in _judging(detector))

    def find_problem(self, definition_id: str, detector: str) -> str | None:
        """Return why something of an event failed, while that waits."""
        mine = [
            text
            for (owner, kind), text in self.problems.items()
            if owner in (definition_id, None) and (kind != "llm" or detector == "llm")
        ]
        return min(mine, default=None)


def _judging(detector: str) -> Sequence[str]:
    # What is asked beside another detector changes verdicts there are already.
    return ("detect", "backfill", "llm") if detector == "llm" else ("detect", "backfill")


def list_waiting(db: Connection, project_id: str) -> Waiting:
    """Return what is still to do for single events, and what failed."""
    mine = {"project_id": project_id}
    sizes = db.rows(
        "select definition_id, kind, sum(size) as n from jobs where project_id = :project_id "
        "and definition_id is not null group by definition_id, kind",
        mine,
    )
    problems = db.rows(
        "select definition_id, kind, min(error) as error from jobs "
        "where project_id = :project_id and error is not null group by definition_id, kind",
        mine,
    )
    return Waiting(
        {(row["definition_id"], row["kind"]): row["n"] for row in sizes},
        {(row["definition_id"], row["kind"]): row["error"] for row in problems},
    )


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

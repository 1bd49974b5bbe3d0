"""What users and reviewers say of an interaction; it may come before the interaction does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import cast

from phospho.models import Flag
from phospho_server.clock import hour_of, new_id, now_ms
from phospho_server.store import Connection, Row, app_versions, counters, facts, in_list
from phospho_server.store.facts import NOTES, Fact, FactChange
from phospho_server.store.projects import get_project

# Of one page of a transcript.
_MOST_LISTED = 1_000


@dataclass(frozen=True)
class Feedback:
    """One word of a user or a reviewer about an interaction."""

    task_id: str
    flag: Flag | None
    notes: str | None
    source: str | None
    created_at_ms: int


def list_feedback(
    db: Connection, project_id: str, task_ids: Sequence[str]
) -> dict[str, list[Feedback]]:
    """Return what was said of interactions, the oldest first, at most 1,000 in all."""
    text, params = in_list("t", task_ids)
    rows = db.rows(
        "select task_id, flag, notes, source, created_at_ms from feedback "
        f"where project_id = :project_id and task_id {text} "
        f"order by created_at_ms, id limit {_MOST_LISTED}",
        {"project_id": project_id, **params},
    )
    found: dict[str, list[Feedback]] = {}
    for row in rows:
        found.setdefault(row["task_id"], []).append(Feedback(**dict(row)))
    return found


def list_flags(db: Connection, project_id: str, task_ids: Sequence[str]) -> dict[str, Feedback]:
    """Return of each of the interactions the newest feedback that said success or failure."""
    text, params = in_list("t", task_ids)
    rows = db.rows(
        "select task_id, flag, notes, source, created_at_ms from feedback f "
        f"where project_id = :project_id and task_id {text} and flag is not null and id = ("
        " select id from feedback newest where newest.project_id = f.project_id "
        " and newest.task_id = f.task_id and newest.flag is not null "
        " order by created_at_ms desc, id desc limit 1)",
        {"project_id": project_id, **params},
    )
    return {row["task_id"]: Feedback(**dict(row)) for row in rows}


def takes_feedback(db: Connection, project_id: str, task_id: str, *, most: int) -> bool:
    """Tell whether there is such an interaction, with less feedback than so much."""
    mine = {"project_id": project_id, "task_id": task_id, "last": most - 1}
    where = "where project_id = :project_id and task_id = :task_id"
    return (
        db.row(f"select 1 from interactions {where}", mine) is not None
        and db.row(f"select 1 from feedback {where} limit 1 offset :last", mine) is None
    )


def add_feedback(
    db: Connection,
    project_id: str,
    task_id: str,
    *,
    flag: str | None,
    notes: str | None,
    source: str | None,
) -> Feedback:
    """Keep feedback, also on an interaction that is still on its way; return what was kept.

    Feedback that comes first waits for its interaction. Later feedback replaces the flag; notes
    stay unless new ones are given.

    Raises:
        NotFoundError: The project was deleted meanwhile.
    """
    get_project(db, project_id)
    kept = Feedback(task_id, cast("Flag | None", flag), notes, source, now_ms())
    db.execute(
        "insert into feedback values "
        "(:id, :project_id, :task_id, :flag, :notes, :source, :created_at_ms)",
        {"id": new_id("fb_"), "project_id": project_id, **asdict(kept)},
    )
    row = db.row(
        "select id, session_id, flag, notes, version_id, created_at_ms from interactions "
        "where project_id = :project_id and task_id = :task_id",
        {"project_id": project_id, "task_id": task_id},
    )
    if row is None:
        return kept
    db.execute(
        "update interactions set flag = coalesce(:flag, flag), notes = coalesce(:notes, notes) "
        "where id = :id",
        {"flag": flag, "notes": notes, "id": row["id"]},
    )
    changes = []
    if notes is not None and row["notes"] is None:
        changes.append(([Fact(NOTES, "yes")], 1))
    if flag is not None and flag != row["flag"]:
        _move_in_session(db, project_id, row["session_id"], before=row["flag"], after=flag)
        _move_in_time(db, project_id, row, after=flag)
        changes.append(([Fact("flag", flag)], 1))
        if row["flag"]:
            changes.append(([Fact("flag", row["flag"])], -1))
    facts.move(
        db, project_id, [FactChange(row["session_id"], *change, [row["id"]]) for change in changes]
    )
    return kept


def _move_in_session(
    db: Connection, project_id: str, session_id: str, *, before: str | None, after: str
) -> None:
    db.execute(
        "update sessions set successes = successes + :successes, failures = failures + :failures "
        "where project_id = :project_id and session_id = :session_id",
        {
            "project_id": project_id,
            "session_id": session_id,
            "successes": (after == "success") - (before == "success"),
            "failures": (after == "failure") - (before == "failure"),
        },
    )


def _move_in_time(db: Connection, project_id: str, row: Row, *, after: str) -> None:
    """Let the hour of the interaction and its version follow."""
    moved = {after: 1} | ({row["flag"]: -1} if row["flag"] else {})
    hour_ms = hour_of(row["created_at_ms"])
    counters.add(
        db, project_id, {("feedback", flag, hour_ms): value for flag, value in moved.items()}
    )
    app_versions.move_feedback(
        db, project_id, row["version_id"], created_at_ms=row["created_at_ms"], moved=moved
    )

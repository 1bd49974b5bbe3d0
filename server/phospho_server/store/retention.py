"""How long a project keeps its interactions, and which of them are older than that.

An interaction is as old as the hour it was logged for (`created_at_ms`), so that the hourly
counters say exactly how many are older.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phospho_server.clock import DAY_MS, hour_of, now_ms
from phospho_server.errors import InvalidError
from phospho_server.store import Connection, Row, counters, in_list, session_details
from phospho_server.store.erasing import remove_interactions
from phospho_server.store.projects import get_project

MAX_DAYS = 3_650

# Characters removed in one transaction at the most: taking them out of the search index costs most.
_MOST_CHARS = 500_000


@dataclass(frozen=True)
class Retention:
    """How long interactions are kept.

    Args:
        days: None: for ever.
        last_run_at_ms: When a run last came to its end; None before the first.
        last_removed: Interactions that it removed.
        removing: Interactions that the run under way has removed so far.
    """

    days: int | None = None
    last_run_at_ms: int | None = None
    last_removed: int = 0
    removing: int = 0


def read_days(text: str) -> int | None:
    """Return a number of days as somebody typed it; None where nothing was typed: for ever.

    Raises:
        InvalidError: It is no number from 1 to 3,650.
    """
    text = text.strip().replace(",", "")
    if not text:
        return None
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_DAYS))
    if not is_number or not 1 <= int(text) <= MAX_DAYS:
        raise InvalidError(
            f"The number of days must be a whole number from 1 to {MAX_DAYS:,}. Choose “for ever” "
            "to keep everything."
        )
    return int(text)


def get_retention(db: Connection, project_id: str) -> Retention:
    """Return how long a project keeps its interactions."""
    row = db.row(
        "select days, last_run_at_ms, coalesce(last_removed, 0) as last_removed, removing "
        "from retention where project_id = :project_id",
        {"project_id": project_id},
    )
    return Retention() if row is None else Retention(**dict(row))


def set_retention(db: Connection, project_id: str, days: int | None) -> None:
    """Keep interactions for so many days from now on; None: for ever.

    Raises:
        NotFoundError: There is no such project.
    """
    get_project(db, project_id)
    if days is None:
        db.execute(
            "delete from retention where project_id = :project_id", {"project_id": project_id}
        )
        return
    db.execute(
        "insert into retention (project_id, days, removing, updated_at_ms) "
        "values (:project_id, :days, 0, :now) on conflict (project_id) do update set "
        # With another number of days the next run is due at once.
        "last_run_at_ms = case when retention.days = excluded.days then retention.last_run_at_ms "
        "else null end, days = excluded.days, updated_at_ms = excluded.updated_at_ms",
        {"project_id": project_id, "days": days, "now": now_ms()},
    )


def oldest_kept_ms(days: int, now: int) -> int:
    """Return the time before which interactions are removed, the start of an hour."""
    return hour_of(now - days * DAY_MS)


def count_older(db: Connection, project_id: str, days: int) -> int:
    """Return how many interactions would be removed now."""
    return counters.count_stored(db, project_id, until_ms=oldest_kept_ms(days, now_ms()))


def find_due(db: Connection, *, every_ms: int) -> tuple[str, int] | None:
    """Return a project whose run is due or under way, with its days, or None.

    Args:
        db: A connection.
        every_ms: Time from the end of a run to the next one.
    """
    row = db.row(
        "select project_id, days from retention "
        "where last_run_at_ms is null or last_run_at_ms <= :due "
        "order by coalesce(last_run_at_ms, 0), project_id limit 1",
        {"due": now_ms() - every_ms},
    )
    return None if row is None else (row["project_id"], row["days"])


# Whole sessions first, the oldest of them first: an index leads there.
_OF_OLD_SESSIONS = """
select i.id, i.session_id, length(i.input) + coalesce(length(i.output), 0) as chars
from sessions s join interactions i
    on i.project_id = s.project_id and i.session_id = s.session_id
where s.project_id = :project_id and s.last_at_ms < :before
order by s.last_at_ms, s.session_id limit :most
"""

# Then the beginnings of sessions that go on, in one pass over the sessions.
_LONG_SESSIONS = """
select session_id from sessions
where project_id = :project_id and session_id >= :after and first_at_ms < :before
order by session_id limit :most
"""


@dataclass(frozen=True)
class Old:
    """Interactions to remove together.

    Args:
        ids: Rows of `interactions`; empty when no older ones are left.
        after: The session at which to go on looking.
    """

    ids: Sequence[int]
    after: str


def list_old(db: Connection, project_id: str, *, before_ms: int, after: str = "", most: int) -> Old:
    """Return interactions that are older than a time, the oldest sessions first.

    Args:
        db: A connection.
        project_id: The project.
        before_ms: The time.
        after: `after` of the part before.
        most: Interactions at the most; fewer where their texts are long.
    """
    here = {"project_id": project_id, "before": before_ms, "after": after, "most": most}
    rows = db.rows(_OF_OLD_SESSIONS, here)
    is_of_long = not rows
    rows = rows or _list_beginnings(db, here)
    ids: list[int] = []
    chars = 0
    for row in rows:
        chars += row["chars"]
        if ids and chars > _MOST_CHARS:
            break
        ids.append(row["id"])
        after = row["session_id"] if is_of_long else after
    return Old(ids, after)


def _list_beginnings(db: Connection, here: Mapping[str, object]) -> Sequence[Row]:
    """Return the old interactions of sessions that are not old themselves."""
    text, params = in_list("s", [row["session_id"] for row in db.rows(_LONG_SESSIONS, here)])
    return db.rows(
        "select id, session_id, length(input) + coalesce(length(output), 0) as chars "
        f"from interactions where project_id = :project_id and session_id {text} "
        "and created_at_ms < :before order by session_id limit :most",
        {**here, **params},
    )


def remove_old(db: Connection, project_id: str, ids: Sequence[int]) -> int:
    """Remove interactions that are too old, and count them for the run under way."""
    removed = remove_interactions(db, project_id, ids)
    db.execute(
        "update retention set removing = removing + :removed where project_id = :project_id",
        {"removed": removed, "project_id": project_id},
    )
    return removed


def remove_rest(db: Connection, project_id: str, *, before_ms: int, most: int) -> int:
    """Remove old texts that belong to no interaction; return how many.

    These are feedback on what never arrived, answers of an LLM, which quote messages, and what was
    said of sessions in which nothing was.
    """
    mine = {"project_id": project_id, "before": before_ms, "most": most}
    answers = db.execute(
        "delete from llm_answers where project_id = :project_id and key in (select key "
        "from llm_answers where project_id = :project_id and created_at_ms < :before limit :most)",
        mine,
    )
    rows = db.rows(
        "select id from feedback f where project_id = :project_id and created_at_ms < :before "
        "and not exists (select 1 from interactions i where i.project_id = f.project_id "
        "and i.task_id = f.task_id) limit :most",
        mine,
    )
    text, params = in_list("f", [row["id"] for row in rows])
    feedback = db.execute(f"delete from feedback where id {text}", params)
    return answers + feedback + session_details.remove_empty(db, mine)


def end_run(db: Connection, project_id: str) -> None:
    """Note that no older interactions are left."""
    db.execute(
        "update retention set last_run_at_ms = :now, last_removed = removing, removing = 0 "
        "where project_id = :project_id",
        {"now": now_ms(), "project_id": project_id},
    )

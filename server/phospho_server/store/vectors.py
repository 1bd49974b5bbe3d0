"""Vectors of the newest interactions of each project, kept so that they need not be made again.

They are of one range of ids without gaps: it grows upwards with what arrives, then downwards until
there are enough, and its oldest are dropped when there are more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from phospho.models import Embedded, Turn
from phospho_server.store import Connection, Row

# A preview looks at so many.
MOST = 10_000


def list_missing(db: Connection, project_id: str, *, limit: int) -> list[int]:
    """Return interactions whose vectors are to be made next; none when enough are kept."""
    mine: dict[str, object] = {"project_id": project_id, "limit": limit}
    kept = db.row(
        "select min(interaction_id) as oldest, max(interaction_id) as newest, count(*) as n "
        "from vectors where project_id = :project_id",
        mine,
    )
    if kept is None or not kept["n"]:
        return _read_ids(db.rows(f"{_IDS} order by id desc limit :limit", mine))
    start = max(kept["newest"], _oldest_wanted(db, project_id) - 1)
    newer = db.rows(f"{_IDS} and id > :start order by id limit :limit", {**mine, "start": start})
    if newer or kept["n"] >= MOST:
        return _read_ids(newer)
    limits = {**mine, "oldest": kept["oldest"], "limit": min(limit, MOST - kept["n"])}
    return _read_ids(db.rows(f"{_IDS} and id < :oldest order by id desc limit :limit", limits))


def keep(db: Connection, project_id: str, made: Mapping[int, Embedded]) -> None:
    """Keep the vectors of interactions, and drop those of interactions that are too old for it."""
    db.execute_many(
        "insert into vectors values (:id, :project_id, :made_by, :input, :output) "
        "on conflict (interaction_id) do update set made_by = excluded.made_by, "
        "input = excluded.input, output = excluded.output",
        (
            {"project_id": project_id, "id": row_id, **vars(embedded)}
            for row_id, embedded in made.items()
        ),
    )
    db.execute(
        "delete from vectors where project_id = :project_id and interaction_id < :oldest",
        {"project_id": project_id, "oldest": _oldest_wanted(db, project_id)},
    )


def drop_foreign(db: Connection, project_id: str, made_by: str) -> None:
    """Drop the vectors of a project that something else made."""
    db.execute(
        "delete from vectors where project_id = :project_id and made_by <> :made_by",
        {"project_id": project_id, "made_by": made_by},
    )


def load_vectors(
    db: Connection, project_id: str, *, from_id: int, to_id: int
) -> dict[int, Embedded]:
    """Return the vectors that are kept of the interactions of a range of ids, both included."""
    rows = db.rows(
        "select interaction_id, made_by, input, output from vectors "
        "where project_id = :project_id and interaction_id between :from_id and :to_id",
        {"project_id": project_id, "from_id": from_id, "to_id": to_id},
    )
    return {
        row["interaction_id"]: Embedded(
            made_by=row["made_by"], input=row["input"], output=row["output"]
        )
        for row in rows
    }


def with_vectors(
    db: Connection, project_id: str, turns: Sequence[tuple[int, Turn]]
) -> list[tuple[int, Turn]]:
    """Return turns, each with its row id, with the vectors that are kept of them."""
    if not turns:
        return []
    ids = [row_id for row_id, _ in turns]
    known = load_vectors(db, project_id, from_id=min(ids), to_id=max(ids))
    return [
        (row_id, turn.model_copy(update={"embedded": known[row_id]}) if row_id in known else turn)
        for row_id, turn in turns
    ]


_IDS = "select id from interactions where project_id = :project_id"


def _oldest_wanted(db: Connection, project_id: str) -> int:
    """Return the oldest of the newest interactions, 0 if there are fewer than are kept."""
    row = db.row(
        f"{_IDS} order by id desc limit 1 offset :most",
        {"project_id": project_id, "most": MOST - 1},
    )
    return int(row["id"]) if row else 0


def _read_ids(rows: Sequence[Row]) -> list[int]:
    return [row["id"] for row in rows]

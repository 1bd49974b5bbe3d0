"""Vectors of the newest interactions of each project, kept so that they need not be made again.

They are of one range of ids without gaps: it grows upwards with what arrives, then downwards until
there are enough, and its oldest are dropped when there are more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from phospho.models import Embedded, Turn
from phospho_server.store import Connection, Row, in_list

# A preview looks at so many.
MOST = 10_000

# Rows read by one statement.
_CHUNK = 500


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


def keep(
    db: Connection, project_id: str, made: Mapping[int, Embedded], answers: Mapping[int, str | None]
) -> None:
    """Keep the vectors of interactions, and drop those of interactions that are too old for it.

    Args:
        db: A connection in a write transaction.
        project_id: The project.
        made: By the row of `interactions`.
        answers: The output that each was made of: one that has another by now gets none.
    """
    db.execute_many(
        # What was removed meanwhile gets none.
        "insert into vectors select id, project_id, :made_by, :input, :output from interactions "
        "where id = :id and project_id = :project_id "
        "and (output = :answer or output is null and :answer is null) "
        "on conflict (interaction_id) do update set made_by = excluded.made_by, "
        "input = excluded.input, output = excluded.output",
        (
            {"project_id": project_id, "id": row_id, "answer": answers[row_id], **vars(embedded)}
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


def with_vectors(
    db: Connection, project_id: str, turns: Sequence[tuple[int, Turn]]
) -> list[tuple[int, Turn]]:
    """Return turns, each with its row id, with the vectors that are kept of them."""
    known: dict[int, Embedded] = {}
    for start in range(0, len(turns), _CHUNK):
        known |= _load(db, project_id, [row_id for row_id, _ in turns[start : start + _CHUNK]])
    return [
        (row_id, turn.model_copy(update={"embedded": known[row_id]}) if row_id in known else turn)
        for row_id, turn in turns
    ]


def _load(db: Connection, project_id: str, ids: Sequence[int]) -> dict[int, Embedded]:
    text, params = in_list("i", ids)
    # With the project as a condition, SQLite might read all vectors of it to find some.
    rows = db.rows(
        "select project_id, interaction_id, made_by, input, output from vectors "
        f"where interaction_id {text}",
        params,
    )
    return {
        row["interaction_id"]: Embedded(
            made_by=row["made_by"], input=row["input"], output=row["output"]
        )
        for row in rows
        if row["project_id"] == project_id
    }


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

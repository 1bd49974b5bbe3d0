"""Uncertain verdicts that no LLM could be asked about when they were given: it is asked later.

There was no LLM yet, it was paused, or the budget of the day was spent. The newest of each event
are kept, so that whoever names an LLM knows what that may cost at the most.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from phospho_server.store import Connection

# Of each event. A question costs about a thousand tokens, so an event costs about a million.
MOST = 1_000

_MINE = "where project_id = :project_id and definition_id = :definition_id"


@dataclass(frozen=True)
class Unasked:
    """A verdict that no LLM was asked about.

    Args:
        version: Of the definition that it was given for.
        is_counted: Whether it is among those that an LLM could have been asked for.
        score: What a detector on this machine says now; None where the verdict is no longer one
            that an LLM is asked about, as a person has spoken or it is of another version.
    """

    definition_id: str
    interaction_id: int
    version: int
    is_counted: bool
    score: float | None


def note(
    db: Connection,
    project_id: str,
    interaction_ids: Collection[int],
    *,
    definition_id: str,
    version: int,
    is_counted: bool = False,
) -> None:
    """Note verdicts that an LLM is to be asked about later; the oldest beyond so many are dropped.

    Args:
        db: A connection in a write transaction.
        project_id: The project.
        interaction_ids: Rows of `interactions`.
        definition_id: The event.
        version: Of its definition.
        is_counted: Whether they are among those that an LLM could have been asked for.
    """
    if not interaction_ids:
        return
    mine = {"project_id": project_id, "definition_id": definition_id}
    db.execute_many(
        # Of what was removed meanwhile nothing is noted.
        "insert into llm_unasked select project_id, :definition_id, id, :version, :counted "
        "from interactions where id = :interaction_id and project_id = :project_id "
        "on conflict (project_id, definition_id, interaction_id) do update set "
        "definition_version = excluded.definition_version, counted = excluded.counted "
        # What a worker has under way may be of a version that was edited meanwhile.
        "where llm_unasked.definition_version <= excluded.definition_version",
        [
            {**mine, "interaction_id": row_id, "version": version, "counted": int(is_counted)}
            for row_id in interaction_ids
        ],
    )
    db.execute(
        f"delete from llm_unasked {_MINE} and interaction_id <= (select interaction_id "
        f"from llm_unasked {_MINE} order by interaction_id desc limit 1 offset :most)",
        {**mine, "most": MOST},
    )


def list_projects(db: Connection) -> list[str]:
    """Return the projects that have verdicts no LLM was asked about."""
    rows = db.rows(
        "select id from projects p where exists "
        "(select 1 from llm_unasked u where u.project_id = p.id) order by id"
    )
    return [row["id"] for row in rows]


def list_newest(db: Connection, project_id: str, *, most: int) -> Sequence[Unasked]:
    """Return what an LLM is to be asked about first: the newest interactions of all events."""
    rows = db.rows(
        "select u.definition_id, u.interaction_id, u.definition_version as version, u.counted, "
        "d.score from llm_unasked u left join detections d on d.project_id = u.project_id "
        "and d.interaction_id = u.interaction_id and d.definition_id = u.definition_id "
        "and d.definition_version = u.definition_version and d.detector <> 'llm' "
        "and d.reviewed is null where u.project_id = :project_id "
        "order by u.interaction_id desc, u.definition_id limit :most",
        {"project_id": project_id, "most": most},
    )
    return [
        Unasked(
            row["definition_id"],
            row["interaction_id"],
            row["version"],
            bool(row["counted"]),
            row["score"],
        )
        for row in rows
    ]


def remove(db: Connection, project_id: str, verdicts: Iterable[Unasked]) -> None:
    """Forget verdicts that an LLM was asked about, or need not be asked about."""
    db.execute_many(
        f"delete from llm_unasked {_MINE} and interaction_id = :interaction_id "
        "and definition_version = :version",
        [
            {
                "project_id": project_id,
                "definition_id": each.definition_id,
                "interaction_id": each.interaction_id,
                "version": each.version,
            }
            for each in verdicts
        ],
    )


def drop_for_definition(db: Connection, project_id: str, definition_id: str) -> None:
    """Forget those of one definition: they are looked at again, or no more."""
    db.execute(
        f"delete from llm_unasked {_MINE}",
        {"project_id": project_id, "definition_id": definition_id},
    )


def count(db: Connection, project_id: str) -> int:
    """Return how many verdicts no LLM was asked about."""
    row = db.row(
        "select count(*) as n from llm_unasked where project_id = :project_id",
        {"project_id": project_id},
    )
    return int(row["n"]) if row else 0

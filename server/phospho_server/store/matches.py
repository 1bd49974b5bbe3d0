"""The interactions an event occurred in, newest first, and one with all that was said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from phospho.models import Turn
from phospho_server.errors import NotFoundError
from phospho_server.store import Connection, cursors, in_list
from phospho_server.store.events import list_events
from phospho_server.store.review_values import read_value
from phospho_server.store.rows import Event
from phospho_server.store.turns import load_turns

PAGE_SIZE = 20

# A list shows the beginning of a message, and a quote that stands further on by itself.
_MOST_CHARS = 4_000


@dataclass(frozen=True)
class Match:
    """An interaction in which an event occurred; of long texts the beginning."""

    interaction_id: int
    task_id: str
    session_id: str
    created_at_ms: int
    input: str
    output: str | None
    event: Event


@dataclass(frozen=True)
class MatchPage:
    """One page of matches; `next_before` continues it."""

    matches: Sequence[Match]
    next_before: int | None


@dataclass(frozen=True)
class Verdict:
    """What detector and person say of an interaction; None where they have not.

    Args:
        said_value: The detector's score or category, of a yes.
        value: The person's.
    """

    said: bool | None
    score: float
    reviewed: bool | None
    said_value: float | str | None = None
    value: float | str | None = None

    @property
    def is_agreed(self) -> bool:
        """Whether detector and person say the same."""
        same_value = self.value is None or self.value == self.said_value
        return self.reviewed is not None and self.reviewed is self.said and same_value


def list_matches(
    db: Connection,
    project_id: str,
    definition_id: str,
    *,
    before: int | None = None,
    limit: int = PAGE_SIZE,
) -> MatchPage:
    """Return the interactions with an event, those that arrived last first."""
    rows = db.rows(
        "select interaction_id from detections where project_id = :project_id "
        "and definition_id = :definition_id and detected = 1 and interaction_id < :before "
        "order by interaction_id desc limit :limit",
        {
            "project_id": project_id,
            "definition_id": definition_id,
            "before": before if before is not None else 2**62,
            "limit": limit + 1,
        },
    )
    ids = [row["interaction_id"] for row in rows[:limit]]
    return MatchPage(
        _load_matches(db, project_id, definition_id, ids), ids[-1] if len(rows) > limit else None
    )


def list_of_several(
    db: Connection,
    project_id: str,
    definition_ids: Sequence[str],
    *,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> tuple[list[Match], str | None]:
    """Return where any of some events occurred, those that arrived last first, and what goes on.

    Raises:
        InvalidError: The cursor is not one of ours.
    """
    place = cursors.read(cursor) if cursor is not None else None
    found: list[tuple[int, str]] = []
    # One step to the end of the index for each: all of them in one would be read and sorted.
    for definition_id in definition_ids:
        rows = db.rows(
            "select interaction_id from detections where project_id = :project_id "
            "and definition_id = :definition_id and detected = 1 and interaction_id < :before "
            "order by interaction_id desc limit :limit",
            {
                "project_id": project_id,
                "definition_id": definition_id,
                "before": _before(place, definition_id),
                "limit": limit + 1,
            },
        )
        found += [(-row["interaction_id"], definition_id) for row in rows]
    newest = sorted(found)[:limit]
    events = _index_events(db, project_id, [-row_id for row_id, _ in newest])
    texts = _load_texts(db, [-row_id for row_id, _ in newest])
    listed = [
        Match(**texts[-row_id], event=events[-row_id, definition_id])
        for row_id, definition_id in newest
    ]
    is_more = len(found) > limit
    next_place = cursors.Cursor(-newest[-1][0], newest[-1][1]) if is_more else None
    return listed, cursors.write(next_place) if next_place else None


def _before(place: cursors.Cursor | None, definition_id: str) -> int:
    """Return below which id an event's interactions go on: at one of it, by the events' ids."""
    if place is None:
        return 2**62
    return place.key + 1 if definition_id > place.id else place.key


def _index_events(
    db: Connection, project_id: str, ids: Sequence[int]
) -> dict[tuple[int, str], Event]:
    return {
        (interaction_id, event.definition_id): event
        for interaction_id, found in list_events(db, project_id, list(dict.fromkeys(ids))).items()
        for event in found
    }


def _load_texts(db: Connection, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return of each interaction what a match says of it."""
    text, params = in_list("i", list(dict.fromkeys(ids)))
    rows = db.rows(
        "select id as interaction_id, task_id, session_id, created_at_ms, "
        "substr(input, 1, cast(:length as integer)) as input, "
        "substr(output, 1, cast(:length as integer)) as output "
        f"from interactions where id {text}",
        {"length": _MOST_CHARS, **params},
    )
    return {row["interaction_id"]: dict(row) for row in rows}


def _load_matches(
    db: Connection, project_id: str, definition_id: str, ids: Sequence[int]
) -> list[Match]:
    events = _index_events(db, project_id, ids)
    texts = _load_texts(db, ids)
    return [Match(**texts[each], event=events[each, definition_id]) for each in ids]


def get_turn(db: Connection, project_id: str, interaction_id: int) -> Turn:
    """Return an interaction with what was said before.

    Raises:
        NotFoundError: The project has no such interaction.
    """
    turns = load_turns(db, project_id, [interaction_id])
    if not turns:
        raise NotFoundError(
            "This project has no such interaction. Look for it in the sessions list."
        )
    return turns[0][1]


def find_verdict(
    db: Connection, project_id: str, definition_id: str, interaction_id: int
) -> Verdict | None:
    """Return what is said of an interaction; None where nobody has looked."""
    row = db.row(
        "select case when reviewed is null then detected else judged end as said, score, reviewed, "
        "value, reviewed_value from detections where project_id = :project_id "
        "and interaction_id = :interaction_id and definition_id = :definition_id",
        {
            "project_id": project_id,
            "interaction_id": interaction_id,
            "definition_id": definition_id,
        },
    )
    if row is None:
        return None
    return Verdict(
        said=None if row["said"] is None else bool(row["said"]),
        score=row["score"],
        reviewed=None if row["reviewed"] is None else bool(row["reviewed"]),
        said_value=read_value(row["value"]),
        value=read_value(row["reviewed_value"]),
    )

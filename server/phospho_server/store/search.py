"""Full-text search over inputs and outputs. The index has no triggers: it is fed per batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from phospho_server.store import Connection

# A common word matches most of a large project: only the newest matches are looked at.
MAX_MATCHES = 500


def add_to_index(db: Connection, ids: Sequence[int]) -> None:
    """Add interactions that were just stored."""
    db.texts.add(ids)


def remove_from_index(db: Connection, ids: Sequence[int]) -> None:
    """Remove interactions that are about to be deleted; the index needs their texts for it."""
    db.texts.remove(ids)


def has_words(text: str) -> bool:
    """Tell whether there is a word in what a person typed; without one, nothing matches."""
    return any(character.isalnum() for character in text)


@dataclass(frozen=True)
class TextMatch:
    """An interaction that has the words."""

    interaction_id: int
    session_id: str


@dataclass(frozen=True)
class Matches:
    """The newest interactions that have the words, the newest first.

    Args:
        found: At most `MAX_MATCHES`.
        next_before_id: There may be more among those below it; None where there are none.
    """

    found: Sequence[TextMatch]
    next_before_id: int | None


def list_matches(
    db: Connection, project_id: str, text: str, *, before_id: int | None = None
) -> Matches:
    """Return the newest interactions in which all words occur.

    Args:
        db: A connection.
        project_id: The project.
        text: As a person typed it. Where there is no word in it, nothing matches.
        before_id: Only older ones, by the order of arrival.
    """
    if not has_words(text):
        return Matches([], None)
    before_id = 2**62 if before_id is None else before_id
    newest = db.texts.newest(project_id, text, before_id=before_id, most=MAX_MATCHES)
    found = [TextMatch(row["interaction_id"], row["session_id"]) for row in newest.rows]
    return Matches(found, newest.next_before_id)


def list_sessions_found(
    db: Connection, project_id: str, text: str, session_ids: Sequence[str], *, from_id: int
) -> set[str]:
    """Return those of the sessions with an interaction from an id on in which the words occur."""
    return set(db.texts.sessions(project_id, text, session_ids, from_id=from_id))

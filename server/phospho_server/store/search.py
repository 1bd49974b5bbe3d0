"""Full-text search over inputs and outputs. The index has no triggers: it is fed per batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from phospho_server.store import Connection, in_list

# A common word matches most of a large project: only the newest matches are looked at.
MAX_MATCHES = 500


def add_to_index(db: Connection, ids: Sequence[int]) -> None:
    """Add interactions that were just stored."""
    text, params = in_list("i", ids)
    db.execute(
        "insert into interactions_fts (rowid, input, output, project_id) "
        f"select id, input, output, project_id from interactions where id {text}",
        params,
    )


def remove_from_index(db: Connection, ids: Sequence[int]) -> None:
    """Remove interactions that are about to be deleted; the index needs their texts for it."""
    text, params = in_list("i", ids)
    db.execute(
        "insert into interactions_fts (interactions_fts, rowid, input, output, project_id) "
        f"select 'delete', id, input, output, project_id from interactions where id {text}",
        params,
    )


def quote_words(text: str) -> str:
    """Return user text as an FTS5 query in which all words must occur; empty if there are none.

    Every word is quoted, so nothing in it is read as query syntax.
    """
    words = text.replace("\x00", " ").split()
    usable = [word for word in words if any(character.isalnum() for character in word)]
    return " ".join('"' + word.replace('"', '""') + '"' for word in usable)


@dataclass(frozen=True)
class TextMatch:
    """An interaction that has the words."""

    interaction_id: int
    session_id: str


def list_matches(
    db: Connection, project_id: str, text: str, *, before_id: int | None = None
) -> list[TextMatch]:
    """Return the newest interactions in which all words occur, at most `MAX_MATCHES`.

    Args:
        db: A connection.
        project_id: The project.
        text: As a person typed it. Where there is no word in it, nothing matches.
        before_id: Only older ones, by the order of arrival.
    """
    query = _query(project_id, text)
    if not query:
        return []
    rows = db.rows(
        "select i.id as interaction_id, i.session_id from interactions i "
        "where i.project_id = :project_id and i.id in (select rowid from interactions_fts "
        " where interactions_fts match :query and rowid < :before_id "
        f" order by rowid desc limit {MAX_MATCHES}) order by i.id desc",
        {
            "project_id": project_id,
            "query": query,
            "before_id": 2**62 if before_id is None else before_id,
        },
    )
    return [TextMatch(**dict(row)) for row in rows]


def list_sessions_found(
    db: Connection, project_id: str, text: str, session_ids: Sequence[str], *, from_id: int
) -> set[str]:
    """Return those of the sessions with an interaction from an id on in which the words occur."""
    condition, params = in_list("s", session_ids)
    rows = db.rows(
        "select distinct i.session_id from interactions i "
        "join interactions_fts f on f.rowid = i.id "
        f"where i.project_id = :project_id and i.session_id {condition} and +i.id >= :from_id "
        "and interactions_fts match :query",
        {
            "project_id": project_id,
            "from_id": from_id,
            "query": _query(project_id, text),
            **params,
        },
    )
    return {row["session_id"] for row in rows}


def _query(project_id: str, text: str) -> str:
    """Return the FTS5 query for words of a project; empty if there are none."""
    words = quote_words(text)
    return f'{{input output}} : ({words}) AND project_id : "{project_id}"' if words else ""

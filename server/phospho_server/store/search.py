"""Full-text search over inputs and outputs. The index has no triggers: it is fed per batch."""

from __future__ import annotations

from collections.abc import Sequence

from phospho_server.store import Connection, in_list

# A common word matches most of a large project: only the newest matches are looked at.
MAX_MATCHES = 1000


def add_to_index(db: Connection, ids: Sequence[int]) -> None:
    """Add interactions that were just stored."""
    text, params = in_list("i", ids)
    db.execute(
        "insert into interactions_fts (rowid, input, output) "
        f"select id, input, output from interactions where id {text}",
        params,
    )


def quote_words(text: str) -> str:
    """Return user text as an FTS5 query in which all words must occur; empty if there are none.

    Every word is quoted, so nothing in it is read as query syntax.
    """
    words = text.replace("\x00", " ").split()
    usable = [word for word in words if any(character.isalnum() for character in word)]
    return " ".join('"' + word.replace('"', '""') + '"' for word in usable)


def session_condition() -> str:
    """Return a condition on `s.session_id` that uses the parameters `:words` and `:project_id`."""
    return (
        "s.session_id in (select i.session_id from interactions i "
        "where i.project_id = :project_id and i.id in (select rowid from interactions_fts "
        f"where interactions_fts match :words order by rowid desc limit {MAX_MATCHES}))"
    )

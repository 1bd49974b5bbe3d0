"""The words of interactions in SQLite: FTS5, over the texts that `interactions` holds."""

from __future__ import annotations

from collections.abc import Sequence

from phospho_server.store import Connection, Row, in_list


class Fts5Index:
    """`TextIndex` on `interactions_fts`."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def add(self, ids: Sequence[int]) -> None:
        """Add interactions that were just stored."""
        text, params = in_list("i", ids)
        self._db.execute(
            "insert into interactions_fts (rowid, input, output, project_id) "
            f"select id, input, output, project_id from interactions where id {text}",
            params,
        )

    def remove(self, ids: Sequence[int]) -> None:
        """Remove interactions that are about to be deleted; FTS5 needs their texts for it."""
        text, params = in_list("i", ids)
        self._db.execute(
            "insert into interactions_fts (interactions_fts, rowid, input, output, project_id) "
            f"select 'delete', id, input, output, project_id from interactions where id {text}",
            params,
        )

    def newest(self, project_id: str, text: str, *, before_id: int, most: int) -> Sequence[Row]:
        """Return `interaction_id` and `session_id` of the newest that match, newest first."""
        return self._db.rows(
            "select i.id as interaction_id, i.session_id from interactions i "
            "where i.project_id = :project_id and i.id in (select rowid from interactions_fts "
            " where interactions_fts match :query and rowid < :before_id "
            " order by rowid desc limit :most) order by i.id desc",
            {
                "project_id": project_id,
                "query": _query(project_id, text),
                "before_id": before_id,
                "most": most,
            },
        )

    def sessions(
        self, project_id: str, text: str, session_ids: Sequence[str], *, from_id: int
    ) -> Sequence[Row]:
        """Return the `session_id` of those with a match whose id is `from_id` or above."""
        condition, params = in_list("s", session_ids)
        return self._db.rows(
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


def quote_words(text: str) -> str:
    """Return user text as an FTS5 query in which all words must occur.

    Every word is quoted, so nothing in it is read as query syntax.
    """
    words = text.replace("\x00", " ").split()
    usable = [word for word in words if any(character.isalnum() for character in word)]
    return " ".join('"' + word.replace('"', '""') + '"' for word in usable)


def _query(project_id: str, text: str) -> str:
    """Return the FTS5 query for the words of a text, which has some, in a project."""
    return f'{{input output}} : ({quote_words(text)}) AND project_id : "{project_id}"'

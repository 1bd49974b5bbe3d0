"""The words of interactions in SQLite: FTS5, over the texts that `interactions` holds."""

from __future__ import annotations

from collections.abc import Sequence

from phospho_server.store import Connection, Row, in_list


class Fts5Index:
    """`TextIndex` on `interactions_fts`."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def add(self, ids: Sequence[int]) -> None:
        """Add interactions that were just stored, in the order of their ids."""
        text, params = in_list("i", ids)
        if len(ids) == ids[-1] - ids[0] + 1:
            # A list of names takes SQLite longer to read than one row takes to store.
            text, params = "between :first and :last", {"first": ids[0], "last": ids[-1]}
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


def begin_merging(db: Connection, most: int) -> int:
    """Begin to merge all parts of the index into one, which holds nothing of what was removed.

    A word that is removed stays in the part that it stands in, and stands in a newer one as gone,
    until both are merged. Merging all at once would take minutes for a large index.

    Args:
        db: A connection in a write transaction.
        most: Pages to write at the most.
    """
    return _merge(db, -most)


def merge_index(db: Connection, most: int) -> int:
    """Go on with merging; return 0 when there is nothing more to merge."""
    return _merge(db, most)


def _merge(db: Connection, pages: int) -> int:
    before = db.row("select total_changes() as n")
    db.execute(
        "insert into interactions_fts (interactions_fts, rank) values ('merge', :pages)",
        {"pages": pages},
    )
    after = db.row("select total_changes() as n")
    # The statement itself counts as a change.
    return max(0, after["n"] - before["n"] - 1) if before and after else 0


def quote_words(text: str) -> str:
    """Return user text as an FTS5 query in which all words must occur.

    Every word is quoted, so nothing in it is read as query syntax.
    """
    words = text.replace("\x00", " ").split()
    usable = [word for word in words if any(character.isalnum() for character in word)]
    return " ".join('"' + word.replace('"', '""') + '"' for word in usable)


def _query(project_id: str, text: str) -> str:
    """Return the FTS5 query for the words of a text, which has some, in a project.

    FTS5 takes what stands in nested `AND`s for one list, and would look up the project wherever
    some of the words are. The `NOT`, of what is nowhere, keeps it apart: the project is looked up
    where all of them are. Words that are common but never together are found out in a third of the
    time.
    """
    words = quote_words(text)
    return f'({{input output}} : ({words}) NOT project_id : "0") AND project_id : "{project_id}"'

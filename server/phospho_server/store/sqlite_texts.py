"""The words of interactions in SQLite: FTS5, over the texts that `interactions_words` shows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from phospho_server.store import Connection, Found, Row, in_ids, in_list
from phospho_server.store.sqlite_words import Words

# Of interactions that have all words of a phrase, so many are read to find it: some ten
# milliseconds.
MOST_READ = 2_000

# Every interaction has the word of its project, and none this one; see `m021_smaller_search`.
_PROJECT = "\ue000"
_NOWHERE = _PROJECT + "nowhere"

# What is read besides, to find phrases in.
_TEXTS = ", i.input, i.output"

# Parts of the index of one size that are merged into one. At SQLite's own four, words are written
# more often, which takes a tenth longer at 60,000 interactions; a search takes 0.2 ms less.
_PARTS = 8

_WORDS = Words()


class Fts5Index:
    """`TextIndex` on `interactions_fts`."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def add(self, ids: Sequence[int]) -> None:
        """Add interactions that were just stored."""
        text, params = in_ids("i", ids)
        self._db.execute(
            "insert into interactions_fts (rowid, input, output, project) "
            f"select id, input, output, project from interactions_words where id {text}",
            params,
        )

    def remove(self, ids: Sequence[int]) -> None:
        """Remove interactions that are about to be deleted; FTS5 needs their texts for it."""
        text, params = in_list("i", ids)
        self._db.execute(
            "insert into interactions_fts (interactions_fts, rowid, input, output, project) "
            "select 'delete', id, input, output, project from interactions_words "
            f"where id {text}",
            params,
        )

    def newest(self, project_id: str, text: str, *, before_id: int, most: int) -> Found:
        """Return the newest that match."""
        parts = _WORDS.parts_of(text)
        phrases = [words for words in parts if len(words) > 1]
        if not parts:
            return Found([], None)
        at_once = MOST_READ if phrases else most
        rows = self._db.rows(
            f"select i.id as interaction_id, i.session_id{_TEXTS if phrases else ''} "
            "from interactions i "
            "where i.project_id = :project_id and i.id in (select rowid from interactions_fts "
            " where interactions_fts match :query and rowid < :before_id "
            " order by rowid desc limit :most) order by i.id desc",
            {
                "project_id": project_id,
                "query": _query(project_id, parts),
                "before_id": before_id,
                "most": at_once,
            },
        )
        found = _having(phrases, rows)
        if len(found) > most:
            return Found(found[:most], found[most - 1]["interaction_id"])
        return Found(found, rows[-1]["interaction_id"] if len(rows) == at_once else None)

    def sessions(
        self, project_id: str, text: str, session_ids: Sequence[str], *, from_id: int
    ) -> Sequence[str]:
        """Return those with a match whose id is `from_id` or above."""
        parts = _WORDS.parts_of(text)
        phrases = [words for words in parts if len(words) > 1]
        if not parts:
            return []
        condition, params = in_list("s", session_ids)
        rows = self._db.rows(
            f"select i.id as interaction_id, i.session_id{_TEXTS if phrases else ''} "
            "from interactions i join interactions_fts f on f.rowid = i.id "
            f"where i.project_id = :project_id and i.session_id {condition} and +i.id >= :from_id "
            "and interactions_fts match :query",
            {
                "project_id": project_id,
                "from_id": from_id,
                "query": _query(project_id, parts),
                **params,
            },
        )
        return list({row["session_id"] for row in _having(phrases, rows)})


def _having(phrases: Sequence[Sequence[str]], rows: Sequence[Row]) -> Sequence[Row]:
    """Return those of the rows, in their order, whose texts have all phrases."""
    if not phrases:
        return rows
    # FTS5 takes ten times as long for a text as an expression, which sees that it is not there.
    patterns = [re.compile("[^0-9a-z]+".join(map(re.escape, words))) for words in phrases]
    texts = (
        (row["interaction_id"], row["input"], row["output"])
        for row in rows
        if all(_may_have(each, row["input"]) or _may_have(each, row["output"]) for each in patterns)
    )
    having = _WORDS.having(phrases, texts)
    return [row for row in rows if row["interaction_id"] in having]


def _may_have(phrase: re.Pattern[str], text: str | None) -> bool:
    """Tell whether a text may have a phrase; only of ASCII it is known what FTS5 reads in it."""
    if text is None:
        return False
    return not text.isascii() or phrase.search(text.lower()) is not None


def prepare(db: Connection) -> None:
    """Have as many parts of the index merged at once as is best."""
    known = db.row("select v from interactions_fts_config where k = 'automerge'")
    if known is None or known["v"] != _PARTS:
        db.execute(
            "insert into interactions_fts (interactions_fts, rank) values ('automerge', :parts)",
            {"parts": _PARTS},
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


def _query(project_id: str, parts: Iterable[Iterable[str]]) -> str:
    """Return the FTS5 query for the words of a text, which has some, in a project.

    Every word is quoted, so nothing in it is read as query syntax. FTS5 takes what stands in nested
    `AND`s for one list, and would look up the project wherever some of the words are. The `NOT`, of
    what is nowhere, keeps it apart: the project is looked up where all of them are. Words that are
    common but never together are found out in a third of the time.
    """
    words = dict.fromkeys(word for part in parts for word in part)
    quoted = " AND ".join(f'"{word}"' for word in words)
    project = _PROJECT + project_id.encode().hex()
    return f'(({quoted}) NOT "{_NOWHERE}") AND "{project}"'

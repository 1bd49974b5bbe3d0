"""The words of interactions in PostgreSQL: a GIN index over lexemes that are made here.

A word is what it is in SQLite's index: a run of letters and digits of any script, in lower case and
without accents. PostgreSQL's own parsers would read addresses, numbers and hyphens in other ways.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from phospho_server.store import Connection, Found, in_list

# Letters and digits, and what private agreements made of characters.
_WORD = re.compile("(?:[^\\W_]|[\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd])+")

# The same where all is ASCII, in a ninth of the time.
_NO_WORD = {code: " " for code in range(128) if not chr(code).isalnum()}

# What a lexeme, a position and all of a text's lexemes may be at the most in PostgreSQL. Beyond, a
# word is cut, and what stands further on in a text of a million characters is not found.
_MOST_OF_WORD = 500
_MOST_POSITION = 16_383
_MOST_POSITIONS = 250
_MOST_BYTES = 700_000

# Of fewer characters nothing comes near to that.
_LONG = 10_000


class GinIndex:
    """`TextIndex` on `interactions_fts`."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def add(self, ids: Sequence[int]) -> None:
        """Add interactions that were just stored."""
        text, params = in_list("i", ids)
        rows = self._db.rows(
            f"select id, project_id, input, output from interactions where id {text}", params
        )
        self._db.execute_many(
            "insert into interactions_fts (id, words) values (:id, cast(:words as tsvector))",
            (
                {
                    "id": row["id"],
                    "words": lexemes(row["project_id"], row["input"], row["output"] or ""),
                }
                for row in rows
            ),
        )

    def remove(self, ids: Sequence[int]) -> None:
        """Remove interactions that are about to be deleted."""
        text, params = in_list("i", ids)
        self._db.execute(f"delete from interactions_fts where id {text}", params)

    def newest(self, project_id: str, text: str, *, before_id: int, most: int) -> Found:
        """Return the newest that match."""
        rows = self._db.rows(
            "select i.id as interaction_id, i.session_id from interactions_fts f "
            "join interactions i on i.id = f.id where i.project_id = :project_id "
            "and f.words @@ cast(:query as tsquery) and f.id < :before_id "
            "order by f.id desc limit :most",
            {
                "project_id": project_id,
                "query": _query(project_id, text),
                "before_id": before_id,
                "most": most,
            },
        )
        return Found(rows, rows[-1]["interaction_id"] if len(rows) == most else None)

    def sessions(
        self, project_id: str, text: str, session_ids: Sequence[str], *, from_id: int
    ) -> Sequence[str]:
        """Return those with a match whose id is `from_id` or above."""
        condition, params = in_list("s", session_ids)
        rows = self._db.rows(
            "select distinct i.session_id from interactions i "
            "join interactions_fts f on f.id = i.id "
            f"where i.project_id = :project_id and i.session_id {condition} and i.id >= :from_id "
            "and f.words @@ cast(:query as tsquery)",
            {
                "project_id": project_id,
                "from_id": from_id,
                "query": _query(project_id, text),
                **params,
            },
        )
        return [row["session_id"] for row in rows]


def words_of(text: str) -> list[str]:
    """Return the words of a text in their order, in lower case and without accents."""
    folded = text.lower()
    if folded.isascii():
        words = folded.translate(_NO_WORD).split()
    else:
        split = unicodedata.normalize("NFD", folded)
        words = _WORD.findall("".join(each for each in split if not unicodedata.combining(each)))
    if max(map(len, words), default=0) > _MOST_OF_WORD:
        words = [word[:_MOST_OF_WORD] for word in words]
    return words


def lexemes(project_id: str, said: str, answered: str) -> str:
    """Return the text of the `tsvector` of an interaction."""
    if len(said) + len(answered) > _LONG:
        return _lexemes_of_long(project_id, said, answered)
    # One that comes again is for PostgreSQL to gather, and a word needs no quotes.
    words = chain(words_of(said), ("",), words_of(answered))
    found = [f"{word}:{place}" for place, word in enumerate(words, 1) if word]
    return " ".join([_of_project(project_id), *found])


def _lexemes_of_long(project_id: str, said: str, answered: str) -> str:
    """Return the same where there may be more than a `tsvector` takes."""
    positions: dict[str, list[str]] = {}
    size = 0
    for place, word in _placed(words_of(said), words_of(answered)):
        known = positions.get(word)
        if known is None:
            size += 4 * len(word) + 8
            if size > _MOST_BYTES:
                break
            known = positions[word] = []
        if len(known) < _MOST_POSITIONS:
            size += 2
            known.append(place)
    found = [f"'{word}':{','.join(places)}" for word, places in positions.items()]
    return " ".join([_of_project(project_id), *found])


def _placed(said: Sequence[str], answered: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield words with their positions; a phrase does not go from the input to the output."""
    place = 0
    for words in (said, answered):
        for word in words:
            place += 1
            yield str(min(place, _MOST_POSITION)), word
        place += 1


def _query(project_id: str, text: str) -> str:
    """Return the text of the `tsquery` for the words of a text, which has some, in a project.

    What stands together without a space is looked for as a phrase, as in SQLite.
    """
    phrases = (words_of(part) for part in text.replace("\x00", " ").split())
    return " & ".join([_of_project(project_id), *(_phrase(words) for words in phrases if words)])


def _phrase(words: Iterable[str]) -> str:
    return "(" + " <-> ".join(f"'{word}'" for word in words) + ")"


def _of_project(project_id: str) -> str:
    """Return the lexeme that all interactions of a project have: no word begins with a slash."""
    escaped = project_id.replace("\\", "\\\\").replace("'", "''")
    return f"'/{escaped}'"

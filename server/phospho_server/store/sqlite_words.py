"""What FTS5 takes for words, and where they stand side by side: asked of FTS5, in memory.

The index of a database knows which words are in which interaction, but not where in it: that would
take three times the room. What is asked as a phrase, as `step-by-step` is, is looked for in the
texts of those that have all of its words.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

# A phrase does not go from the input to the output.
_Texts = tuple[int, str, str | None]


class Words:
    """An index of the texts at hand, which are taken back after each use; for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._raw: sqlite3.Connection | None = None

    def parts_of(self, text: str) -> list[list[str]]:
        """Return the words of each part of a text that has some; parts stand between spaces."""
        parts = text.replace("\x00", " ").split()
        with self._index((at, part, None) for at, part in enumerate(parts)) as raw:
            found: dict[int, list[str]] = {}
            for at, word in raw.execute("select doc, term from words order by doc, offset"):
                found.setdefault(at, []).append(word)
        return list(found.values())

    def having(self, phrases: Iterable[Sequence[str]], texts: Iterable[_Texts]) -> set[int]:
        """Return the ids of those texts, given as id, input and output, that have all phrases."""
        query = " AND ".join(f'"{" ".join(words)}"' for words in phrases)
        with self._index(texts) as raw:
            rows = raw.execute("select rowid from texts where texts match ?", [query])
            return {row_id for (row_id,) in rows}

    @contextmanager
    def _index(self, texts: Iterable[_Texts]) -> Iterator[sqlite3.Connection]:
        with self._lock:
            raw = self._raw = self._raw or _open()
            raw.execute("begin")
            try:
                raw.executemany("insert into texts (rowid, input, output) values (?, ?, ?)", texts)
                yield raw
            finally:
                raw.rollback()


def _open() -> sqlite3.Connection:
    raw = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    raw.execute("create virtual table texts using fts5 (input, output, content = '')")
    raw.execute("create virtual table words using fts5vocab (texts, instance)")
    return raw

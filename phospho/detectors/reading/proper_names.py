"""Reads names without quotes that nobody says in other words: "(mentions) GDPR", "iPhone 15"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phospho.detectors.phrases import Phrase

if TYPE_CHECKING:
    from phospho.detectors.reading.cursor import Cursor

_MAX_WORDS = 4


def read_proper_name(cursor: Cursor) -> Phrase | None:
    """Read words with capitals, in a description that does not give capitals to all words."""
    return cursor.attempt(_read_proper_name)


def _read_proper_name(cursor: Cursor) -> Phrase | None:
    if not cursor.before.text.islower() and cursor.before.kind == "word":
        return None
    start, first = cursor.now.start, cursor.at
    while cursor.at - first < _MAX_WORDS and _is_of_name(cursor, is_first=cursor.at == first):
        cursor.at += 1
    words = cursor.text[start : cursor.before.end] if cursor.at > first else ""
    return Phrase(words) if len(words) > 1 else None


def _is_of_name(cursor: Cursor, *, is_first: bool) -> bool:
    token = cursor.now
    if token.kind == "number":
        return not is_first
    return token.kind == "word" and any(map(str.isupper, token.text))

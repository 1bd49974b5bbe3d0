"""What is around the words of a search, with the words marked."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from phospho_server.views.formats import Piece

# Before the first word, and in all: about three lines.
_BEFORE, _LENGTH = 80, 280

# The search reads letters and digits and compares them without case and accents.
_WORD = re.compile(r"[^\W_]+")


def excerpt(text: str, words: str) -> Sequence[Piece]:
    """Return the part of a text around the first of the words, those of the search marked.

    A text that has none of them is shown from its beginning.
    """
    wanted = {_plain(word) for word in _WORD.findall(words)}
    first = next((m for m in _WORD.finditer(text) if _plain(m.group()) in wanted), None)
    start = max(0, first.start() - _BEFORE) if first else 0
    if start:
        space = text.find(" ", start, first.start() if first else start)
        start = space + 1 if space >= 0 else start
    shown = text[start : start + _LENGTH]
    pieces = [Piece("\u2026 ")] if start else []
    done = 0
    for match in _WORD.finditer(shown):
        if _plain(match.group()) in wanted:
            pieces += [Piece(shown[done : match.start()]), Piece(match.group(), "hue-6")]
            done = match.end()
    is_cut = start + _LENGTH < len(text)
    pieces += [Piece(shown[done:] + (" \u2026" if is_cut else ""))]
    return [piece for piece in pieces if piece.text]


def _plain(word: str) -> str:
    """Return a word as the search compares it."""
    parts = unicodedata.normalize("NFKD", word.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))

"""Whether a judge's evidence occurs in the message: a verdict that quotes what nobody said is void.

Models copy nearly letter for letter: they straighten quotation marks, change the case, join lines
and leave out the middle. All of that is forgiven; words of their own are not.
"""

# Typographic characters are what models change.
# ruff: noqa: RUF001

from __future__ import annotations

import re
import unicodedata

from phospho.detectors.texts import MAX_QUOTE_CHARS

_SAME = str.maketrans(
    {
        "‘": "'", "’": "'", "‚": "'", "‛": "'", "`": "'", "´": "'", "“": '"', "”": '"', "„": '"',
        "«": '"', "»": '"', "–": "-", "—": "-", "−": "-", "‐": "-", "‑": "-",
    }
)  # fmt: skip
_LEFT_OUT = re.compile(r"\s*(?:\.{3,}|…|\[(?:\.{3}|…)\])\s*")
_AROUND = " \t\r\n\"'“”‘’«»`"

# What is shorter occurs in nearly every message by accident.
_MIN_WORD_CHARS = 2

# Scripts from here on are written without spaces between words.
_FIRST_UNSPACED = "⺀"


def find_quote(quote: str, text: str) -> str | None:
    """Return the words of `text` that a quote stands for, letter for letter, or None.

    What the quote left out between "..." is part of the answer where it is short enough to show,
    else the first part is the answer; the parts must occur in their order.
    """
    folded, places = _fold(text)
    parts = [
        part for piece in _LEFT_OUT.split(quote.strip(_AROUND)) if (part := _fold(piece)[0].strip())
    ]
    if not parts:
        return None
    spans: list[tuple[int, int]] = []
    at = 0
    for part in parts:
        span = _find_words(part.strip(_AROUND), folded, at)
        if span is None:
            return None
        spans.append(span)
        at = span[1]
    if not _says_enough(parts, folded):
        return None
    start, end = places[spans[0][0]], places[spans[-1][1] - 1] + 1
    if end - start > MAX_QUOTE_CHARS:
        end = places[spans[0][1] - 1] + 1
    return text[start:end][:MAX_QUOTE_CHARS]


def _says_enough(parts: list[str], folded: str) -> bool:
    """Refuse a quote of a letter or of punctuation, unless that is all the message says."""
    words = "".join(char for part in parts for char in part if char.isalnum())
    return len(words) >= _MIN_WORD_CHARS or " ".join(parts) == folded.strip()


def _find_words(part: str, folded: str, start: int) -> tuple[int, int] | None:
    """Return where a part occurs as whole words."""
    if not part:
        return None
    at = folded.find(part, start)
    while at >= 0:
        end = at + len(part)
        if not (_is_inside_a_word(folded, at) or _is_inside_a_word(folded, end)):
            return at, end
        at = folded.find(part, at + 1)
    return None


def _is_inside_a_word(text: str, at: int) -> bool:
    if not 0 < at < len(text):
        return False
    before, after = text[at - 1], text[at]
    return before.isalnum() and after.isalnum() and max(before, after) < _FIRST_UNSPACED


def _fold(text: str) -> tuple[str, list[int]]:
    """Return a text without differences that do not matter, and where each character came from."""
    folded: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        for other in unicodedata.normalize("NFKC", char).translate(_SAME).casefold():
            is_space = other.isspace()
            if is_space and (not folded or folded[-1] == " "):
                continue
            # Characters that are not seen do not keep words apart.
            if unicodedata.category(other) == "Cf":
                continue
            folded.append(" " if is_space else other)
            places.append(place)
    return "".join(folded), places

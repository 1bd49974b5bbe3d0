"""Phrases as they stand in a text, compared as people read them.

Upper and lower case, and every kind of apostrophe, dash or blank, are alike. Only whole words
count, except in scripts that are written without spaces. Endings that merely inflect a word
(refunds, refunded, refunding) leave it the same word, unless the exact word is asked for.
"""

# Typographic characters are what strangers type.
# ruff: noqa: RUF001

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phospho.detectors.conditions import Place

Likeness = Literal["word", "exact", "letters"]
"""How like a phrase a text must be: the same words, exactly these, or these letters anywhere."""

_ALIKE = ("'’‘ʼ`´′", '"“”„«»', "-‐‑‒–—−")

# Scripts without spaces between words, and Hangul, whose particles follow a word immediately.
_NO_SPACES = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff"
    r"\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
# Accents and vowel signs that are characters of their own belong to the letter before.
_MARKS = (
    "".join(chr(code) for code in range(0x300, 0x1100) if unicodedata.category(chr(code))[0] == "M")
    + "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
)
_NO_LETTER_BEFORE = rf"(?<![^\W_])(?<![{_MARKS}])"
_NO_LETTER_AFTER = rf"(?![^\W_]|[{_MARKS}])"

_LAST_WORD = re.compile(r"(?:^|[^\w'’])([^\W\d_]{3,})$")
_SIBILANTS = ("s", "x", "z", "ch", "sh")
_DOUBLED = "bdglmnprt"
_LONG_ENOUGH_FOR_VERBS = 4

# Quotes, bullets and asterisks around a message say nothing, nor does punctuation after a word.
_AROUND = 20
_CLOSING = r"[\s\"'”’»)\]}*_]"


@dataclass(frozen=True)
class Phrase:
    """Words to look for.

    Args:
        words: The words.
        likeness: How like them a text must be.
        has_case: Whether upper and lower case differ.
    """

    words: str
    likeness: Likeness = "word"
    has_case: bool = False

    @property
    def one(self) -> str:
        """Return the words in quotes."""
        return f'"{self.words}"{self._case}'

    @property
    def many(self) -> str:
        """Return the same: a phrase is counted in times."""
        return self.one

    @property
    def named(self) -> str:
        """Return "the wording 'a'"."""
        return f"the wording '{self.words}'{self._case}"

    @property
    def _case(self) -> str:
        return " (upper and lower case differ)" if self.has_case else ""

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where the words stand."""
        if not unicodedata.is_normalized("NFC", text):
            text = unicodedata.normalize("NFC", text)
        return (found.span("words") for found in _pattern(self, "anywhere").finditer(text))

    def at(self, place: Place, text: str) -> str | None:
        """Return the words as they stand in a text."""
        found = _pattern(self, place).search(text)
        if found:
            return found["words"]
        if unicodedata.is_normalized("NFC", text):
            return None
        # Decomposed letters: the words occur, though not letter for letter.
        return "" if _pattern(self, place).search(unicodedata.normalize("NFC", text)) else None


@lru_cache(maxsize=4_000)
def _pattern(phrase: Phrase, place: Place) -> re.Pattern[str]:
    """Return a pattern whose group `words` is the phrase as it stands in a text.

    It is a literal with look-arounds, so searching takes linear time.
    """
    words = " ".join(unicodedata.normalize("NFC", phrase.words).split())
    body = "".join(map(_as_pattern, words)).replace(r"\.\.\.", r"(?:\.\.\.|…)")
    if phrase.likeness == "word" and not phrase.has_case and place in {"anywhere", "start"}:
        body += _endings(words)
    body = f"(?P<words>{body})"
    if phrase.likeness != "letters":
        body = _edge(words[:1], _NO_LETTER_BEFORE) + body + _edge(words[-1:], _NO_LETTER_AFTER)
    before = rf"\A\W{{0,{_AROUND}}}?" if place in {"start", "whole"} else ""
    after = ""
    if place in {"end", "whole"}:
        # What ends with "?" does not end with "?!".
        closing = r"\W" if words[-1:].isalnum() else _CLOSING
        after = rf"{closing}{{0,{_AROUND}}}\Z"
    return re.compile(before + body + after, 0 if phrase.has_case else re.IGNORECASE)


def _endings(words: str) -> str:
    """Return what may follow the last word and leave it the same word."""
    found = _LAST_WORD.search(words)
    if not found or _NO_SPACES.search(found[1]):
        return ""
    word = found[1].lower()
    last = word[-1]
    endings = ["es"] if word.endswith(_SIBILANTS) else ["s"]
    if len(word) >= _LONG_ENOUGH_FOR_VERBS:
        again = f"{last}?" if last in _DOUBLED else ""
        endings += ["d"] if last == "e" else [f"{again}ed", f"{again}ing"]
    return f"(?:{'|'.join(endings)})?"


def _as_pattern(char: str) -> str:
    for alike in _ALIKE:
        if char in alike:
            return f"[{re.escape(alike)}]"
    return r"\s+" if char == " " else re.escape(char)


def _edge(char: str, boundary: str) -> str:
    """Ask for the edge of a word beside a letter or digit of a script that has spaces."""
    return boundary if char.isalnum() and not _NO_SPACES.match(char) else ""

"""Splits a description into words, numbers, signs and what stands in quotes, in linear time."""

# Typographic characters are what strangers type.
# ruff: noqa: RUF001

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from phospho.detectors.reading.shown import Shown
from phospho.detectors.reading.vocabulary import base_form, contraction

_CLOSERS = {
    "“": "”“", "„": "“”‟", "«": "»", "»": "«", "‹": "›", "「": "」", "『": "』",
    "‘": "’‘", "‚": "’‘", '"': '"', "'": "'", "`": "`'", "’": "’",
}  # fmt: skip
# Inside words these are apostrophes.
_SINGLE = "'‘’‚`"

# "More then two" is a slip.
_COMPARED = ("more", "less", "fewer", "longer", "shorter", "greater", "larger", "often")
_ALIKE = {"、": ",", "，": ",", "،": ",", "–": "—"}
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_WITH = re.compile(r"\bw/(o?)(?!\w)", re.IGNORECASE)
_NUMBER = re.compile(r"\d{1,3}(?:[,. ]\d{3})+(?!\d)|\d+")
_POSSESSIVE = re.compile(r"(.+)['’](s|S)\Z")
_NEGATED = re.compile(r"(.+)n['’]t\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Token:
    """A piece of a description.

    Args:
        kind: What it is.
        text: As it was typed; of a quote, what stands between the marks.
        base: The base form of a word, in small letters; empty for a quote.
        start: Where it begins in the description.
        end: Where it ends.
    """

    kind: Literal["word", "number", "sign", "quote"]
    text: str
    base: str
    start: int
    end: int


def tokenize(text: str) -> list[Token] | None:
    """Return the tokens of a description; None if a quote in it is empty.

    What cannot be a word of English, as 退款 or #fail, is a quote without marks.
    """
    tokens: list[Token] = []
    quotes = _Quotes(text)
    shown = Shown(text)
    at = 0
    while at < len(text):
        if (quoted := quotes.read(at)) is not None:
            inside, closed_at = quoted
            if not inside.strip():
                return None
            tokens.append(Token("quote", " ".join(inside.split()), "", at, closed_at))
            at = closed_at
        elif (end := shown.end_of(at)) is not None:
            tokens.append(Token("quote", text[at:end], "", at, end))
            at = end
        elif short := _WITH.match(text, at):
            tokens.append(
                Token("word", short[0], "without" if short[1] else "with", at, short.end())
            )
            at = short.end()
        elif word := _WORD.match(text, at):
            tokens += _words(word[0], at)
            if tokens[-1].base == "then" and tokens[-2:-1] and tokens[-2].base in _COMPARED:
                tokens[-1] = replace(tokens[-1], base="than")
            at = word.end()
        elif number := _NUMBER.match(text, at):
            tokens.append(Token("number", number[0], "", at, number.end()))
            at = number.end()
        else:
            tokens += _sign(text, at)
            at += 1
    return tokens


def _words(word: str, at: int) -> Iterator[Token]:
    """Yield a word, or the several a contraction or a possessive stands for."""
    lower = word.lower().replace("’", "'")
    end = at + len(word)
    if (several := contraction(lower)) is not None:
        for one in several:
            yield Token("word", word, one, at, end)
    elif found := _NEGATED.match(word):
        yield Token("word", found[1], base_form(found[1].lower()), at, end)
        yield Token("word", "not", "not", at, end)
    elif found := _POSSESSIVE.match(word):
        yield Token("word", found[1], base_form(found[1].lower()), at, end - 2)
        yield Token("word", "'s", "'s", end - 2, end)
    else:
        yield Token("word", word, base_form(lower), at, end)


def _sign(text: str, at: int) -> Iterator[Token]:
    """Yield a sign; blanks and hyphens only part words."""
    char = text[at]
    if char in "'’" and at and text[at - 1] in "sS":
        yield Token("word", "'s", "'s", at, at + 1)
    elif not (char.isspace() or char == "-"):
        yield Token("sign", char, _ALIKE.get(char, char), at, at + 1)


class _Quotes:
    """Finds what stands in quotes; a mark that is missing once is not looked for again."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._missing: set[str] = set()

    def read(self, at: int) -> tuple[str, int] | None:
        """Return what is quoted from `at` on, and where it ends; None where no quote opens."""
        text, mark = self._text, self._text[at]
        if mark not in _CLOSERS or self._is_apostrophe(at):
            return None
        if text.startswith("``", at) and not text.startswith("```", at):
            mark = "``"
        if mark in self._missing:
            return None
        start = at + len(mark)
        for found in range(start, len(text)):
            if self._closes(found, start, mark):
                return text[start:found], found + len(mark)
        self._missing.add(mark)
        return None

    def _is_apostrophe(self, at: int) -> bool:
        before = self._text[at - 1] if at else " "
        mark = self._text[at]
        is_inside = before.isalnum() and mark in _SINGLE + '"'
        return is_inside or (mark == "’" and not before.isspace())

    def _closes(self, found: int, start: int, mark: str) -> bool:
        if mark == "``":
            return self._text.startswith(("``", "''"), found)
        if self._text[found] not in _CLOSERS[mark]:
            return False
        after = self._text[found + 1] if found + 1 < len(self._text) else " "
        return mark not in _SINGLE or (found > start and not after.isalnum())

"""A place in a list of tokens: what the grammar reads with, and goes back with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import TypeVar

from phospho.detectors.reading.tokens import Token
from phospho.detectors.reading.vocabulary import base_form, register

T = TypeVar("T")
Rule = Callable[["Cursor"], T | None]

_END = Token("sign", "", "", 0, 0)
_PIECE = re.compile(r"[()\[\]|]|[^\s()\[\]|]+")


class Phrases:
    """Phrases of which the longest that fits is read.

    Args:
        pattern: The phrases, as in `one of (them|us)|either [of (them|us)]`: `|` parts those to
            choose from, round brackets group them, and what stands in square ones may be left out.
            Words may have any form, as only base forms are compared.
    """

    def __init__(self, pattern: str) -> None:
        register(_PIECE.findall(pattern))
        phrases = {tuple(map(base_form, words)) for words in _expand(pattern)}
        self._by_first: dict[str, list[tuple[str, ...]]] = {}
        for phrase in sorted(phrases, key=len, reverse=True):
            self._by_first.setdefault(phrase[0], []).append(phrase)

    def match(self, tokens: Sequence[Token], at: int) -> tuple[str, ...] | None:
        """Return the longest phrase that stands at a place."""
        if at >= len(tokens):
            return None
        for words in self._by_first.get(tokens[at].base, ()):
            if tuple(token.base for token in tokens[at : at + len(words)]) == words:
                return words
        return None


def _expand(pattern: str) -> Iterator[tuple[str, ...]]:
    """Yield each phrase of a pattern."""
    pieces = _PIECE.findall(pattern)
    return (phrase for phrase in _alternatives(pieces, 0)[0] if phrase)


def _alternatives(pieces: list[str], at: int) -> tuple[list[tuple[str, ...]], int]:
    """Return all phrases up to a closing bracket, and where that stands."""
    found: list[tuple[str, ...]] = []
    parts: list[list[tuple[str, ...]]] = []
    while True:
        piece = pieces[at] if at < len(pieces) else ")"
        if piece in "|)]":
            found += [tuple(word for part in choice for word in part) for choice in product(*parts)]
            parts = []
            if piece != "|":
                return found, at
        elif piece in "([":
            group, at = _alternatives(pieces, at + 1)
            parts.append([*group, ()] if piece == "[" else group)
        else:
            parts.append([(piece,)])
        at += 1


class Cursor:
    """Where in the tokens of a description reading has come to."""

    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self.text = text
        self.tokens = tokens
        self.at = 0

    @property
    def now(self) -> Token:
        """The token to be read next."""
        return self.tokens[self.at] if self.at < len(self.tokens) else _END

    @property
    def before(self) -> Token:
        """The token that was read last."""
        return self.tokens[self.at - 1] if self.at else _END

    @property
    def is_at_end(self) -> bool:
        """Whether all has been read."""
        return self.at >= len(self.tokens)

    def take(self, phrases: Phrases) -> str | None:
        """Read the longest of several phrases; return it in base forms, or None."""
        words = phrases.match(self.tokens, self.at)
        if words is None:
            return None
        self.at += len(words)
        return " ".join(words)

    def skip(self, phrases: Phrases) -> list[str]:
        """Read as many of several phrases as follow each other."""
        taken = []
        while (phrase := self.take(phrases)) is not None:
            taken.append(phrase)
        return taken

    def sees(self, phrases: Phrases) -> bool:
        """Tell whether one of several phrases comes next."""
        return phrases.match(self.tokens, self.at) is not None

    def take_kind(self, kind: str) -> Token | None:
        """Read a token of one kind."""
        token = self.now
        if token is _END or token.kind != kind:
            return None
        self.at += 1
        return token

    def attempt(self, rule: Rule[T]) -> T | None:
        """Read by a rule; stay where it was if it does not apply."""
        start = self.at
        found = rule(self)
        if found is None:
            self.at = start
        return found

    def foresees(self, rule: Rule[T]) -> T | None:
        """Return what a rule would read, without reading it."""
        start = self.at
        found = rule(self)
        self.at = start
        return found

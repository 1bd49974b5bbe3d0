"""One side says again what the other said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phospho.detectors.conditions import MAX_CHARS, Found, Said
from phospho.detectors.description import where

if TYPE_CHECKING:
    from phospho.models import Side


@dataclass(frozen=True)
class Repeats:
    """A message holds all words of the other side's message, or is nothing but them.

    Args:
        side: Who repeats.
        is_whole: Whether nothing else may be said.
    """

    side: Side
    is_whole: bool = False

    def find(self, said: Sequence[Said]) -> Found | None:
        """Return the message that repeats."""
        again = [_words(text) for side, text in said if side == self.side]
        before = [_words(text) for side, text in said if side != self.side]
        for words in again:
            if any(self._is_met(words, of) for of in before if of.strip()):
                return Found(self.side, "", self.told())
        return None

    def told(self, *, negated: bool = False) -> str:
        """Return "the assistant's message repeats the user's message"."""
        other = where(("output",) if self.side == "input" else ("input",))
        if self.is_whole:
            verb = "is not the same as" if negated else "is the same as"
        else:
            verb = "does not repeat" if negated else "repeats"
        return f"{where((self.side,))} {verb} {other}"

    def _is_met(self, words: str, of: str) -> bool:
        return words == of if self.is_whole else of in words


def _words(text: str) -> str:
    """Return the words of a text with one blank around each."""
    words = re.findall(r"\w+", text[:MAX_CHARS].lower())
    return f" {' '.join(words)} "

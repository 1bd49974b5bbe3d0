"""Reads which part of a message is meant: "first word", "last two sentences"."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from phospho.detectors.conditions import AnyOf, Condition, Not, Occurs
from phospho.detectors.lengths import Unit, Within
from phospho.detectors.phrases import Phrase
from phospho.detectors.reading.amounts import read_number
from phospho.detectors.reading.cursor import Phrases

if TYPE_CHECKING:
    from phospho.detectors.reading.cursor import Cursor

UNITS: dict[str, Unit] = {
    "word": "words",
    "character": "characters",
    "letter": "letters",
    "sentence": "sentences",
    "line": "lines",
    "paragraph": "paragraphs",
}
UNIT = Phrases("|".join(UNITS))

# Says how long something is, if a number does so too.
SIZED = Phrases("[very|too|overly] (short|long|brief|lengthy)")

_FIRST = Phrases("[very] first|opening|initial|beginning")
_LAST = Phrases("[very] last|closing|final|ending")
_SMALL_UNITS = frozenset(("words", "characters", "letters"))


@dataclass(frozen=True)
class Part:
    """The first or last units of a message; 0 of them are some."""

    is_first: bool
    amount: int
    unit: Unit

    @property
    def is_small(self) -> bool:
        """Whether it is a word, or even less."""
        return self.unit in _SMALL_UNITS

    def meeting(self, condition: Condition) -> Condition:
        """Return that the part meets a condition; a first word that is "a" starts the message."""
        if isinstance(condition, Not):
            return Not(self.meeting(condition.part))
        if isinstance(condition, AnyOf):
            return AnyOf(tuple(map(self.meeting, condition.parts)))
        if isinstance(condition, Occurs) and condition.place == "whole" and self.is_small:
            what = condition.what
            if self.unit != "words" and isinstance(what, Phrase):
                what = replace(what, likeness="letters")
            return replace(condition, what=what, place="start" if self.is_first else "end")
        return Within(self.is_first, max(1, self.amount), self.unit, condition)


def read_part(cursor: Cursor) -> Part | None:
    """Read "first word" or "last three sentences"."""
    is_first = cursor.take(_FIRST) is not None
    if not is_first and not cursor.take(_LAST):
        return None
    number = read_number(cursor)
    unit = cursor.take(UNIT)
    if not unit:
        return None
    is_plural = cursor.before.text.lower().endswith("s")
    return Part(is_first, number or (0 if is_plural else 1), UNITS[unit])

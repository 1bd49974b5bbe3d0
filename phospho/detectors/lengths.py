"""How long a message is, and its first or last words, lines or sentences."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from phospho.detectors.conditions import (
    MAX_CHARS,
    AllOf,
    AnyOf,
    Condition,
    Found,
    Not,
    Said,
    told_range,
)

Unit = Literal["words", "characters", "letters", "sentences", "lines", "paragraphs"]

# The full stop of "3.5" or "a.b" ends no sentence.
_SENTENCE_END = re.compile(r"(?:[.!?]+(?=[\s\"'”’)\]*_]|\Z)|[。！？\n])+")  # noqa: RUF001
_PARAGRAPH_END = re.compile(r"\n[ \t]*\n\s*")
_ITEM_MARK = re.compile(r"\W*\d{0,3}\W*\Z")


def split(text: str, unit: Unit) -> list[str]:
    """Return the units a text consists of."""
    return _SPLITS[unit](text)


def _sentences(text: str) -> list[str]:
    parts, start = [], 0
    for end in [*(found.end() for found in _SENTENCE_END.finditer(text)), len(text)]:
        part = text[start:end]
        # The number of a list item is no sentence.
        if not _ITEM_MARK.match(part):
            parts.append(part.strip())
            start = end
    return parts


_SPLITS: dict[Unit, Callable[[str], list[str]]] = {
    "words": str.split,
    "characters": lambda text: list(text.strip()),
    "letters": lambda text: [char for char in text if char.isalpha()],
    "sentences": _sentences,
    "lines": lambda text: text.strip().splitlines(),
    "paragraphs": lambda text: [p for p in _PARAGRAPH_END.split(text.strip()) if p],
}


@dataclass(frozen=True)
class Length:
    """A message has so many units, from `least` to `most`; None is no limit."""

    unit: Unit
    least: int = 0
    most: int | None = None

    def find(self, said: Sequence[Said]) -> Found | None:
        """Return the first message that is so long."""
        for side, text in said:
            count = len(split(text[:MAX_CHARS], self.unit))
            if text and count >= self.least and (self.most is None or count <= self.most):
                return Found(side, "", self.told())
        return None

    def told(self, *, negated: bool = False) -> str:
        """Return "is longer than 5 words"."""
        unit = self.unit.removesuffix("s") if self.least == self.most == 1 else self.unit
        if self.most is None:
            return f"is {'not ' * negated}longer than {self.least - 1:,} {unit}"
        if self.least <= 0:
            return f"is {'not ' * negated}shorter than {self.most + 1:,} {unit}"
        has = "does not have" if negated else "has"
        return f"{has} {told_range(self.least, self.most)} {unit}"


@dataclass(frozen=True)
class Empty:
    """Nothing was said, or nothing but blanks."""

    def find(self, said: Sequence[Said]) -> Found | None:
        """Return the first message that is empty."""
        return next((Found(side, "", self.told()) for side, text in said if not text.strip()), None)

    def told(self, *, negated: bool = False) -> str:
        """Return "is empty"."""
        return "is not empty" if negated else "is empty"


@dataclass(frozen=True)
class Within:
    """The first or last units of a message meet a condition."""

    is_first: bool
    amount: int
    unit: Unit
    part: Condition

    def find(self, said: Sequence[Said]) -> Found | None:
        """Return the first message whose part meets it."""
        for side, text in said:
            units = split(text[:MAX_CHARS], self.unit)
            chosen = units[: self.amount] if self.is_first else units[-self.amount :]
            joint = {"characters": "", "letters": ""}.get(self.unit, " ")
            found = self.part.find([(side, joint.join(chosen))]) if chosen else None
            if found:
                # What was put together again need not stand in the text like that.
                quote = found.quote if found.quote in text else ""
                return Found(side, quote, self.told())
        return None

    def told(self, *, negated: bool = False) -> str:
        """Return "has a first sentence that contains 'a'"."""
        which = "first" if self.is_first else "last"
        if self.amount == 1:
            part = f"a {which} {self.unit.removesuffix('s')}"
        else:
            part = f"{which} {self.amount:,} {self.unit}"
        return f"{'does not have' if negated else 'has'} {part} that {self.part.told()}"


def has_length(condition: Condition) -> bool:
    """Tell whether a condition speaks of how long a message is."""
    if isinstance(condition, AllOf | AnyOf):
        return any(map(has_length, condition.parts))
    return (
        has_length(condition.part) if isinstance(condition, Not) else isinstance(condition, Length)
    )

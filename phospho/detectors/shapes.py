"""Things that are known by their shape, and messages that are written in one way throughout."""

# Typographic characters are what is looked for.
# ruff: noqa: RUF001

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from phospho.detectors.conditions import MAX_CHARS, Found, Place, Said

Span = tuple[int, int]

URL = r"(?:https?://|www\.)[^\s<>\"']+"
EMOJI = (
    r"[\u203c\u2049\u231a\u231b\u23e9-\u23f3\u2600-\u27bf\u2b50\u2b55\U0001f000-\U0001faff]"
    r"[\ufe0f\u200d\U0001f3fb-\U0001f3ff]{0,2}"
)

_MAX_SENTENCE_CHARS = 300
_MAX_ABBREVIATION = 3


@dataclass(frozen=True)
class Shape:
    """Something that is known by its shape.

    Args:
        one: What people call it: "a link".
        many: What people call several: "links".
        pattern: Where it stands; takes linear time on any text.
        keep: Tells whether what the pattern found is it.
        is_strict: Whether only blanks and closing quotes may follow it at the end of a message.
    """

    one: str
    many: str
    pattern: re.Pattern[str] = field(repr=False)
    keep: Callable[[str], bool] | None = field(default=None, repr=False)
    is_strict: bool = False

    @property
    def named(self) -> str:
        """Return what people call it."""
        return self.one

    def spans(self, text: str) -> Iterator[Span]:
        """Yield where it stands in a text."""
        for found in self.pattern.finditer(text):
            if self.keep is None or self.keep(found[0]):
                yield found.span()

    def at(self, place: Place, text: str) -> str | None:
        """Return the words at a place of a text that are it."""
        if place == "whole":
            return self._whole(text)
        for start, end in self.spans(text):
            if place == "start" and re.search(r"\w", text[:start]):
                return None
            if place != "end" or not self._is_followed(text, end):
                return text[start:end]
        return None

    def _is_followed(self, text: str, end: int) -> bool:
        after = r"[^\s\"'”’»)\]}*_]" if self.is_strict else r"\w"
        return re.compile(after).search(text, end) is not None

    def _whole(self, text: str) -> str | None:
        """Return the text if nothing else is in it but blanks and punctuation."""
        others, at = [], 0
        for start, end in self.spans(text):
            others.append(text[at:start])
            at = end
        others.append(text[at:])
        return text.strip() if at and not re.search(r"\w", "".join(others)) else None


@dataclass(frozen=True)
class Question(Shape):
    """A question mark outside of web addresses, quoted from where its sentence starts."""

    def spans(self, text: str) -> Iterator[Span]:
        """Yield the sentences that end with a question mark."""
        masked = re.sub(URL, _masked, text) if "?" in text else text
        for found in self.pattern.finditer(masked):
            end = found.end()
            before = text[max(0, end - _MAX_SENTENCE_CHARS) : end - 1]
            sentence = re.split(r"[\n.!?？؟]", before)[-1]
            yield end - 1 - len(sentence.lstrip()), end


def _masked(url: re.Match[str]) -> str:
    """Blank out a web address, but for the question mark it may end with."""
    asked = url[0].rstrip(").,")
    ending = "?" if asked.endswith("?") else ""
    return ("x" * (len(asked) - len(ending)) + ending).ljust(len(url[0]), "x")


@dataclass(frozen=True)
class Written:
    """A message is written in one way throughout.

    Args:
        how: "in capital letters", as it follows "is written".
        is_so: Tells whether a text is.
    """

    how: str
    is_so: Callable[[str], bool] = field(repr=False)

    def find(self, said: Sequence[Said]) -> Found | None:
        """Return the first message that is."""
        for side, text in said:
            if text and self.is_so(text[:MAX_CHARS]):
                return Found(side, "", self.told())
        return None

    def told(self, *, negated: bool = False) -> str:
        """Return "is written in capital letters"."""
        return f"is {'not ' * negated}written {self.how}"


def _is_in_capitals(text: str) -> bool:
    """Tell whether a text shouts; "OK" and "USA" alone do not."""
    letters = sum(char.isalpha() for char in text)
    return letters > _MAX_ABBREVIATION and text.upper() == text and text.lower() != text


def _is_in_small_letters(text: str) -> bool:
    return text.lower() == text and text.upper() != text


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


CAPITALS = Written("in capital letters", _is_in_capitals)
SMALL_LETTERS = Written("in small letters", _is_in_small_letters)
JSON = Written("as JSON", _is_json)

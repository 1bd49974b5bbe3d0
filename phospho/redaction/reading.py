"""Reads a text as its reader does, so that a rule need not know how it was written.

A backslash and an n are the end of a line, full-width digits are digits, and what nobody sees is
not there. Each find is then masked in the text as it was written.
"""

from __future__ import annotations

import html
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phospho.redaction.masks import Finder, Mask, Span

# Ends a line, as the "\n" of a repr does, but not what stands in quotes.
ESCAPED_NEWLINE = "\x0b"

# Stands for an escaped quote or backslash, which neither opens nor closes anything.
_ESCAPED_QUOTE = "\x1f"

_SPACES = (
    "\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
)
# Zeros of scripts in which people write numbers today; the nine digits follow each.
_ZEROS = "٠۰߀०০੦૦୦௦౦೦൦෦๐໐༠၀០᠐０"
# At, dot, dash, underscore, plus, colon, equals, percent, parentheses, slash
_PUNCTUATION = "\uff20\ufe6b\uff0e\uff0d\uff3f\uff0b\uff1a\uff1d\uff05\uff08\uff09\uff0f"
_FIRST_MATHEMATICAL, _LAST_MATHEMATICAL = "\U0001d400", "\U0001d7ff"
_MATHEMATICAL = map(chr, range(ord(_FIRST_MATHEMATICAL), ord(_LAST_MATHEMATICAL) + 1))
_FULL_WIDTH_LETTERS = map(chr, (*range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B)))
# Not the numbers of footnotes and lists, "¹" and "①": they stand beside a number, not in it.
_NARROW = {
    ord(char): plain
    for char in (*_PUNCTUATION, *_MATHEMATICAL, *_FULL_WIDTH_LETTERS)
    if (plain := unicodedata.normalize("NFKC", char)).isascii()
}
_NARROW |= {ord(zero) + digit: str(digit) for zero in _ZEROS for digit in range(10)}
_NARROW |= dict.fromkeys(map(ord, _SPACES), " ")
# Those beyond 16 bits as one range: a class that lists them is slow.
_WIDE = re.compile(
    f"[{''.join(char for char in map(chr, _NARROW) if char < _FIRST_MATHEMATICAL)}"
    f"{_FIRST_MATHEMATICAL}-{_LAST_MATHEMATICAL}]"
)
# Only here: before a number a dash may be that of a sentence.
_DASH_IN_NUMBER = re.compile(r"[\u2010-\u2015\u2212](?<=[0-9 ].)(?=[0-9 ])")

_INVISIBLE = (
    "\xad\u034f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\u20e3\ufe00-\ufe0f\ufeff"
)
_ESCAPE = r"(?<!\\)\\+(?:[nrtfb]|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2})"
_CODED = re.compile(rf"{_ESCAPE}|[{_INVISIBLE}]")
_HAS_CODED = re.compile(rf"[\\{_INVISIBLE}]")
# Between digits these are gaps. In a password they are part of it.
_CODED_IN_NUMBERS = re.compile(
    rf"{_ESCAPE}|[{_INVISIBLE}]|%(?:[2-7][0-9A-Fa-f]|0[9AaDd])"
    r"|&(?:nbsp|ensp|emsp|thinsp|ndash|mdash|hyphen|#[0-9]{1,6}|#[xX][0-9A-Fa-f]{1,5});"
)
_HAS_CODED_IN_NUMBERS = re.compile(rf"[\\%&{_INVISIBLE}]")
_UUID = re.compile(
    r"(?<![0-9A-Za-z])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Za-z])"
)
_UUID_DASHES = 4


class Reading:
    """A text as it is read, which knows where each of its characters was written."""

    def __init__(self, text: str, coded: re.Pattern[str] | None) -> None:
        self.text = _narrow(text)
        # Behind each code: its end as read and as written.
        self._read: list[int] = []
        self._written: list[int] = []
        self._code_ends: dict[int, int] = {}
        if coded is not None:
            self.text = self._decode(self.text, coded)

    def _decode(self, text: str, coded: re.Pattern[str]) -> str:
        parts, done, size = [], 0, 0
        for found in coded.finditer(text):
            start, end = found.span()
            char = _read_code(found[0])
            parts += [text[done:start], char]
            size += start - done + len(char)
            self._read.append(size)
            self._written.append(end)
            self._code_ends[start] = end
            done = end
        return "".join([*parts, text[done:]])

    def find_written(self, span: Span) -> Span:
        """Return where what was read is written."""
        last = self._find_char(span[1] - 1)
        return self._find_char(span[0]), self._code_ends.get(last, last + 1)

    def _find_char(self, place: int) -> int:
        before = bisect_right(self._read, place) - 1
        return place if before < 0 else self._written[before] + place - self._read[before]


class Page:
    """A text on its way through the rules, read again only when something was masked."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._words: Reading | None = None
        self._numbers: Reading | None = None

    def read_words(self) -> Reading:
        """Read it for what consists of words and signs."""
        if self._words is None:
            self._words = Reading(self.text, _CODED if _HAS_CODED.search(self.text) else None)
        return self._words

    def read_numbers(self) -> Reading:
        """Read it for numbers: spaces may be coded for a URL or a page, and UUIDs are none."""
        if self._numbers is None:
            is_coded = _HAS_CODED_IN_NUMBERS.search(self.text)
            reading = Reading(self.text, _CODED_IN_NUMBERS if is_coded else None)
            if reading.text.count("-") >= _UUID_DASHES:
                reading.text = _UUID.sub(lambda found: "x" * len(found[0]), reading.text)
            self._numbers = reading
        return self._numbers

    def mask(self, reading: Reading, find: Finder, mask: Mask) -> None:
        """Mask what is found in a reading of it."""
        spans = [reading.find_written(span) for span in find(reading.text)]
        if spans:
            self.text = _replace(self.text, spans, mask)
            self._words = self._numbers = None


def narrow(text: str) -> str:
    """Return a text with plain digits, Latin letters and spaces, each in its place."""
    return text if text.isascii() else _narrow(text)


def _narrow(text: str) -> str:
    if text.isascii():
        return text
    if _WIDE.search(text):
        text = text.translate(_NARROW)
    return _DASH_IN_NUMBER.sub("-", text)


@lru_cache(maxsize=256)
def _read_code(code: str) -> str:
    char = _read_escape(code.lstrip("\\")) if code[0] == "\\" else html.unescape(code)[:1]
    if code[0] == "%":
        char = chr(int(code[1:], 16))
    if _HAS_CODED.match(char):
        return _ESCAPED_QUOTE if char == "\\" else ""
    return {"\n": ESCAPED_NEWLINE, "\r": ESCAPED_NEWLINE}.get(char, _narrow(char))


def _read_escape(name: str) -> str:
    if name[0] in "ux":
        char = chr(int(name[1:], 16))
        return _ESCAPED_QUOTE if char in "\"'`\\" else char
    return {"t": "\t", "b": "\x08"}.get(name, "\n")


def _replace(text: str, spans: Iterable[Span], mask: Mask) -> str:
    parts, done = [], 0
    for start, end in spans:
        parts += [text[done:start], mask(text[start:end])]
        done = end
    return "".join([*parts, text[done:]])

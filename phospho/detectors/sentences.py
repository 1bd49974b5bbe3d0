"""Splits a message into the pieces that are compared with an event: the whole, and its sentences.

"Thanks. Can you also book me a cab?" means two things; their average means neither.
"""

# Typographic characters are what strangers type.
# ruff: noqa: RUF001

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# What a message says is said by then; the rest of a pasted document costs time and tells little.
MAX_CHARS_READ = 8_000

# A piece longer than this loses what it is about when it becomes one vector.
MAX_PIECE_CHARS = 600
MAX_SENTENCE_CHARS = 400

# The first sentences of a long answer (a refusal, a thank-you) stand alone, the others in windows.
MAX_PIECES = 16
_ALONE = 4

# "Sure." says too little by itself and joins the sentence after it.
_MIN_WORDS = 3

_BOUNDARY = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+|\n+|(?<=[。！？])")


@dataclass(frozen=True)
class Piece:
    """A part of a message: `text[start:end]` without surrounding blanks."""

    start: int
    end: int

    def of(self, text: str) -> str:
        """Return the part of that text."""
        return text[self.start : self.end]


def pieces(text: str) -> list[Piece]:
    """Return the whole message first, then its sentences if there are several; none if blank."""
    read = text[:MAX_CHARS_READ]
    whole = _stripped(read, 0, len(read))
    if whole is None:
        return []
    sentences = list(_windows(_joined(read, list(_split(read)))))
    first = Piece(whole.start, min(whole.end, whole.start + MAX_PIECE_CHARS))
    return [first, *sentences] if len(sentences) > 1 else [first]


def first_sentence(text: str) -> Piece:
    """Return the first sentence of a text, however short; empty if there is none."""
    return next(_split(text[:MAX_SENTENCE_CHARS]), Piece(0, 0))


def last_sentence(text: str) -> Piece:
    """Return the last sentence of a text, however short; empty if there is none."""
    start = max(0, len(text) - MAX_SENTENCE_CHARS)
    *_, last = Piece(0, 0), *_split(text[start:])
    return Piece(start + last.start, start + last.end)


def _split(text: str) -> Iterator[Piece]:
    start = 0
    for boundary in _BOUNDARY.finditer(text):
        piece = _stripped(text, start, boundary.end())
        start = boundary.end()
        if piece:
            yield piece
    piece = _stripped(text, start, len(text))
    if piece:
        yield piece


def _stripped(text: str, start: int, end: int) -> Piece | None:
    part = text[start:end]
    start += len(part) - len(part.lstrip())
    end -= len(part) - len(part.rstrip())
    return Piece(start, end) if end > start else None


def _joined(text: str, sentences: list[Piece]) -> list[Piece]:
    """Join to a very short sentence the one that follows it."""
    joined: list[Piece] = []
    for sentence in sentences:
        last = joined[-1] if joined else None
        if last and len(text[last.start : last.end].split()) < _MIN_WORDS:
            joined[-1] = Piece(last.start, sentence.end)
        else:
            joined.append(sentence)
    return joined


def _windows(sentences: list[Piece]) -> Iterator[Piece]:
    """Keep the first sentences as they are and put the others into a bounded number of windows."""
    alone = sentences if len(sentences) <= MAX_PIECES else sentences[:_ALONE]
    rest = sentences[len(alone) :]
    for piece in alone:
        yield Piece(piece.start, min(piece.end, piece.start + MAX_SENTENCE_CHARS))
    step = -(-len(rest) // (MAX_PIECES - _ALONE))
    for at in range(0, len(rest), step or 1):
        window = rest[at : at + step]
        yield Piece(window[0].start, min(window[-1].end, window[0].start + MAX_PIECE_CHARS))

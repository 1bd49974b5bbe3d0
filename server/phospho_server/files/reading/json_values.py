"""JSON that is no lines: a list of objects, such a list in an object, or objects one by one.

Read entry by entry: in memory is one entry, however long the list is.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any

from phospho_server.files.reading.opening import DAMAGED, Opened, Place
from phospho_server.files.rows import MAX_ROW, TOO_DEEP, Problem, Row, Rows
from phospho_server.incoming import JSON, is_deep

_CHUNK = 1024 * 1024

# A list, also as APIs answer with one: `{"data": [...], "meta": {...}}`.
_LIST = re.compile(r'\s*(?:\{\s*"(?:data|runs|traces|observations|items)"\s*:\s*)?\[')
_SPACE = re.compile(r"\s*")

# The longest word of JSON that the end of what was read may have cut: `-Infinity`, `\\ud83d`.
_WORD = 16


def is_answer(head: bytes) -> bool:
    """Tell whether a file begins as an API answers with a list."""
    return head.startswith(b"{") and _LIST.match(head[:100].decode("utf-8", "replace")) is not None


class _Text:
    """The text of a file from a place on."""

    def __init__(self, opened: Opened) -> None:
        self._stream = io.TextIOWrapper(opened.stream, "utf-8-sig", errors="surrogateescape")
        self._place = Place(opened)
        self.text = ""
        self.is_over = False

    def read_more(self) -> None:
        """Add to the text, or note that the file is over; the more there is, the more is read."""
        more = self._stream.read(max(_CHUNK, len(self.text)))
        self.text += more
        self.is_over = not more
        self._place.tell()

    def drop(self, end: int) -> None:
        """Go on behind a place of the text."""
        self.text = self.text[end:]

    def close(self) -> None:
        """Leave the file to who opened it."""
        self._stream.detach()


def read(opened: Opened) -> Rows:
    """Yield a row for each entry; what comes behind an entry that is no JSON is lost."""
    text = _Text(opened)
    try:
        yield from _read_entries(text)
    finally:
        text.close()


def _read_entries(text: _Text) -> Rows:
    number = 0
    try:
        text.read_more()
        opening = _LIST.match(text.text)
        closing = "]" if opening else ""
        at = opening.end() if opening else 0
        for number, (value, source) in enumerate(_read_values(text, at, closing), 1):
            yield _as_row(number, value, source)
    except DAMAGED as exc:
        yield Problem(number + 1, f"The file is damaged from here on: {exc}.")
    except (ValueError, RecursionError) as exc:
        yield Problem(number + 1, f"From here on it is not JSON: {exc}.")


def _as_row(number: int, value: Any, source: str) -> Row | Problem:
    if not source.isascii() and _STRAY.search(source):
        return Problem(number, "It is not UTF-8. Save the file as UTF-8.")
    if not isinstance(value, dict):
        return Problem(number, 'It is no JSON object. Write {"input": "...", "output": "..."}.')
    return Problem(number, TOO_DEEP) if is_deep(value) else Row(number, value)


# What `surrogateescape` makes of a byte that is not UTF-8.
_STRAY = re.compile("[\udc80-\udcff]")


def _read_values(text: _Text, at: int, closing: str) -> Iterator[tuple[Any, str]]:
    """Yield value after value with its text, from a place on.

    Raises:
        ValueError: What follows is not JSON.
    """
    is_first = True
    while (at := _find_next(text, at, closing, is_first=is_first)) >= 0:
        is_first = False
        value, end = _read_value(text, at)
        yield value, text.text[at:end]
        at = end
        if at > _CHUNK:
            text.drop(at)
            at = 0


def _find_next(text: _Text, at: int, closing: str, *, is_first: bool) -> int:
    """Return where the next value begins, -1 where there is none."""
    at, sign = _next_sign(text, at)
    if sign in ("", closing):
        if sign != closing:
            raise ValueError("the list is not closed")
        return -1
    if not closing or is_first:
        return at
    if sign != ",":
        raise ValueError(f"“{sign}” stands where a comma should")
    return _next_sign(text, at + 1)[0]


def _next_sign(text: _Text, at: int) -> tuple[int, str]:
    """Return the next place that is no space, and what stands there; nothing at the end."""
    while True:
        found = _SPACE.match(text.text, at)
        at = found.end() if found else at
        if at < len(text.text) or text.is_over:
            return at, text.text[at : at + 1]
        text.read_more()


def _read_value(text: _Text, at: int) -> tuple[Any, int]:
    """Return the value that begins at a place, and where it ends."""
    while True:
        try:
            value, end = JSON.raw_decode(text.text, at)
        except json.JSONDecodeError as exc:
            if text.is_over or not _may_be_cut(exc, text.text):
                raise
        else:
            # A number may go on in what was not read yet.
            if end < len(text.text) or text.is_over:
                return value, end
        if len(text.text) - at > MAX_ROW:
            raise ValueError(f"an entry is longer than {MAX_ROW:,} characters")
        text.read_more()


def _may_be_cut(exc: json.JSONDecodeError, text: str) -> bool:
    return exc.msg.startswith("Unterminated") or exc.pos >= len(text) - _WORD

"""Reads examples: "a price, like $19.99", "an order number such as #12345", "words like 'a'"."""

from __future__ import annotations

import re

from phospho.detectors.reading.cursor import Cursor, Phrases
from phospho.detectors.shapes import Shape

_LIKE = Phrases(
    "[,] (like|such as|as in|for (example|instance)|e . g .|eg|of the form|in the (form|format)"
    " [of]) [,|:]"
)
_OR = Phrases("[,] (or|and)|,")
_DETERMINER = Phrases("a|any|some|one|their|the|our")
# What numbers things of one kind, and looks alike for all of them.
_IDENTIFIER = Phrases("number|code|id|identifier|reference|sku|key|serial|version|no .")
_MAX_KIND_WORDS = 2
_WRITTEN = re.compile(r"\S{1,40}")
_RUN = re.compile(r"\d+|[^\W\d_]+|.", re.DOTALL)

# Of these, examples are a list; of "rude words" they are a few.
_LISTED = Phrases(
    "(word|keyword|key word|term|abbreviation|acronym) [,] (like|such as|including)"
    "|(phrase|expression) [,] (such as|including)"
)
# How a message starts or ends is wording, whatever it is called.
_LISTED_AT_EDGES = Phrases(
    "(greeting|salutation|hello|sign off|closing|opener|filler|interjection|exclamation|apology"
    "|word|phrase|expression|term|(filler|opening|closing|polite) (word|phrase)) [,]"
    " (like|such as|including)"
)


def read_examples(cursor: Cursor, shape: Shape) -> bool | None:
    """Read ", like $19.99 or 5 €" after "a price": they show what is meant, and say no more."""
    if not cursor.take(_LIKE) or not cursor.attempt(lambda at: _read_example(at, shape)):
        return None
    while cursor.attempt(lambda at: at.take(_OR) and _read_example(at, shape)):
        continue
    return True


def _read_example(cursor: Cursor, shape: Shape) -> bool | None:
    """Read one thing of a shape, in quotes or not."""
    first = cursor.now
    is_quoted = first.kind == "quote"
    written = first.text if is_quoted else cursor.text[first.start :]
    start, end = next(shape.spans(written), (1, 1))
    if start:
        return None
    _read_up_to(cursor, first.end if is_quoted else first.start + end)
    return True


def _read_up_to(cursor: Cursor, end: int) -> None:
    while not cursor.is_at_end and cursor.now.start < end:
        cursor.at += 1


def read_by_example(cursor: Cursor) -> Shape | None:
    """Read "an order number such as #12345": what has as many letters and such signs."""
    return cursor.attempt(_read_by_example)


def _read_by_example(cursor: Cursor) -> Shape | None:
    cursor.take(_DETERMINER)
    for _ in range(_MAX_KIND_WORDS):
        if cursor.sees(_IDENTIFIER):
            break
        cursor.take_kind("word")
    if not cursor.take(_IDENTIFIER) or not cursor.take(_LIKE) or cursor.is_at_end:
        return None
    first = cursor.now
    found = _WRITTEN.match(first.text if first.kind == "quote" else cursor.text[first.start :])
    written = found[0].rstrip(",.;:!?)") if found else ""
    if not any(map(str.isdigit, written)):
        return None
    _read_up_to(cursor, first.end if first.kind == "quote" else first.start + len(written))
    form = "".join(_form(run, is_all=run == written) for run in _RUN.findall(written))
    name = f"something of the form {written}"
    return Shape(name, name, re.compile(rf"(?<!\w){form}(?!\w)", re.IGNORECASE))


def _form(run: str, *, is_all: bool) -> str:
    """Return a pattern for runs like one; mere digits are a number unless as many are asked for."""
    if run[0].isdigit():
        return rf"\d{{{len(run)}}}" if is_all else r"\d+"
    return rf"[^\W\d_]{{{len(run)}}}" if run[0].isalpha() else re.escape(run)


def read_list_of(cursor: Cursor, *, is_edge: bool) -> bool | None:
    """Read "words like" before a quote; at an edge of a message "a greeting such as" too."""
    cursor.take(_DETERMINER)
    is_list = cursor.take(_LISTED) or (is_edge and cursor.take(_LISTED_AT_EDGES))
    return True if is_list and cursor.now.kind == "quote" else None

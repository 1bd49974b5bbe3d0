"""Reads words without quotes that a remark makes wording: "(says) sorry more than once"."""

from __future__ import annotations

from phospho.detectors.conditions import Condition, Occurs
from phospho.detectors.phrases import Phrase
from phospho.detectors.reading.amounts import read_times
from phospho.detectors.reading.cursor import Cursor, Phrases
from phospho.detectors.reading.objects import any_of

# Who says "something rude twice" says no such words.
_NO_WORDS = Phrases(
    "the|a|this|that|these|those|it|they|them|so|something|nothing|one|what|more|much|their|i|you"
    "|we|to|about|no more|same|how|why|when|where|if|in|on|of|for|with|not|twice|once|again|yet"
)
_VERBATIM = Phrases(
    "verbatim|word for word|letter for letter|literally|in (exactly) (these|those) words"
    "|in (these|those) [exact|very] words"
)
_ANY_OF_THESE = Phrases(
    "(any|any one|one|at least one|either) of (these|those|the following)"
    " [word|phrase|keyword|term|expression] :"
)
_JOINT, _COMMA = Phrases("[,] or|,|/"), Phrases(",")
_MAX_WORDS = 3


def read_marked(cursor: Cursor) -> Condition | None:
    """Read words up to a remark on how often they are said, which is left to be read."""
    return cursor.attempt(_read_marked)


def _read_marked(cursor: Cursor) -> Condition | None:
    found = _read_list(cursor)
    cursor.take(_COMMA)
    return found if _sees_remark(cursor) else None


def read_announced(cursor: Cursor) -> Condition | None:
    """Read "any of these: thanks, thank you", up to the end."""
    return cursor.attempt(lambda at: _read_list(at) if at.take(_ANY_OF_THESE) else None)


def _read_list(cursor: Cursor) -> Condition | None:
    words = _read_words(cursor)
    found: list[Condition] = []
    while words:
        found.append(Occurs(Phrase(words)))
        words = cursor.attempt(lambda at: _read_words(at) if at.take(_JOINT) else None)
    return any_of(found) if found else None


def _read_words(cursor: Cursor) -> str | None:
    if cursor.sees(_NO_WORDS) or _sees_remark(cursor):
        return None
    start, first = cursor.now.start, cursor.at
    while cursor.now.kind == "word" and cursor.at - first < _MAX_WORDS:
        if cursor.at > first and (cursor.sees(_JOINT) or _sees_remark(cursor)):
            break
        cursor.at += 1
    words = cursor.text[start : cursor.before.end] if cursor.at > first else ""
    # "Bad things" are things of a kind, "thanks" is a word.
    is_kind = " " in words and words.endswith("s") and not words.endswith("ss")
    return words if words and not is_kind else None


def _sees_remark(cursor: Cursor) -> bool:
    return cursor.sees(_VERBATIM) or cursor.foresees(read_times) is not None

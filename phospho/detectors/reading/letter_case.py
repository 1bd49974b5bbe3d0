"""Reads remarks on upper and lower case: "in capital letters", "case-sensitive"."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from phospho.detectors.reading.cursor import Cursor, Phrases

if TYPE_CHECKING:
    from phospho.detectors.phrases import Phrase

Case = Literal["upper", "lower", "as typed", "any"]

_UPPER_NOUN = (
    "caps [lock]|capitals|(capital|block|uppercase|upper case) letters|block capitals|uppercase"
    "|upper case|capitalised"
)
_LOWER_NOUN = "lowercase|lower case|(small|lowercase|lower case) letters|uncapitalised"
_HOW = "all|only|full|entirely|fully|completely"

UPPER = Phrases(f"[of|in] [{_HOW}] [in] ({_UPPER_NOUN}) [only]|with caps lock [on]")
LOWER = Phrases(f"[of|in] [{_HOW}] [in] ({_LOWER_NOUN}) [only]")
IN_CASE = Phrases(f"in [{_HOW}] ({_UPPER_NOUN}|{_LOWER_NOUN})|with caps lock|all [in]")

_CASE = "case|casing|capitalisation|capitalization|spelling"
_ANY = Phrases(
    f"case (insensitive|insensitively|ignored)|in any ({_CASE}|form)|case (is ignored"
    f"|does not matter)"
    f"|(regardless of|ignoring|whatever) [the] ({_CASE})|(upper or lower|lower or upper) case"
    "|in (upper or lower|lower or upper) case|capitalised or not|not case sensitive"
)
_AS_TYPED = Phrases(
    f"case (sensitive|sensitively|matters)|[with|in] [the|this|that] (exact|same"
    f"|matching) ({_CASE})"
    f"|[with|in] exactly (this|that) ({_CASE})"
    f"|(respecting|matching|match) [the] ({_CASE})|(spelled|written) exactly (like|as) (this|that)"
)
_WRITTEN = Phrases("[,|and] [written|typed|spelled|printed] [all]")

_CASES: tuple[tuple[Phrases, Case], ...] = (
    (_ANY, "any"),
    (UPPER, "upper"),
    (LOWER, "lower"),
    (_AS_TYPED, "as typed"),
)


def read_case(cursor: Cursor) -> Case | None:
    """Read one remark on upper and lower case."""
    return cursor.attempt(_read_case) or cursor.attempt(_read_written)


def _read_case(cursor: Cursor) -> Case | None:
    return next((case for phrases, case in _CASES if cursor.take(phrases)), None)


def _read_written(cursor: Cursor) -> Case | None:
    return _read_case(cursor) if cursor.take(_WRITTEN) else None


def with_case(phrase: Phrase, case: Case | None) -> Phrase:
    """Return a phrase that is compared in that case."""
    if case is None:
        return phrase
    words = phrase.words
    if case == "upper":
        words = words.upper()
    elif case == "lower":
        words = words.lower()
    return replace(phrase, words=words, has_case=case != "any")

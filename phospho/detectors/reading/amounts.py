"""Reads how many and how often: "at least two", "between 5 and 10", "20 or more", "twice"."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from phospho.detectors.reading.cursor import Cursor, Phrases

_UNITS = {
    word: number
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
         "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
         "eighteen", "nineteen", "twenty")
    )
}  # fmt: skip
_TENS = {
    word: 10 * number
    for number, word in enumerate(
        ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), start=2
    )
}
_SCALES = {"hundred": 100, "thousand": 1_000, "k": 1_000, "dozen": 12}
_BELOW_TEN = range(1, 10)
# Longer numbers count nothing a message has.
_MAX_DIGITS = 9

_EXACTLY = Phrases("exactly|precisely|just|only|equal [to]|=")
_MORE = Phrases(
    "(more [often]|greater|longer|bigger|higher|larger) than|not just|not only|over|above|beyond"
    "|in excess of|upwards of|exceeds|>"
)
_FEWER = Phrases("(less [often]|fewer|shorter|smaller|lower) than|under|below|<")
_LEAST = Phrases(
    "at [the] [very] least|[a] minimum [of]|(no|not) (fewer|less|shorter) than|not (under"
    "|below)|≥|> ="
)
_MOST = Phrases(
    "at [the] [very] most|up to|within|[a] maximum [of]|(no|not) (more|longer|greater) than"
    "|not (exceed|over|above)|≤|< ="
)
_OR_MORE = Phrases(
    "(or|and) (more|greater|longer|above|over|higher|upwards)|plus|+|and up|minimum|at [the] least"
)
_OR_FEWER = Phrases("or (less|fewer|shorter|under|below|lower)|at [the] most|max|maximum")
_SEVERAL = Phrases("multiple|several|a couple of")
_SINGLE = Phrases("(a|one) (single|sole)|single")
_NO = Phrases("no [single]|zero|not (any|a [single])")
_A, _AND = Phrases("a"), Phrases("and")
_BETWEEN, _TO = Phrases("[anywhere] between|from"), Phrases("and|to|or|—")


class Range(NamedTuple):
    """How many: at least, and at most or None."""

    least: int
    most: int | None


NONE = Range(0, 0)

_BOUNDS: tuple[tuple[Phrases, Callable[[int], Range]], ...] = (
    (_LEAST, lambda number: Range(number, None)),
    (_MOST, lambda number: Range(0, number)),
    (_MORE, lambda number: Range(number + 1, None)),
    (_FEWER, lambda number: Range(0, number - 1)),
    (_EXACTLY, lambda number: Range(number, number)),
)
_FIXED = ((_SEVERAL, Range(2, None)), (_SINGLE, Range(1, 1)), (_NO, NONE))

_TIMES = Phrases("(time|occurrence|instance) [of]")
_ADVERBS = ((Phrases("once"), 1), (Phrases("twice|2x"), 2), (Phrases("thrice"), 3))
_REPEATEDLY = Phrases("repeatedly|many times|(over|again) and (over|again)|in a row")
_ANY_NUMBER, _ONLY = Phrases("any number of times"), Phrases("only")


def read_range(cursor: Cursor, *, bare_is_exact: bool = False) -> Range | None:
    """Read how many.

    Args:
        cursor: Where to read.
        bare_is_exact: Whether a mere number means exactly so many, or at least.
    """
    return cursor.attempt(_read_bound) or cursor.attempt(
        lambda at: _read_numbers(at, bare_is_exact=bare_is_exact)
    )


def read_bound(cursor: Cursor) -> Callable[[int], Range] | None:
    """Read "more than" or "at most"; return what it makes of a number."""
    return next((bound for phrases, bound in _BOUNDS if cursor.take(phrases)), None)


def _read_bound(cursor: Cursor) -> Range | None:
    """Read "more than 5", "several", "no"."""
    bound = read_bound(cursor)
    if bound is not None:
        number = read_number(cursor)
        return bound(number) if number is not None else None
    return next((many for phrases, many in _FIXED if cursor.take(phrases)), None)


def _read_numbers(cursor: Cursor, *, bare_is_exact: bool) -> Range | None:
    """Read "5", "5 or more", "between 5 and 10", "5-10"."""
    is_between = cursor.take(_BETWEEN) is not None
    number = read_number(cursor)
    if number is None:
        return None
    upper = cursor.attempt(_read_upper) if is_between or not cursor.sees(_AND) else None
    if upper is not None:
        return Range(min(number, upper), max(number, upper))
    if is_between:
        return None
    return read_open_end(cursor, Range(number, number if bare_is_exact else None))


def _read_upper(cursor: Cursor) -> int | None:
    """Read the second number; the hyphen of "5-10" is no token."""
    cursor.take(_TO)
    return read_number(cursor)


def read_open_end(cursor: Cursor, many: Range) -> Range:
    """Read "or more" behind a number, or behind what is counted: "two links or more"."""
    if cursor.take(_OR_MORE):
        return Range(many.least, None)
    return Range(0, many.least) if cursor.take(_OR_FEWER) else many


def read_number(cursor: Cursor) -> int | None:
    """Read a number in digits or words."""
    token = cursor.take_kind("number")
    if token is not None:
        digits = re.sub(r"\D", "", token.text)[:_MAX_DIGITS]
        return int(digits) * _read_scale(cursor)
    return cursor.attempt(_read_words)


def _read_words(cursor: Cursor) -> int | None:
    total = _read_below_hundred(cursor)
    if total is None:
        if not cursor.take(_A) or cursor.now.base not in _SCALES:
            return None
        total = 1
    total *= _read_scale(cursor)
    if total >= _SCALES["hundred"]:
        total += cursor.attempt(_read_rest) or 0
    return total


def _read_rest(cursor: Cursor) -> int | None:
    cursor.take(_AND)
    return _read_below_hundred(cursor)


def _read_below_hundred(cursor: Cursor) -> int | None:
    word = cursor.now.base
    if word in _TENS:
        cursor.at += 1
        unit = _UNITS.get(cursor.now.base, 0)
        if unit not in _BELOW_TEN:
            return _TENS[word]
        cursor.at += 1
        return _TENS[word] + unit
    if word not in _UNITS:
        return None
    cursor.at += 1
    return _UNITS[word]


def _read_scale(cursor: Cursor) -> int:
    scale = _SCALES.get(cursor.now.base)
    if scale is None:
        return 1
    cursor.at += 1
    return scale


def read_times(cursor: Cursor) -> Range | None:
    """Read how often: "twice", "at least 3 times"."""
    if cursor.take(_ANY_NUMBER):
        return Range(1, None)
    if cursor.take(_REPEATEDLY):
        return Range(2, None)
    return cursor.attempt(_read_adverb) or cursor.attempt(_read_counted)


def _read_adverb(cursor: Cursor) -> Range | None:
    """Read "more than twice", "once or more", "once only"."""
    bound = read_bound(cursor)
    number = next((number for phrases, number in _ADVERBS if cursor.take(phrases)), None)
    if number is None:
        return None
    if bound is not None or cursor.take(_ONLY):
        return bound(number) if bound else Range(number, number)
    return read_open_end(cursor, Range(number, None))


def _read_counted(cursor: Cursor) -> Range | None:
    times = read_range(cursor)
    if not times or times == NONE or not skip_times(cursor):
        return None
    return read_open_end(cursor, times)


def skip_times(cursor: Cursor) -> bool:
    """Read "times" or "occurrences of"."""
    return bool(cursor.skip(_TIMES))

"""Reads how long a message is and in which letters: "longer than 5 words", "in all caps"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phospho.detectors.conditions import AllOf, AnyOf, Condition, Not
from phospho.detectors.lengths import Empty, Length
from phospho.detectors.reading.amounts import (
    NONE,
    Range,
    read_bound,
    read_number,
    read_open_end,
    read_range,
)
from phospho.detectors.reading.cursor import Phrases
from phospho.detectors.reading.letter_case import IN_CASE, LOWER, UPPER
from phospho.detectors.reading.parts import UNIT, UNITS
from phospho.detectors.shapes import CAPITALS, JSON, SMALL_LETTERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from phospho.detectors.reading.cursor import Cursor
    from phospho.detectors.reading.speaker import Speaker
    from phospho.detectors.reading.verbs import Verb

_EMPTY = Phrases(
    "[left] (empty|blank) [or (blank|empty)]|(an empty|a blank|empty) (string|message|text|reply)"
    "|[only|nothing but|just] whitespace [only]|nothing at all|(an empty|a blank) (response|answer)"
)
_EMPTY_ADJECTIVE = Phrases("[completely] (empty|blank)")
_SIZE = Phrases(
    "(run|go|extend|span|take [up]|stretch|total|number|count|last|reach|come|amount|stay"
    "|remain|keep|fit|measure)"
    " [up] [to|on for|over to]|[has|with|of] [a] (length|total|word count|size) [of]"
)
_COUNT = Phrases("[has|with|of] [a] (word|character|sentence|line|paragraph) count [of|be]")
_OF = Phrases("of|in|a (length|total) of|only|just|that be")
_LONG = Phrases("long|in (length|total|size)|total|of text|altogether|overall")
_BUT = Phrases("[,] (but|and) [is|also]")
_OR_AND = Phrases("or|and")
_OF_TEXT = Phrases("of text")
_JSON = Phrases("[in|as] [a] [valid|well formed|parsable|parseable] json [object|format]")
_IN_JSON = Phrases("(in|as) [a] [valid] json [object|format]")
_WRITTEN = Phrases(
    "written|typed|formatted|phrased|worded|spelled|presented|given|expressed|put|posed|entered"
    "|entirely|completely|all|fully|only|wholly|exclusively|just|printed|rendered"
)
_CAPS_ADJECTIVE = Phrases("[all|fully|entirely] (caps|capitals|uppercase|upper case|capitalised)")
_SMALL_ADJECTIVE = Phrases("[all|fully|entirely] (lowercase|lower case)")
_NOTHING = Phrases(
    "(say|write|send|contain|return|output|(reply|respond|answer) with) nothing"
    "|(give|provide|have|contain|send) no (answer|reply|response|content|text|word)"
)
_GOES_ON = Phrases("and|or|,|at all")
_REPLY = Phrases(
    "reply|respond|(say|write|send|return|output|contain) anything"
    "|(give|provide|send) (a|any) (answer|reply|response)|contain any text"
)
_AT_ALL = Phrases("at all|to the user|anything|back")


def read_length(cursor: Cursor) -> Condition | None:
    """Read "longer than 5 words", "between 5 and 10 words long", "one word"."""
    bound = cursor.foresees(_read_bound)
    first = cursor.attempt(_read_length)
    if first is None or bound is None:
        return first
    # In "longer than 3 paragraphs or 200 words" both are bounds.
    more = cursor.attempt(lambda at: _read_more(at, bound))
    return (AnyOf if more[0] == "or" else AllOf)((first, more[1])) if more else first


def _read_two_bounds(cursor: Cursor) -> Range | None:
    """Read "longer than 5 but shorter than 10"."""
    first = read_range(cursor)
    second = read_range(cursor) if first and cursor.take(_BUT) else None
    if first is None or second is None or (first.most is None) is (second.most is None):
        return None
    (least, _), (_, most) = sorted((first, second), key=lambda many: many.most is not None)
    return Range(least, most)


def _read_bound(cursor: Cursor) -> Callable[[int], Range] | None:
    cursor.take(_OF)
    return read_bound(cursor)


def _read_more(cursor: Cursor, bound: Callable[[int], Range]) -> tuple[str, Length] | None:
    joint = cursor.take(_OR_AND)
    number = read_number(cursor) if joint else None
    unit = cursor.take(UNIT) if number is not None else None
    if joint is None or number is None or unit is None:
        return None
    cursor.take(_LONG)
    return joint, Length(UNITS[unit], *bound(number))


def _read_length(cursor: Cursor) -> Length | None:
    cursor.take(_OF)
    many = cursor.attempt(_read_two_bounds) or read_range(cursor, bare_is_exact=True)
    if many is None or many == NONE:
        return None
    unit = cursor.take(UNIT)
    if unit is None:
        return None
    cursor.take(_OF_TEXT)
    cursor.take(_LONG)
    if many.least == many.most:
        many = read_open_end(cursor, many)
        cursor.take(_LONG)
    return Length(UNITS[unit], many.least, many.most)


def read_amount(cursor: Cursor, unit: str | None) -> Condition | None:
    """Read "over 50 words", or "over 50" where the unit is known."""
    length = read_length(cursor)
    if length is not None or unit is None:
        return length
    many: Range | None = read_range(cursor, bare_is_exact=True)
    return Length(UNITS[unit], many.least, many.most) if many else None


def read_size(cursor: Cursor, speaker: Speaker, verb: Verb) -> Condition | None:
    """Read "exceeds 50 words", "runs to 3 paragraphs", "(is) longer than 5 words"."""
    if verb.auxiliary == "have" and not speaker.is_message:
        # Who "has two lines" has them elsewhere.
        return None
    counted = cursor.take(_COUNT)
    if counted:
        return read_amount(cursor, next(unit for unit in UNITS if unit in counted.split()))
    cursor.take(_SIZE)
    return read_length(cursor)


def read_silence(cursor: Cursor, speaker: Speaker, verb: Verb) -> Condition | None:
    """Read "says nothing", "gives no answer", "does not reply"."""
    if cursor.take(_NOTHING):
        return Empty() if cursor.is_at_end or cursor.sees(_GOES_ON) else None
    is_silent = verb.is_negated and speaker.sides == ("output",) and cursor.take(_REPLY)
    cursor.skip(_AT_ALL)
    # The "not" of the verb is still to be applied.
    return Not(Empty()) if is_silent and cursor.is_at_end else None


def read_empty(cursor: Cursor) -> Condition | None:
    """Read "empty" behind "is"."""
    return Empty() if cursor.take(_EMPTY) else None


def read_written(cursor: Cursor) -> Condition | None:
    """Read "in all caps", "lowercase", "valid JSON" behind "is"."""
    cursor.skip(_WRITTEN)
    return read_letters(cursor) or (JSON if cursor.take(_JSON) else None)


def read_written_in(cursor: Cursor) -> Condition | None:
    """Read "in all caps", "written in JSON" behind a noun or another verb."""
    return cursor.attempt(_read_written_in)


def _read_written_in(cursor: Cursor) -> Condition | None:
    cursor.skip(_WRITTEN)
    if cursor.take(_IN_JSON):
        return JSON
    return read_letters(cursor) if cursor.sees(IN_CASE) else None


def read_letters(cursor: Cursor) -> Condition | None:
    """Read "capital letters"."""
    if cursor.take(UPPER):
        return CAPITALS
    return SMALL_LETTERS if cursor.take(LOWER) else None


def read_json(cursor: Cursor) -> Condition | None:
    """Read "valid JSON"."""
    return JSON if cursor.take(_JSON) else None


def read_adjective(cursor: Cursor) -> Condition | None:
    """Read what stands before "message": "empty", "one-word", "all-caps"."""
    if cursor.take(_EMPTY_ADJECTIVE):
        return Empty()
    if cursor.take(_CAPS_ADJECTIVE):
        return CAPITALS
    return SMALL_LETTERS if cursor.take(_SMALL_ADJECTIVE) else read_length(cursor)

"""Reads what follows the things that are looked for: where, how often, in which case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from phospho.detectors.conditions import AllOf, AnyOf, Condition, Not, Occurs, Place
from phospho.detectors.named_shapes import CASE_SHAPES, LETTER
from phospho.detectors.phrases import Likeness, Phrase
from phospho.detectors.reading.amounts import read_times
from phospho.detectors.reading.cursor import Cursor, Phrases
from phospho.detectors.reading.letter_case import read_case, with_case
from phospho.detectors.reading.speakers import read_addressee, read_speaker

if TYPE_CHECKING:
    from phospho.detectors.reading.speaker import Speaker

_AT_START = Phrases(
    "[right] at the [very] (start|beginning|front|top)|in the beginning|from the start|first"
    "|as (the|its|their) [very] first (word|thing)|as (the opening|an opener)|up front"
    "|to (begin|start) with"
)
_AT_END = Phrases(
    "[right] at the [very] (end|close|bottom)|in the end|last|to finish|as a closing"
    "|as (the|its|their) [very] (last|final) (word|thing)"
)
_OF = Phrases("of|in")
_IN = Phrases(
    "[anywhere|somewhere] (in|within|inside|of|from|into|throughout|across|on|by) [the text of]"
    "|as part of|in (any|one) of|within the (text|body) of"
)
_ALONE = Phrases(
    "only|alone|[and] nothing (else|more)|[and] nothing but [that]|by itself"
    "|and that ('s|be) (all|it)"
    "|([and|with] no|without [any]) (other|further|more) (text|word|content)"
)
_AS_WORD = Phrases("as a [whole|separate|complete|full|single|exact|standalone] word")
_EXACTLY = Phrases("exactly|precisely|exact match [only]|letter for letter|to the letter")
_COMMA = Phrases(",")
_AS_PART = Phrases(
    "as [a] (substring|part of a word)|inside [of] [other] words|as part of other words"
)
_FILLER = Phrases(
    "or (both|all|any|either) of them|or (both|either)"
    "|[—|:] (any|either|one) of (them|these|those|the two)|"
    "anywhere|somewhere|verbatim|literally|explicitly|at (some|any) (point|time|stage)"
    "|word for word|whatsoever|(per|in each|in every) (message|text|reply|response|answer|turn)"
    "|at all|(in|inside|within) (it|them|there)|therein|even once|on its own|by (itself"
    "|name)|itself"
    "|as well|too|together|out loud|in (passing|writing|particular|full|one go)"
    "|in (the same|a single|one) (message|reply|text)"
)


@dataclass(frozen=True)
class Tail:
    """A condition with what follows it; and whose messages, where it says so."""

    condition: Condition
    speaker: Speaker | None = None


class ReadMore(Protocol):
    """Reads one thing that belongs to a condition."""

    def __call__(self, cursor: Cursor, tail: Tail) -> Tail | None:
        """Return the condition with it, or None if there is none of the kind."""


def read_tail(cursor: Cursor, condition: Condition) -> Tail:
    """Read all that belongs to a condition."""
    tail = Tail(condition)
    while (more := _read_more(cursor, tail)) is not None:
        tail = more
    return tail


def _read_more(cursor: Cursor, tail: Tail) -> Tail | None:
    """Read one thing more; before some there may be a comma."""
    found = _read_by(cursor, tail, _NEAR)
    if found or (cursor.take(_FILLER) or cursor.attempt(read_addressee)):
        return found or tail
    return cursor.attempt(lambda at: _read_apart(at, tail) if at.take(_COMMA) else None)


def _read_apart(cursor: Cursor, tail: Tail) -> Tail | None:
    return _read_by(cursor, tail, _APART) or (tail if cursor.take(_FILLER) else None)


def _read_by(cursor: Cursor, tail: Tail, rules: tuple[ReadMore, ...]) -> Tail | None:
    for rule in rules:
        found = cursor.attempt(partial(rule, tail=tail))
        if found is not None:
            return found
    return None


def _read_edge(cursor: Cursor, tail: Tail) -> Tail | None:
    """Read "at the start (of the reply)"."""
    place: Place = "start"
    if not cursor.take(_AT_START):
        if not cursor.take(_AT_END):
            return None
        place = "end"
    moved = moved_to(tail.condition, place)
    speaker = cursor.attempt(lambda at: read_speaker(at) if at.take(_OF) else None)
    return Tail(moved, speaker or tail.speaker)


def _read_alone(cursor: Cursor, tail: Tail) -> Tail | None:
    """Read "and nothing else"."""
    if not cursor.take(_ALONE):
        return None
    return replace(tail, condition=moved_to(tail.condition, "whole"))


def _read_times(cursor: Cursor, tail: Tail) -> Tail | None:
    """Read "at least twice"."""
    times = read_times(cursor)
    if times is None:
        return None
    least, most = times
    return replace(
        tail, condition=_changed(tail.condition, lambda one: replace(one, least=least, most=most))
    )


def read_exactly(cursor: Cursor) -> bool:
    """Read "exactly" behind what it is said of; in "exactly twice" it belongs to the number."""
    return cursor.foresees(read_times) is None and cursor.take(_EXACTLY) is not None


def _read_likeness(cursor: Cursor, tail: Tail) -> Tail | None:
    """Read "as a whole word", "exactly"."""
    is_exact = cursor.take(_AS_WORD) or read_exactly(cursor)
    likeness: Likeness | None = "exact" if is_exact else None
    if likeness is None:
        likeness = "letters" if cursor.take(_AS_PART) else None
    if likeness is None:
        return None

    def meant(one: Occurs) -> Occurs:
        is_phrase = isinstance(one.what, Phrase)
        return replace(one, what=replace(one.what, likeness=likeness)) if is_phrase else one  # type: ignore[type-var]

    return replace(tail, condition=_changed(tail.condition, meant))


def _read_case(cursor: Cursor, tail: Tail) -> Tail | None:
    """Read "in capital letters"."""
    case = read_case(cursor)
    if case is None:
        return None

    def cased(one: Occurs) -> Occurs:
        if isinstance(one.what, Phrase):
            return replace(one, what=with_case(one.what, case))
        return replace(one, what=CASE_SHAPES.get(case, LETTER)) if one.what is LETTER else one

    # A link is in no case.
    changed = _changed(tail.condition, cased)
    return replace(tail, condition=changed) if changed != tail.condition or case == "any" else None


def _read_place(cursor: Cursor, tail: Tail) -> Tail | None:
    """Read "(anywhere) in the user's message", "by the user"."""
    speaker = read_speaker(cursor) if cursor.take(_IN) else None
    if speaker is None:
        return None
    is_closer = tail.speaker is None or (speaker.is_message and not speaker.is_conversation)
    return replace(tail, speaker=speaker) if is_closer else tail


def moved_to(condition: Condition, place: Place) -> Condition:
    """Return the condition for another place, where only one of several things can stand."""
    if isinstance(condition, AllOf) and all(isinstance(part, Occurs) for part in condition.parts):
        condition = AnyOf(condition.parts)
    return _changed(condition, lambda one: replace(one, place=place))


def _changed(condition: Condition, change: Callable[[Occurs], Occurs]) -> Condition:
    if isinstance(condition, Occurs):
        return change(condition)
    if isinstance(condition, Not):
        return Not(_changed(condition.part, change))
    if isinstance(condition, AllOf | AnyOf):
        return replace(condition, parts=tuple(_changed(part, change) for part in condition.parts))
    return condition


_APART: tuple[ReadMore, ...] = (_read_times, _read_alone, _read_likeness, _read_case)
_NEAR: tuple[ReadMore, ...] = (_read_edge, *_APART, _read_place)

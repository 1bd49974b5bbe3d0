"""Reads that one side repeats the other, or a word: "echoes the user's message"."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phospho.detectors.conditions import Condition, Occurs
from phospho.detectors.reading.cursor import Cursor, Phrases
from phospho.detectors.reading.objects import Reading, read_objects
from phospho.detectors.reading.speakers import read_speaker
from phospho.detectors.repeats import Repeats

if TYPE_CHECKING:
    from phospho.detectors.reading.speaker import Speaker
    from phospho.detectors.reading.verbs import Verb

_REPEAT = Phrases(
    "(repeat|echo|parrot|mirror|copy|quote) [back]|regurgitate|reproduce|duplicate|restate"
)
_HOLD = Phrases("contain|include|use")
_SAME = Phrases(
    "[exactly|literally|word for word] (identical (to|with)|[the] same as|equal [to])|match"
    "|(a|an exact|a verbatim) (copy|repetition|echo) of"
)
_VERBATIM = Phrases(
    "[back] (verbatim|word for word|exactly|literally|letter for letter|unchanged)"
    "|back [to (them|the user)]"
    "|in (full|its entirety)|as is|entirely|completely"
)


def read_repeat(cursor: Cursor, speaker: Speaker, verb: Verb) -> Condition | None:
    """Read "repeats the user's message", "repeats the word 'a'"."""
    if verb.is_passive(cursor):
        return None
    if cursor.take(_SAME):
        return _read_other(cursor, speaker, is_whole=True)
    if cursor.take(_HOLD):
        # A reply may contain the question in other words.
        return _read_other(cursor, speaker, is_whole=False, needs_verbatim=True)
    repeated = cursor.take(_REPEAT)
    if not repeated:
        return None
    if other := cursor.attempt(lambda at: _read_other(at, speaker, is_whole=False)):
        return other
    found = read_objects(cursor, Reading(has_shapes=False)) if repeated == "repeat" else None
    return replace(found, least=max(2, found.least)) if isinstance(found, Occurs) else None


def _read_other(
    cursor: Cursor, speaker: Speaker, *, is_whole: bool, needs_verbatim: bool = False
) -> Condition | None:
    """Read "(repeats) the user's message word for word"."""
    how = cursor.skip(_VERBATIM)
    other = read_speaker(cursor)
    if other is None or other.who != "any" or not other.is_message:
        return None
    sides = (*speaker.sides, *other.sides)
    if sorted(sides) != ["input", "output"]:
        return None
    how += cursor.skip(_VERBATIM)
    if needs_verbatim and not how:
        return None
    return Repeats(speaker.sides[0], is_whole)

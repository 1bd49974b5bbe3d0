"""Reads how a message starts and ends: "begins with 'a'", "ends their message in a question"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phospho.detectors.conditions import AllOf, AnyOf, Condition, Occurs, Opening, Place
from phospho.detectors.named_shapes import CASE_SHAPES
from phospho.detectors.reading.cursor import Phrases
from phospho.detectors.reading.objects import Reading, negation, read_objects
from phospho.detectors.reading.speakers import read_the_side
from phospho.detectors.reading.verbs import skip_only

if TYPE_CHECKING:
    from phospho.detectors.reading.cursor import Cursor
    from phospho.detectors.reading.speaker import Speaker
    from phospho.detectors.reading.verbs import Verb

_EDGES: tuple[tuple[Phrases, Place], ...] = (
    (Phrases("(start|begin|open|lead|commence|kick) [off|out]"), "start"),
    (Phrases("(end|finish|close|conclude|terminate|sign|wrap) [off|up]"), "end"),
)
_JOINT = Phrases("or|nor|and [also]")
_DETERMINER = Phrases("a|the|their|our|this|any|one|your|my|every|each")
_MESSAGE = Phrases(
    "[first|last] (message|text|reply|response|answer|output|prompt|input|query|sentence|completion"
    "|request|turn|conversation|chat|interaction|question|session|dialogue|utterance)|it|thing"
)
_CONVERSATIONS = frozenset(("conversation", "chat", "session", "dialogue"))
_OFF = Phrases("off|out|up")
_WITH = Phrases(
    "with [saying|the following]|[by] (say|write|state|use|type|mention|ask)|in|on|by|as|to say|at"
)
_WITHOUT = Phrases("without")
_NEITHER, _EITHER = Phrases("neither|not"), Phrases("either")
_COLON = Phrases(":")
_CASE_EDGES = (
    (Phrases("[in|a] (capitalised|uppercase|upper case|capital) [letter|word]"), "upper"),
    (Phrases("[in|a] (lowercase|lower case|uncapitalised|small) [letter|word]"), "lower"),
)


def read_edges(cursor: Cursor, speaker: Speaker, verb: Verb) -> Condition | None:
    """Read one edge or both, as in "begins or ends with"."""
    del verb
    edges = cursor.attempt(_read_places)
    if edges is None:
        return None
    places, is_any = edges
    opened = cursor.attempt(_read_message)
    cursor.skip(_OFF)
    is_without = cursor.take(_WITHOUT) is not None
    is_absent = is_without or cursor.take(_NEITHER) is not None
    cursor.take(_EITHER)
    is_bare = speaker.is_message and cursor.now.kind == "quote"
    if not (is_without or cursor.take(_WITH) or is_bare):
        return None
    is_opening = speaker.is_conversation or opened in _CONVERSATIONS
    if is_opening:
        cursor.attempt(_read_opener)
    cursor.take(_COLON)
    skip_only(cursor)
    at, found = cursor.at, []
    for place in places:
        cursor.at = at
        one = read_letter_at(cursor, place) or read_objects(cursor, Reading(place=place))
        if one is None:
            return None
        found.append(negation(one) if is_absent else one)
    if places == ["start"] and is_opening:
        return Opening(found[0])
    if len(found) == 1:
        return found[0]
    return AnyOf(tuple(found)) if is_any else AllOf(tuple(found))


def read_letter_at(cursor: Cursor, place: Place) -> Condition | None:
    """Read "(starts) in lowercase", "(the first word is) capitalised"."""
    for phrases, case in _CASE_EDGES:
        if cursor.take(phrases):
            return Occurs(CASE_SHAPES[case], place)
    return None


def _read_places(cursor: Cursor) -> tuple[list[Place], bool] | None:
    """Read "starts", "starts or ends"; the second value tells whether one of them is enough."""
    places: list[Place] = []
    is_any = False
    while True:
        place = next((place for phrases, place in _EDGES if cursor.take(phrases)), None)
        if place is None:
            return None
        places.append(place)
        joint = cursor.take(_JOINT)
        if joint is None:
            return places, is_any
        is_any = is_any or joint.endswith("or")


def _read_opener(cursor: Cursor) -> str | None:
    """Read "the user saying"; it is the user who starts a conversation."""
    return cursor.take(_WITH) if read_the_side(cursor) == "input" else None


def _read_message(cursor: Cursor) -> str | None:
    """Read "their message"."""
    cursor.take(_DETERMINER)
    return cursor.take(_MESSAGE)

"""Reads what a message contains, says, asks or lacks: "mentions 'a'", "has no link"."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from phospho.detectors.conditions import Condition, Not, Occurs, Place
from phospho.detectors.named_shapes import QUESTION
from phospho.detectors.reading.amounts import NONE, Range, read_range
from phospho.detectors.reading.cursor import Cursor, Phrases
from phospho.detectors.reading.marked import read_announced, read_marked
from phospho.detectors.reading.measures import (
    read_json,
    read_length,
    read_letters,
    read_written_in,
)
from phospho.detectors.reading.objects import By, Reading, negation, read_objects
from phospho.detectors.reading.speakers import read_the_side
from phospho.detectors.reading.tails import moved_to, read_exactly
from phospho.detectors.reading.verbs import EXACTLY, skip_only
from phospho.detectors.shapes import Shape

if TYPE_CHECKING:
    from phospho.detectors.reading.speaker import Speaker
    from phospho.detectors.reading.verbs import Verb

_CONTAIN = Phrases("contain|include|with|incorporate|use|make use of|employ")
_OWN = Phrases("have [got]|feature|carry|hold|come with")
_SAY = Phrases(
    "mention|say|utter|speak|state|tell|voice|quote|make [a] mention of|talk about the (word|term)"
)
_TYPE = Phrases("write [down|out]|type [in|out]|insert|put|add|end with|paste [in]")
_WRITE = Phrases(
    "(answer|respond|reply|come) [back] with|send [back]|give [out|away]|provide|share|display|show"
    "|output|print"
    "|return|produce|generate|emit|post|submit|enter|input|offer|list|comprise|attach|leave"
)
# With these, only what stands in quotes is wording: who calls a number says none.
_CALL = Phrases(
    "call|exclaim|shout|speak|(refer|make [a] reference) to|reference|cite|bring up|drop|throw in"
    "|blurt out|text|message|spell [out]|link [back|out] to|point to|(answer|respond|reply) [back]"
)
Kind = Literal["contain", "own", "say", "type", "write", "call"]
_SAYING: tuple[tuple[Phrases, Kind], ...] = (
    (_CONTAIN, "contain"),
    (_OWN, "own"),
    (_SAY, "say"),
    (_TYPE, "type"),
    (_WRITE, "write"),
    (_CALL, "call"),
)
_BY: dict[Kind, By] = {
    "contain": "contain",
    "own": "contain",
    "say": "say",
    "type": "type",
    "write": "write",
    "call": "say",
}
# With these, so many words are the message itself.
_COUNTED = frozenset(("contain", "own", "say", "type"))
_MAKES = frozenset(("return", "output", "produce", "generate", "emit", "print"))
_OR = Phrases("[,] or|and [or]|,|/")
_TO = Phrases("to|for|of")
_COLON, _AS = Phrases(":"), Phrases("in|using|in the form of|as")
_TO_SAY = Phrases(
    "[back] with [text|a message (saying|that says)]|[by|with] (say|write|type)|that says|back"
    "|as|by|something containing|to say|simply"
)
_ALL_CAPS = Phrases(
    "[only] (all|only) (caps|capitals|uppercase|capital letter|lowercase)|caps lock"
)
_LACK = Phrases(
    "lack|omit|missing|avoid|exclude|(leave|leaving) out|skip|[be] (free (of|from)"
    "|devoid of)|be (missing|lacking|without)"
    "|[answer|respond|reply|write|speak|talk] [back] without"
    "|fail to mention|do without|be lacking in|steer clear of|makes no (mention|use"
    "|reference) (of|to)"
    "|(have|contain|use|include|mention|say) none of|refrain from|never makes use of"
)
_LACKING = Phrases(
    "[use|say|mention|include|contain|write] [(the|any) (use|mention) of|use of|mention of]"
)
_AVOIDS = frozenset(
    ("omit", "avoid", "exclude", "leave", "skip", "fail", "make", "refrain", "answer", "respond",
     "reply", "write", "speak", "talk")
)  # fmt: skip
_ASK = Phrases("ask|pose|raise|put|throw")
_ASKED = Phrases("[follow up|followup|clarifying|direct|further|another|new|additional] question")
_BACK = Phrases("back|in (return|turn)")
_DETERMINER = Phrases("a|the|any|some|another")
_ACT = Phrases(
    "greet|welcome|thank|apologise|apologize|introduce|offer (help|assistance)|decline|refuse|agree"
    "|confirm|object|comment|interrupt|react|acknowledge|swear|curse|complain|deny|disagree"
    "|insist|protest|reject|approve|accept|joke|address|refer to"
    "|say (hello|goodbye|good morning)"
)
_SELF = Phrases("itself|themselves|them|it|they|me|us|you")
_IN_WORDS = Phrases("with [the following]|[by] (saying|using|writing)|in|as")


def read_say(cursor: Cursor, speaker: Speaker, verb: Verb) -> Condition | None:
    """Read "contains 'a'", "only says 'b'", "replies with a link", "returns JSON"."""
    if verb.is_passive(cursor):
        return None
    first = cursor.now.base
    kind = _read_saying(cursor) or ("own" if verb.auxiliary == "have" else None)
    if kind is None:
        return None
    is_only = skip_only(cursor) or verb.is_only
    # "Says the bot is slow" is said of it, not to it.
    _read_addressee(
        cursor, has_with=kind not in {"contain", "own"}, needs_to=first in _UTTERS | _NAMES
    )
    cursor.take(_COLON)
    is_only = skip_only(cursor) or is_only
    written = _read_letters_of(cursor, is_only=is_only, verb=first)
    if written is not None:
        return written
    is_containing = kind in {"contain", "own"}
    # What contains "exactly 'a'" contains it; what contains "only 'a'" is nothing else.
    is_whole = is_only and not (is_containing and cursor.before.base in EXACTLY)
    place: Place = "whole" if is_whole else "anywhere"
    is_owned = kind == "own" and not speaker.is_message
    is_with = kind == "call" and cursor.before.base in _WITH
    reading = Reading(
        place=place,
        by="write" if is_with else _BY[kind],
        is_of_message=speaker.is_message or speaker.sides == ("output",),
        has_shapes=is_with or not (kind == "call" or is_owned),
        is_absent=verb.is_negated,
        has_proper_names=first in _NAMES,
    )
    found = read_objects(cursor, reading)
    if found is None and first in _UTTERS:
        found = read_marked(cursor) or read_announced(cursor)
    if found and not is_containing and read_exactly(cursor):
        found = moved_to(found, "whole")
    has_length = (kind in _COUNTED or first in _SENDS) and not is_owned
    return found if found or not has_length else read_length(cursor)


# Who "uses Firefox" or "writes SQL" need not say so.
_NAMES = frozenset(("mention", "say"))
# What is said so many times is said in these words; what is mentioned need not be.
_UTTERS = frozenset(("say", "utter", "write", "type"))
_WITH = frozenset(("with", "by", "use"))
_SENDS = frozenset(
    (
        "answer",
        "respond",
        "reply",
        "send",
        "produce",
        "generate",
        "output",
        "post",
        "submit",
        "enter",
        "input",
    )
)


def _read_saying(cursor: Cursor) -> Kind | None:
    """Read one verb of saying, or several: "says or writes"."""
    kind = _read_kind(cursor)
    following = kind
    while following is not None:
        kind = following
        following = cursor.attempt(_read_next_kind)
    return kind


def _read_kind(cursor: Cursor) -> Kind | None:
    return next((kind for phrases, kind in _SAYING if cursor.take(phrases)), None)


def _read_next_kind(cursor: Cursor) -> Kind | None:
    return _read_kind(cursor) if cursor.take(_OR) else None


def _read_addressee(cursor: Cursor, *, has_with: bool, needs_to: bool) -> None:
    """Read "to the user", "with", "by saying"."""
    if has_with:
        cursor.skip(_TO_SAY)

    def rule(at: Cursor) -> str | None:
        has_to = at.take(_TO) is not None
        if needs_to and not has_to:
            return None
        return at.take(_SELF) or read_the_side(at)

    cursor.attempt(rule)
    if has_with:
        cursor.skip(_TO_SAY)


def _read_letters_of(cursor: Cursor, *, is_only: bool, verb: str) -> Condition | None:
    """Read "(writes) in all caps", "(uses) only capitals", "(returns) JSON"."""
    # What is "typed in capitals" is not "typed in".
    is_typed_in = cursor.before.base == "in"
    is_plain = is_only or is_typed_in or (verb == "use" and cursor.sees(_ALL_CAPS))
    if is_plain and (letters := read_letters(cursor)):
        return letters
    if verb in _MAKES and (json := read_json(cursor)):
        return json
    return read_written_in(cursor) or cursor.attempt(_read_written_as)


def _read_written_as(cursor: Cursor) -> Condition | None:
    """Read "(writes) in bullet points"; what stands in quotes is no form."""
    found = read_objects(cursor, Reading(by="write")) if cursor.take(_AS) else None
    return found if isinstance(found, Occurs) and isinstance(found.what, Shape) else None


def read_lack(cursor: Cursor, speaker: Speaker, verb: Verb) -> Condition | None:
    """Read "lacks a question mark", "without 'a'"."""
    del verb
    lacked = cursor.take(_LACK)
    if lacked is None:
        return None
    is_saying = cursor.take(_LACKING) is not None or lacked.split()[0] in _AVOIDS
    # A user without a phone number may still write one.
    is_of_message = speaker.is_message or is_saying
    reading = Reading(by="contain" if is_of_message else "say", is_absent=True)
    found = read_objects(cursor, replace(reading, has_shapes=is_of_message))
    return negation(found) if found else None


def read_ask(cursor: Cursor, speaker: Speaker, verb: Verb) -> Condition | None:
    """Read "asks the user a question", "asks 'how are you'"."""
    del speaker
    if verb.is_passive(cursor) or not cursor.take(_ASK):
        return None
    cursor.attempt(read_the_side)
    cursor.take(_BACK)
    cursor.take(_COLON)
    if cursor.now.kind == "quote":
        return read_objects(cursor, Reading())
    many = read_range(cursor)
    cursor.take(_DETERMINER)
    if not cursor.take(_ASKED):
        return None
    cursor.take(_BACK)
    cursor.attempt(lambda at: read_the_side(at) if at.take(_TO) else None)
    if many == NONE:
        return Not(Occurs(QUESTION))
    least, most = many or Range(1, None)
    return Occurs(QUESTION, "anywhere", least, most)


def read_act(cursor: Cursor, speaker: Speaker, verb: Verb) -> Condition | None:
    """Read "greets the user with 'hello'": what is done is done in these words."""
    del speaker
    if verb.is_passive(cursor) or not cursor.take(_ACT):
        return None
    if not cursor.attempt(read_the_side):
        cursor.take(_SELF)
    if not cursor.take(_IN_WORDS):
        return None
    return read_objects(cursor, Reading(has_shapes=False))

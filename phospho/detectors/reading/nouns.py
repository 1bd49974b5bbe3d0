"""Reads clauses that name things first: "there is no link", "'a' is used", "empty replies"."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phospho.detectors.conditions import Condition, Not, Occurs
from phospho.detectors.reading.clause import Clause
from phospho.detectors.reading.cursor import Cursor, Phrases
from phospho.detectors.reading.measures import read_adjective, read_amount, read_length
from phospho.detectors.reading.objects import Reading, negation, read_objects
from phospho.detectors.reading.parts import UNIT
from phospho.detectors.reading.speaker import ANYBODY, Speaker
from phospho.detectors.reading.speakers import read_side, read_speaker
from phospho.detectors.reading.tails import moved_to, read_tail

if TYPE_CHECKING:
    from phospho.models import Side

_DETERMINER = Phrases("a|the|any|every|all|each|some|(an|any|the) (explicit|literal)|at least one")
_OF = Phrases("in|of|(used|contained) in|within")
_THERE = Phrases(
    "there (is|'s|exist|appear [to be]|have been|should be|can be found)|is there [ever]"
)
_THERE_TOO = Phrases("present|[to be] found|used|that appear|mentioned")
_IS, _NOT = Phrases("be|do|has"), Phrases("not|never|nowhere")
_AUXILIARY = Phrases("is|has|get|do|will|can|could|should|must|that [is]")
_ADVERB = Phrases(
    "ever|also|anywhere|somewhere|explicitly|literally|actually|always|even|itself|both|all|each"
    "|at some point"
)
_MENTION = Phrases(
    "(mention|use|usage|presence|occurrence|appearance|instance|inclusion|utterance|existence) of"
    "|reference to"
)
_ABSENCE = Phrases("(absence|lack|omission) of|no (sign|trace) of")
_NO = Phrases("no|zero")
_APPEARS = Phrases(
    "appear|occur|present|find|mention|use|say|write|contain|utter|see|include|speak|type"
    "|exist|state"
    "|(show|come|turn|pop|crop) up|send|hear|quote|figure|read"
)
_MISSING = Phrases(
    "missing|absent|lacking|avoid|exclude|omit|leave (out|off)|nowhere [to be found]"
)
_STARTS = Phrases("(be the (first|opening) (word|thing)|open|start|begin|come first|lead) [of|in]")
_ENDS = Phrases(
    "(be the (last|final|closing) (word|thing)|end|close|conclude|finish|come last) [of|in]"
)
_SAYS, _REPEATED = Phrases("say|write|send|type|ask"), Phrases("repeat|duplicate")
_COUNT = Phrases(
    "(word|character|sentence|line) count|[total] (number|amount|count) of|length|size"
)
_POSSESSIVE = Phrases("'s|has a")

_LITERAL = frozenset(("word", "keyword", "phrase", "expression"))
# "The feature 'a' is missing" speaks of a feature, not of a word.
_NAMELESS = Reading(has_names=False)


def read_there(cursor: Cursor, before: Clause | None) -> Clause | None:
    """Read "there is no link in the reply", "is there a link?"."""
    if not cursor.take(_THERE):
        return None
    is_negated = cursor.take(_NOT) is not None
    found = _read_thing(cursor) or read_length(cursor)
    if found is None:
        return None
    cursor.take(_THERE_TOO)
    return _with_tail(cursor, negation(found) if is_negated else found, before)


def _with_tail(cursor: Cursor, condition: Condition, before: Clause | None) -> Clause:
    tail = read_tail(cursor, condition)
    return Clause(tail.speaker or (before.speaker if before else ANYBODY), tail.condition)


def read_count(cursor: Cursor, before: Clause | None) -> Clause | None:
    """Read "the length of the reply exceeds 100 words", "the reply's word count is over 50"."""
    del before
    cursor.take(_DETERMINER)
    owner = cursor.attempt(_read_owner)
    counted = cursor.take(_COUNT)
    if counted is None:
        return None
    unit = cursor.take(UNIT) if counted.endswith("of") else counted.removesuffix(" count")
    if owner is None:
        owner = read_speaker(cursor) if cursor.take(_OF) else ANYBODY
    if owner is None:
        return None
    is_negated = _skip_auxiliary(cursor)
    length = read_amount(cursor, None if unit in {"length", "size"} else unit)
    if length is None:
        return None
    return Clause(owner, Not(length) if is_negated else length)


def _read_owner(cursor: Cursor) -> Speaker | None:
    speaker = read_speaker(cursor)
    if speaker:
        cursor.take(_POSSESSIVE)
    return speaker


def _skip_auxiliary(cursor: Cursor) -> bool:
    """Read auxiliaries and adverbs; tell whether they negate."""
    is_negated = False
    while True:
        if cursor.take(_NOT):
            is_negated = not is_negated
        elif not (cursor.take(_AUXILIARY) or cursor.take(_ADVERB)):
            return is_negated


def read_mention(cursor: Cursor, before: Clause | None) -> Clause | None:
    """Read "any mention of 'a' by the user", "absence of a link"."""
    cursor.skip(_DETERMINER)
    is_negated = cursor.take(_ABSENCE) is not None
    found = read_objects(cursor, _NAMELESS) if is_negated else _read_mentioned(cursor)
    if found is None:
        return None
    return _with_tail(cursor, negation(found) if is_negated else found, before)


def _read_thing(cursor: Cursor) -> Condition | None:
    """Read what is there: things, or a mention of them."""
    return cursor.attempt(_read_mentioned) or read_objects(cursor, _NAMELESS)


def _read_mentioned(cursor: Cursor) -> Condition | None:
    """Read "any mention of 'a'"."""
    cursor.skip(_DETERMINER)
    is_negated = cursor.take(_NO) is not None
    found = read_objects(cursor, _NAMELESS) if cursor.take(_MENTION) else None
    return negation(found) if found and is_negated else found


def read_described(cursor: Cursor, before: Clause | None) -> Clause | None:
    """Read "empty replies", "one-word messages from the user"."""
    del before
    side: Side | None = None
    adjective = read_adjective(cursor)
    if adjective is None:
        cursor.take(_DETERMINER)
        side = cursor.attempt(read_side)
        adjective = read_adjective(cursor)
    speaker = read_speaker(cursor) if adjective else None
    if adjective is None or speaker is None or not speaker.is_message:
        return None
    return Clause(replace(speaker, sides=(side,)) if side else speaker, adjective)


def read_passive(cursor: Cursor, before: Clause | None) -> Clause | None:
    """Read "the word 'a' is used by the user", "'b' appears at the end of the reply"."""
    found = _read_thing(cursor)
    if found is None:
        return None
    first = read_tail(cursor, found)
    for phrases, edge in ((_STARTS, "start"), (_ENDS, "end")):
        if cursor.take(phrases):
            moved = moved_to(first.condition, edge)  # type: ignore[arg-type]
            speaker = read_speaker(cursor)
            cursor.take(_SAYS)
            return Clause(speaker or first.speaker or ANYBODY, moved)
    start = cursor.at
    is_negated = _skip_auxiliary(cursor)
    is_there = any(token.base == "be" for token in cursor.tokens[start : cursor.at])
    if cursor.take(_MISSING):
        is_negated = not is_negated
    elif is_there and (whole := cursor.attempt(_read_message)):
        moved = moved_to(first.condition, "whole")
        return Clause(whole, negation(moved) if is_negated else moved, is_negated)
    elif isinstance(first.condition, Occurs) and cursor.take(_REPEATED):
        first = replace(first, condition=replace(first.condition, least=2))
    elif not cursor.take(_APPEARS) and not is_there:
        return None
    tail = read_tail(cursor, first.condition)
    speaker = tail.speaker or first.speaker or (before.speaker if before else ANYBODY)
    return Clause(speaker, negation(tail.condition) if is_negated else tail.condition, is_negated)


def read_asked(cursor: Cursor, before: Clause | None) -> Clause | None:
    """Read "is the word 'a' in the reply", "was 'b' used"."""
    if before or not cursor.take(_IS):
        return None
    is_negated = cursor.take(_NOT) is not None
    found = _read_thing(cursor)
    if found is None:
        return None
    has_verb = cursor.take(_APPEARS) is not None
    tail = read_tail(cursor, found)
    if not (has_verb or tail.speaker):
        return None
    condition = negation(tail.condition) if is_negated else tail.condition
    return Clause(tail.speaker or ANYBODY, condition)


def _read_message(cursor: Cursor) -> Speaker | None:
    """Read "the user's message" of "'a' is the user's message"."""
    speaker = read_speaker(cursor)
    return speaker if speaker and speaker.is_message else None


def read_things(cursor: Cursor, before: Clause | None) -> Clause | None:
    """Read "the word 'a'", "a link in the reply": things in quotes, or with a place."""
    start = cursor.at
    found = read_objects(cursor, _NAMELESS)
    if found is None:
        return None
    read = cursor.tokens[start : cursor.at]
    is_literal = any(token.kind == "quote" or token.base in _LITERAL for token in read)
    clause = _with_tail(cursor, found, before)
    return clause if is_literal or before or clause.speaker != ANYBODY else None

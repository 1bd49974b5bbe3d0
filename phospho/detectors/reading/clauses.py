"""Reads one clause: "the user says 'a'", "does it say 'b'", "in the reply, 'c' appears"."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from phospho.detectors.reading.clause import Clause, ReadClause
from phospho.detectors.reading.cursor import Cursor, Phrases
from phospho.detectors.reading.nouns import (
    read_asked,
    read_count,
    read_described,
    read_mention,
    read_passive,
    read_there,
    read_things,
)
from phospho.detectors.reading.objects import Reading, read_objects
from phospho.detectors.reading.predicates import read_predicate
from phospho.detectors.reading.speaker import ANYBODY, OPENER, Speaker
from phospho.detectors.reading.speakers import read_party, read_speaker
from phospho.detectors.reading.tails import moved_to, read_exactly, read_tail
from phospho.detectors.reading.tokens import Token

_IN = Phrases(
    "[anywhere|somewhere|at (some|any) point] (in|during)|[over] the course of|within|inside"
    "|on|from|throughout"
)
_COMMA, _COLON = Phrases(",|:"), Phrases(":")
_QUESTION = Phrases("do|is|has|will|can|could|should|would")
_PRONOUN = Phrases("they|it")
_WHICH = Phrases(", [that]|[,] and (it|that)")
_IN_WHICH = Phrases("[,] in which|[,] where|when|of which|whose [text]")
_BE = Token("word", "is", "be", 0, 0)


def read_clause(cursor: Cursor, before: Clause | None) -> Clause | None:
    """Read one clause.

    Args:
        cursor: Where to read.
        before: The clause before it, whose speaker goes on where no other is named.
    """
    for rule in _RULES:
        clause = cursor.attempt(partial(rule, before=before))
        if clause is not None:
            return clause
    return None


def _read_placed(cursor: Cursor, before: Clause | None) -> Clause | None:
    """Read "in the reply, the word 'a' appears"."""
    if not cursor.take(_IN):
        return None
    speaker = read_speaker(cursor) or _read_pronoun(cursor, before)
    if speaker is None:
        return None
    cursor.take(_COMMA)
    clause = read_clause(cursor, before)
    is_open = clause is not None and len(clause.speaker.sides) > 1
    return replace(clause, speaker=speaker) if clause and is_open else clause


def _read_active(cursor: Cursor, before: Clause | None) -> Clause | None:
    """Read "the user says 'a'", "messages that contain 'b'", "contains 'c'", "does it say 'd'"."""
    asked = cursor.attempt(_read_question)
    # "The model outputs" is a noun or a verb, and "the user" without "'s message" a part of both.
    for who in (read_speaker, read_party):
        found = cursor.attempt(lambda at, who=who: _read_said_of(at, who(at), before, asked))  # type: ignore[misc]
        if found is not None:
            return found
    return None


def _read_question(cursor: Cursor) -> str | None:
    """Read the auxiliary of "does the user say"."""
    taken = cursor.take(_QUESTION)
    is_question = cursor.foresees(read_speaker) or cursor.sees(_PRONOUN)
    return taken if is_question else None


def _read_said_of(
    cursor: Cursor, speaker: Speaker | None, before: Clause | None, asked: str | None
) -> Clause | None:
    speaker = speaker or _read_pronoun(cursor, before)
    if speaker is None:
        if asked:
            return None
        speaker = before.speaker if before else ANYBODY
    elif cursor.take(_IN_WHICH):
        return _read_within(cursor, speaker, before)
    cursor.take(_WHICH)
    has_colon = cursor.take(_COLON) is not None
    predicate = read_predicate(cursor, speaker)
    if predicate is None and has_colon and (speaker.is_message or cursor.now.kind == "quote"):
        found = read_objects(cursor, Reading())
        if found and read_exactly(cursor):
            found = moved_to(found, "whole")
        if found:
            return Clause(speaker, read_tail(cursor, found).condition)
    if predicate is None and (asked == "be" or has_colon):
        # "Is the reply empty" and "reply: empty" are "the reply is empty".
        cursor.tokens = [*cursor.tokens[: cursor.at], _BE, *cursor.tokens[cursor.at :]]
        predicate = read_predicate(cursor, speaker)
    if predicate is None:
        return None
    who = _narrowed(speaker, predicate.speaker)
    if predicate.is_opening:
        who = replace(who, is_first=True)
        who = replace(who, sides=OPENER) if who.is_conversation else who
    return Clause(who, predicate.condition, predicate.is_negated)


def _read_within(cursor: Cursor, speaker: Speaker, before: Clause | None) -> Clause | None:
    """Read the clause of "replies in which the word 'a' appears"."""
    inner = read_clause(cursor, before)
    is_open = inner is not None and len(speaker.sides) < len(inner.speaker.sides)
    if inner is None or not is_open:
        return inner
    who = replace(inner.speaker, sides=speaker.sides, is_first=speaker.is_first)
    return replace(inner, speaker=who)


def _read_pronoun(cursor: Cursor, before: Clause | None) -> Speaker | None:
    taken = cursor.take(_PRONOUN)
    if taken is None or before is not None:
        return before.speaker if before and taken else None
    return Speaker(("output",), is_message=True) if taken == "it" else Speaker(("input",))


def _narrowed(speaker: Speaker, named: Speaker | None) -> Speaker:
    """Let "in the user's message" decide where the subject left it open."""
    if named is None:
        return speaker
    if len(speaker.sides) > 1 and speaker.who == "any":
        return named
    is_same = named.sides in (speaker.sides, ANYBODY.sides)
    return replace(speaker, part=speaker.part or (named.part if is_same else None))


_RULES: tuple[ReadClause, ...] = (
    read_there,
    read_asked,
    read_count,
    read_described,
    _read_active,
    read_passive,
    read_mention,
    read_things,
    _read_placed,
)

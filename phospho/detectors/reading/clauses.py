"""Reads one clause: "the user says 'a'", "there is no link", "'a' is used in the reply"."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from phospho.detectors.conditions import Condition, Not
from phospho.detectors.reading.cursor import Cursor, Phrases
from phospho.detectors.reading.measures import read_adjective, read_amount, read_length
from phospho.detectors.reading.objects import Reading, negation, read_objects
from phospho.detectors.reading.parts import UNIT
from phospho.detectors.reading.predicates import read_predicate
from phospho.detectors.reading.speakers import (
    ANYBODY,
    OPENER,
    Speaker,
    read_party,
    read_side,
    read_speaker,
)
from phospho.detectors.reading.tails import moved_to, read_tail
from phospho.detectors.reading.tokens import Token
from phospho.detectors.repeats import Repeats

if TYPE_CHECKING:
    from phospho.models import Side

_DETERMINER = Phrases("a|the|any|every|all|each|some|(an|any|the) (explicit|literal)|at least one")
_IN = Phrases(
    "[anywhere|somewhere|at (some|any) point] (in|during)|[over] the course of|within|inside"
    "|on|from|throughout"
)
_OF = Phrases("in|of|(used|contained) in|within")
_COMMA, _COLON = Phrases(",|:"), Phrases(":")
_THERE = Phrases(
    "there (is|'s|exist|appear [to be]|have been|should be|can be found)|is there [ever]"
)
_THERE_TOO = Phrases("present|[to be] found|used|that appear|mentioned")
_NOT = Phrases("not|never|nowhere")
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
_COUNT = Phrases(
    "(word|character|sentence|line) count|[total] (number|amount|count) of|length|size"
)
_POSSESSIVE = Phrases("'s|has a")
_QUESTION = Phrases("do|is|has|will|can|could|should|would")
_PRONOUN = Phrases("they|it")
_WHICH = Phrases(", that")
_IN_WHICH = Phrases("[,] in which|[,] where|when|of which|whose [text]")
_BE = Token("word", "is", "be", 0, 0)


@dataclass(frozen=True)
class Clause:
    """A condition, and whose messages must meet it.

    Args:
        speaker: Whose messages.
        condition: The condition.
        is_negated: Whether its verb is negated, so that a verb that follows may be too.
    """

    speaker: Speaker
    condition: Condition
    is_negated: bool = False

    @property
    def is_sentence(self) -> bool:
        """Whether the condition itself says whose messages it is about."""
        inner = self.condition.part if isinstance(self.condition, Not) else self.condition
        return isinstance(inner, Repeats)


class ReadClause(Protocol):
    """Reads one kind of clause, after another one or none."""

    def __call__(self, cursor: Cursor, before: Clause | None) -> Clause | None:
        """Return the clause, or None if there is none of the kind."""


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


def _read_there(cursor: Cursor, before: Clause | None) -> Clause | None:
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


def _read_count(cursor: Cursor, before: Clause | None) -> Clause | None:
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


def _read_mention(cursor: Cursor, before: Clause | None) -> Clause | None:
    """Read "any mention of 'a' by the user", "absence of a link"."""
    cursor.skip(_DETERMINER)
    is_negated = cursor.take(_ABSENCE) is not None
    found = read_objects(cursor, Reading()) if is_negated else _read_mentioned(cursor)
    if found is None:
        return None
    return _with_tail(cursor, negation(found) if is_negated else found, before)


def _read_thing(cursor: Cursor) -> Condition | None:
    """Read what is there: things, or a mention of them."""
    return cursor.attempt(_read_mentioned) or read_objects(cursor, Reading())


def _read_mentioned(cursor: Cursor) -> Condition | None:
    """Read "any mention of 'a'"."""
    cursor.skip(_DETERMINER)
    is_negated = cursor.take(_NO) is not None
    found = read_objects(cursor, Reading()) if cursor.take(_MENTION) else None
    return negation(found) if found and is_negated else found


def _read_adjective(cursor: Cursor, before: Clause | None) -> Clause | None:
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
    if predicate is None and has_colon and speaker.is_message:
        found = read_objects(cursor, Reading())
        return Clause(speaker, read_tail(cursor, found).condition) if found else None
    if predicate is None and asked == "be":
        # "Is the reply empty" is "the reply is empty".
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


def _read_passive(cursor: Cursor, before: Clause | None) -> Clause | None:
    """Read "the word 'a' is used by the user", "'b' appears at the end of the reply"."""
    found = _read_thing(cursor)
    if found is None:
        return None
    first = read_tail(cursor, found)
    for phrases, edge in ((_STARTS, "start"), (_ENDS, "end")):
        if cursor.take(phrases):
            moved = moved_to(first.condition, edge)  # type: ignore[arg-type]
            return Clause(read_speaker(cursor) or first.speaker or ANYBODY, moved)
    start = cursor.at
    is_negated = _skip_auxiliary(cursor)
    is_there = any(token.base == "be" for token in cursor.tokens[start : cursor.at])
    if cursor.take(_MISSING):
        is_negated = not is_negated
    elif not cursor.take(_APPEARS) and not is_there:
        return None
    tail = read_tail(cursor, first.condition)
    speaker = tail.speaker or first.speaker or (before.speaker if before else ANYBODY)
    return Clause(speaker, negation(tail.condition) if is_negated else tail.condition, is_negated)


def _read_things(cursor: Cursor, before: Clause | None) -> Clause | None:
    """Read "the word 'a'", "a link in the reply": things in quotes, or with a place."""
    start = cursor.at
    found = read_objects(cursor, Reading())
    if found is None:
        return None
    has_quote = any(token.kind == "quote" for token in cursor.tokens[start : cursor.at])
    clause = _with_tail(cursor, found, before)
    return clause if has_quote or before or clause.speaker != ANYBODY else None


_RULES: tuple[ReadClause, ...] = (
    _read_there,
    _read_count,
    _read_adjective,
    _read_active,
    _read_passive,
    _read_mention,
    _read_things,
    _read_placed,
)

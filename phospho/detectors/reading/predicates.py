"""Reads what is said of a message, whole: from "does not" to "in the reply"."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from phospho.detectors.conditions import Condition, Occurs, Opening
from phospho.detectors.lengths import has_length
from phospho.detectors.named_shapes import QUESTION
from phospho.detectors.reading.contents import (
    read_act,
    read_ask,
    read_lack,
    read_say,
)
from phospho.detectors.reading.cursor import Cursor, Phrases
from phospho.detectors.reading.edges import read_edges, read_letter_at
from phospho.detectors.reading.measures import (
    read_adjective,
    read_empty,
    read_length,
    read_silence,
    read_size,
    read_written,
    read_written_in,
)
from phospho.detectors.reading.objects import Reading, negation, read_objects
from phospho.detectors.reading.parts import SIZED
from phospho.detectors.reading.repeating import read_repeat
from phospho.detectors.reading.tails import read_tail
from phospho.detectors.reading.verbs import ONLY, Verb, read_verb

if TYPE_CHECKING:
    from phospho.detectors.reading.speaker import Speaker

_WRITES = Phrases(
    "say|write|send|type|use|give|provide|produce|generate|return|output|post|submit|enter|ask|have"
    "|(answer|respond|reply) [with]|with|make|contain"
)
_DETERMINER = Phrases("a|the|their|our|this|any|some|one|your|my|every|each")
_MESSAGE = Phrases(
    "message|text|reply|response|answer|output|prompt|input|query|sentence|completion|request|post"
    "|chat message|turn|content|something|everything|comment|note|it"
)
_CONSISTS = Phrases("consist [in]|[be] (made [up]|composed)|comprise|be limited to|amount to")
_OF = Phrases("of|,")
_EQUALS = Phrases(
    "equal [to]|=|= =|match [exactly] [with]|read [as]|go"
    "|[exactly] (the same as|identical to|equal to)"
)
_AS = Phrases("as|in the (form|format) of|like")


class ReadPredicate(Protocol):
    """Reads one kind of predicate; the "not" of the verb is applied to what it returns."""

    def __call__(self, cursor: Cursor, speaker: Speaker, verb: Verb) -> Condition | None:
        """Return what is asked of a message, or None if it is nothing of the kind."""


@dataclass(frozen=True)
class Predicate:
    """What is asked of messages.

    Args:
        condition: The condition.
        speaker: Whose messages, where the words say so: "mentions 'a' in the reply".
        is_negated: Whether an auxiliary carries a "not", which covers what follows too.
        is_opening: Whether it speaks of how a conversation starts.
    """

    condition: Condition
    speaker: Speaker | None = None
    is_negated: bool = False
    is_opening: bool = False


def read_predicate(cursor: Cursor, speaker: Speaker) -> Predicate | None:
    """Read one predicate."""
    return cursor.attempt(lambda at: _read_predicate(at, speaker))


def _read_predicate(cursor: Cursor, speaker: Speaker) -> Predicate | None:
    verb = read_verb(cursor)
    for rule in _RULES:
        condition = cursor.attempt(partial(rule, speaker=speaker, verb=verb))
        if condition is not None:
            break
    else:
        return None
    tail = read_tail(cursor, condition)
    condition = tail.condition
    is_opening = isinstance(condition, Opening)
    condition = condition.part if isinstance(condition, Opening) else condition
    condition = negation(condition) if verb.is_negated else condition
    return Predicate(condition, tail.speaker, verb.is_negated, is_opening)


def _read_message(cursor: Cursor, speaker: Speaker, verb: Verb) -> Condition | None:
    """Read "sends a message that contains 'a'", "writes a one-word reply", "is an empty text"."""
    if cursor.take(_WRITES) is None and verb.auxiliary != "be":
        return None
    # "Responded starting with 'a'" starts with it.
    edges = cursor.attempt(lambda at: read_edges(at, speaker, verb))
    return edges or _read_described(cursor, speaker)


def _read_described(cursor: Cursor, speaker: Speaker) -> Condition | None:
    """Read "a one-word reply", "a short message of 3 words", "a text that contains 'a'"."""
    cursor.take(_DETERMINER)
    is_sized = cursor.take(SIZED) is not None
    adjective = cursor.attempt(read_adjective)
    if not cursor.take(_MESSAGE):
        return None
    if adjective is not None:
        return adjective
    cursor.take(_OF)
    more = _read_predicate(cursor, replace(speaker, is_message=True))
    if more is None or more.speaker or more.is_opening:
        return None
    return more.condition if not is_sized or has_length(more.condition) else None


def _read_consists(cursor: Cursor, speaker: Speaker, verb: Verb) -> Condition | None:
    """Read "consists only of 'ok'", "is made up of a single word"."""
    del speaker, verb
    # What "makes up a number" is not made up of it.
    if cursor.now.text.lower() in {"make", "makes", "making"} or not cursor.take(_CONSISTS):
        return None
    cursor.skip(ONLY)
    cursor.take(_OF)
    cursor.skip(ONLY)
    return (
        read_length(cursor) or read_written(cursor) or read_objects(cursor, Reading(place="whole"))
    )


def _read_complement(cursor: Cursor, speaker: Speaker, verb: Verb) -> Condition | None:
    """Read what follows "is": "in all caps", "empty", "a question", "'ok'"."""
    is_equal = cursor.take(_EQUALS) is not None
    if not is_equal and verb.auxiliary not in {"be", "'s"}:
        return read_written_in(cursor)
    if empty := read_empty(cursor):
        return empty
    if speaker.part and speaker.part.is_small and (letter := read_letter_at(cursor, "start")):
        return letter
    if written := cursor.attempt(read_written):
        return written
    is_only = bool(cursor.skip(ONLY)) or verb.is_only
    cursor.take(_PHRASED)
    lack = cursor.attempt(lambda at: read_lack(at, speaker, verb))
    return lack or _read_whole(cursor, speaker, is_only=is_only)


def _read_whole(cursor: Cursor, speaker: Speaker, *, is_only: bool) -> Condition | None:
    """Read "'ok'" behind "the reply is"; "the user is 'ok'" says nothing of a message."""
    cursor.take(_AS)
    if not speaker.is_message or speaker.is_conversation:
        return None
    found = read_objects(cursor, Reading(place="whole"))
    if isinstance(found, Occurs) and found.what is QUESTION and not is_only:
        # A message with a question in it is one.
        return replace(found, place="anywhere")
    return found


_PHRASED = Phrases("phrased|worded|written|put|posed|formatted|framed|expressed")

_RULES: tuple[ReadPredicate, ...] = (
    read_repeat,
    read_ask,
    read_edges,
    read_lack,
    _read_message,
    read_act,
    read_silence,
    read_say,
    read_size,
    _read_consists,
    _read_complement,
)

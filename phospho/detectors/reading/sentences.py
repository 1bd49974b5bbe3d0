"""Reads a whole description: what addresses us, then clauses and what joins them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phospho.detectors.conditions import Condition, Not, Opening
from phospho.detectors.lengths import has_length
from phospho.detectors.reading.clauses import read_clause
from phospho.detectors.reading.cursor import Cursor, Phrases
from phospho.detectors.reading.objects import all_of, any_of, negation
from phospho.detectors.reading.speakers import read_speaker

if TYPE_CHECKING:
    from phospho.detectors.reading.clause import Clause
    from phospho.detectors.reading.speaker import Speaker

_PLEASE = Phrases(
    "please|(i|we|i'd|we'd) [would] (want|like|love|need) [you] to [be|get|know|see]"
    "|(can|could) you|(event|rule|condition) :|help (me|us)"
)
_FLAG = Phrases(
    "flag|detect|find|catch|show|list|report|alert|notify|mark|tag|highlight|spot"
    "|(look|search|watch) [out] for|identify|track|count|check|see|tell|trigger|fire|match|notice"
    "|collect|get|log|record|monitor|surface|capture|[be] true|yes|know|(pick|pull) (out|up)"
    "|filter [for]|select|return|label|make sure|ensure|verify|confirm"
    "|(raise|send) an (alert|flag)|keep track of|detection of"
)
_ME = Phrases("me|us|on|for|about|out|at|that|of|to")
_HAPPENS = Phrases(
    "[(the|this) [event|rule]|it] (occur|happen|fire|trigger|apply|hold|match)|(it|this) is [true]"
    "|[(the|this)] event|triggered"
)
_EVERY = Phrases("[all|just] (the|those|of the)|all|any|every|each|a|only|just|some")
_CASE = Phrases("case|instance|occurrence|time|situation|example|event|occasion|moment|it")
_CONVERSATION = Phrases(
    "conversation|interaction|session|message|chat|turn|exchange|dialogue|dialog"
)
_WHEN = Phrases(
    "when|whenever|when ever|if|whether|where|(any|every|each) time [that]|anytime|as (soon"
    "|long) as"
    "|once|in case|in the case that"
)
_IN_WHICH = Phrases("(in|on|during|for) which|when|whenever|where|if")
_OF = Phrases("of|that")
_IT_IS = Phrases("(it|this) ('s|is)")
_COLON = Phrases(":")

_IT = "[it|they]"
_JOINTS: tuple[tuple[Phrases, str], ...] = (
    (
        Phrases(
            f"[,] (and|but) [also|then also|additionally|in addition|at the same time] [that"
            f"|where|when] {_IT}"
            "|[,] (while|yet|whereas|although|even though|though|as well as|plus|where)"
        ),
        "and",
    ),
    (Phrases(f"[,] or [else|alternatively|that|where|if|when] {_IT}|and or"), "or"),
    (Phrases(f"[,] nor {_IT}"), "nor"),
    (Phrases(",|;"), "and"),
)
# These need no joint: "replies that start with 'a' without a link".
_GOES_ON = Phrases(
    "without|with|contain|that|lack|start|end|mention|in all caps|(longer|shorter|more|less"
    "|fewer) than|over|under"
)
# Without an ending, they share the "not" of the verb before them.
_VERBS = frozenset(
    ("contain", "include", "mention", "say", "write", "use", "ask", "start", "begin", "end",
     "finish", "have", "give", "provide", "open", "close", "state", "repeat", "reply", "respond",
     "answer",
     "exceed", "send")
)  # fmt: skip


def read_description(cursor: Cursor) -> Condition | None:
    """Return the condition, if all of the description states one."""
    _read_lead_in(cursor)
    condition = _read_statement(cursor)
    return condition if cursor.is_at_end else None


def _read_lead_in(cursor: Cursor) -> None:
    """Read what only addresses us: "Detect when", "Flag cases in which", "This occurs if"."""
    cursor.skip(_PLEASE)
    if cursor.take(_FLAG):
        cursor.skip(_ME)
    cursor.attempt(_read_happens)
    cursor.attempt(_read_cases)
    cursor.attempt(_read_it_is)
    cursor.take(_WHEN)


def _read_happens(cursor: Cursor) -> str | None:
    return cursor.take(_WHEN) or cursor.take(_COLON) if cursor.take(_HAPPENS) else None


def _read_it_is(cursor: Cursor) -> Speaker | None:
    """Read the "it is" of "it is a message that contains 'a'"."""
    speaker = cursor.foresees(read_speaker) if cursor.take(_IT_IS) else None
    return speaker if speaker and speaker.is_message else None


def _read_cases(cursor: Cursor) -> str | None:
    """Read "all conversations in which", "instances of", "cases where"."""
    cursor.skip(_EVERY)
    if cursor.take(_CASE):
        return cursor.take(_IN_WHICH) or cursor.take(_OF)
    # Of "messages that contain 'a'", the messages must be read.
    return cursor.take(_IN_WHICH) if cursor.take(_CONVERSATION) else None


def _read_statement(cursor: Cursor) -> Condition | None:
    first = read_clause(cursor, None)
    if first is None:
        return None
    clauses, joints = [first], []
    while following := cursor.attempt(lambda at: _read_following(at, clauses[-1])):
        joints.append(following[0])
        clauses.append(following[1])
    # "Short messages" alone says nothing that can be counted.
    if any(clause.speaker.is_sized and not has_length(clause.condition) for clause in clauses):
        return None
    condition = _joined(clauses, joints)
    return Opening(condition) if any(clause.speaker.is_first for clause in clauses) else condition


def _read_following(cursor: Cursor, before: Clause) -> tuple[str, Clause] | None:
    """Read "and ends with 'b'"."""
    joint = next((joint for phrases, joint in _JOINTS if cursor.take(phrases)), None)
    if joint is None and cursor.sees(_GOES_ON):
        joint = "and"
    if joint is None:
        return None
    start = cursor.now
    clause = read_clause(cursor, before)
    if clause is None:
        return None
    is_bare = start.base in _VERBS and start.text.lower() == start.base
    if joint == "nor" or (before.is_negated and is_bare):
        is_positive = not isinstance(clause.condition, Not)
        condition = negation(clause.condition) if is_positive else clause.condition
        return "and", replace(clause, condition=condition, is_negated=True)
    return joint, clause


def _joined(clauses: list[Clause], joints: list[str]) -> Condition:
    """Join what was read; "and" binds more tightly than "or"."""
    speakers = {clause.speaker for clause in clauses}
    is_shared = len(speakers) == 1 and not any(clause.is_sentence for clause in clauses)
    groups: list[list[Condition]] = [[]]
    for joint, clause in zip(["and", *joints], clauses, strict=True):
        if joint == "or":
            groups.append([])
        is_met = is_shared or clause.is_sentence
        groups[-1].append(clause.condition if is_met else clause.speaker.meeting(clause.condition))
    condition = any_of([all_of(group) for group in groups])
    return speakers.pop().meeting(condition) if is_shared else condition

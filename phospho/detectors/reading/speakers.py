"""Reads whose messages a description is about: "the user's reply", "either of them"."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from phospho.detectors.description import BOTH_SIDES
from phospho.detectors.reading.cursor import Cursor, Phrases
from phospho.detectors.reading.parts import SIZED, Part, read_part
from phospho.detectors.reading.speaker import ANYBODY, OPENER, Speaker, Who

if TYPE_CHECKING:
    from phospho.models import Side

_USER = Phrases(
    "[human|end] user|customer|client|human|person|visitor|caller|guest|patient|shopper|buyer"
    "|consumer|member|subscriber|student|learner|pupil|employee|sender|requester|traveler|traveller"
    "|passenger|tenant|resident|applicant|candidate|borrower|investor|parent|player|rider|driver"
    "|prospect|lead|owner|renter|donor|reader|viewer|listener|developer|admin|attendee|policyholder"
    "|account holder|cardholder|child|man|woman|colleague|punter|folk"
    "|citizen|claimant|taxpayer|author"
)
_ASSISTANT = Phrases(
    "[ai|virtual] assistant|[ai|support|customer service] (agent|representative|rep)|bot|ai|llm"
    "|[ai|language] model|system|app|machine|copilot|tutor|concierge|helper|adviser|advisor"
    "|operator|gpt|chatgpt"
    "|[ai] (chatbot|chat bot)"
)
_OF_USER = Phrases("question|input|query|prompt|request|inquiry|command|user (message|text)")
_OF_ASSISTANT = Phrases("answer|reply|response|output|completion|generation|assistant message")
_MESSAGE = Phrases(
    "[chat] message|text|turn|sentence|content|utterance|post|entry|comment|feedback|review"
    "|note|remark"
    "|statement|wording|body|side"
)
_CONVERSATION = Phrases(
    "conversation|interaction|exchange|dialogue|dialog|chat|thread|transcript|session|log|record"
)
_CONTENT_OF = Phrases("(content|text|body|whole|rest) of")
_DETERMINER = Phrases(
    "[all|any of|some of|each of|every one of|[at least] one of] (the|our|my|this|their|your|these"
    "|those)|a|any|some|each|every|all|[at least] one"
)
_WHICH = Phrases(
    "last|latest|current|own|full|whole|entire|final|[most] recent|very|actual|single|given"
    "|resulting|complete|corresponding"
)
_OPENING = Phrases("[very] first|opening|initial")
_POSSESSIVE = Phrases("'s")
_FROM = Phrases(
    "[sent|written|given|typed|made|produced|generated|posted|submitted|entered|returned] by|of"
    "|[coming|that come|received] from"
)
_TO, _IN = Phrases("to|for"), Phrases("of|in")
_WHAT = Phrases(
    "what|something|[the|a] (text|message|word|thing|reply|answer) [that]|everything|whatever"
)
_SAYS = Phrases(
    "[have] (say|write|send|type|reply|answer|respond|produce|generate|output|return|enter|submit"
    "|ask|post) [back]"
)

_SIDE = "side|party|speaker|participant|role"
_OF_THEM = f"of (them|the two|the [two] ({_SIDE}))"
_ANYBODY = Phrases(
    f"someone|somebody|anyone|anybody|whoever|(either|one|any|at least one) ({_SIDE}|{_OF_THEM})"
    "|(someone|anyone|somebody|anybody) in the conversation|either|either one"
)
_EVERYBODY = Phrases(
    f"both|(both|each|all) ({_SIDE}|{_OF_THEM})|the two of them|everyone|everybody"
    "|both [of the] (message|text|turn)"
)
_NOBODY = Phrases(f"nobody|no one|noone|neither|(neither|no|none) ({_SIDE}|{_OF_THEM})")
_EITHER_MESSAGE = Phrases("(either|any|one) [of the [two]] (message|text|turn)")
_NO_MESSAGE = Phrases("neither [of the] (message|text|turn)")
_NO = Phrases("no|none of (the|their|its)|not (one|a [single])")
_OR, _AND, _NOR = Phrases("[,] or|and or"), Phrases("[,] and [also]|as well as"), Phrases("nor|or")

_PAIRS: tuple[tuple[Phrases | None, Phrases, Who], ...] = (
    (Phrases("either"), _OR, "any"),
    (Phrases("both"), _AND, "all"),
    (Phrases("neither"), _NOR, "none"),
    (None, _OR, "any"),
    (None, _AND, "all"),
)
_GROUPS: tuple[tuple[Phrases, Speaker], ...] = (
    (_EITHER_MESSAGE, ANYBODY),
    (_NO_MESSAGE, replace(ANYBODY, who="none")),
    (_ANYBODY, Speaker()),
    (_EVERYBODY, Speaker(who="all")),
    (_NOBODY, Speaker(who="none")),
)


def read_speaker(cursor: Cursor) -> Speaker | None:
    """Read whose messages come next."""
    return cursor.attempt(_read_several) or cursor.attempt(_read_part) or cursor.attempt(_read_one)


def read_party(cursor: Cursor) -> Speaker | None:
    """Read who speaks and no more: "the model" of "the model outputs"."""
    side: Side | None = cursor.attempt(read_the_side)
    return Speaker((side,)) if side else None


def read_the_side(cursor: Cursor) -> Side | None:
    """Read "the user"."""
    cursor.take(_DETERMINER)
    return read_side(cursor)


def read_side(cursor: Cursor) -> Side | None:
    """Read who speaks, without an article."""
    if cursor.take(_USER):
        return "input"
    return "output" if cursor.take(_ASSISTANT) else None


def _read_several(cursor: Cursor) -> Speaker | None:
    """Read "either the user or the assistant", "both of them", "nobody"."""
    for start, joint, who in _PAIRS:
        found = cursor.attempt(lambda at, s=start, j=joint, w=who: _read_pair(at, s, j, w))  # type: ignore[misc]
        if found:
            return found
    group = cursor.attempt(_read_group)
    if group:
        return group
    if cursor.take(_NO):
        speaker = _read_one(cursor)
        return replace(speaker, who="none") if speaker else None
    return None


def _read_group(cursor: Cursor) -> Speaker | None:
    """Read "nobody" or "either message"; "any message of the user" is one side's."""
    group = next((group for phrases, group in _GROUPS if cursor.take(phrases)), None)
    cursor.attempt(_read_of_group)
    return None if cursor.sees(_FROM) else group


def _read_of_group(cursor: Cursor) -> Named | None:
    """Read "'s message" behind "either party"."""
    return _read_noun(cursor) if cursor.take(_POSSESSIVE) else None


def _read_pair(cursor: Cursor, start: Phrases | None, joint: Phrases, who: Who) -> Speaker | None:
    if start and not cursor.take(start):
        return None
    first = cursor.attempt(_read_one)
    if not first or not cursor.take(joint):
        return None
    second = cursor.attempt(_read_one)
    if not second or first.sides == second.sides:
        return None
    return Speaker(who=who, is_message=first.is_message or second.is_message)


def _read_part(cursor: Cursor) -> Speaker | None:
    """Read "the first word of the reply"."""
    cursor.take(_DETERMINER)
    part = read_part(cursor)
    if part is None:
        return None
    if not (cursor.take(_IN) or cursor.take(_FROM)):
        return Speaker(part=part, is_message=True)
    speaker = _read_one(cursor)
    return replace(speaker, part=part, is_message=True) if speaker else None


def _read_one(cursor: Cursor) -> Speaker | None:
    """Read one side, a message of it, or a message of anybody."""
    if speaker := cursor.attempt(_read_what_is_said):
        return speaker
    cursor.take(_DETERMINER)
    if cursor.take(_CONTENT_OF):
        cursor.take(_DETERMINER)
    cursor.skip(_WHICH)
    is_sized = cursor.take(SIZED) is not None
    side = read_side(cursor)
    speaker = _read_of_side(cursor, side) if side else _read_message(cursor)
    return replace(speaker, is_sized=True) if speaker and is_sized else speaker


def _read_what_is_said(cursor: Cursor) -> Speaker | None:
    """Read "what the user writes"."""
    side = read_the_side(cursor) if cursor.take(_WHAT) else None
    return Speaker((side,), is_message=True) if side and cursor.take(_SAYS) else None


def _read_of_side(cursor: Cursor, side: Side) -> Speaker:
    """Read what follows "the user": "'s first message", "message to the assistant", nothing."""
    is_possessive = cursor.take(_POSSESSIVE) is not None
    speaker = Speaker((side,), is_message=is_possessive)
    if is_possessive and (part := cursor.attempt(read_part)):
        cursor.attempt(_read_of_message)
        return replace(speaker, part=part)
    return cursor.attempt(lambda at: _read_noun_of(at, side)) or speaker


def _read_of_message(cursor: Cursor) -> Speaker | None:
    """Read "of the message" after "the user's first word"."""
    return _read_one(cursor) if cursor.take(_IN) else None


def _read_noun_of(cursor: Cursor, side: Side) -> Speaker | None:
    """Read "message", "first message to the assistant", "reply's first word"."""
    is_first = cursor.take(_OPENING) is not None
    if _read_noun(cursor) is None:
        return None
    cursor.attempt(read_addressee)
    part = cursor.attempt(_read_possessed_part)
    cursor.attempt(_read_in_conversation)
    return Speaker((side,), is_message=True, part=part, is_first=is_first)


Named = Literal["user", "assistant", "any", "both"]

_NOUNS: tuple[tuple[Phrases, Named], ...] = (
    (_OF_USER, "user"),
    (_OF_ASSISTANT, "assistant"),
    (_MESSAGE, "any"),
    (_CONVERSATION, "both"),
)
_SIDES_NAMED: dict[Named, tuple[Side, ...]] = {
    "user": ("input",),
    "assistant": ("output",),
    "any": BOTH_SIDES,
    "both": BOTH_SIDES,
}


def _read_noun(cursor: Cursor) -> Named | None:
    """Read one or several nouns, as in "reply text", and tell whose message the first names."""
    cursor.skip(_WHICH)
    named = next((named for phrases, named in _NOUNS if cursor.take(phrases)), None)
    if named is not None:
        while cursor.take(_OF_ASSISTANT) or cursor.take(_MESSAGE):
            continue
    return named


def _read_message(cursor: Cursor) -> Speaker | None:
    """Read a message that is named before its sender, or without one."""
    is_first = cursor.take(_OPENING) is not None
    named = _read_noun(cursor)
    if named is None:
        return None
    sender = cursor.attempt(_read_sender)
    cursor.attempt(read_addressee)
    part = cursor.attempt(_read_possessed_part)
    if named != "both":
        cursor.attempt(_read_in_conversation)
    opener = OPENER if is_first and named == "any" else _SIDES_NAMED[named]
    return Speaker(
        sender or opener,
        is_message=True,
        is_conversation=named == "both" and not sender,
        part=part,
        is_first=is_first,
    )


def _read_possessed_part(cursor: Cursor) -> Part | None:
    return read_part(cursor) if cursor.take(_POSSESSIVE) else None


def _read_in_conversation(cursor: Cursor) -> str | None:
    """Read "in the conversation", which says nothing of a message."""
    if not cursor.take(_IN):
        return None
    cursor.take(_DETERMINER)
    return cursor.take(_CONVERSATION)


def _read_sender(cursor: Cursor) -> tuple[Side, ...] | None:
    """Read "from the user"."""
    if not cursor.take(_FROM):
        return None
    several = cursor.attempt(_read_several)
    if several and several.who == "any":
        return several.sides
    side = read_the_side(cursor)
    return (side,) if side else None


def read_addressee(cursor: Cursor) -> Side | None:
    """Read "to the user"."""
    return read_the_side(cursor) if cursor.take(_TO) else None

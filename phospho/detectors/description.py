"""Reads a description in plain English: who speaks, and what it would sound like if they did.

"The user is trying to book a flight" is about the user's message, its goal is "book a flight";
"The assistant refused the user's request" would, said by the assistant, begin with "I refuse
your request". Messages are in the first person, so that is the form to compare them with.
"""

# Typographic characters are what strangers type.
# ruff: noqa: RUF001

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phospho.models import EventDefinition, Side

BOTH_SIDES: tuple[Side, ...] = ("input", "output")

# What people call the two sides, as alternatives of a regular expression.
USER = r"users?|customers?|clients?|humans?|persons?|people|visitors?|callers?|guests?|patients?"
ASSISTANT = r"assistants?|agents?|chat ?bots?|bots?|ai|llm|model|system|app"

_WHERE: dict[tuple[Side, ...], str] = {
    ("input",): "the user's message",
    ("output",): "the assistant's message",
    BOTH_SIDES: "either message",
}

_ARTICLE = r"(?:an?|the|our|my|this|some)\s+"

_LEAD_IN = re.compile(
    r"^(?:please\s+)?(?:(?:detect|check|see|find|flag|tell me|notice|look for)\s+)?"
    r"(?:(?:all\s+)?(?:cases|messages|interactions|conversations|times)\s+)?"
    r"(?:when(?:ever)?|if|whether|where|in which)\s+(?=\S)",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    rf"^(?:{_ARTICLE})?(?:(?P<user>{USER})|(?P<assistant>{ASSISTANT}))\b(?:['’]s)?\s*",
    re.IGNORECASE,
)
_ANSWER = re.compile(
    rf"^(?:{_ARTICLE})?(?:(?:{ASSISTANT})['’]s\s+)?(?:answer|reply|response|output|completion)s?\b",
    re.IGNORECASE,
)
_BY_ASSISTANT = re.compile(rf"\b(?:by|from|of)\s+(?:{_ARTICLE})?(?:{ASSISTANT})\b", re.IGNORECASE)

# What stands between "The user" and what the user is after.
_INTENT = re.compile(
    r"^(?:(?:is|was|are|were)\s+)?(?:"
    r"(?:trying|try|tries|tried|wants?|wanted|wanting|would like|wishes|needs?|needed"
    r"|attempt(?:s|ed|ing)?|looking|intends?|hop(?:es|ing)|plans?|planning)\s+"
    r"(?:to\s+(?:know|find out|see|be told)\s+|to\s+)?"
    rf"|ask(?:s|ed|ing)?\s+(?:the\s+(?:{ASSISTANT})\s+)?(?:(?:to|for|about|whether|if)\s+)?"
    r"|(?:says?|said|states?)\s+that\s+|says?\s+"
    r"|reports?\s+(?:that\s+)?|complain(?:s|ed)?\s+(?:that|about)\s+|mention(?:s|ed)?\s+(?:that\s+)?"
    r"|for\s+)",
    re.IGNORECASE,
)

_BASE_FORMS = {
    "is": "am", "has": "have", "does": "do", "was": "was", "tries": "try", "gave": "give",
    "said": "say", "told": "tell", "asked": "ask", "thanked": "thank", "wanted": "want",
    "refused": "refuse", "declined": "decline", "apologized": "apologize", "offered": "offer",
    "complained": "complain", "gives": "give", "uses": "use", "refuses": "refuse",
}  # fmt: skip
_FIRST_PERSON = {
    "their": "my", "they": "I", "them": "me", "theirs": "mine", "themselves": "myself",
    "his": "my", "her": "my",
}  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """How a description was understood.

    Args:
        side: Whose message it is about.
        goal: What the speaker is after, in few words; shown to people.
        phrasings: The description as its speaker might put it, several ways.
    """

    side: Side
    goal: str
    phrasings: tuple[str, ...]


def read(description: str, *, side: Side | None = None) -> Reading:
    """Read `description`; `side` overrules whose message it seems to be about."""
    text = " ".join(description.split()).rstrip(" .")
    text = without_lead_in(text)
    spoken_by = side or side_of(text)
    subject = _SUBJECT.match(text)
    core = text[subject.end() :] if subject and subject.end() < len(text) else text
    goal = _INTENT.sub("", core) or core
    return Reading(
        side=spoken_by,
        goal=goal,
        phrasings=(core, goal, _as_spoken(goal, spoken_by), _sentence(core, spoken_by, subject)),
    )


def side_of(description: str) -> Side:
    """Tell whose message a description is about; the user's unless it names the assistant."""
    return named_side(description) or "input"


@lru_cache(maxsize=1_000)
def named_side(description: str) -> Side | None:
    """Return whose message a description is about, or None if it names nobody."""
    text = without_lead_in(description.strip())
    if _ANSWER.match(text):
        return "output"
    subject = _SUBJECT.match(text)
    if subject:
        return "output" if subject["assistant"] else "input"
    return "output" if _BY_ASSISTANT.search(text) else None


def without_lead_in(description: str) -> str:
    """Drop what only addresses us: "Detect when the user ..." is about the user."""
    return _LEAD_IN.sub("", description) or description


def sides_of(
    definition: EventDefinition, *, unnamed: tuple[Side, ...] = ("input",)
) -> tuple[Side, ...]:
    """Return the messages a definition looks at: its scope, else what the description says.

    Args:
        definition: The definition.
        unnamed: What to look at where neither names a side; of a session, both are looked at.
    """
    if definition.scope == "interaction":
        return BOTH_SIDES
    if definition.scope == "user_message":
        return ("input",)
    if definition.scope == "assistant_message":
        return ("output",)
    side = named_side(definition.description)
    if definition.scope == "session" and not side:
        return BOTH_SIDES
    return (side,) if side else unnamed


def where(sides: tuple[Side, ...]) -> str:
    """Return what people call the messages of `sides`."""
    return _WHERE[sides]


def _sentence(core: str, side: Side, subject: re.Match[str] | None) -> str:
    """Return "I ..." in the present tense where the description names who acts."""
    if subject is None:
        return _as_spoken(core, side)
    verb, _, rest = core.partition(" ")
    return f"I {_as_spoken(f'{_base_form(verb)} {rest}'.strip(), side)}"


def _base_form(verb: str) -> str:
    lower = verb.lower()
    if lower in _BASE_FORMS:
        return _BASE_FORMS[lower]
    if lower.endswith("ies"):
        return verb[:-3] + "y"
    if lower.endswith(("sses", "shes", "ches", "xes")):
        return verb[:-2]
    return verb[:-1] if lower.endswith("s") and not lower.endswith("ss") else verb


def _as_spoken(text: str, side: Side) -> str:
    """Turn the third person into "I" and "you"."""
    me, you = (USER, ASSISTANT) if side == "input" else (ASSISTANT, USER)
    if side == "input":
        text = re.sub(r"[A-Za-z]+", lambda m: _FIRST_PERSON.get(m[0].lower(), m[0]), text)
    text = _swap(text, you, "you", "your")
    if side == "input" and "you" in text:
        text = re.sub(r"\bit\b", "you", text)
    return _swap(text, me, "I", "my")


def _swap(text: str, who: str, pronoun: str, possessive: str) -> str:
    return re.sub(
        rf"\b(?:the|an?)\s+(?:{who})\b(['’]s)?",
        lambda m: possessive if m[1] else pronoun,
        text,
        flags=re.IGNORECASE,
    )

"""Reads which condition on the language of a message a sentence states."""

# Typographic characters are what strangers type.
# ruff: noqa: RUF001

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from phospho.detectors.description import ASSISTANT, BOTH_SIDES, USER
from phospho.detectors.language_conditions import LanguageCondition
from phospho.detectors.language_names import NAMES_PATTERN, language_code

if TYPE_CHECKING:
    from phospho.models import Side

_THE = r"(?:(?:an?|the|our|my|this|any|some|their|his|her|its|each|every)\s+)?"
_OF_USER = r"(?:questions?|inputs?|quer(?:y|ies)|prompts?|requests?)"
_OF_ASSISTANT = r"(?:answers?|repl(?:y|ies)|responses?|outputs?|completions?)"
_OF_ANYBODY = r"(?:messages?|texts?|turns?|conversations?|interactions?|sentences?|content)"
_MESSAGE = rf"(?:{_OF_USER}|{_OF_ASSISTANT}|{_OF_ANYBODY})"
_BY = rf"(?:of|from|by)\s+{_THE}"

_SUBJECT = (
    rf"{_THE}(?:(?P<user>{USER}|they)(?:['’]s?)?(?:\s+{_MESSAGE})?"
    rf"|(?P<assistant>{ASSISTANT}|it)(?:['’]s?)?(?:\s+{_MESSAGE})?"
    rf"|(?:{_OF_USER}|{_OF_ANYBODY}\s+{_BY}(?P<by_user>{USER}))"
    rf"|(?P<answer>{_OF_ASSISTANT}(?:\s+{_BY}(?:{ASSISTANT}))?|{_OF_ANYBODY}\s+{_BY}(?:{ASSISTANT}))"
    rf"|(?P<both>{_OF_ANYBODY}))"
)

_NOT = (
    r"(?P<not>\s+(?:does|did|do|is|was|are|were|has|have)\s*(?:not|n['’]t)|\s+never|\s+not"
    r"|\s+fails?\s+to)?"
)
_AUX = r"(?:\s+(?:is|was|are|were|has|have|had|been|be|that|which|who))*"
_HOW = r"(?:\s+(?:ever|also|only|mainly|mostly|always|sometimes|suddenly|actually|entirely))*"
_BEGINS = r"(?:\s+(?:starts?|started|begins?|began|continues?|keeps?|kept)(?:\s+to)?)?"
_WILL = rf"{_AUX}{_NOT}{_AUX}{_HOW}{_BEGINS}"
_TO = rf"(?:\s+(?:back|(?:(?:to|at|with|back\s+to)\s+)?{_THE}(?:{USER}|{ASSISTANT})))?"
_OBJECT = rf"(?:\s+(?:something|anything|everything|{_THE}{_MESSAGE}))?"

_THAT_IS = r"(?:\s+(?:that|which)\s+(?:is|was)(?P<not2>\s*(?:not|n['’]t))?)?"

# "asks in", "writes a message in", "speaks"; to ask *for* something in a language is a meaning.
_SAYS = (
    r"\s+(?:writ(?:es?|ing|ten)|wrote|typ(?:es?|ed|ing)|ask(?:s|ed|ing)?|chat(?:s|ted|ting)?"
    r"|talk(?:s|ed|ing)?|communicat(?:es?|ed|ing)|answer(?:s|ed|ing)?|respond(?:s|ed|ing)?"
    r"|repl(?:y|ies|ied|ying)|messag(?:es?|ed|ing)|sen(?:ds?|t|ding)|start(?:s|ed|ing)?"
    r"|phras(?:es?|ed|ing)|stat(?:es?|ed|ing)|sp(?:eaks?|oke|eaking|oken))"
)
_USES = r"\s+(?:us(?:es?|ed|ing)|sp(?:eaks?|oke|eaking|oken)|writ(?:es?|ing)|wrote)"

_LISTED = (
    rf"(?:(?:either|neither)\s+)?(?:{NAMES_PATTERN})"
    rf"(?:(?:\s*[,/]\s*(?:n?or\s+)?|\s+n?or\s+)(?:in\s+)?(?:{NAMES_PATTERN}))*"
)
_THAN = r"(?:than|from|to|but|except(?:\s+for)?|besides)"
_ANOTHER = r"(?:an?other|a\s+different|any|any\s+other|some\s+other|other|different)\s+languages?"
_ANOTHER_THAN = (
    rf"(?:{_ANOTHER}\s+(?:other\s+)?{_THAN}|(?:an?|any|some)\s+languages?\s+other\s+than"
    r"|(?:an?|any|some)\s+languages?\s+(?:different\s+from|except(?:\s+for)?)"
    r"|(?:an?|any|some)\s+language\s+(?:that|which)\s+is\s*(?:not|n['’]t))"
)
_OTHER_THAN = rf"(?:{_ANOTHER_THAN}|anything\s+(?:but|other\s+than)|not)"
_NON = rf"(?:(?:an?|any|some)\s+)?non[- ](?P<non>{NAMES_PATTERN})"
_USERS = (
    rf"(?:{_THE}(?:{USER})(?:['’]s?)?(?:\s+(?:own\s+)?(?:language|{_MESSAGE}))?"
    rf"|(?:the\s+)?(?:one|language|that)\s+(?:of\s+{_THE}(?:{USER})|{_THE}(?:{USER})\s+"
    r"(?:uses|used|writes|wrote|speaks|spoke)(?:\s+in)?)"
    rf"|{_THE}(?:{_OF_USER}|input)|(?:what\s+)?{_THE}(?:{USER})\s+(?:uses|used|does|did|wrote|writes)(?:\s+in)?)"
)
_TAIL = (
    rf"(?:\s+(?:only|exclusively|instead(?:\s+of(?:\s+in)?\s+(?:{NAMES_PATTERN}))?|at\s+some\s+point|at\s+least\s+once|language"
    r"|mid[- ]conversation|(?:during|in|within)\s+the\s+(?:conversation|session|chat)))?"
)

_LANGUAGE = (
    rf"(?:(?P<other>{_OTHER_THAN})\s+(?P<others>{_LISTED})|{_NON}(?:\s+(?:language|{_MESSAGE}))?"
    rf"|(?P<these>{_LISTED}))"
)
_AS_USER = (
    rf"(?:(?P<unlike>{_ANOTHER_THAN})\s+{_USERS}"
    rf"|(?:the\s+)?same\s+language\s+(?:as|that)\s+{_USERS}"
    rf"|(?:the\s+)?(?:same\s+)?language\s+of\s+{_THE}(?:{USER})(?:['’]s?)?(?:\s+{_MESSAGE})?"
    rf"|(?:the\s+)?language\s+(?:that\s+|which\s+)?{_THE}(?:{USER})\s+(?:uses|used|writes|wrote"
    r"|speaks|spoke|chose)(?:\s+in)?"
    rf"|{_THE}(?:{USER})['’]s?\s+(?:own\s+)?language)"
)


def _rule(predicate: str) -> re.Pattern[str]:
    return re.compile(rf"{_SUBJECT}{predicate}{_TAIL}", re.IGNORECASE)


_IS = r"\s+(?:is|was|are|were)(?P<not>\s*(?:not|n['’]t))?"
_IN_LANGUAGE = (
    # "writes in Spanish", "is written in Spanish", "is in Spanish", "not in English"
    _rule(rf"{_WILL}(?:{_SAYS}{_TO}{_OBJECT}{_TO}{_THAT_IS})?{_HOW}\s+in\s+{_LANGUAGE}"),
    # "speaks Spanish", "uses a language other than English", "sends a non-English message"
    _rule(rf"{_WILL}{_USES}\s+{_LANGUAGE}"),
    _rule(rf"{_WILL}{_SAYS}{_TO}\s+{_NON}\s+{_MESSAGE}"),
    # "the user's language is Spanish", "the language of the message is Spanish"
    _rule(rf"\s+language{_IS}\s+{_LANGUAGE}"),
    re.compile(
        rf"(?:the\s+)?language\s+(?:of|used\s+(?:by|in)|spoken\s+by)\s+{_SUBJECT}{_IS}\s+{_LANGUAGE}",
        re.IGNORECASE,
    ),
    # "a non-English message", "Spanish messages from the user"
    re.compile(
        rf"(?:{_NON}|(?:an?\s+|any\s+)?(?P<these>{_LISTED}))(?:[- ]language)?"
        r"\s+(?:messages?|texts?)"
        rf"(?:\s+{_BY}(?:(?P<by_user>{USER})|(?P<assistant>{ASSISTANT})))?",
        re.IGNORECASE,
    ),
)
_IS_LANGUAGE = _rule(rf"(?:\s+(?:that|which))?{_IS}{_HOW}\s+{_LANGUAGE}")
_LIKE_USER = _rule(rf"{_WILL}(?:{_SAYS}{_TO}{_OBJECT}{_TO}|{_USES})?{_HOW}(?:\s+in)?\s+{_AS_USER}")
_SWITCHES = _rule(
    rf"{_AUX}\s+(?:switch(?:es|ed|ing)?|chang(?:es?|ed|ing))(?:\s+(?:the|their|his|her|its))?"
    rf"(?:\s+languages?)?(?:\s+from\s+(?:one\s+language|(?P<from>{_LISTED})))?"
    rf"(?:\s+(?:in)?to\s+(?:(?P<any>an?other(?:\s+(?:one|language))?|a\s+different\s+(?:one|language))"
    rf"|(?P<to>{_LISTED})))?"
)
_SPEAK_DIFFERENTLY = re.compile(
    rf"{_THE}(?:{USER})\s+and\s+{_THE}(?:{ASSISTANT})(?:\s+are)?\s+(?:us(?:e|ing)|speak(?:ing)?"
    r"|writ(?:e|ing)(?:\s+in)?|talk(?:ing)?\s+in)\s+different\s+languages",
    re.IGNORECASE,
)
_SPEAKS_OF_ONE = re.compile(r"\blanguages?\b", re.IGNORECASE)


def read_language(text: str) -> LanguageCondition | None:
    """Return the condition on a language that a sentence states, or None."""
    return _in_language(text) or _like_user(text) or _switches(text)


def _in_language(text: str) -> LanguageCondition | None:
    for rule in (*_IN_LANGUAGE, _IS_LANGUAGE):
        found = rule.fullmatch(text)
        if found is None or (rule is _IS_LANGUAGE and not _is_message(found)):
            continue
        groups = found.groupdict()
        listed = groups.get("these") or groups.get("others") or groups["non"]
        is_other = groups.get("other") or groups.get("non")
        denials = (groups.get("not"), groups.get("not2"), is_other, "neither" in listed.lower())
        return LanguageCondition(
            relation="in",
            sides=_sides(found),
            languages=_codes(listed),
            # "does not write in a language other than English" is written in English.
            is_negated=sum(map(bool, denials)) % 2 == 1,
        )
    return None


def _like_user(text: str) -> LanguageCondition | None:
    if _SPEAK_DIFFERENTLY.fullmatch(text):
        return LanguageCondition(relation="as_user", sides=("output",), is_negated=True)
    found = _LIKE_USER.fullmatch(text)
    if found is None or _sides(found) != ("output",):
        return None
    return LanguageCondition(
        relation="as_user",
        sides=("output",),
        is_negated=bool(found["not"]) != bool(found["unlike"]),
    )


def _switches(text: str) -> LanguageCondition | None:
    found = _SWITCHES.fullmatch(text)
    # "changes the tone" and "switches to another one" are not about a language.
    if found is None or not (found["to"] or found["from"] or _SPEAKS_OF_ONE.search(text)):
        return None
    return LanguageCondition(
        relation="switch",
        sides=_sides(found),
        languages=_codes(found["to"] or ""),
        before=_codes(found["from"] or ""),
    )


def _is_message(found: re.Match[str]) -> bool:
    """Tell a message, which is Spanish, from a user who is."""
    subject = found[0][: found.start("not") if found["not"] else found.start("these")]
    return bool(re.search(rf"\b{_MESSAGE}\b", subject, re.IGNORECASE))


def _sides(found: re.Match[str]) -> tuple[Side, ...]:
    named = {name for name, text in found.groupdict().items() if text}
    if named & {"assistant", "answer"}:
        return ("output",)
    is_bare = found.re is _IN_LANGUAGE[-1]
    return BOTH_SIDES if "both" in named or (is_bare and "by_user" not in named) else ("input",)


def _codes(listed: str) -> tuple[str, ...]:
    names = re.findall(rf"\b(?:{NAMES_PATTERN})\b", listed, re.IGNORECASE)
    return tuple(dict.fromkeys(code for name in names if (code := language_code(name))))

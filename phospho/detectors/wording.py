"""Reads a wording condition out of a description: "started with 'As an AI language model'".

A description becomes a condition only if *all* of it speaks of wording. "The user said 'cancel my
account'" does; "The user asks about the 'Premium' plan" and "The user says something like
'help'" mean something, quote an example of it, and are left to the `semantic` detector.
"""

# Typographic characters are what strangers type.
# ruff: noqa: RUF001

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from phospho.detectors.conditions import Condition, Kind, Unit
from phospho.detectors.description import ASSISTANT, BOTH_SIDES, USER, without_lead_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phospho.models import Side

# A single quote inside a word is an apostrophe.
_QUOTED = re.compile(
    r"“([^“”]+)”|„([^„“”]+)[“”]|«\s*([^«»]+?)\s*»|‹([^‹›]+)›|「([^「」]+)」|『([^『』]+)』"
    r"|(?<!\w)\"([^\"]+)\"|``?([^`]+?)``?(?!\w)|(?<!\w)`([^`']+)'(?!\w)"
    r"|(?<!\w)[‘‚](.+?)[’‘](?!\w)|(?<!\w)'(.+?)'(?!\w)"
)

_USER = rf"(?:{USER}|they|he|she)"
_ASSISTANT = rf"(?:{ASSISTANT}|it)"
_ONE = r"(?:an?|the|our|my|this|any|some|their|his|her|its|each|every)"
_MESSAGE_OF_USER = r"(?:questions?|inputs?|quer(?:y|ies)|prompts?|requests?)"
_MESSAGE_OF_ASSISTANT = r"(?:answers?|repl(?:y|ies)|responses?|outputs?|completions?)"
_MESSAGE = r"(?:messages?|texts?|turns?|conversations?|interactions?|sentences?|content)"
_ANY_MESSAGE = rf"(?:(?:first|last)\s+)?(?:{_MESSAGE}|{_MESSAGE_OF_USER}|{_MESSAGE_OF_ASSISTANT})"

_SUBJECT = re.compile(
    rf"(?:{_ONE}\s+)?(?:"
    rf"(?P<user>{_USER})(?:['’]s?)?(?:\s+{_ANY_MESSAGE})?"
    rf"|(?P<assistant>{_ASSISTANT})(?:['’]s?)?(?:\s+{_ANY_MESSAGE})?"
    rf"|(?P<asked>{_MESSAGE_OF_USER}|{_MESSAGE}\s+(?:of|from|by)\s+(?:the\s+)?{_USER})"
    rf"|(?P<answered>{_MESSAGE_OF_ASSISTANT}|{_MESSAGE}\s+(?:of|from|by)\s+(?:the\s+)?{_ASSISTANT})"
    rf"(?:\s+(?:of|from|by)\s+(?:the\s+)?{_ASSISTANT})?"
    rf"|(?P<both>{_MESSAGE}))\b",
    re.IGNORECASE,
)

_NOT = (
    r"(?P<not>(?:(?:does|did|do|is|was|has|have|had|should|must|will|can)\s*(?:not|n['’]t)"
    r"|never|don['’]t|cannot|fails? to|failed to)\s+)?"
)
_AUX = r"(?:(?:has|have|had|is|was|are|were|that|which|who)\s+)*"
_HOW = r"(?:(?:ever|also|literally|explicitly|always|actually|simply|verbatim|even|itself)\s+)*"
_THEIR_MESSAGE = rf"(?:\s+(?:{_ONE}\s+)?{_ANY_MESSAGE})?(?:\s+off)?"
_SAYING = r"(?:\s+(?:with|by\s+(?:saying|writing|stating|using)|saying|in|on))"
_NOUN = (
    r"(?:\s+(?:either|both|one|any|at least one|all|some)(?:\s+of)?)?"
    r"(?:\s+(?:the|a|an|these|this))?"
    r"(?:\s+(?:following|exact|literal|specific|currency|punctuation|special))*"
    r"(?:\s+(?:words?|phrases?|terms?|expressions?|keywords?|strings?|texts?|sentences?|names?"
    r"|characters?|symbols?|letters?|signs?|substrings?|wording|emojis?))*(?:\s+of)?\s*:?"
)
_STARTS = r"(?:start|begin|beg[au]n|open|lead)(?:n?ing|s|ed|n)?"
_ENDS = r"(?:end|finish|clos|conclud)(?:e?s|es|ed|ing|e)?"
_SAYS = (
    r"(?:contain(?:s|ed|ing)?|includ(?:es?|ed|ing)|mention(?:s|ed|ing)?|say(?:s|ing)?|said"
    r"|writ(?:es?|ing|ten)|wrote|us(?:es?|ed|ing)|utter(?:s|ed|ing)?|typ(?:es?|ed|ing)"
    r"|has|have|had|having|(?:(?:answer|respond|repl)(?:s|ed|ing|y|ies|ied|ying)?)(?:\s+with)?"
    r"|sen(?:ds?|t|ding)|stat(?:es?|ed|ing)|spell(?:s|ed|ing)?|giv(?:es?|en|ing)|gave|provid(?:es?|ed|ing)|shar(?:es?|ed|ing)|repeat(?:s|ed|ing)?"
    r"|(?:tell(?:s|ing)?|told)(?:\s+(?:the\s+)?(?:user|customer|assistant|agent|bot))?|with)"
)
_EXACTLY = (
    r"(?:exactly|precisely|only|just|nothing (?:but|else than)|word for word|equal to|equals)"
)
_IS = r"(?:is|was|are|were|be|equals?|matches|matched|reads?|consist(?:s|ed)?(?: only| solely)? of)"

_WHERE = (
    rf"(?:\s+(?:anywhere|somewhere))?(?:\s+(?:in|within|inside|of|from)\s+(?:{_ONE}\s+)?"
    rf"(?:(?P<where_user>{_USER})(?:['’]s?)?\s+|(?P<where_assistant>{_ASSISTANT})(?:['’]s?)?\s+)?"
    rf"(?:(?P<where_asked>{_MESSAGE_OF_USER})|(?P<where_answered>{_MESSAGE_OF_ASSISTANT})"
    rf"|(?:(?:first|last)\s+)?{_MESSAGE}))?"
)
_TAIL = (
    r"(?P<at_start>\s+at\s+the\s+(?:very\s+)?(?:start|beginning)|\s+first)?"
    r"(?P<at_end>\s+at\s+the\s+(?:very\s+)?end)?" + _WHERE + r"(?:\s+(?:anywhere|somewhere|verbatim"
    r"|literally|at least once|to the (?:assistant|agent|bot|user|customer)"
    r"|case[- ]insensitive(?:ly)?"
    r"|in any (?:case|form)))*"
)
_QUOTES = (
    r"\s*(?P<quotes>⟦\d+⟧(?:\s*(?:,|/|\||;|(?:,\s*)?(?:and/or|or|and)(?:\s+(?:the|a|an))?"
    r"(?:\s+(?:word|phrase|term))?)\s*⟦\d+⟧)*)"
)


def _rule(verb: str, *, noun: str = _NOUN, what: str = _QUOTES) -> re.Pattern[str]:
    return re.compile(rf"\s*{_AUX}{_NOT}{_AUX}{_HOW}{verb}{noun}{what}{_TAIL}", re.IGNORECASE)


_QUOTE_RULES: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("starts", _rule(_STARTS + _THEIR_MESSAGE + _SAYING)),
    ("ends", _rule(_ENDS + _THEIR_MESSAGE + _SAYING)),
    ("exact", _rule(rf"(?:{_SAYS}|{_IS})\s+{_EXACTLY}")),
    ("exact", _rule(rf"{_EXACTLY}\s+(?:{_SAYS}|{_IS})")),
    ("contains", _rule(_SAYS)),
)
_IS_QUOTE = _rule(rf"(?:{_IS})")
_PASSIVE = re.compile(
    r"(?:(?:the\s+)?(?:exact\s+)?(?:words?|phrases?|terms?|expressions?|keywords?)\s+)?"
    rf"{_QUOTES}\s+{_NOT}{_AUX}{_NOT.replace('<not>', '<not2>')}"
    r"(?:appears?|appeared|occurs?|occurred|(?:be(?:en)?\s+)?(?:mentioned|used|said|written|contained"
    r"|present|found|uttered))"
    rf"(?:\s+by\s+(?:the\s+)?(?:(?P<by_user>{_USER})|(?P<by_assistant>{_ASSISTANT})))?{_TAIL}",
    re.IGNORECASE,
)
_UNQUOTED = re.compile(
    r"(?P<before>.*\bthe (?:exact )?(?:word|term|phrase|keyword)) (?P<word>[^\s⟦,;]+)"
    r"(?P<after>(?: (?:in|anywhere|at) .*)?)",
    re.IGNORECASE,
)

# A letter or sign is found inside words too.
_PART_OF_WORD = re.compile(r"\b(?:letter|character|symbol|sign|substring)s?\b", re.IGNORECASE)
_ENDS_EXCLAIMING = _rule(
    _ENDS + _THEIR_MESSAGE + _SAYING, noun=r"\s+", what=r"an?\s+exclamation (?:mark|point)"
)
_IN_CAPITALS = _rule(
    rf"(?:{_SAYS}|{_IS})", noun=_THEIR_MESSAGE,
    what=r"\s+in\s+(?:all[ -]|only\s+)?(?:caps|capitals|capital letters|upper ?case)",
)  # fmt: skip

_SHAPES: tuple[tuple[Kind, str], ...] = (
    ("number", r"(?:(?:an?|any|some|at least one|one or more)\s+)?(?:numbers?|digits?|numerals?)"),
    ("url", r"(?:(?:an?|any|some)\s+)?(?:urls?|(?:web|hyper)? ?links?|web ?(?:site )?addresses)"),
    ("email", r"(?:(?:an?|any|some)\s+)?e-?mail address(?:es)?"),
    ("emoji", r"(?:(?:an?|any|some)\s+)?(?:emojis?|emoticons?|smileys?)"),
    ("exclamation", r"(?:(?:an?|any|some)\s+)?exclamation (?:mark|point)s?"),
    ("code", r"(?:(?:an?|any|some)\s+)?code (?:block|snippet)s?"),
)  # fmt: skip
_ASKS = re.compile(
    rf"\s*{_AUX}{_NOT}{_AUX}{_HOW}(?:(?:ask|pos|rais)(?:e?s|ed|ing|e)?"
    rf"(?:\s+(?:the\s+)?(?:{_USER}|{_ASSISTANT}|back))?"
    rf"|{_SAYS}|{_IS}|(?P<ends>{_ENDS}{_THEIR_MESSAGE}{_SAYING}))"
    r"\s+(?:(?:an?|any|some|at least one|one or more|the)\s+)?"
    r"(?:(?:follow-?up|clarifying)\s+)?question(?:\s+mark)?s?(?:\s+back)?"
    rf"(?:\s+(?:to|of)\s+(?:the\s+)?(?:{_USER}|{_ASSISTANT}))?{_TAIL}",
    re.IGNORECASE,
)
_WORDS_FOR_NUMBERS = {
    word: number
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
         "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
         "eighteen", "nineteen", "twenty")
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "hundred": 100, "a hundred": 100, "one hundred": 100,
     "a thousand": 1000, "one thousand": 1000}  # fmt: skip
_LENGTH = re.compile(
    rf"\s*{_AUX}{_NOT}{_AUX}(?:(?:{_SAYS}|{_IS}|(?:last|exceed|count)s?(?:ed)?)\s+)?"
    rf"(?:(?:{_ONE}\s+)?(?:{_ANY_MESSAGE})\s+(?:(?:that|which)\s+)?(?:(?:is|are|was|has|of|with)\s+)?)?"
    r"(?:(?P<more>longer than|more than|over|above|exceeds?|exceeding)"
    r"|(?P<less>shorter than|less than|fewer than|under|below)"
    r"|(?P<least>at least|no (?:shorter|less|fewer) than)"
    r"|(?P<most>at most|up to|no (?:longer|more) than))"
    rf"\s+(?P<n>\d[\d,. ]*\d|\d|{'|'.join(sorted(_WORDS_FOR_NUMBERS, key=len, reverse=True))})\s*-?"
    r"(?P<unit>words?|char(?:acter)?s?|letters?|sentences?|lines?)(?:\s+long|\s+in length)?"
    + _TAIL,
    re.IGNORECASE,
)


@lru_cache(maxsize=1_000)
def parse_wording(description: str) -> Condition | None:
    """Return the condition a description states, or None if it speaks of meaning."""
    text = " ".join(without_lead_in(description.strip()).split()).rstrip(" .!")
    phrases: list[str] = []

    def masked(quoted: re.Match[str]) -> str:
        phrases.append(next(group for group in quoted.groups() if group is not None).strip())
        return f"⟦{len(phrases) - 1}⟧"

    text = _QUOTED.sub(masked, text.replace("⟦", "").replace("⟧", "")).rstrip(" .!")
    text = re.sub(r"(⟦\d+⟧)[.,](?=\s|$)(?!\s*⟦)", r"\1", text)
    if not phrases:
        text = _quote_the_word(text, phrases)
    if not all(phrases):
        return None
    return _passive(text, phrases) or _active(text, phrases)


def _quote_the_word(text: str, phrases: list[str]) -> str:
    """Read "the word refund" as if refund stood in quotes."""
    found = _UNQUOTED.fullmatch(text)
    if not found:
        return text
    phrases.append(found["word"])
    return f"{found['before']} ⟦0⟧{found['after']}"


def _active(text: str, phrases: Sequence[str]) -> Condition | None:
    subject = _SUBJECT.match(text)
    sides = _sides(subject)
    predicate = text[subject.end() :] if subject else text
    for kind, rule in _QUOTE_RULES:
        if found := rule.fullmatch(predicate):
            return _quoting(kind, found, phrases, sides)
    # "The message is 'ok'": only what is a message can be a quote.
    if (
        subject
        and re.search(rf"\b{_ANY_MESSAGE}$", subject[0])
        and (found := _IS_QUOTE.fullmatch(predicate))
    ):
        return _quoting("exact", found, phrases, sides)
    return _shape(predicate, sides) if not phrases else None


def _passive(text: str, phrases: Sequence[str]) -> Condition | None:
    """Read "The word 'refund' appears in the user's message"."""
    found = _PASSIVE.fullmatch(text)
    if not found:
        return None
    sides = BOTH_SIDES
    if found["by_user"] or found["by_assistant"]:
        sides = ("input",) if found["by_user"] else ("output",)
    condition = _quoting("contains", found, phrases, sides)
    return condition.negation() if found["not2"] else condition


def _quoting(
    kind: Kind, found: re.Match[str], phrases: Sequence[str], sides: tuple[Side, ...]
) -> Condition:
    list_of_quotes = found["quotes"]
    chosen = tuple(phrases[int(i)] for i in re.findall(r"⟦(\d+)⟧", list_of_quotes))
    between = re.sub(r"⟦\d+⟧", " ", list_of_quotes).lower()
    if kind == "contains" and (found["at_start"] or found["at_end"]):
        kind = "starts" if found["at_start"] else "ends"
    needs_all = kind == "contains" and "and" in between.split() and "or" not in between.split()
    if kind == "contains" and _PART_OF_WORD.search(found[0].partition("⟦")[0]):
        kind = "substring"
    return Condition(
        kind=kind,
        sides=_narrowed(found, sides),
        phrases=chosen,
        needs_all=needs_all,
        is_negated=bool(found["not"]),
    )


def _shape(predicate: str, sides: tuple[Side, ...]) -> Condition | None:
    """Read conditions without quotes: a question, a number, a length."""
    if found := _ASKS.fullmatch(predicate):
        kind: Kind = "ends" if found["ends"] else "question"
        return Condition(
            kind=kind,
            sides=_narrowed(found, sides),
            phrases=("?",) if kind == "ends" else (),
            is_negated=bool(found["not"]),
        )
    for shape, words in _SHAPES:
        if found := _rule(_SAYS, noun=r"\s+", what=words).fullmatch(predicate):
            return Condition(
                kind=shape, sides=_narrowed(found, sides), is_negated=bool(found["not"])
            )
    if found := _ENDS_EXCLAIMING.fullmatch(predicate):
        return Condition(
            kind="ends",
            sides=_narrowed(found, sides),
            phrases=("!",),
            is_negated=bool(found["not"]),
        )
    if found := _IN_CAPITALS.fullmatch(predicate):
        return Condition(
            kind="capitals", sides=_narrowed(found, sides), is_negated=bool(found["not"])
        )
    if found := _LENGTH.fullmatch(predicate):
        return _length(found, sides)
    return None


def _length(found: re.Match[str], sides: tuple[Side, ...]) -> Condition | None:
    number = found["n"].lower()
    digits = re.sub(r"[,. ]", "", number)
    amount = int(digits) if digits.isdecimal() else _WORDS_FOR_NUMBERS[number]
    unit: Unit = "words"
    if found["unit"].lower().startswith(("char", "letter")):
        unit = "characters"
    elif found["unit"].lower().startswith("sentence"):
        unit = "sentences"
    elif found["unit"].lower().startswith("line"):
        unit = "lines"
    is_longer = bool(found["more"] or found["least"])
    if found["least"]:
        amount -= 1
    elif found["most"]:
        amount += 1
    return Condition(
        kind="longer" if is_longer else "shorter",
        sides=_narrowed(found, sides),
        amount=amount,
        unit=unit,
        is_negated=bool(found["not"]),
    )


def _sides(subject: re.Match[str] | None) -> tuple[Side, ...]:
    if subject is None or subject["both"]:
        return BOTH_SIDES
    return ("input",) if subject["user"] or subject["asked"] else ("output",)


def _narrowed(found: re.Match[str], sides: tuple[Side, ...]) -> tuple[Side, ...]:
    """Let "in the user's message" decide where the subject left it open."""
    if len(sides) == 1:
        return sides
    if found["where_user"] or found["where_asked"]:
        return ("input",)
    if found["where_assistant"] or found["where_answered"]:
        return ("output",)
    return sides

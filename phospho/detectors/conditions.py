"""Conditions on the wording of a message, and where in a text they are met.

Words are compared as people read them: upper and lower case alike, any kind of apostrophe, dash
or blank, whole words only, except in scripts that are written without spaces.
"""

# Typographic characters are what strangers type.
# ruff: noqa: RUF001

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from phospho.models import Side

Kind = Literal[
    "starts", "ends", "contains", "substring", "exact", "capitals",
    "question", "number", "url", "email", "emoji",
    "exclamation", "code", "longer", "shorter",
]  # fmt: skip
Unit = Literal["words", "characters", "sentences", "lines"]

# No message that a person reads is longer; what comes after is not looked at.
MAX_CHARS = 100_000

_MAX_SENTENCE_CHARS = 300
_MAX_ABBREVIATION = 3


@dataclass(frozen=True)
class Condition:
    """A condition on the wording of a message.

    Args:
        kind: What is looked at.
        sides: The messages in which it may be met.
        phrases: For the kinds that quote: the wording; any one suffices.
        needs_all: Whether every phrase must occur.
        amount: For `longer` and `shorter`: how many of `unit`.
        unit: What `amount` counts.
        is_negated: Whether the event is that the condition is *not* met.
    """

    kind: Kind
    sides: tuple[Side, ...]
    phrases: tuple[str, ...] = ()
    needs_all: bool = False
    amount: int = 0
    unit: Unit = "words"
    is_negated: bool = False

    def negation(self) -> Condition:
        """Return the opposite condition."""
        return replace(self, is_negated=not self.is_negated)


_SINGLE_QUOTES = "'’‘ʼ`´′"
_DOUBLE_QUOTES = '"“”„«»'
_DASHES = "-‐‑‒–—−"

# Scripts without spaces between words, and Hangul, whose particles follow a word immediately.
_NO_SPACES = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff"
    r"\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
_NO_LETTER_BEFORE = r"(?<![^\W_])"
_NO_LETTER_AFTER = r"(?![^\W_])"
_PLURAL = re.compile(r"[^\W\d_]{2,}[^\W\d_sS]")
_SHAPES: dict[str, re.Pattern[str]] = {
    # A question mark inside a web address asks nothing.
    "question": re.compile(r"[?？؟](?![\w=&])"),
    "number": re.compile(r"\d(?:[\d.,:]*\d)?"),
    "url": re.compile(r"(?:https?://|www\.)[^\s<>\"']+", re.IGNORECASE),
    "email": re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"),
    "emoji": re.compile(r"[\u2600-\u27bf\U0001f300-\U0001faff]|(?<!\w)[:;]-?[)(DPp](?!\w)"),
    "exclamation": re.compile(r"[!！]"),
    "code": re.compile(r"```"),
}


def find(condition: Condition, text: str) -> str | None:
    """Return the words of `text` that meet the condition, or None; `is_negated` is not applied.

    The words may be empty where the condition is met by no words in particular.
    """
    text = text[:MAX_CHARS]
    if condition.kind in _SHAPES:
        found = _SHAPES[condition.kind].search(text)
        if found and condition.kind == "question":
            return _sentence_before(text, found.end())
        return found[0] if found else None
    if condition.kind == "capitals":
        return "" if _is_in_capitals(text) else None
    if condition.kind in {"longer", "shorter"}:
        return _find_length(condition, text)
    quotes = [_find_phrase(condition.kind, phrase, text) for phrase in condition.phrases]
    if condition.needs_all and None in quotes:
        return None
    return next((quote for quote in quotes if quote is not None), None)


def _sentence_before(text: str, end: int) -> str:
    """Return the sentence that ends at `end`, as far as it makes a quote."""
    start = max(0, end - _MAX_SENTENCE_CHARS)
    return re.split(r"[\n.!?？؟]", text[start : end - 1])[-1].lstrip() + text[end - 1]


def _is_in_capitals(text: str) -> bool:
    """Tell whether a text shouts; "OK" and "USA" alone do not."""
    letters = sum(char.isalpha() for char in text)
    return letters > _MAX_ABBREVIATION and text.upper() == text and text.lower() != text


def _has_words(part: str) -> bool:
    return any(char.isalnum() for char in part)


def _find_length(condition: Condition, text: str) -> str | None:
    count = {
        "words": lambda: len(text.split()),
        "characters": lambda: len(text.strip()),
        "sentences": lambda: sum(map(_has_words, re.split(r"[.!?。！？\n]+", text))),
        "lines": lambda: len(text.strip().splitlines()),
    }[condition.unit]()
    is_met = count > condition.amount if condition.kind == "longer" else count < condition.amount
    return "" if is_met else None


def _find_phrase(kind: Kind, phrase: str, text: str) -> str | None:
    found = phrase_pattern(kind, phrase).search(text)
    if found:
        return found["words"]
    if not unicodedata.is_normalized("NFC", text):
        # Decomposed letters: the words occur, though not letter for letter.
        found = phrase_pattern(kind, phrase).search(unicodedata.normalize("NFC", text))
        return "" if found else None
    return None


@lru_cache(maxsize=4_000)
def phrase_pattern(kind: Kind, phrase: str) -> re.Pattern[str]:
    """Return a pattern whose group `words` is the phrase as it stands in a text.

    It is a literal with look-arounds, so searching takes linear time.
    """
    phrase = " ".join(unicodedata.normalize("NFC", phrase).split())
    body = "".join(_as_pattern(char) for char in phrase).replace(r"\.\.\.", r"(?:\.\.\.|…)")
    if kind == "contains" and _PLURAL.fullmatch(phrase):
        body += "(?:e?s)?"
    words = f"(?P<words>{body})"
    if kind != "substring":
        words = _edge(phrase[:1], _NO_LETTER_BEFORE) + words + _edge(phrase[-1:], _NO_LETTER_AFTER)
    # Quotes, bullets and asterisks before the first word, punctuation after the last, say nothing.
    before = r"\A\W{0,20}?" if kind in {"starts", "exact"} else ""
    after = r"\W{0,20}\Z" if kind in {"ends", "exact"} else ""
    return re.compile(before + words + after, re.IGNORECASE)


def _as_pattern(char: str) -> str:
    for alike in (_SINGLE_QUOTES, _DOUBLE_QUOTES, _DASHES):
        if char in alike:
            return f"[{re.escape(alike)}]"
    return r"\s+" if char == " " else re.escape(char)


def _edge(char: str, boundary: str) -> str:
    """Ask for the edge of a word beside a letter or digit of a script that has spaces."""
    return boundary if char.isalnum() and not _NO_SPACES.match(char) else ""

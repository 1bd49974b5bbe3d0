"""Reads words that are meant literally: "the exact word 'a'", "two 'b's", "the word refund"."""

from __future__ import annotations

from typing import NamedTuple

from phospho.detectors.phrases import Likeness, Phrase
from phospho.detectors.reading.amounts import NONE, Range, read_range, skip_times
from phospho.detectors.reading.cursor import Cursor, Phrases
from phospho.detectors.reading.examples import read_list_of
from phospho.detectors.reading.letter_case import Case, read_case, with_case

_DETERMINER = Phrases(
    "a|the|some|any [of]|this|these|those|that|their|your|our|my|one|any (kind|sort|form) of"
)
_EXACT = Phrases("exact|literal|precise|verbatim|word for word|literally")
_ADJECTIVE = Phrases(
    "following|specific|actual|very|same|whole|full|particular|currency|punctuation|special|single"
    "|common|polite|magic|simple|short|quoted|given|forbidden|banned|swear|filler"
)
_LETTERS = Phrases(
    "[text|character] (string|fragment)|[letter|character] sequence|sequence of (character|letter)"
    "|substring|character|symbol|letter|digit|sign|mark|prefix|suffix|domain|token|emoji"
    "|hashtag|(url|link) [to]"
)
_NOUN = Phrases(
    "[key] (word|phrase)|keyword|[brand|product|company|city] name|term|expression|text|sentence"
    "|wording|question|statement|greeting|command|tag|salutation|disclaimer|slogan|line|opener"
    "|error [message|code]|piece of text|marker|placeholder|formula|closing|interjection|pronoun"
    "|verb|noun|adjective|adverb|abbreviation|acronym|exclamation|apology|sign off"
)
# Names of things: who mentions "the product 'a'" says "a".
_THING = Phrases(
    "title|product|brand|company|competitor|place|city|country|code|option|price|number"
)
_NAMELY = Phrases(
    "of|:|from [(this|the [following]) list] [:]|, namely|namely|such as :|called|named|that be"
)
# What follows these is a preposition of theirs, or says which is meant.
_NO_NOUN = Phrases("of|for|that|about|to|with|in|on|like|such|be|which|or|and|as|by|from")

_UNQUOTED = Phrases(
    "[key] word|keyword|term|phrase|expression|name|string|abbreviation|acronym|hashtag"
)
_LONG_UNQUOTED = frozenset(("phrase", "expression"))
_NUMERAL = Phrases("number|digit|year|figure|value|amount|[error|status|promo|zip|area] code")
_LETTER = Phrases("letter|character")
_COLON, _VERBATIM = Phrases(":"), Phrases("word for word")
_ENDS_WORDS = Phrases(
    "in|within|inside|anywhere|somewhere|at (the (start|begin|end|very)|any|some|least)|or|and|but"
    "|more than|exactly|once|twice|time|case|regardless|ignoring|verbatim|explicitly"
    "|literally|by the|be|appear|occur|two"
    "|three|from"
)
_NO_WORD = Phrases(
    "of|for|that|about|to|with|in|on|the|a|like|such|be|this|which|they|or|and|appear|occur|by|from"
    "|use|mention"
)
# "Uses the word correctly" says how a word is used, not which.
_MANNERS = frozenset(
    ("way", "manner", "tone", "voice", "context", "sense", "correctly", "incorrectly", "wrongly",
     "properly", "frequently", "often", "sarcastically", "ironically", "repeatedly", "excessively",
     "politely", "rudely", "differently", "again", "inappropriately", "figuratively", "wrong",
     "right", "jokingly",
     "limit", "count", "processor", "order", "choice")
)  # fmt: skip
# Who uses "a phrase in the app" names none.
_INDEFINITE = Phrases("a|some|any|one")
_WORDS = frozenset(("word", "key word", "keyword"))
_PLACE = "of|for|about|to|with|in|on|at|by|from|within|during|after|before"
_NO_PHRASE = Phrases(
    f"({_PLACE}) (the|a|this|that|their|his|our|my|user)|that|which|first|only|twice|again|too"
    "|or|and|by mistake"
)
_MAX_WORDS = 12
_MAX_NAME_WORDS = 3
# Signs that part the words of a description.
_PUNCTUATION = ",;:.()"
# Signs that join them.
_JOINING = "/="


class Quoted(NamedTuple):
    """Words that are meant literally, and how often."""

    phrase: Phrase
    many: Range = Range(1, None)


def read_quoted(cursor: Cursor, *, has_names: bool, is_edge: bool = False) -> Quoted | None:
    """Read a quote with what introduces and follows it.

    Args:
        cursor: Where to read.
        has_names: Whether it may be the name of a thing: "the movie 'Titanic'".
        is_edge: Whether a message starts or ends with it.
    """
    return cursor.attempt(lambda at: _read_quoted(at, has_names=has_names, is_edge=is_edge))


def _read_quoted(cursor: Cursor, *, has_names: bool, is_edge: bool) -> Quoted | None:
    many = cursor.attempt(_read_many)
    cursor.attempt(lambda at: read_list_of(at, is_edge=is_edge))
    likeness, case = _read_introduction(cursor, has_names=has_names)
    quote = cursor.take_kind("quote")
    if quote is None:
        return None
    words = _without_stop(quote.text, is_last=cursor.is_at_end)
    # "The '#' symbol" is found inside of words, as "the symbol '#'" is.
    while not cursor.sees(_VERBATIM) and (
        (is_letters := cursor.take(_LETTERS)) or cursor.take(_NOUN)
    ):
        likeness = "letters" if is_letters and likeness == "word" else likeness
    return Quoted(with_case(Phrase(words, likeness), case), many or Range(1, None))


def _read_many(cursor: Cursor) -> Range | None:
    """Read how many, before "times" or a name."""
    many = read_range(cursor)
    if many is None or many == NONE:
        return None
    skip_times(cursor)
    return many


def _read_introduction(cursor: Cursor, *, has_names: bool) -> tuple[Likeness, Case | None]:
    """Read what stands before a quote: "the exact word", "the product", "the string"."""
    likeness: Likeness = "word"
    case: Case | None = None
    is_definite = False
    while cursor.now.kind != "quote":
        if taken := cursor.take(_DETERMINER):
            is_definite = is_definite or taken == "the"
        elif cursor.take(_EXACT):
            likeness = "exact"
        elif cursor.take(_LETTERS):
            likeness = "letters" if likeness == "word" else likeness
        elif (found := read_case(cursor)) is not None:
            case = found
        elif not (cursor.take(_ADJECTIVE) or cursor.take(_NOUN) or cursor.take(_NAMELY)):
            is_name = has_names and (is_definite or cursor.sees(_THING))
            cursor.attempt(_read_name if is_name else _read_kind_of_word)
            break
    return likeness, case


def _read_name(cursor: Cursor) -> bool | None:
    """Read the nouns of "the movie 'Titanic'", "the thumbs up emoji '👍'"."""
    for _ in range(_MAX_NAME_WORDS):
        # In "the assistant says 'a'", the words before the quote are no name.
        is_inflected = cursor.now.base != cursor.now.text.lower()
        if is_inflected or cursor.sees(_NO_NOUN) or cursor.take_kind("word") is None:
            return None
        if cursor.now.kind == "quote":
            return True
    return None


def _read_kind_of_word(cursor: Cursor) -> bool | None:
    """Read "SQL keywords" before a quote."""
    is_kind = not cursor.sees(_NO_NOUN) and cursor.take_kind("word") and cursor.take(_NOUN)
    return True if is_kind and cursor.now.kind == "quote" else None


def _without_stop(words: str, *, is_last: bool) -> str:
    """Drop the comma or full stop that American usage puts inside of quotes."""
    bare = words[:-1]
    if not bare[-1:].isalnum():
        return words
    return bare if words[-1] == "," or (words[-1] == "." and is_last) else words


def read_numeral(cursor: Cursor) -> Phrase | None:
    """Read "the number 42", "the digit 7", "the letter A"."""
    return cursor.attempt(_read_numeral)


def _read_numeral(cursor: Cursor) -> Phrase | None:
    cursor.skip(_DETERMINER)
    if cursor.take(_LETTER):
        letter = cursor.take_kind("word")
        return Phrase(letter.text, "letters") if letter and len(letter.text) == 1 else None
    noun = cursor.take(_NUMERAL)
    number = cursor.take_kind("number") if noun else None
    return Phrase(number.text, "letters" if noun == "digit" else "word") if number else None


def read_sign(cursor: Cursor) -> Phrase | None:
    """Read "the % sign", "a #"."""
    return cursor.attempt(_read_sign)


def _read_sign(cursor: Cursor) -> Phrase | None:
    has_noun = bool(cursor.skip(_DETERMINER))
    cursor.skip(_ADJECTIVE)
    has_noun = cursor.take(_LETTERS) is not None or has_noun
    sign = cursor.take_kind("sign")
    if sign is None or sign.text in _PUNCTUATION:
        return None
    has_noun = cursor.take(_LETTERS) is not None or has_noun
    is_alone = sign.text not in _JOINING and (cursor.is_at_end or cursor.now.kind == "word")
    return Phrase(sign.text, "letters") if has_noun or is_alone else None


class Unquoted(NamedTuple):
    """Words that are meant literally though no quotes say so.

    Args:
        phrases: The words.
        needs_all: Whether all of them are looked for.
    """

    phrases: tuple[Phrase, ...]
    needs_all: bool


def read_unquoted(cursor: Cursor) -> Unquoted | None:
    """Read "the word refund", "the words refund or cancel", "the phrase as an AI"."""
    return cursor.attempt(_read_unquoted)


def _read_unquoted(cursor: Cursor) -> Unquoted | None:
    if cursor.sees(_INDEFINITE):
        return None
    cursor.skip(_DETERMINER)
    likeness: Likeness = "word"
    while (is_exact := cursor.take(_EXACT)) or cursor.take(_ADJECTIVE):
        likeness = "exact" if is_exact else likeness
    noun = cursor.take(_UNQUOTED)
    if noun is None:
        return None
    is_plural = cursor.before.text.lower().endswith("s")
    if is_plural and noun not in _WORDS:
        return None
    is_announced = cursor.take(_COLON) is not None
    is_long = noun in _LONG_UNQUOTED or is_plural
    first = _read_words(cursor, _MAX_WORDS if is_long else 1, is_announced=is_announced)
    # "The name Alexa" is one, "the name wrong" is none.
    if first is None or (noun == "name" and not first[0].isupper()):
        return None
    found, needs_all = [first], False
    while noun not in _LONG_UNQUOTED and (more := cursor.attempt(_read_another)):
        found.append(more[1])
        needs_all = more[0].endswith("and")
    return Unquoted(tuple(Phrase(words, likeness) for words in found), needs_all)


_JOINT = Phrases(", [or|and]|or|and|/")


def _read_another(cursor: Cursor) -> tuple[str, str] | None:
    """Read "or cancel"; what reads as something else, as "and ends with", is none."""
    joint = cursor.take(_JOINT)
    words = _read_words(cursor, 1) if joint else None
    is_over = cursor.is_at_end or cursor.sees(_ENDS_WORDS) or cursor.sees(_JOINT)
    return (joint, words) if joint and words and is_over else None


def _read_words(cursor: Cursor, most: int, *, is_announced: bool = False) -> str | None:
    """Read words that are meant literally though no quotes say so."""
    if not is_announced and cursor.sees(_NO_WORD if most == 1 else _NO_PHRASE):
        return None
    start, count = cursor.now.start, 0
    while cursor.now.kind in {"word", "number"} and count < most:
        if count and cursor.sees(_ENDS_WORDS):
            break
        end = cursor.now.end
        cursor.at += 1
        # A hyphen or apostrophe joins what counts as one word.
        after = cursor.now
        is_joined = after.kind != "sign" and cursor.text[end : after.start] in {"-", ""}
        count += 0 if is_joined else 1
    if not count or cursor.before.base in _MANNERS:
        return None
    return cursor.text[start : cursor.before.end]

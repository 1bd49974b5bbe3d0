"""The shapes that have names in descriptions: a number, a link, a question mark, a bullet list.

A name means what a program would take it for, and Settings says which: a question is a question
mark, emoji are the characters of that name, a date has a day and a month, a price has a currency.
"""

# Typographic and foreign characters are what is looked for.
# ruff: noqa: RUF001

from __future__ import annotations

import re

from phospho.detectors.naming import Named, named
from phospho.detectors.numbered_shapes import DATE, MONTH, NUMBERED_SHAPES
from phospho.detectors.shapes import EMOJI, URL, Question, Shape
from phospho.detectors.signs import SIGNS

_MIN_CAPITALS = 2

_TIME = (
    r"(?<![\d:])(?:[01]?\d|2[0-4])(?::[0-5]\d(?::[0-5]\d)?(?:\s?[ap]\.?m\b)?"
    r"|\s?[ap]\.?m\b|\s?o['’]?clock|h\b)|\b(?:noon|midnight)\b"
)
_CURRENCIES = "$€£¥₹₩₽฿₺₫₴"
_CURRENCY = (
    r"(?:dollars?|euros?|pounds?|cents?|bucks|yen|yuan|rupees?|francs?|pesos?"
    r"|usd|eur|gbp|jpy|cny|inr|chf|cad|aud)\b"
)
_AMOUNT = r"\d(?:[\d.,]{0,30}\d)?k?"
_EMOTICON = r"(?<!\w)(?:[:;=]-?[)(DPpOo3/|]|<3|\^\^|:'\()(?!\w)"
_BULLET = r"^[ \t]{0,20}[-*+•‣◦▪–][ \t]+\S"
_NUMBERED = r"^[ \t]{0,20}\d{1,3}[.)][ \t]+\S"
_HEADING = r"^#{1,6}[ \t]+\S"
_BOLD = r"\*\*[^*\n]{1,300}\*\*|__[^_\n]{1,300}__"
_ITALICS = r"(?<![*\w])\*[^*\s][^*\n]{0,300}\*(?![*\w])|(?<![_\w])_[^_\s][^_\n]{0,300}_(?![_\w])"
_INLINE_CODE = r"(?<!`)`[^`\n]{1,300}`(?!`)"
_FENCE = r"```|~~~"


def _is_separator_row(line: str) -> bool:
    return "|" in line and "--" in line


def _is_acronym(word: str) -> bool:
    return word.isupper() and sum(map(str.isalpha, word)) >= _MIN_CAPITALS


QUESTION = Question("a question", "questions", re.compile(r"[?？؟]"), is_strict=True)

NAMED_SHAPES: tuple[Named, ...] = (
    named("digit, numeric character", r"\d"),
    named(
        "number, numeral, numeric value",
        r"\d(?:[\d.,:]{0,40}\d)?",
    ),
    named(
        "link, url, hyperlink, web link, weblink, web address, website address, "
        "website link, http link, website url, web url, uri",
        URL,
    ),
    named(
        "email address, e mail address, mail address",
        r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}",
    ),
    named("date, calendar date", DATE, one="a date such as 31 January", many="dates"),
    named(
        "time, time of day, clock time, time stamp, timestamp",
        _TIME,
        one="a time of day",
        many="times of day",
        is_span=True,
    ),
    named(
        "email, e mail",
        r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}",
        one="an email address",
        is_common=True,
    ),
    named("year", r"\b(?:1[89]|20)\d\d\b(?![.,]\d)", is_span=True),
    named("weekday, day of the week", r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b"),
    named(
        "month, name of a month, month name", rf"\b(?!may\b|mar\b){MONTH}|\bmay \d", is_span=True
    ),
    named(
        "price, price in dollar, price in euro, amount in dollar, amount in euro, "
        "euro amount, amount of money, currency amount, monetary amount, money amount, "
        "dollar amount, monetary value, sum of money, currency value, cost figure, "
        "amount in dollar, dollar figure, monetary figure",
        rf"[{_CURRENCIES}]\s?{_AMOUNT}|\d\s?[{_CURRENCIES}]|\b{_AMOUNT}\s?-?{_CURRENCY}"
        rf"|\b(?:usd|eur|gbp)\s?\d",
        one="an amount of money",
        many="amounts of money",
    ),
    named(
        "percentage, percent, percentage value, percent value",
        r"\d\s?(?:%|％|percent\b|per cent\b|pct\b)",
    ),
    named("emoji, emoji character", EMOJI, has_case=True),
    named("emoticon, smiley, smiley face, smilie", rf"{EMOJI}|{_EMOTICON}", has_case=True),
    named("hashtag, hash tag, # hashtag", r"(?<![\w#&])#[^\W\d]\w{0,100}"),
    named(
        "user handle, at mention, @ mention, @ handle, username mention, user mention",
        r"(?<![\w.])@\w{1,100}",
        one="an @mention",
        many="@mentions",
    ),
    named(
        "code block, code between triple backtick, code in triple backtick, code snippet, "
        "block of code, snippet of code, fenced code block, "
        "code fence, piece of code, markdown code block, code example, triple backtick",
        _FENCE,
        is_format=True,
    ),
    named(
        "inline code", _INLINE_CODE, one="inline code", many="pieces of inline code", is_format=True
    ),
    named(
        "code",
        rf"{_FENCE}|{_INLINE_CODE}",
        one="code in backticks",
        many="pieces of code",
        is_format=True,
        is_mass=True,
        is_common=True,
    ),
    named(
        "bulleted list, bullet list, bullet point, bullet point list, "
        "bulleted point, unordered list, bulleted item, list of bullet point, bulletpoint",
        _BULLET,
        one="a bullet list",
        lines=True,
        is_format=True,
    ),
    named(
        "numbered list, ordered list, enumerated list, numbered item, numbered step, number list",
        _NUMBERED,
        lines=True,
        is_format=True,
    ),
    named(
        "list, list item, bulleted or numbered list, bullet or numbered list, "
        "numbered or bulleted list",
        rf"{_BULLET}|{_NUMBERED}",
        one="a list",
        lines=True,
        is_format=True,
        is_common=True,
    ),
    named(
        "markdown table",
        r"^[ \t]{0,20}[|:-][ \t|:-]{2,1000}$",
        keep=_is_separator_row,
        lines=True,
        is_format=True,
    ),
    named(
        "table",
        r"^[ \t]{0,20}[|:-][ \t|:-]{2,1000}$",
        keep=_is_separator_row,
        lines=True,
        is_format=True,
        is_common=True,
    ),
    named(
        "heading, markdown heading, header, markdown header",
        _HEADING,
        lines=True,
        is_format=True,
        is_common=True,
    ),
    named(
        "bold text, bold, bolded text, bold word, bold formatting, bold type, bolded word, "
        "text in bold, word in bold, bold phrase",
        _BOLD,
        one="text in bold",
        many="pieces of text in bold",
        is_format=True,
    ),
    named(
        "italics, italic text, italic, italicized text, italicised text, text in italics, "
        "word in italics",
        _ITALICS,
        one="text in italics",
        many="pieces of text in italics",
        is_format=True,
    ),
    named(
        "markdown, markdown formatting, markdown syntax, markdown markup",
        rf"{_BULLET}|{_NUMBERED}|{_HEADING}|{_BOLD}|{_FENCE}|{_INLINE_CODE}|\[[^\]\n]{{1,300}}\]\(",
        one="Markdown formatting",
        many="pieces of Markdown",
        lines=True,
        is_format=True,
        is_mass=True,
    ),
    named(
        "html tag, html element",
        r"</?[a-z][a-z0-9]{0,20}(?:\s[^<>]{0,300})?/?>",
        one="an HTML tag",
        many="HTML tags",
        is_format=True,
    ),
    named(
        "html, html markup",
        r"</?[a-z][a-z0-9]{0,20}(?:\s[^<>]{0,300})?/?>",
        one="an HTML tag",
        many="HTML tags",
        is_format=True,
        is_mass=True,
    ),
    named("line break, newline, new line, linebreak, newline character", r"\n", is_format=True),
    named("blank line, empty line", r"\n[ \t]*\n", is_format=True),
    named(
        "word in capital letter, word with all capital letter, word in only capital letter, "
        "word in all capital, word in capital, word in all cap, "
        "word in cap, word in uppercase, word in upper case, word in all uppercase, "
        "all cap word, uppercase word, fully capitalised word, word in all upper case, "
        "word written in capital letter, word written in all cap, word written in capital, "
        "capital word, all capital word, all uppercase word, upper case word, "
        "fully uppercase word, word in all capital letter, acronym",
        r"[^\W\d_]{2,}",
        keep=_is_acronym,
        one="a word in capital letters",
        many="words in capital letters",
        is_format=True,
    ),
    named(
        "capital letter, uppercase letter, upper case letter, uppercase character, "
        "capitalised letter, upper case character, uppercase, capitalised word, "
        "capitalized word",
        r"[^\W\d_]",
        keep=str.isupper,
        is_format=True,
    ),
    named(
        "lowercase letter, small letter, lower case letter, lowercase character, "
        "lower case character, lowercase, lowercase word, lower case word",
        r"[^\W\d_]",
        keep=str.islower,
        one="a small letter",
        many="small letters",
        is_format=True,
    ),
    named("letter, alphabetic character", r"[^\W\d_]", is_common=True),
    named(
        "currency symbol, currency sign, money sign, money symbol",
        f"[{_CURRENCIES}]",
        is_format=True,
    ),
    named("special character, special symbol", r"[^\w\s]", is_format=True),
    named(
        "punctuation, punctuation mark, punctuation character, punctuation sign",
        r"[!-/:-@\[-`{-~…—–“”‘’¡¿«»。、！？]",
        one="a punctuation mark",
        many="punctuation marks",
        is_format=True,
    ),
    named("non ascii character, non ascii letter", r"[^\x00-\x7f]", is_format=True),
    named(
        "chinese character, chinese letter, chinese text, han character",
        r"[\u3400-\u9fff\uf900-\ufaff]",
        one="a Chinese character",
        many="Chinese characters",
        is_format=True,
    ),
    named(
        "japanese character, japanese letter, japanese text, kana",
        r"[\u3040-\u30ff\u3400-\u9fff]",
        one="a Japanese character",
        many="Japanese characters",
        is_format=True,
    ),
    named(
        "korean character, hangul, hangul character, korean letter",
        r"[\u1100-\u11ff\uac00-\ud7af]",
        one="a Korean character",
        many="Korean characters",
        is_format=True,
    ),
    named(
        "cyrillic character, cyrillic letter, cyrillic, cyrillic text",
        r"[\u0400-\u052f]",
        one="a Cyrillic letter",
        many="Cyrillic letters",
        is_format=True,
    ),
    named(
        "arabic character, arabic letter",
        r"[\u0600-\u06ff\u0750-\u077f]",
        one="an Arabic letter",
        many="Arabic letters",
        is_format=True,
    ),
    named(
        "greek letter, greek character",
        r"[\u0370-\u03ff]",
        one="a Greek letter",
        many="Greek letters",
        is_format=True,
    ),
    *NUMBERED_SHAPES,
    *SIGNS,
)

LETTER = next(named.shape for named in NAMED_SHAPES if "letter" in named.names)
CASE_SHAPES: dict[str, Shape] = {
    case: next(named.shape for named in NAMED_SHAPES if f"{case}case letter" in named.names)
    for case in ("upper", "lower")
}

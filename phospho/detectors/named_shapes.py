"""The shapes that have names in descriptions: a number, a link, a question mark, a bullet list.

A name means what a program would take it for, and Settings says which: a question is a question
mark, emoji are the characters of that name, a date has a day and a month, a price has a currency.
"""

# Typographic and foreign characters are what is looked for.
# ruff: noqa: RUF001

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from phospho.detectors.shapes import URL, Question, Shape

_MIN_PHONE_DIGITS, _MAX_PHONE_DIGITS = 7, 15
_MIN_CAPITALS = 2

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_TH = r"(?:st|nd|rd|th)?"
_DATE = (
    r"(?<![\d/.-])(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d\d)"
    rf"|{_DAY}/{_DAY})(?![\d/-])"
    rf"|\b{_DAY}{_TH}\s(?:of\s)?{_MONTH}|\b{_MONTH}\s(?:the\s)?(?:{_DAY}{_TH}\b|\d{{4}}\b)"
    r"|\d{1,2}月\d{1,2}日"
    # "The 2nd" is a day, "the 2nd floor" is none.
    r"|\b(?:the|on|from|to|till|until|by|before|after)\s(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)\b"
    r"(?!\s(?:floor|street|st|avenue|ave|place|time|one|grade|century|birthday|anniversary)\b)"
)
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
_EMOJI = (
    r"[\u203c\u2049\u231a\u231b\u23e9-\u23f3\u2600-\u27bf\u2b50\u2b55\U0001f000-\U0001faff]"
    r"[\ufe0f\u200d\U0001f3fb-\U0001f3ff]{0,2}"
)
_EMOTICON = r"(?<!\w)(?:[:;=]-?[)(DPpOo3/|]|<3|\^\^|:'\()(?!\w)"
_BULLET = r"^[ \t]{0,20}[-*+•‣◦▪–][ \t]+\S"
_NUMBERED = r"^[ \t]{0,20}\d{1,3}[.)][ \t]+\S"
_HEADING = r"^#{1,6}[ \t]+\S"
_BOLD = r"\*\*[^*\n]{1,300}\*\*|__[^_\n]{1,300}__"
_ITALICS = r"(?<![*\w])\*[^*\s][^*\n]{0,300}\*(?![*\w])|(?<![_\w])_[^_\s][^_\n]{0,300}_(?![_\w])"
_INLINE_CODE = r"(?<!`)`[^`\n]{1,300}`(?!`)"
_FENCE = r"```|~~~"


def _is_phone(found: str) -> bool:
    digits = sum(char.isdigit() for char in found)
    is_date = re.fullmatch(_DATE, found.strip(), re.IGNORECASE)
    # "5.0" is a number, and "2010-2015" are two.
    is_number = re.fullmatch(r"\d+\.\d+|\d{4} ?[-–] ?\d{4}", found.strip())
    return _MIN_PHONE_DIGITS <= digits <= _MAX_PHONE_DIGITS and not (is_date or is_number)


def _is_card(found: str) -> bool:
    """Tell whether the digits have the check sum of payment cards."""
    digits = [int(char) for char in found if char in "0123456789"][::-1]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + doubled) % 10 == 0


def _is_separator_row(line: str) -> bool:
    return "|" in line and "--" in line


def _is_acronym(word: str) -> bool:
    return word.isupper() and sum(map(str.isalpha, word)) >= _MIN_CAPITALS


@dataclass(frozen=True)
class Named:
    """A shape and its names, in base forms.

    Args:
        shape: The shape.
        names: The first is the one shown.
        is_format: Whether it is seen, not said: a user who "mentions a table" has none in mind.
        is_common: Whether its name means other things too, unless a message has or contains it.
        is_sign: Whether it is a punctuation mark or the like.
    """

    shape: Shape
    names: tuple[str, ...]
    is_format: bool = False
    is_common: bool = False
    is_sign: bool = False


def _named(
    names: str,
    pattern: str,
    *,
    one: str = "",
    many: str = "",
    keep: Callable[[str], bool] | None = None,
    lines: bool = False,
    has_case: bool = False,
    is_format: bool = False,
    is_common: bool = False,
) -> Named:
    every = tuple(name.strip() for name in names.split(","))
    one = one or f"{'an' if every[0][0] in 'aeiou' else 'a'} {every[0]}"
    flags = (re.MULTILINE if lines else 0) | (0 if has_case else re.IGNORECASE)
    shape = Shape(one, many or f"{one.split(' ', 1)[1]}s", re.compile(pattern, flags), keep)
    return Named(shape, every, is_format, is_common)


def _sign(names: str, pattern: str) -> Named:
    every = tuple(name.strip() for name in names.split(","))
    one = f"{'an' if every[0][0] in 'aeiou' else 'a'} {every[0]}"
    shape = Shape(one, f"{every[0]}s", re.compile(pattern), is_strict=True)
    return Named(shape, every, is_sign=True)


QUESTION = Question("a question", "questions", re.compile(r"[?？؟]"), is_strict=True)

NAMED_SHAPES: tuple[Named, ...] = (
    _named("digit, numeric character", r"\d"),
    _named(
        "number, numeral, numeric value, figure",
        r"\d(?:[\d.,:]{0,40}\d)?",
    ),
    _named(
        "link, url, hyperlink, web link, weblink, web address, website address, "
        "website link, http link, website url, web url, uri",
        URL,
    ),
    _named(
        "email address, e mail address, email, e mail, mail address",
        r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}",
    ),
    _named(
        "phone number, telephone number, mobile number, cell number, cellphone number, "
        "contact number",
        r"(?<![\w.])(?:\+|\()?\d[\d ().-]{5,20}\d(?!\w)",
        keep=_is_phone,
    ),
    _named("date, calendar date", _DATE, one="a date such as 31 January", many="dates"),
    _named("time of day, clock time, time stamp, timestamp", _TIME, many="times of day"),
    _named("time", _TIME, one="a time of day", many="times of day", is_common=True),
    _named("year", r"\b(?:1[89]|20)\d\d\b(?![.,]\d)"),
    _named("weekday, day of the week", r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b"),
    _named(
        "month, name of a month, month name", rf"\b(?!may\b|mar\b){_MONTH}|\bmay \d", has_case=False
    ),
    _named(
        "price, price in dollar, price in euro, amount in dollar, amount in euro, "
        "euro amount, amount of money, currency amount, monetary amount, money amount, "
        "dollar amount, monetary value, sum of money, currency value, cost figure, "
        "amount in dollar, dollar figure, monetary figure",
        rf"[{_CURRENCIES}]\s?{_AMOUNT}|\d\s?[{_CURRENCIES}]|\b{_AMOUNT}\s?-?{_CURRENCY}"
        rf"|\b(?:usd|eur|gbp)\s?\d",
        one="an amount of money",
        many="amounts of money",
    ),
    _named(
        "percentage, percent, percentage value, percent value",
        r"\d\s?(?:%|％|percent\b|per cent\b|pct\b)",
    ),
    _named("emoji, emoji character", _EMOJI, has_case=True),
    _named("emoticon, smiley, smiley face, smilie", rf"{_EMOJI}|{_EMOTICON}", has_case=True),
    _named("hashtag, hash tag", r"(?<![\w#&])#[^\W\d]\w{0,100}"),
    _named(
        "user handle, at mention, username mention, handle, user mention",
        r"(?<![\w.])@\w{1,100}",
        one="an @mention",
        many="@mentions",
    ),
    _named(
        "ip address, ip",
        r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])",
        one="an IP address",
        many="IP addresses",
    ),
    _named(
        "uuid, guid",
        r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b",
        one="a UUID",
        many="UUIDs",
    ),
    _named(
        "credit card number, card number, payment card number",
        r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])",
        keep=_is_card,
        one="a payment card number",
    ),
    _named(
        "code block, code between triple backtick, code in triple backtick, code snippet, "
        "block of code, snippet of code, fenced code block, "
        "code fence, piece of code, markdown code block, code example, triple backtick",
        _FENCE,
        is_format=True,
    ),
    _named(
        "inline code", _INLINE_CODE, one="inline code", many="pieces of inline code", is_format=True
    ),
    _named(
        "code",
        rf"{_FENCE}|{_INLINE_CODE}",
        one="code in backticks",
        many="pieces of code",
        is_format=True,
        is_common=True,
    ),
    _named(
        "bulleted list, bullet list, bullet point, bullet, bullet point list, "
        "bulleted point, unordered list, bulleted item, list of bullet point, bulletpoint",
        _BULLET,
        one="a bullet list",
        lines=True,
        is_format=True,
    ),
    _named(
        "numbered list, ordered list, enumerated list, numbered item, numbered step, number list",
        _NUMBERED,
        lines=True,
        is_format=True,
    ),
    _named(
        "list, list item",
        rf"{_BULLET}|{_NUMBERED}",
        one="a list",
        lines=True,
        is_format=True,
        is_common=True,
    ),
    _named(
        "markdown table",
        r"^[ \t]{0,20}[|:-][ \t|:-]{2,1000}$",
        keep=_is_separator_row,
        lines=True,
        is_format=True,
    ),
    _named(
        "table",
        r"^[ \t]{0,20}[|:-][ \t|:-]{2,1000}$",
        keep=_is_separator_row,
        lines=True,
        is_format=True,
        is_common=True,
    ),
    _named(
        "heading, markdown heading, header, markdown header",
        _HEADING,
        lines=True,
        is_format=True,
        is_common=True,
    ),
    _named(
        "bold text, bold, bolded text, bold word, bold formatting, bold type, bolded word, "
        "text in bold, word in bold, bold phrase",
        _BOLD,
        one="text in bold",
        many="pieces of text in bold",
        is_format=True,
    ),
    _named(
        "italics, italic text, italic, italicized text, italicised text, text in italics, "
        "word in italics",
        _ITALICS,
        one="text in italics",
        many="pieces of text in italics",
        is_format=True,
    ),
    _named(
        "markdown, markdown formatting, markdown syntax, markdown markup",
        rf"{_BULLET}|{_NUMBERED}|{_HEADING}|{_BOLD}|{_FENCE}|{_INLINE_CODE}|\[[^\]\n]{{1,300}}\]\(",
        one="Markdown formatting",
        many="pieces of Markdown",
        lines=True,
        is_format=True,
    ),
    _named(
        "html tag, html, html markup, html element",
        r"</?[a-z][a-z0-9]{0,20}(?:\s[^<>]{0,300})?/?>",
        one="an HTML tag",
        many="HTML tags",
        is_format=True,
    ),
    _named("line break, newline, new line, linebreak, newline character", r"\n", is_format=True),
    _named("blank line, empty line", r"\n[ \t]*\n", is_format=True),
    _named(
        "word in capital letter, word in all capital, word in capital, word in all cap, "
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
    _named(
        "capital letter, capital, uppercase letter, upper case letter, uppercase character, "
        "capitalised letter, upper case character, uppercase, capitalised word, "
        "capitalized word",
        r"[^\W\d_]",
        keep=str.isupper,
        is_format=True,
    ),
    _named(
        "lowercase letter, small letter, lower case letter, lowercase character, "
        "lower case character, lowercase, lowercase word, lower case word",
        r"[^\W\d_]",
        keep=str.islower,
        one="a small letter",
        many="small letters",
        is_format=True,
    ),
    _named("letter, alphabetic character", r"[^\W\d_]", is_format=True),
    _named(
        "currency symbol, currency sign, money sign, money symbol",
        f"[{_CURRENCIES}]",
        is_format=True,
    ),
    _named("special character, special symbol", r"[^\w\s]", is_format=True),
    _named(
        "punctuation, punctuation mark, punctuation character, punctuation sign",
        r"[!-/:-@\[-`{-~…—–“”‘’¡¿«»。、！？]",
        one="a punctuation mark",
        many="punctuation marks",
        is_format=True,
    ),
    _named("non ascii character, non ascii letter", r"[^\x00-\x7f]", is_format=True),
    _named(
        "chinese character, chinese letter, chinese text, han character",
        r"[\u3400-\u9fff\uf900-\ufaff]",
        one="a Chinese character",
        many="Chinese characters",
        is_format=True,
    ),
    _named(
        "japanese character, japanese letter, japanese text, kana",
        r"[\u3040-\u30ff\u3400-\u9fff]",
        one="a Japanese character",
        many="Japanese characters",
        is_format=True,
    ),
    _named(
        "korean character, hangul, hangul character, korean letter",
        r"[\u1100-\u11ff\uac00-\ud7af]",
        one="a Korean character",
        many="Korean characters",
        is_format=True,
    ),
    _named(
        "cyrillic character, cyrillic letter, cyrillic, cyrillic text",
        r"[\u0400-\u052f]",
        one="a Cyrillic letter",
        many="Cyrillic letters",
        is_format=True,
    ),
    _named(
        "arabic character, arabic letter",
        r"[\u0600-\u06ff\u0750-\u077f]",
        one="an Arabic letter",
        many="Arabic letters",
        is_format=True,
    ),
    _named(
        "greek letter, greek character",
        r"[\u0370-\u03ff]",
        one="a Greek letter",
        many="Greek letters",
        is_format=True,
    ),
    _sign("question mark, query mark, interrogation mark, questionmark", r"[?？؟]"),
    _sign("exclamation mark, exclamation point, exclamation, exclamation sign", r"[!！]"),
    _sign("full stop, period, dot, fullstop", r"[.。]"),
    _sign("ellipsis, three dot, ellipse", r"…|\.{3}"),
    _sign("comma", r"[,，、]"),
    _sign("semicolon, semi colon", r"[;；]"),
    _sign("colon", r"[:：]"),
    _sign("em dash, en dash, long dash", r"[—–]"),
    _sign("hyphen, dash", r"[-‐‑–—−]"),
    _sign("apostrophe", r"['’]"),
    _sign(
        "quotation mark, quote mark, inverted comma, double quote, speech mark, quotation",
        r"[\"“”„«»]",
    ),
    _sign("parenthesis, round bracket, parenthese", r"[()]"),
    _sign("square bracket", r"[\[\]]"),
    _sign("bracket", r"[()\[\]]"),
    _sign("curly brace, brace, curly bracket", r"[{}]"),
    _sign("asterisk, star symbol", r"\*"),
    _sign("ampersand", r"&"),
    _sign("at sign, at symbol", r"@"),
    _sign("hash sign, hash symbol, pound key, number sign", r"#"),
    _sign("percent sign, percentage sign, percent symbol", r"[%％]"),
    _sign("dollar sign, dollar symbol", r"\$"),
    _sign("euro sign, euro symbol", r"€"),
    _sign("pound sign, pound symbol", r"£"),
    _sign("underscore", r"_"),
    _sign("backslash, back slash", r"\\"),
    _sign("slash, forward slash", r"/"),
    _sign("pipe, vertical bar, pipe character", r"\|"),
    _sign("plus sign, plus symbol", r"\+"),
    _sign("equal sign", r"="),
    _sign("backtick, backquote", r"`"),
    _sign("tilde", r"~"),
    _sign("underline", r"_"),
)

CASE_SHAPES: dict[str, Shape] = {
    case: next(named.shape for named in NAMED_SHAPES if f"{case}case letter" in named.names)
    for case in ("upper", "lower")
}

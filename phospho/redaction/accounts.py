"""Finds the numbers of payment cards and bank accounts: what has a checksum."""

from __future__ import annotations

import re
from collections.abc import Iterator

from phospho.redaction.masks import GAP, NUMBER_OF, Span


def find_cards(text: str) -> Iterator[Span]:
    """Find payment card numbers: 13 to 19 digits of a known issuer with a right checksum."""
    for found in _CARD_RUN.finditer(text):
        yield from _find_cards_in(text, found)


def find_printed_cards(text: str) -> Iterator[Span]:
    """Find cards in the groups in which they are printed, whatever stands between these."""
    done = 0
    for found in _PRINTED_CARD.finditer(text):
        start, end = found.start(), found.end(1)
        if start >= done and _is_card_at(text, start, end):
            yield start, end
            done = end


def is_card(digits: str) -> bool:
    """Tell whether digits are those of a card: issuer, length and Luhn checksum."""
    return _ISSUER.fullmatch(digits) is not None and _luhn(digits)


# Behind a dot are the digits of a decimal number.
_FIRST_DIGIT = r"[0-9](?<![0-9][0-9])(?<![0-9]\.[0-9])"
_CARD_RUN = re.compile(rf"{_FIRST_DIGIT}(?:[{GAP}]?[0-9]){{12,}}(?![0-9])")
_BETWEEN = rf"[\s._/+{GAP[1:]}\-]{{1,3}}"
_PRINTED_CARD = re.compile(
    rf"{_FIRST_DIGIT}(?=([0-9]{{3}}{_BETWEEN}(?:[0-9]{{4}}{_BETWEEN}[0-9]{{4}}{_BETWEEN}[0-9]{{1,4}}"
    rf"|[0-9]{{6}}{_BETWEEN}[0-9]{{4,5}}))(?![0-9]|\.[0-9]))"
)
_DIGIT_GROUP = re.compile("[0-9]+")
_MIN_CARD_DIGITS, _MAX_CARD_DIGITS = 13, 19
# In pairs it has eight; more are numbers in a row.
_MAX_CARD_GROUPS = 8
# With its country code, no telephone number has more.
_MAX_PHONE_DIGITS = 15
# Only whole words may be glued to a card: in a hash letters stand anywhere.
_WORD_BEFORE = re.compile(r"(?i)(?<![0-9A-Z])(?:cc|(?=[A-Z]*[G-Z])[A-Z]{2,16})\Z")
_WORD_AFTER = re.compile(r"(?i)(?=[A-Z]*[G-Z])[A-Z]{1,16}(?![0-9A-Z])")
_MAX_WORD_CHARS = 16
_NOT_A_CARD = re.compile(
    rf"(?i)(?<![A-Z])(?:order|invoice|booking|reservation|ticket|tracking|parcel|shipment"
    rf"|bestellung|rechnung|commande|pedido){NUMBER_OF}\Z"
)
_LABEL_CHARS = 32
_MAX_ORDER_DIGITS = 16
_ISSUER = re.compile(
    r"4[0-9]{12}(?:[0-9]{3}){0,2}"  # Visa
    r"|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}"  # Mastercard
    r"|3[47][0-9]{13}"  # American Express
    r"|3(?:0[0-59]|[689][0-9])[0-9]{11,16}"  # Diners Club
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"  # JCB
    r"|(?:6011|64[4-9][0-9]|65[0-9]{2})[0-9]{12,15}"  # Discover
    r"|(?:60|62|81|82)[0-9]{14,17}"  # UnionPay, RuPay
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{9,15}"  # Maestro
    r"|(?:220[0-4]|9792)[0-9]{12,15}"  # Mir, Troy
)


def _find_cards_in(text: str, run: re.Match[str]) -> Iterator[Span]:
    """Find the cards in a run of groups of digits, which may go on with a date or a code."""
    groups = [found.span() for found in _DIGIT_GROUP.finditer(text, *run.span())]
    first = 0
    while first < len(groups):
        last = _find_card(text, groups, first)
        if last is not None:
            yield groups[first][0], groups[last][1]
            first = last
        first += 1


def _find_card(text: str, groups: list[Span], first: int) -> int | None:
    """Return the last group of the longest card that starts with the group `first`."""
    size, longest = 0, None
    for place in range(first, min(first + _MAX_CARD_GROUPS, len(groups))):
        size += groups[place][1] - groups[place][0]
        if size > _MAX_CARD_DIGITS:
            break
        if size >= _MIN_CARD_DIGITS and _is_card_at(text, groups[first][0], groups[place][1]):
            longest = place
    return longest


def _is_card_at(text: str, start: int, end: int) -> bool:
    digits = "".join(_DIGIT_GROUP.findall(text, start, end))
    if not is_card(digits) or not _stands_alone(text, start, end):
        return False
    if text[start - 1 : start] == "+" and len(digits) <= _MAX_PHONE_DIGITS:
        return False
    is_order = end - start <= _MAX_ORDER_DIGITS and text[start:end].isdigit()
    return not (is_order and _NOT_A_CARD.search(text, max(0, start - _LABEL_CHARS), start))


def _stands_alone(text: str, start: int, end: int) -> bool:
    before, after = text[max(0, start - 1) : start], text[end : end + 1]
    if _is_letter(before) and not _WORD_BEFORE.search(text, max(0, start - _MAX_WORD_CHARS), start):
        return False
    return not _is_letter(after) or _WORD_AFTER.match(text, end) is not None


def _is_letter(char: str) -> bool:
    # Chinese puts no space around a number.
    return char.isascii() and char.isalpha()


def _luhn(digits: str) -> bool:
    doubled = [int(digit) * 2 for digit in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(n - 9 if n > 9 else n for n in doubled)) % 10 == 0  # noqa: PLR2004 - two digits are added up


def find_ibans(text: str) -> Iterator[Span]:
    """Find bank account numbers: a country's length and a right checksum."""
    done = 0
    for head in _IBAN_HEAD.finditer(text):
        start = head.start() - (3 if text[head.start() - 1].isspace() else 2)
        body = _IBAN_BODIES.get(text[start : start + 2].upper())
        found = body.match(text, head.end()) if body and start >= done else None
        if found and _is_iban(text, start, found.end()):
            yield start, found.end()
            done = found.end()


# Two digits after two letters; starting with a digit, it passes over prose quickly.
_IBAN_HEAD = re.compile(
    r"[0-9]{2}(?<![0-9][0-9]{2})(?:(?<=[A-Za-z]{2}[0-9]{2})|(?<=[A-Z]{2} [0-9]{2}))"
)
_IBAN_CHARS = {
    length: re.compile(rf"(?:[{GAP}.\t]{{0,2}}[0-9A-Za-z]){{{length - 4}}}(?![0-9A-Za-z])")
    for length in range(15, 34)
}
_BEFORE_IBAN = re.compile(r"(?i)(?:(?<![0-9A-Z])|(?<![0-9A-Z])(?:iban|konto|account))\Z")
_IBAN_LABEL_CHARS = 8
# Source: SWIFT IBAN Registry.
_IBAN_LENGTHS = {
    15: "NO", 16: "BE", 18: "DK FI FK FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK",
    21: "CH CR HR LI LV", 22: "BG BH DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HN HU LB NI PL SV", 29: "BR EG PS QA UA",
    30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
}  # fmt: skip
_IBAN_BODIES = {
    country: _IBAN_CHARS[length]
    for length, countries in _IBAN_LENGTHS.items()
    for country in countries.split()
}


def _is_iban(text: str, start: int, end: int) -> bool:
    iban = "".join(_ALNUM.findall(text, start, end))
    # Prose has "is 26 ..." and "at 20 ...".
    if text[start + 2].isspace() and iban != iban.upper():
        return False
    if not _BEFORE_IBAN.search(text, max(0, start - _IBAN_LABEL_CHARS), start):
        return False
    return int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97 == 1


_ALNUM = re.compile("[0-9A-Za-z]+")

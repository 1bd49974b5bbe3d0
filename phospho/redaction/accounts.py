"""Masks the numbers of payment cards and bank accounts: what has a checksum."""

from __future__ import annotations

import re

from phospho.redaction.masks import GAP, Mask


def mask_cards(text: str, mask: Mask) -> str:
    """Mask payment card numbers: 13 to 19 digits of a known issuer with a right checksum."""
    text = _CARD_RUN.sub(lambda found: _mask_cards_in(found[0], mask), text)
    return _DOTTED_CARD.sub(
        lambda found: mask(found[0]) if is_card(found[0].replace(".", "")) else found[0], text
    )


def is_card(digits: str) -> bool:
    """Tell whether digits are those of a card: issuer, length and Luhn checksum."""
    return _ISSUER.fullmatch(digits) is not None and _luhn(digits)


_CARD_RUN = re.compile(
    rf"[0-9](?<![0-9A-Za-z][0-9])(?<![0-9]\.[0-9])(?:[{GAP}]?[0-9]){{12,}}(?![0-9A-Za-z])"
)
# Elsewhere dots stand in decimal numbers.
_DOTTED_CARD = re.compile(
    r"[0-9](?<![0-9A-Za-z.][0-9])[0-9]{3}(?:\.[0-9]{4}){3}(?![0-9A-Za-z]|\.[0-9])"
)
_DIGIT_GROUP = re.compile("[0-9]+")
_MIN_CARD_DIGITS, _MAX_CARD_DIGITS = 13, 19
# In pairs it has eight; more are numbers in a row.
_MAX_CARD_GROUPS = 8
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


def _mask_cards_in(run: str, mask: Mask) -> str:
    """Mask the cards in a run of groups of digits, which may go on with a date or a code."""
    groups = [found.span() for found in _DIGIT_GROUP.finditer(run)]
    parts, done, first = [], 0, 0
    while first < len(groups):
        last = _find_card(run, groups, first)
        if last is not None:
            start, end = groups[first][0], groups[last][1]
            parts += [run[done:start], mask(run[start:end])]
            done, first = end, last
        first += 1
    return "".join([*parts, run[done:]])


def _find_card(run: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """Return the last group of the longest card that starts with the group `first`."""
    digits, longest = "", None
    for place in range(first, min(first + _MAX_CARD_GROUPS, len(groups))):
        digits += run[slice(*groups[place])]
        if len(digits) > _MAX_CARD_DIGITS:
            break
        if len(digits) >= _MIN_CARD_DIGITS and is_card(digits):
            longest = place
    return longest


def _luhn(digits: str) -> bool:
    doubled = [int(digit) * 2 for digit in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(n - 9 if n > 9 else n for n in doubled)) % 10 == 0  # noqa: PLR2004 - two digits are added up


def mask_ibans(text: str, mask: Mask) -> str:
    """Mask bank account numbers: a country's length and a right checksum."""
    parts, done = [], 0
    for head in _IBAN_HEAD.finditer(text):
        start = head.start() - 2
        body = _IBAN_BODIES.get(text[start : start + 2].upper())
        found = body.match(text, head.end()) if body and start >= done else None
        if found and _has_iban_checksum(text[start : found.end()]):
            parts += [text[done:start], mask(text[start : found.end()])]
            done = found.end()
    return "".join([*parts, text[done:]]) if parts else text


# Two digits after two letters; starting with a digit, it passes over prose quickly.
_IBAN_HEAD = re.compile(r"[0-9]{2}(?<=[A-Za-z]{2}[0-9]{2})(?<![0-9A-Za-z][A-Za-z]{2}[0-9]{2})")
_IBAN_CHARS = {
    length: re.compile(rf"(?:[{GAP}]?[0-9A-Za-z]){{{length - 4}}}(?![0-9A-Za-z])")
    for length in range(15, 34)
}
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


def _has_iban_checksum(text: str) -> bool:
    iban = "".join(char for char in text if char not in GAP)
    return int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97 == 1

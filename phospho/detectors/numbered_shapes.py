"""The shapes of what is numbered: dates, phone numbers, cards, accounts, addresses of machines."""

# A dash is what people type between years.
# ruff: noqa: RUF001

from __future__ import annotations

import re

from phospho.detectors.naming import Named, named

_MIN_PHONE_DIGITS, _MAX_PHONE_DIGITS = 7, 15

MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_TH = r"(?:st|nd|rd|th)?"
DATE = (
    r"(?<![\d/.-])(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d\d)"
    rf"|{_DAY}/{_DAY})(?![\d/-])"
    rf"|\b{_DAY}{_TH}\s(?:of\s)?{MONTH}|\b{MONTH}\s(?:the\s)?(?:{_DAY}{_TH}\b|\d{{4}}\b)"
    r"|\d{1,2}月\d{1,2}日"
    # "The 2nd" is a day, "the 2nd floor" is none.
    r"|\b(?:the|on|from|to|till|until|by|before|after)\s(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)\b"
    r"(?!\s(?:floor|street|st|avenue|ave|place|time|one|grade|century|birthday|anniversary)\b)"
)


def _is_phone(found: str) -> bool:
    digits = sum(char.isdigit() for char in found)
    is_date = re.fullmatch(DATE, found.strip(), re.IGNORECASE)
    # "5.0" is a number, and "2010-2015" are two.
    is_number = re.fullmatch(r"\d+\.\d+|\d{4} ?[-–] ?\d{4}", found.strip())
    return _MIN_PHONE_DIGITS <= digits <= _MAX_PHONE_DIGITS and not (is_date or is_number)


def _is_card(found: str) -> bool:
    """Tell whether the digits have the check sum of payment cards."""
    digits = [int(char) for char in found if char in "0123456789"][::-1]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + doubled) % 10 == 0


def _is_iban(found: str) -> bool:
    """Tell whether an account number has the check sum of ISO 13616."""
    bare = "".join(found.split()).casefold()
    return int("".join(str(int(char, 36)) for char in bare[4:] + bare[:4])) % 97 == 1


NUMBERED_SHAPES: tuple[Named, ...] = (
    named(
        "phone number, telephone number, mobile number, cell number, cellphone number, "
        "contact number",
        r"(?<![\w.])(?:\+|\()?\d[\d ().-]{5,20}\d(?!\w)",
        keep=_is_phone,
    ),
    named(
        "ip address, ip",
        r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])",
        one="an IP address",
        many="IP addresses",
    ),
    named(
        "uuid, guid",
        r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b",
        one="a UUID",
        many="UUIDs",
    ),
    named(
        "credit card number, card number, payment card number",
        r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])",
        keep=_is_card,
        one="a payment card number",
    ),
    named(
        "iban, iban number",
        r"(?<!\w)[a-z]{2}\d\d(?: ?[a-z0-9]{4}){2,7}(?: ?[a-z0-9]{1,3})?(?!\w)",
        keep=_is_iban,
        one="an IBAN",
        many="IBANs",
    ),
    named(
        "social security number, ssn",
        r"(?<![\w-])\d{3}-\d\d-\d{4}(?![\w-])",
        one="a social security number",
    ),
    named(
        "postcode, post code, postal code, zip code, zip, zipcode",
        r"(?<![\w-])(?:\d{5}(?:-\d{4})?|[a-z]{1,2}\d[a-z0-9]? ?\d[a-z]{2})(?![\w-])",
        one="a postcode",
    ),
    named(
        "hex colour, hex color, hex code, hex colour code, hex color code",
        r"(?<!\w)#(?:[0-9a-f]{3}|[0-9a-f]{6})(?!\w)",
        one="a hex colour",
    ),
    named(
        "version number",
        r"(?<![\w.])(?:v ?\d{1,4}(?:\.\d{1,6}){0,3}|\d{1,4}(?:\.\d{1,6}){2})(?!\w|\.\d)",
        one="a version number",
    ),
)

"""Masks telephone numbers, which have no checksum: by their form, and the words before them."""

from __future__ import annotations

import re

from phospho.redaction.masks import GAP, Mask, count_digits


def mask_phones(text: str, mask: Mask) -> str:
    """Mask telephone numbers: international ones, and national ones that look like nothing else."""
    text = _INTERNATIONAL.sub(lambda found: _mask_international(found[0], mask), text)
    for pattern in _NATIONAL:
        text = pattern.sub(lambda found: _mask_national(found, mask), text)
    return _LABELLED.sub(lambda found: _mask_labelled(found, mask), text)


_PHONE_GAP = rf"[{GAP}.()/]{{0,3}}"


def mask_international_phones(text: str, mask: Mask) -> str:
    """Mask telephone numbers that start with a plus sign: nothing else does."""
    if "+" not in text:
        return text
    return _INTERNATIONAL.sub(
        lambda found: _mask_international(found[0], mask) if "+" in found[0] else found[0], text
    )


def _mask_international(number: str, mask: Mask) -> str:
    return number if _DECIMAL.fullmatch(number) else mask(number)


# With a country code. North America's numbers have ten digits after it.
_INTERNATIONAL = re.compile(
    rf"(?:\+|00(?<![0-9A-Za-z.,+\-]00)(?<![^0-9][0-9]{{4}} 00))(?<![0-9A-Za-z+]\+)"
    rf"(?:\(?1{_PHONE_GAP}[2-9](?:{_PHONE_GAP}[0-9]){{9}}|[2-9](?:{_PHONE_GAP}[0-9]){{7,14}})"
    r"(?![0-9A-Za-z])"
)
# A latitude or a difference: "+48.856614".
_DECIMAL = re.compile(r"\+[0-9]+\.[0-9]{1,8}")

_ALONE = r"(?<![0-9A-Za-z.+\-])"
_ENDS = r"(?![0-9A-Za-z]|[.,:/\-][0-9])"
# The digits of an account or a card stand in fours.
_NOT_IN_FOURS = r"(?<![^0-9][0-9]{4} )"
_GROUPS = r"(?:[ \-][0-9]{2,6}){0,3}"
# Up to its closing parenthesis; a year in parentheses is none.
_AREA = r"\((?!(?:19|20)[0-9]{2}\))0?[1-9][0-9]{1,4}"
_NATIONAL = tuple(
    re.compile(pattern)
    for pattern in (
        # North America: 415-555-0123, (415) 555-0123, 1-800-555-0199
        rf"{_ALONE}(?:1[ .\-])?[2-9][0-9]{{2}}([ .\-])[2-9][0-9]{{2}}\1[0-9]{{4}}{_ENDS}",
        rf"{_ALONE}(?:1[ .\-])?\([2-9][0-9]{{2}}\)[ \-]?[2-9][0-9]{{2}}[ .\-][0-9]{{4}}{_ENDS}",
        # In pairs: 06 12 34 56 78
        rf"{_ALONE}0[1-9]([ .\-])[0-9]{{2}}(?:\1[0-9]{{2}}){{3}}{_ENDS}",
        # With a trunk prefix: 020 7946 0958, 0171/1234567
        rf"{_ALONE}{_NOT_IN_FOURS}0[1-9][0-9]{{1,4}} ?[ /\-] ?[0-9]{{3,8}}{_GROUPS}{_ENDS}",
        # With an area in parentheses: (030) 1234567, (11) 91234-5678
        rf"{_ALONE}{_AREA}\) ?[0-9]{{2,8}}{_GROUPS}{_ENDS}",
        # Without any gap, as typed on a telephone: 0612345678
        rf"{_ALONE}(?<![,#])0[1-9][0-9]{{8,9}}{_ENDS}",
    )
)
_MIN_NATIONAL_DIGITS, _MAX_NATIONAL_DIGITS = 9, 12
_LAST_GROUP = re.compile(r"[ \-][0-9]+\Z")
_OTHER_NUMBER = re.compile(
    r"(?i)(?:order|invoice|booking|reservation|reference|ref|case|ticket|tracking|parcel|shipment"
    r"|account|customer|model|sku|isbn|article|part|serial|version|bestellung|rechnung|commande"
    r"|pedido)(?:s?nummer|[ \t]?(?:number|no|nr|id|code))?[ \t.:#=_\-]{0,4}\Z"
)
_LABEL_CHARS = 32


def _mask_national(found: re.Match[str], mask: Mask) -> str:
    text, start = found.string, found.start()
    if _OTHER_NUMBER.search(text, max(0, start - _LABEL_CHARS), start):
        return found[0]
    number, rest = found[0], ""
    while count_digits(number) > _MAX_NATIONAL_DIGITS and (last := _LAST_GROUP.search(number)):
        number, rest = number[: last.start()], number[last.start() :] + rest
    if not _MIN_NATIONAL_DIGITS <= count_digits(number) <= _MAX_NATIONAL_DIGITS:
        return found[0]
    return mask(number) + rest


# Whatever its form, where the text says that it is one.
_LABELLED = re.compile(
    r"(?i)((?<![0-9A-Za-z])(?:phone|telephone|mobile|cell|whatsapp|tel|fax|handy|telefon|telefono"
    r"|t[eé]l[eé]phone|tel[eé]fono|celular|call me|text me)s?(?:nummer)?[ \t:.#=\"'*\-]{0,4}"
    r"(?:(?:number|no|nr|nummer|is|at|on|ist|est|es)[ \t:.#=\"'*\-]{1,4}){0,3})"
    rf"([0-9(](?:{_PHONE_GAP}[0-9]){{6,14}})(?![0-9A-Za-z])"
)
_DATE = re.compile(
    r"(?:19|20)[0-9]{2}[.\-/ ][01]?[0-9][.\-/ ][0-3]?[0-9](?![0-9])|[.\-/](?:19|20)[0-9]{2}\b"
)


def _mask_labelled(found: re.Match[str], mask: Mask) -> str:
    return found[0] if _DATE.search(found[2]) else found[1] + mask(found[2])

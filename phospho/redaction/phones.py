"""Finds telephone numbers, which have no checksum: by their form, and the words before them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from phospho.redaction.masks import GAP, NUMBER_OF, Finder, Span, count_digits

_PHONE_GAP = rf"[{GAP}\t.()/]{{0,3}}"
_EXTENSION = re.compile(r"(?i)[ \t]?(?:x|ext\.?|extension)[ \t]?[0-9]{1,6}(?![0-9A-Za-z])")
_STARTS_EXTENSION = r"(?=(?:[xX]|ext)[0-9]{1,6}(?![0-9A-Za-z]))"


def _with_extension(text: str, start: int, end: int) -> Span:
    extension = _EXTENSION.match(text, end)
    return start, extension.end() if extension else end


def find_international(text: str) -> Iterator[Span]:
    """Find telephone numbers with a country code, after a plus sign or two zeros."""
    for found in _INTERNATIONAL.finditer(text):
        if not _DECIMAL.fullmatch(found[0]):
            yield _with_extension(text, *found.span())


def find_with_plus(text: str) -> Iterator[Span]:
    """Find telephone numbers that start with a plus sign: nothing else does."""
    if "+" in text:
        for start, end in find_international(text):
            if text.startswith(("+", "(+"), start):
                yield start, end


# North America's numbers have ten digits after the country code.
_INTERNATIONAL = re.compile(
    r"(?:(?:\((?=\+[0-9]{1,4}\)))?\+(?<![0-9A-Za-z+]\+)"
    r"|00(?<![0-9A-Za-z.,+\-]00)(?<![^0-9][0-9]{4} 00)(?:(?<![0-9][ \t]00)[ \t])?)"
    rf"(?:\(?1{_PHONE_GAP}[2-9](?:{_PHONE_GAP}[0-9]){{9}}|[2-9](?:{_PHONE_GAP}[0-9]){{7,14}})"
    rf"(?:{_STARTS_EXTENSION}|(?![0-9A-Za-z]))"
)
# A latitude or a difference: "+48.856614".
_DECIMAL = re.compile(r"\+[0-9]+\.[0-9]{1,8}")

_ALONE = r"(?<![0-9A-Za-z.+\-])"
_ENDS = rf"(?:{_STARTS_EXTENSION}|(?![0-9A-Za-z]|[.,:/\-][0-9]))"
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
    rf"|pedido){NUMBER_OF}\Z"
)
_LABEL_CHARS = 32
# Numbers in a row, before and behind, are those of a table.
_ROW_BEFORE = re.compile(r"(?<![0-9A-Za-z.,])(?:[0-9.,]{1,12}[ \t]+){2}\Z")
_ROW_AFTER = re.compile(r"(?:[ \t]+[0-9.,]{1,12}){2}(?![0-9A-Za-z\-/])")


def _finder_of(pattern: re.Pattern[str]) -> Finder:
    def find(text: str) -> Iterator[Span]:
        done = 0
        for found in pattern.finditer(text):
            if (end := _find_national_end(found, done)) is not None:
                yield _with_extension(text, found.start(), end)
                done = found.end()

    return find


def _find_national_end(found: re.Match[str], done: int) -> int | None:
    """Return where a national number ends; None if it is something else."""
    text, start = found.string, found.start()
    if _OTHER_NUMBER.search(text, max(done, start - _LABEL_CHARS), start):
        return None
    if " " in found[0] and "(" not in found[0] and _is_in_a_table(found, done):
        return None
    number = found[0]
    while count_digits(number) > _MAX_NATIONAL_DIGITS and (last := _LAST_GROUP.search(number)):
        number = number[: last.start()]
    is_number = _MIN_NATIONAL_DIGITS <= count_digits(number) <= _MAX_NATIONAL_DIGITS
    return start + len(number) if is_number else None


def _is_in_a_table(found: re.Match[str], done: int) -> bool:
    text, numbers = found.string, found[0].split()
    if all(number.endswith("0") for number in numbers) or _is_counting(numbers):
        return True
    if _ROW_BEFORE.search(text, max(done, found.start() - _LABEL_CHARS), found.start()):
        return True
    row = _ROW_AFTER.match(text, found.end())
    # Two telephone numbers may stand in a row, too.
    return row is not None and not found.re.match(text, found.end() + 1)


def _is_counting(numbers: list[str]) -> bool:
    """Tell whether numbers follow each other: 01 02 03 04 05."""
    if not all(map(str.isdigit, numbers)):
        return False
    first = int(numbers[0])
    return [int(number) - first for number in numbers] == list(range(len(numbers)))


NATIONAL_FINDERS = tuple(map(_finder_of, _NATIONAL))


def find_labelled(text: str) -> Iterator[Span]:
    """Find numbers, whatever their form, where the text says that they are telephone numbers."""
    for found in _LABELLED.finditer(text):
        if not _DATE.search(found[1]):
            yield _with_extension(text, *found.span(1))


def find_any(text: str) -> Iterator[Span]:
    """Find numbers in a text that is said to be a telephone number."""
    for found in _ANY.finditer(text):
        if not _DATE.search(found[0]):
            yield _with_extension(text, *found.span())


_DIGITS = rf"[0-9(](?:{_PHONE_GAP}[0-9]){{6,14}}(?:{_STARTS_EXTENSION}|(?![0-9A-Za-z]))"
_ANY = re.compile(rf"(?<![0-9A-Za-z])\+?{_DIGITS}")
_LABELLED = re.compile(
    r"(?i)(?<![0-9A-Za-z])(?:phone|telephone|mobile|cell|whatsapp|tel|ph|mob|fax|handy|telefon"
    r"|telefono|t[eé]l[eé]phone|tel[eé]fono|celular|call me|text me)s?(?:nummer)?"
    r"[ \t:.#=\"'*\[\\_\-]{0,8}"
    r"(?:(?:number|no|nr|nummer|is|at|on|ist|est|es)[ \t:.#=\"'*\[\\\-]{1,8}){0,3}"
    rf"({_DIGITS})"
)
_DATE = re.compile(
    r"(?:19|20)[0-9]{2}[.\-/ ][01]?[0-9][.\-/ ][0-3]?[0-9](?![0-9])|[.\-/](?:19|20)[0-9]{2}\b"
)

"""Where a page of a list ends and the next begins, as it stands in an address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from phospho_server.errors import InvalidError

# Milliseconds have this many digits until the year 33658.
_MAX_DIGITS = 15


@dataclass(frozen=True)
class Cursor:
    """The last row of a page.

    Args:
        key: The number that orders the list.
        id: What tells rows with the same number apart.
    """

    key: int
    id: str

    @property
    def row(self) -> int:
        """The id as the number of a row.

        Raises:
            InvalidError: It is none.
        """
        return _read_number(self.id)


def of(place: Sequence[object]) -> Cursor:
    """Return the cursor of a row by what orders its list: a number and an id, or an id alone."""
    number, row_id = place if len(place) > 1 else (0, *place)
    return Cursor(int(str(number)), str(row_id))


def write(cursor: Cursor) -> str:
    """Return a cursor as text."""
    return f"{cursor.key}.{cursor.id}"


def read(text: str) -> Cursor:
    """Return the cursor that a text is.

    Raises:
        InvalidError: It is none of ours.
    """
    key, dot, row_id = text.partition(".")
    if not dot:
        raise _not_ours()
    return Cursor(_read_number(key), row_id)


def _read_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise _not_ours()
    return int(text)


def _not_ours() -> InvalidError:
    return InvalidError("This page's address is not complete. Start again from the first page.")

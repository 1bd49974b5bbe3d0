"""What all rules share: how a mask looks, and what people put between digits."""

from __future__ import annotations

from collections.abc import Callable, Iterable

# Returns what to write instead of the text that was found.
Mask = Callable[[str], str]

# Where something starts and ends in a text.
Span = tuple[int, int]

# Finds all of one form in a text, in order and without overlaps.
Finder = Callable[[str], Iterable[Span]]

# A mask of ours, or of another tool that writes them alike.
MASK = r"\[[A-Z][A-Z_]{1,40}(?: [0-9a-f]{12})?\]"

# One of ours. Where it stands alone, it is never masked again; what is glued to it is.
OWN_MASK = (
    r"\[(?:SECRET|EMAIL_ADDRESS|IBAN_CODE|CREDIT_CARD|IP_ADDRESS|PHONE_NUMBER)(?: [0-9a-f]{12})?\]"
)

# Spaces and dashes between digits; the dash first, as in a class. `reading` makes all spaces one.
GAP = "- \u2010\u2011\u2012\u2013\u2014\u2015\u2212"

# What may stand between "order" and its number.
NUMBER_OF = r"(?:s?nummer|[ \t]?(?:number|no|nr|id|code))?[ \t.:#=_\-]{0,4}"


def count_digits(text: str) -> int:
    """Count the digits 0 to 9."""
    return sum(map(text.count, "0123456789"))

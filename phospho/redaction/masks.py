"""What all rules share: how a mask looks, and what people put between digits."""

from __future__ import annotations

from collections.abc import Callable

# Returns what to write instead of the text that was found.
Mask = Callable[[str], str]

# A mask of ours, or of another tool that writes them alike: it is never masked again.
MASK = r"\[[A-Z][A-Z_]{1,40}(?: [0-9a-f]{12})?\]"

# Spaces and dashes between digits; the dash first, as in a class.
GAP = "- \xa0\u2009\u202f\u2010\u2011\u2012\u2013"


def count_digits(text: str) -> int:
    """Count the digits 0 to 9."""
    return sum(map(text.count, "0123456789"))

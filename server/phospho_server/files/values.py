"""What strangers write for a time and for a thumb."""

from __future__ import annotations

import math
import re
from typing import Any

from phospho.models import Flag
from phospho_server.incoming import to_ms

_SUCCESS = frozenset({
    *("success", "positive", "up", "thumbs_up", "thumbsup", "thumb_up", "good", "like", "liked"),
    *("helpful", "yes", "\U0001f44d", "+1", "upvote"),
})  # fmt: skip
_FAILURE = frozenset({
    *("failure", "negative", "down", "thumbs_down", "thumbsdown", "thumb_down", "bad", "dislike"),
    *("disliked", "unhelpful", "not_helpful", "no", "\U0001f44e", "-1", "downvote"),
})  # fmt: skip

# What a column is only where its name says that it is a thumb.
_THUMBS: dict[str, Flag] = {
    "1": "success", "1.0": "success", "true": "success",
    "0": "failure", "0.0": "failure", "-1.0": "failure", "false": "failure",
}  # fmt: skip


_GAP = re.compile(r"(?<=\w)[\s-]+(?=\w)")


def read_flag(value: Any) -> Flag | None:
    """Return what a word says of an answer, None where that is not clear."""
    word = _GAP.sub("_", str(value).strip().lower())
    if word in _SUCCESS:
        return "success"
    return "failure" if word in _FAILURE else None


def read_thumb(value: Any) -> Flag | None:
    """Return what a thumb says, also as a number: 1 is up, 0 and -1 are down."""
    return read_flag(value) or _THUMBS.get(str(value).strip().lower())


def is_flag(value: Any) -> bool:
    """Tell whether a value says clearly that an answer was good or bad."""
    return read_flag(value) is not None


def is_thumb(value: Any) -> bool:
    """Tell whether a value may be a thumb."""
    return read_thumb(value) is not None


def is_id(value: Any) -> bool:
    """Tell whether a value may be an id."""
    return isinstance(value, str | int) and not isinstance(value, bool)


_NUMBER = re.compile(r"[+-]?\d{1,20}(?:\.\d{0,20})?", re.ASCII)

# Beyond these, a number since 1970 counts thousandths: 1e11 seconds are in the year 5138.
_UNITS_MS = ((1e17, 1e-6), (1e14, 1e-3), (1e11, 1.0), (0.0, 1000.0))


def is_time(value: Any) -> bool:
    """Tell whether a value can be read as a time, and as one since 1990."""
    at_ms = read_time(value)
    return at_ms is not None and at_ms >= _EARLY_MS


# Smaller numbers are a rank or a length.
_EARLY_MS = 631_152_000_000


def read_time(value: Any) -> int | None:
    """Return a time in UTC milliseconds, None where it is none.

    Args:
        value: ISO 8601, or a number since 1970 in seconds, milliseconds, micro- or nanoseconds,
            as a number or as text.
    """
    if isinstance(value, str):
        value = value.strip()
        # Most are ISO 8601, and need not be tried as a number.
        if value[4:5] == "-" or not _NUMBER.fullmatch(value):
            return to_ms(value.removesuffix(" UTC"), 1)
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    if not math.isfinite(number):
        return None
    size = abs(number)
    unit_ms = next(unit_ms for least, unit_ms in _UNITS_MS if size >= least)
    return round(number * unit_ms)

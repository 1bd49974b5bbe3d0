"""Read what an app passes as feedback: success or failure, in many spellings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_FLAGS = ("success", "failure")

# Anything else a widget hands over counts as failure, as in earlier phospho clients.
_POSITIVE = frozenset({"👍", "🙂", "😀", "success", "thumbs_up", "positive"})


def read_flag(
    flag: Any, raw_flag: Any = None, raw_flag_to_flag: Callable[[Any], Any] | None = None
) -> str | None:
    """Return `success` or `failure`; None where neither was given.

    Args:
        flag: One of the two words, or None.
        raw_flag: What a feedback widget gave: an emoji, a word, True or False.
        raw_flag_to_flag: Turns `raw_flag` into one of the two words.

    Raises:
        ValueError: When the result is another word.
    """
    if flag is None and raw_flag is not None:
        flag = raw_flag_to_flag(raw_flag) if raw_flag_to_flag else _guess(raw_flag)
    if flag is not None and (not isinstance(flag, str) or flag not in _FLAGS):
        told = flag[:20] if isinstance(flag, str) else type(flag).__name__
        raise ValueError(f"a flag is 'success' or 'failure', not {told!r}")
    return flag


def _guess(raw_flag: Any) -> str:
    is_positive = raw_flag is True or (isinstance(raw_flag, str) and raw_flag in _POSITIVE)
    return "success" if is_positive else "failure"

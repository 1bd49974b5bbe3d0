"""Reads a wording condition out of a description: "started with 'As an AI language model'".

A description becomes a condition only if *all* of it speaks of wording. "The user said 'cancel my
account'" does; "The user asks about the 'Premium' plan" and "The user says something like
'help'" mean something, quote an example of it, and are left to the `semantic` detector. So do
things without quotes: "The user mentions refunds" is met by "I want my money back". Only what
cannot be said in other words needs none: "mentions GDPR", "writes 退款", "says sorry twice".

Where words have a wider and a narrower sense, the sense is that of a short program:

* Quoted words are found as whole words in any case, also inflected (refund, refunds, refunded);
  as letters anywhere for "the string", "the letters", "the character"; as they are for "exact".
* What is said *exactly* or *only* is the whole message, but for punctuation around it. What
  contains "exactly 'a'" contains it.
* A question is a question mark outside of web addresses, a number is a digit.
* "'a' and 'b'" are both, in any order; without both "not 'a' and 'b'" is neither of them.
* A count is at least that many ("two links", "twice"), a length exactly that ("two words long").
* What nobody in particular says may stand in either message; what is not said stands in neither.
* An answer that is missing lacks nothing: without a message there is no "does not contain".
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phospho.detectors.conditions import Condition

# Nobody states a condition at greater length; what is longer was pasted.
_MAX_CHARS = 2_000


def load_grammar() -> None:
    """Load all that reads descriptions; otherwise the first description does.

    It takes two tenths of a second and 5 MB, which a server without events does without.
    """
    from phospho.detectors.reading import descriptions, languages  # noqa: F401 - to have them


@lru_cache(maxsize=1_000)
def parse_wording(description: str) -> Condition | None:
    """Return the condition a description states, or None if it speaks of meaning."""
    if len(description) > _MAX_CHARS:
        return None
    # Loaded by the first description, or by `load_grammar`.
    from phospho.detectors.reading.descriptions import read_wording

    return read_wording(description)

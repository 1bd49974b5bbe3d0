"""Reads a wording condition out of a description: "started with 'As an AI language model'".

A description becomes a condition only if *all* of it speaks of wording. "The user said 'cancel my
account'" does; "The user asks about the 'Premium' plan" and "The user says something like
'help'" mean something, quote an example of it, and are left to the `semantic` detector.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from phospho.detectors.reading.cursor import Cursor
from phospho.detectors.reading.sentences import read_description
from phospho.detectors.reading.tokens import tokenize

if TYPE_CHECKING:
    from phospho.detectors.conditions import Condition

# Nobody states a condition at greater length; what is longer was pasted.
_MAX_CHARS = 2_000


@lru_cache(maxsize=1_000)
def parse_wording(description: str) -> Condition | None:
    """Return the condition a description states, or None if it speaks of meaning."""
    tokens = tokenize(description[: _MAX_CHARS + 1].strip())
    if not tokens or len(description) > _MAX_CHARS:
        return None
    # Brackets hold remarks: "(case-sensitive)", "(under 5 words)".
    tokens = [token for token in tokens if not (token.kind == "sign" and token.text in "()[]")]
    while tokens and tokens[-1].kind == "sign" and tokens[-1].text in ".!?…;":
        tokens.pop()
    return read_description(Cursor(description.strip(), tokens)) if tokens else None

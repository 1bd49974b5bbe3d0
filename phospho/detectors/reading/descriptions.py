"""Reads a description from its first to its last word, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phospho.detectors.reading.cursor import Cursor
from phospho.detectors.reading.sentences import read_description
from phospho.detectors.reading.tokens import Token, tokenize

if TYPE_CHECKING:
    from phospho.detectors.conditions import Condition


def read_wording(description: str) -> Condition | None:
    """Return the condition that all of a description states, or None."""
    text = description.strip()
    # Brackets hold remarks: "(case-sensitive)", "(under 5 words)".
    tokens = [token for token in tokenize(text) or () if not _is(token, "()[]")]
    ended = len(tokens)
    while ended and _is(tokens[ended - 1], ".!?…;"):
        ended -= 1
    # In "it ends with a ?" the sign is what is looked for.
    return _read(text, tokens[:ended]) or (_read(text, tokens) if ended < len(tokens) else None)


def _read(text: str, tokens: list[Token]) -> Condition | None:
    return read_description(Cursor(text, tokens)) if tokens else None


def _is(token: Token, signs: str) -> bool:
    return token.kind == "sign" and token.text in signs

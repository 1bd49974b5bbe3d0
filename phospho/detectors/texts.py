"""The texts of a turn, as detectors read and quote them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phospho.models import Evidence

if TYPE_CHECKING:
    from phospho.models import Side, Turn

# What a page can show beside a message; a longer quote is the message itself.
MAX_QUOTE_CHARS = 300


def text_of(turn: Turn, side: Side) -> str:
    """Return what one side said; empty where the app has not answered."""
    return (turn.interaction.input if side == "input" else turn.interaction.output) or ""


def encodable(text: str) -> str:
    """Replace lone surrogates, which no UTF-8 library reads."""
    return text.encode("utf-8", "replace").decode("utf-8")


def evidence(side: Side, quote: str, reason: str) -> Evidence:
    """Say why an event occurred; the quote is shortened."""
    return Evidence(side=side, quote=quote[:MAX_QUOTE_CHARS], reason=reason)

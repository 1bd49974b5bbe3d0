"""The event library: what people and assistants say every day, written for phospho.

`library.json` holds events that most chat products have (thanks, refusals, frustration, ...), each
with descriptions as a team would define it and with phrases as people say it, and plain messages
that mean none of them. It serves twice: an event whose description means the same borrows the
phrases as examples, and all of it is the yardstick of what else a message could be.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phospho.models import Side

# Phrases of each entry that stand for all of them, which would only cost time.
_SOME = 4

_FILE = Path(__file__).with_name("library.json")


@dataclass(frozen=True)
class Entry:
    """An everyday event.

    Args:
        name: As in `user_thanks`.
        descriptions: The event in the words one would define it with.
        phrases: Messages in which it occurs.
        is_broad: Whether it covers many topics, so that a description of one of them is narrower.
    """

    name: str
    descriptions: tuple[str, ...]
    phrases: tuple[str, ...]
    is_broad: bool

    @property
    def some_phrases(self) -> tuple[str, ...]:
        """Return the first few phrases, which stand for all of them."""
        return self.phrases[:_SOME]


@dataclass(frozen=True)
class Library:
    """The everyday events of one side, and plain messages that mean none of them."""

    entries: tuple[Entry, ...]
    plain: tuple[str, ...]


@cache
def library(side: Side) -> Library:
    """Return what is said every day by the user (`input`) or the assistant (`output`)."""
    written = _written()
    return Library(
        entries=tuple(
            Entry(
                name=event["name"],
                descriptions=tuple(event["descriptions"]),
                phrases=tuple(event["phrases"]),
                is_broad=event.get("broad", False),
            )
            for event in written["events"]
            if event["side"] == side
        ),
        plain=tuple(written["plain"][side]),
    )


@cache
def _written() -> dict[str, Any]:
    written: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return written

"""What people and assistants say every day, as a yardstick: see `everyday.txt`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phospho.models import Side

_FILE = Path(__file__).with_name("everyday.txt")


@dataclass(frozen=True)
class Meaning:
    """Messages that mean the same.

    Args:
        descriptions: What they mean, in the words one would define an event with; may be empty.
        messages: Places of the messages in `Everyday.messages`.
    """

    descriptions: tuple[str, ...]
    messages: tuple[int, ...]


@dataclass(frozen=True)
class Everyday:
    """The everyday messages of one side."""

    messages: tuple[str, ...]
    meanings: tuple[Meaning, ...]


@cache
def everyday(side: Side) -> Everyday:
    """Return what is said every day by the user (`input`) or the assistant (`output`)."""
    section = "[user]" if side == "input" else "[assistant]"
    messages: list[str] = []
    meanings: list[Meaning] = []
    for block in re.split(r"^= ?", _section(section), flags=re.MULTILINE)[1:]:
        title, *lines = block.splitlines()
        places = tuple(range(len(messages), len(messages) + len(lines)))
        messages += lines
        descriptions = tuple(part.strip() for part in title.split("|") if part.strip())
        if descriptions:
            meanings.append(Meaning(descriptions, places))
    return Everyday(tuple(messages), tuple(meanings))


def _section(name: str) -> str:
    text = _FILE.read_text(encoding="utf-8").partition(f"{name}\n")[2]
    return text.partition("\n[")[0]

"""Descriptions that state wording, each with a text that has it and one that has not, and others.

`wording.jsonl` says in each line whom a description is `about`; `meaning.txt` holds descriptions
that speak of meaning, one a line, though many of them quote words or name things.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, NamedTuple

About = Literal["user", "assistant", "anybody", "opening", "both", "neither"]

_HERE = Path(__file__).parent


class Case(NamedTuple):
    """A description, a message that has what it asks for, and one that has not."""

    description: str
    has: str = "x1"
    has_not: str = "qq zz"


def cases(about: About) -> list[Case]:
    """Return the descriptions about one side, or both, or either."""
    lines = (_HERE / "wording.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        Case(**{name: row[name] for name in Case._fields if name in row})
        for row in rows
        if row["about"] == about
    ]


def meanings() -> list[str]:
    """Return the descriptions that no rule may take."""
    return (_HERE / "meaning.txt").read_text(encoding="utf-8").splitlines()

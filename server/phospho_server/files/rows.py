"""What a file has in it: rows, each with its place, and those that cannot be read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# Of the readable rows of a file, those that are looked at to know what the file is.
SAMPLE = 100

# No row is longer, in bytes of a line or in characters of a cell or a JSON value.
MAX_ROW = 32 * 1024 * 1024


@dataclass(frozen=True)
class Row:
    """A row, a line or an entry of a file.

    Args:
        number: Of its line in the file; of the row where a file has no lines. From 1.
        value: What it has, by name; None where it is empty.
        source: The line as it stands in the file, where it is one.
    """

    number: int
    value: Mapping[str, Any]
    source: bytes | None = None

    def digest(self) -> str:
        """Return what tells this row from all others of the file, the same in each import."""
        source = self.source
        if source is None:
            source = json.dumps(self.value, sort_keys=True, default=str).encode()
        return hashlib.sha256(b"%d:" % self.number + source).hexdigest()[:24]


@dataclass(frozen=True)
class Problem:
    """A row that is left out, and why."""

    number: int
    reason: str


# A value that is nested more deeply than this is no interaction: see `incoming.is_deep`.
TOO_DEEP = "A value in it is nested too deeply. Flatten it, or write it as text."


def count_chars(value: Any) -> int:
    """Return about how much memory a value takes, in characters."""
    if isinstance(value, dict | list):
        return sum(map(count_chars, value.values() if isinstance(value, dict) else value))
    return len(value) if isinstance(value, str) else 1


# What reading a file gives, in the order of the file.
Rows = Iterator[Row | Problem]

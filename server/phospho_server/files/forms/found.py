"""What a form makes of rows, and what every form has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from phospho_server.files.rows import Problem, Rows

# An interaction as `POST /v3/log` takes it, with the notes that came with its feedback.
Event = Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    """The interactions of a row."""

    number: int
    events: Sequence[Event]


class Form(Protocol):
    """What the rows of a file are."""

    @property
    def says(self) -> Sequence[str]:
        """What the file is, in sentences."""
        ...

    @property
    def left_out(self) -> int:
        """How many calls have no interaction."""
        ...

    def read(self, rows: Rows) -> Iterator[Found | Problem]:
        """Yield what the rows tell, and those that cannot be read as this form."""
        ...

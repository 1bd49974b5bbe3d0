"""A clause that was read: a condition, and whose messages must meet it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from phospho.detectors.conditions import Condition, Not
from phospho.detectors.repeats import Repeats

if TYPE_CHECKING:
    from phospho.detectors.reading.cursor import Cursor
    from phospho.detectors.reading.speaker import Speaker


@dataclass(frozen=True)
class Clause:
    """A condition, and whose messages must meet it.

    Args:
        speaker: Whose messages.
        condition: The condition.
        is_negated: Whether its verb is negated, so that a verb that follows may be too.
    """

    speaker: Speaker
    condition: Condition
    is_negated: bool = False

    @property
    def is_sentence(self) -> bool:
        """Whether the condition itself says whose messages it is about."""
        inner = self.condition.part if isinstance(self.condition, Not) else self.condition
        return isinstance(inner, Repeats)


class ReadClause(Protocol):
    """Reads one kind of clause, after another one or none."""

    def __call__(self, cursor: Cursor, before: Clause | None) -> Clause | None:
        """Return the clause, or None if there is none of the kind."""

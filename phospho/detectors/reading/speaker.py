"""Whose messages a condition is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from phospho.detectors.conditions import AllOf, AnyOf, Condition, In, Not
from phospho.detectors.description import BOTH_SIDES

if TYPE_CHECKING:
    from phospho.detectors.reading.parts import Part
    from phospho.models import Side

Who = Literal["any", "all", "none"]


@dataclass(frozen=True)
class Speaker:
    """Whose messages a condition is about.

    Args:
        sides: Whose.
        who: Whether any of the sides suffices, all must meet the condition, or none may.
        is_message: Whether a message is named, and not only who wrote it.
        is_conversation: Whether what both say counts together.
        part: The part of a message that is named.
        is_first: Whether only the first message of a session is meant.
        is_sized: Whether the message is called long or short, which needs a number.
    """

    sides: tuple[Side, ...] = BOTH_SIDES
    who: Who = "any"
    is_message: bool = False
    is_conversation: bool = False
    part: Part | None = None
    is_first: bool = False
    is_sized: bool = False

    def meeting(self, condition: Condition) -> Condition:
        """Return that the messages meet a condition."""
        if self.part:
            condition = self.part.meeting(condition)
        if self.who == "all" and len(self.sides) > 1:
            return AllOf(tuple(In((side,), condition) for side in self.sides))
        if self.who == "none":
            return In(self.sides, Not(condition))
        is_one = len(self.sides) > 1 and not self.is_conversation and _is_joint(condition)
        return In(self.sides, condition, is_one=is_one)


def _is_joint(condition: Condition) -> bool:
    """Tell whether several messages together could meet what is asked of one."""
    if isinstance(condition, AnyOf):
        return any(map(_is_joint, condition.parts))
    return isinstance(condition, AllOf)


ANYBODY = Speaker(is_message=True)
# Who opens a session is the user.
OPENER: tuple[Side, ...] = ("input",)

"""Conditions on the wording of all that a session has said so far, and where it first meets one.

What must occur together may stand in several messages, and lengths add up. A condition is looked
for only if it *grows*: if more messages never meet it less. What a session lacks is known at its
end, which never comes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from phospho.detectors.conditions import AllOf, AnyOf, Condition, Found, In, Not, Occurs, Opening
from phospho.detectors.description import BOTH_SIDES
from phospho.detectors.lengths import Length

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phospho.detectors.conditions import Said
    from phospho.models import Interaction, Turn


def is_growing(condition: Condition) -> bool:
    """Tell whether messages that meet a condition still do when more is said."""
    if isinstance(condition, AllOf | AnyOf):
        return all(map(is_growing, condition.parts))
    if isinstance(condition, In):
        return condition.is_one or is_growing(condition.part)
    if isinstance(condition, Occurs | Length):
        return condition.most is None
    return not isinstance(condition, Not)


def find_in_session(turn: Turn, condition: Condition) -> Found | None:
    """Return where a session meets a growing condition with this interaction, not before it.

    The words stand in this interaction; they are empty where no words in particular meet it.
    """
    now = _said(turn.interaction)
    if isinstance(condition, Opening):
        return None if turn.history else condition.find(now)
    before = [said for interaction in turn.history for said in _said(interaction)]
    together = _together(condition)
    found = together.find([*before, *now])
    if found is None or together.find(before):
        return None
    words = _find_part(condition, now, before) or found._replace(quote="")
    return words._replace(reason=found.reason)


@dataclass(frozen=True)
class _Total:
    """Messages are so long together."""

    length: Length

    def find(self, said: Sequence[Said]) -> Found | None:
        """Return the last message that says something, if all together are so long."""
        written = [one for one in said if one[1].strip()]
        joined = "\n".join(text for _, text in written)
        return self.length.find([(written[-1][0], joined)]) if written else None

    def told(self, *, negated: bool = False) -> str:
        """Return "is longer than 5 words"."""
        return self.length.told(negated=negated)


def _together(condition: Condition) -> Condition:
    """Return the condition with lengths that add up, where not one message alone must meet it."""
    if isinstance(condition, Length):
        return _Total(condition)
    if isinstance(condition, In) and not condition.is_one:
        return replace(condition, part=_together(condition.part))
    if isinstance(condition, AllOf | AnyOf):
        return replace(condition, parts=tuple(map(_together, condition.parts)))
    return condition


def _find_part(condition: Condition, now: Sequence[Said], before: Sequence[Said]) -> Found | None:
    """Return where an interaction meets a condition, or a part of it, what is new before others."""
    if isinstance(condition, In) and not condition.is_one:
        heard, earlier = (
            [one for one in said if one[0] in condition.sides] for said in (now, before)
        )
        return _find_part(condition.part, heard, earlier)
    if not isinstance(condition, AllOf | AnyOf):
        return condition.find(now)
    new_first = sorted(condition.parts, key=lambda part: part.find(before) is not None)
    parts = (_find_part(part, now, before) for part in new_first)
    return next(filter(None, parts), None)


def _said(interaction: Interaction) -> list[Said]:
    texts = {"input": interaction.input, "output": interaction.output}
    return [(side, texts[side] or "") for side in BOTH_SIDES]

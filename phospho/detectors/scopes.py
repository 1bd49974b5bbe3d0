"""What a definition looks at: one message, an interaction, or all that a session has said so far.

An event of scope `session` occurs once in a session: in the interaction by which the session
first has it. A detector judges an interaction by what it adds to the ones before it, as far as
its turn holds them; whoever keeps the verdicts of a whole session keeps the first yes alone, with
`firsts` here or in the database. So every detector may be asked about sessions, also one that
looks at a single message only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phospho.detectors.description import BOTH_SIDES
from phospho.detectors.texts import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from phospho.detectors.conditions import Said
    from phospho.models import EventDefinition, Interaction, Side, Turn

Place = tuple[int, int]
"""Where an interaction stands in its session: its time, then its order of arrival."""

_IN_SESSION: dict[tuple[Side, ...], str] = {
    ("input",): "the user's messages of a session",
    ("output",): "the assistant's messages of a session",
    BOTH_SIDES: "the messages of a session",
}


def is_of_session(definition: EventDefinition) -> bool:
    """Tell whether an event occurs at most once in a session."""
    return definition.scope == "session"


def where_in_session(sides: tuple[Side, ...]) -> str:
    """Return what people call the messages of `sides` in all of a session."""
    return _IN_SESSION[sides]


def said_now(turn: Turn, sides: Sequence[Side]) -> list[Said]:
    """Return what the interaction itself says, without what is empty."""
    return [(side, text) for side in sides if (text := text_of(turn, side))]


def said_before(turn: Turn, sides: Sequence[Side]) -> list[Said]:
    """Return what was said before the interaction, as far as the turn holds it, oldest first."""
    return [
        (side, text)
        for interaction in turn.history
        for side in sides
        if (text := _text(interaction, side))
    ]


def is_new(turn: Turn, sides: Sequence[Side], has: Callable[[Sequence[Said]], bool]) -> bool:
    """Tell whether a session has something with this interaction that it did not have before it.

    Args:
        turn: The interaction with what was said before it.
        sides: Whose messages count.
        has: Tells whether messages, taken together, have it; more messages never have less.
    """
    now = said_now(turn, sides)
    if not now:
        return False
    before = said_before(turn, sides)
    return has([*before, *now]) and not (before and has(before))


def firsts(found: Iterable[tuple[Hashable, Place]]) -> set[Place]:
    """Return the places that are the first of their sessions.

    Args:
        found: Session and place of each yes, in any order.
    """
    first: dict[Hashable, Place] = {}
    for session, place in found:
        known = first.get(session)
        if known is None or place < known:
            first[session] = place
    return set(first.values())


def _text(interaction: Interaction, side: Side) -> str:
    return (interaction.input if side == "input" else interaction.output) or ""

"""Says in plain English how a description was understood."""

from __future__ import annotations

from phospho.detectors.conditions import Condition, In, Not, Opening, Place, things_of
from phospho.detectors.description import where
from phospho.detectors.scopes import where_in_session

_PLACES: dict[Place, str] = {
    "anywhere": "in",
    "start": "at the start of",
    "end": "at the end of",
    "whole": "as the whole of",
}


def explain_condition(condition: Condition, *, in_session: bool = False) -> str:
    """Say what is looked for, and where: "looks for a link in the user's message".

    Args:
        condition: What is looked for.
        in_session: Whether in all that a session has said, instead of in one interaction.
    """
    if isinstance(condition, Opening):
        return f"{explain_condition(condition.part)}, in the first interaction of a session"
    if isinstance(condition, In):
        is_absence = isinstance(condition.part, Not)
        inner = condition.part.part if isinstance(condition.part, Not) else condition.part
        if things := things_of(inner):
            what, place = things
            verb = "checks for the absence of" if is_absence else "looks for"
            messages = (where_in_session if in_session else where)(condition.sides)
            return f"{verb} {what} {_PLACES[place]} {messages}"
    return f"checks that {'in all of a session ' * in_session}{condition.told()}"

"""Says in plain English how a description was understood."""

from __future__ import annotations

from phospho.detectors.conditions import Condition, In, Not, Opening, Place, things_of
from phospho.detectors.description import where

_PLACES: dict[Place, str] = {
    "anywhere": "in",
    "start": "at the start of",
    "end": "at the end of",
    "whole": "as the whole of",
}


def explain_condition(condition: Condition) -> str:
    """Say what is looked for, and where: "looks for a link in the user's message"."""
    if isinstance(condition, Opening):
        return f"{explain_condition(condition.part)}, in the first interaction of a session"
    if isinstance(condition, In):
        is_absence = isinstance(condition.part, Not)
        inner = condition.part.part if isinstance(condition.part, Not) else condition.part
        if things := things_of(inner):
            what, place = things
            verb = "checks for the absence of" if is_absence else "looks for"
            return f"{verb} {what} {_PLACES[place]} {where(condition.sides)}"
    return f"checks that {condition.told()}"

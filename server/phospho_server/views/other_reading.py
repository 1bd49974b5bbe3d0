"""How else a description could be understood: by its meaning instead of its wording, or back."""

from __future__ import annotations

from dataclasses import dataclass

from phospho.detectors.auto import chosen
from phospho.detectors.language_wording import scoped_condition
from phospho.models import EventDefinition
from phospho_server.services import services


@dataclass(frozen=True)
class OtherReading:
    """What a definition could be switched to.

    Args:
        detector: The detector that would decide then.
        offer: What the button says.
    """

    detector: str
    offer: str


BY_MEANING = OtherReading("semantic", "Look for the meaning instead")
BY_WORDING = OtherReading("auto", "Look for the wording instead")


def find_other_reading(definition: EventDefinition) -> OtherReading | None:
    """Return the other way to understand a description; None where there is only one.

    What is said of a language is no wording, and means what it says.
    """
    if definition.keywords or definition.pattern or scoped_condition(definition):
        return None
    if chosen(definition.model_copy(update={"detector": "auto"})) != "rules":
        return None
    other = {"rules": BY_MEANING, "semantic": BY_WORDING}.get(chosen(definition))
    return other if other == BY_WORDING or BY_MEANING.detector in services().detectors else None

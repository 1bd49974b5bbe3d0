"""The `auto` detector: wording goes to `rules`, meaning to `semantic`, its doubts to `llm`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phospho.detectors.description import BOTH_SIDES, read, sides_of, where
from phospho.detectors.rules import explain_rules, has_rules
from phospho.detectors.scopes import is_of_session, where_in_session

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from phospho.detectors import Detector
    from phospho.detectors.llm.detector import LlmDetector
    from phospho.models import Detection, EventDefinition, Turn


class AutoDetector:
    """Hands each definition to the detector that suits it; detections carry that one's name.

    Args:
        rules: Decides about wording.
        semantic: Decides about meaning.
        llm: Decides again where `semantic` is uncertain; None where no LLM is configured.
    """

    name = "auto"

    def __init__(
        self, *, rules: Detector, semantic: Detector, llm: LlmDetector | None = None
    ) -> None:
        self._by_name = {"rules": rules, "semantic": semantic}
        self.llm = llm

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        """Return one detection for each pair of turn and definition."""
        found: list[Detection] = []
        for name, detector in self._by_name.items():
            routed = [event for event in events if chosen(event) == name]
            if routed:
                found += detector.detect(batch, routed)
        return self.llm.reconsider(batch, doubtful(events), found) if self.llm else found


def doubtful(events: Iterable[EventDefinition]) -> list[EventDefinition]:
    """Return the definitions whose uncertain verdicts an LLM may overrule.

    Those that name `semantic` themselves stay offline.
    """
    return [e for e in events if e.detector == "auto" and chosen(e) == "semantic"]


def chosen(definition: EventDefinition) -> str:
    """Return the name of the detector that decides: what `auto` chose, or the one asked for."""
    if definition.detector != "auto":
        return definition.detector
    is_wording = definition.answer == "yes_no" and has_rules(definition)
    return "rules" if is_wording else "semantic"


def explain(definition: EventDefinition) -> str:
    """Say in plain English how a definition was understood, for Settings."""
    name = chosen(definition)
    if name == "rules":
        return explain_rules(definition)
    if name == "llm":
        sides = sides_of(definition, unnamed=BOTH_SIDES)
        place = where_in_session(sides) if is_of_session(definition) else where(sides)
        return f"asks the LLM, which quotes its evidence from {place}"
    if name != "semantic":
        return f"is decided by the detector {name!r}"
    sides = sides_of(definition)
    goal = read(definition.description, side=sides[0]).goal
    shown = len(definition.examples)
    helped = f", helped by your {shown} example{'s' if shown != 1 else ''}" if shown else ""
    place = where_in_session(sides) if is_of_session(definition) else where(sides)
    return f'looks for the meaning "{goal}" in {place}{helped}'

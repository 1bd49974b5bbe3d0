"""A whole phospho plugin in one file: an extractor and a detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import phospho
from phospho.models import Detection, EventDefinition, Evidence, Turn


@dataclass
class SupportReply:
    """What this app's model layer returns."""

    body: str
    queue: str


@phospho.hookimpl
def phospho_extract_output(value: Any) -> phospho.Extracted | None:
    """Read the text out of our own replies, and keep the queue as metadata."""
    if isinstance(value, SupportReply):
        return phospho.Extracted(text=value.body, extra={"queue": value.queue})
    return None


# In shorter messages capitals are abbreviations: "OK", "USA".
MIN_LETTERS = 4
MIN_SHARE = 0.7


class ShoutingDetector:
    """Decides that an event occurred where the user writes in capitals."""

    name = "shouting"

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        """Return one detection for each pair of turn and definition."""
        return [self._judge(turn, event) for turn in batch for event in events]

    def _judge(self, turn: Turn, event: EventDefinition) -> Detection:
        text = turn.interaction.input
        letters = [c for c in text if c.isalpha()]
        share = sum(c.isupper() for c in letters) / len(letters) if letters else 0.0
        detected = len(letters) >= MIN_LETTERS and share >= MIN_SHARE
        evidence = Evidence(side="input", quote=text[:200], reason=f"{share:.0%} capitals")
        return Detection(
            event_id=event.id,
            task_id=turn.interaction.task_id,
            detected=detected,
            score=share,
            evidence=evidence if detected else None,
        )


@phospho.hookimpl
def phospho_register_detectors() -> list[ShoutingDetector]:
    """Bring our detector; definitions choose it by its name."""
    return [ShoutingDetector()]

"""A whole phospho plugin in one file: an extractor, a detector, and a reaction to events."""

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
        letters = [c for c in turn.interaction.input if c.isalpha()]
        share = (
            sum(c.isupper() for c in letters) / len(letters) if len(letters) >= MIN_LETTERS else 0.0
        )
        return Detection(
            event_id=event.id,
            task_id=turn.interaction.task_id,
            detected=share >= MIN_SHARE,
            score=share,
            evidence=Evidence(
                side="input", quote=turn.interaction.input[:200], reason=f"{share:.0%} capitals"
            ),
        )


@phospho.hookimpl
def phospho_register_detectors() -> list[ShoutingDetector]:
    """Bring our detector; definitions choose it by its name."""
    return [ShoutingDetector()]

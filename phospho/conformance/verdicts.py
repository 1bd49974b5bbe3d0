"""Asks a detector, and holds its answer against what every answer must be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phospho.detectors import Detector
    from phospho.models import Detection, EventDefinition, Turn

    Verdicts = Mapping[tuple[str, str], Detection]

# Sums over a batch are done in another order than over one text.
TOLERANCE = 1e-3

# Shown of what is long.
_MAX_SHOWN = 200


@dataclass(frozen=True)
class Asked:
    """A detector that is asked, and fails the test when it breaks a promise."""

    detector: Detector

    def ask(
        self, turns: Sequence[Turn], definitions: Sequence[EventDefinition], when: str
    ) -> Verdicts:
        """Return one sound detection for each pair, by ids of the interaction and definition.

        Args:
            turns: Handed over as a list of its own.
            definitions: The same.
            when: Ends the sentence "The detector ..., asked ..., ...".

        Raises:
            DetectorError: When the detector says that it cannot judge.
            AssertionError: When it breaks a promise.
        """
        from phospho.errors import PhosphoError

        batch, events = list(turns), list(definitions)
        before = _snapshot(batch, events)
        try:
            answer = list(self.detector.detect(batch, events))
        except PhosphoError:
            raise
        except Exception as exc:
            raise self.broken(
                when,
                f"raised {type(exc).__name__}: {_short(exc)}",
                "Catch it, and raise phospho.errors.DetectorError where no verdict can be given",
            ) from exc
        if _snapshot(batch, events) != before:
            raise self.broken(
                when,
                "changed what it was given",
                "Work on a copy: others are shown the same values",
            )
        found = self._by_pair(answer, batch, events, when)
        for turn in batch:
            for event in events:
                self._check(found[turn.interaction.task_id, event.id], turn, event, when)
        return found

    def _by_pair(
        self,
        answer: Sequence[Any],
        turns: Sequence[Turn],
        definitions: Sequence[EventDefinition],
        when: str,
    ) -> Verdicts:
        from phospho.models import Detection

        one_each = "Return exactly one Detection for each turn and each definition"
        wanted = {(t.interaction.task_id, d.id) for t in turns for d in definitions}
        found: dict[tuple[str, str], Detection] = {}
        for detection in answer:
            if not isinstance(detection, Detection):
                raise self.broken(when, f"returned {_short(repr(detection))}", one_each)
            pair = (detection.task_id, detection.event_id)
            if pair not in wanted:
                raise self.broken(when, f"gave a verdict that nobody asked for: {pair}", one_each)
            if pair in found:
                raise self.broken(when, f"gave two verdicts for {pair}", one_each)
            found[pair] = detection
        for pair in sorted(wanted - found.keys()):
            raise self.broken(when, f"gave no verdict for {pair}", one_each)
        return found

    def _check(
        self, detection: Detection, turn: Turn, definition: EventDefinition, when: str
    ) -> None:
        score: Any = detection.score
        if isinstance(score, bool) or not isinstance(score, (int, float)):
            raise self.broken(when, f"gave the score {score!r}", "A score is a number")
        if not math.isfinite(score) or not 0 <= score <= 1:
            raise self.broken(
                when, f"gave the score {score!r}", "A score is how sure it is, from 0 to 1"
            )
        if not isinstance(detection.detected, bool):
            raise self.broken(when, f"said detected={detection.detected!r}", "Say True or False")
        self._check_evidence(detection, turn, when)
        self._check_value(detection, definition, when)

    def _check_evidence(self, detection: Detection, turn: Turn, when: str) -> None:
        from phospho.detectors.texts import text_of

        evidence = detection.evidence
        if evidence is None or not evidence.quote:
            return
        if evidence.quote not in text_of(turn, evidence.side):
            raise self.broken(
                when,
                f"quoted {_short(repr(evidence.quote))}, which does not occur in the "
                f"{evidence.side} of {detection.task_id!r}",
                "Quote words letter for letter, from the message of the side you name, or leave "
                "the quote empty",
            )

    def _check_value(self, detection: Detection, definition: EventDefinition, when: str) -> None:
        value = detection.value
        if value is None:
            return
        if definition.answer == "category" and value not in definition.categories:
            raise self.broken(
                when, f"answered {value!r}", f"Answer with one of {definition.categories}"
            )
        low, high = definition.score_range
        if definition.answer == "score" and not (
            isinstance(value, (int, float)) and low <= value <= high
        ):
            raise self.broken(when, f"answered {value!r}", f"Answer from {low} to {high}")

    def broken(self, when: str, what: str, advice: str) -> AssertionError:
        """Return the failure of a test, in two sentences."""
        return AssertionError(
            f"The detector {self.detector.name!r}, asked {when}, {what}. {advice}."
        )

    def compare(self, first: Verdicts, second: Verdicts, when: str) -> None:
        """Fail the test where two answers about the same pairs differ.

        Raises:
            AssertionError: With the first pair that differs.
        """
        for pair, detection in second.items():
            other = first[pair]
            same = (detection.detected, detection.value) == (other.detected, other.value)
            if not same or abs(detection.score - other.score) > TOLERANCE:
                raise self.broken(
                    when,
                    f"said {_verdict(detection)} of {pair}, and {_verdict(other)} before",
                    "Judge each interaction by itself and its history, or switch this off with "
                    "check_detector(..., deterministic=False), or batch_independent=False",
                )


def _snapshot(turns: Sequence[Turn], definitions: Sequence[EventDefinition]) -> list[Any]:
    return [[turn.model_dump() for turn in turns], [each.model_dump() for each in definitions]]


def _verdict(detection: Detection) -> str:
    value = "" if detection.value is None else f", {detection.value!r}"
    return f"{'yes' if detection.detected else 'no'} ({detection.score}{value})"


def _short(text: object) -> str:
    shown = str(text)
    return shown if len(shown) <= _MAX_SHOWN else f"{shown[:_MAX_SHOWN]}…"

"""The `llm` detector, and the second opinion on what `semantic` is not sure of."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from phospho import guard
from phospho.detectors.llm.asking import Outcome, Question, ask
from phospho.detectors.llm.band import band_of
from phospho.errors import ConfigurationError, LlmError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from phospho.detectors.llm.asking import Pair
    from phospho.detectors.llm.judge import Judge
    from phospho.models import Detection, EventDefinition, Turn

NOT_CONFIGURED = (
    "No LLM is configured. Set PHOSPHO_LLM_BASE_URL, PHOSPHO_LLM_MODEL and PHOSPHO_LLM_API_KEY, or "
    "name an LLM in Settings; or choose another detector."
)

# How long a judge that is away is left alone; doubled each time.
_FIRST_REST_S = 30.0


class LlmDetector:
    """Asks an LLM once for each interaction, about all its events.

    Args:
        judge: Whom to ask; None where no LLM is configured.
    """

    name = "llm"

    def __init__(self, judge: Judge | None) -> None:
        self.judge = judge
        self._rest_s = _FIRST_REST_S
        self._not_before_s = 0.0

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        """Return one detection for each pair of turn and definition.

        An answer that is not believed is no event.

        Raises:
            DetectorError: No LLM is configured, or not all pairs were answered.
        """
        if self.judge is None:
            raise ConfigurationError(NOT_CONFIGURED)
        outcome = ask(self.judge, [Question(turn, events) for turn in batch])
        if outcome.stopped_by is not None:
            raise outcome.stopped_by
        if outcome.failed:
            raise LlmError(next(iter(outcome.failed.values())))
        return list(outcome.found.values())

    def reconsider(
        self,
        batch: Sequence[Turn],
        events: Sequence[EventDefinition],
        found: Iterable[Detection],
    ) -> list[Detection]:
        """Return `found`, with the judge's verdict in place of each uncertain one.

        Where the judge fails, or is not believed, the first verdict stands; one that is away is
        left alone for a while.
        """
        found = list(found)
        if self.judge is None or time.monotonic() < self._not_before_s:
            return found
        outcome = ask(self.judge, questions_about(batch, events, found))
        report_trouble(outcome)
        if outcome.stopped_by is None:
            self._rest_s = _FIRST_REST_S
        else:
            self._not_before_s = time.monotonic() + self._rest_s
            self._rest_s *= 2
        better = second_opinions(outcome)
        return [better.get((d.task_id, d.event_id), d) for d in found]


def questions_about(
    batch: Sequence[Turn], events: Sequence[EventDefinition], found: Iterable[Detection]
) -> list[Question]:
    """Return one question for each turn with uncertain verdicts."""
    by_id = {event.id: event for event in events}
    asked: dict[str, list[EventDefinition]] = {}
    for detection in found:
        event = by_id.get(detection.event_id)
        if event is not None and is_uncertain(event, detection.score):
            asked.setdefault(detection.task_id, []).append(event)
    return [
        Question(turn, asked[turn.interaction.task_id])
        for turn in batch
        if turn.interaction.task_id in asked
    ]


def second_opinions(outcome: Outcome) -> Mapping[Pair, Detection]:
    """Return the verdicts that are better than those of another detector."""
    return {pair: found for pair, found in outcome.found.items() if pair not in outcome.void}


def is_uncertain(definition: EventDefinition, score: float) -> bool:
    """Tell whether a score is so near to its threshold that an LLM is worth asking."""
    return band_of(definition).contains(score)


def report_trouble(outcome: Outcome) -> None:
    """Say once what kept the judge from answering."""
    reason = str(outcome.stopped_by or next(iter(outcome.failed.values()), ""))
    if reason:
        guard.report_once(
            f"llm:{reason}",
            "The LLM did not judge %d uncertain verdicts, so they stand as they were: %s",
            len(outcome.unasked) + len(outcome.failed),
            reason,
        )

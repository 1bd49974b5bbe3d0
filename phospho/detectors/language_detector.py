"""The `language` detector: names the language of a message, or says whether it is a certain one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phospho.detectors.description import sides_of
from phospho.detectors.language import likeliest_language
from phospho.detectors.language_wording import scoped_condition
from phospho.detectors.texts import text_of
from phospho.errors import DetectorError
from phospho.models import Detection, EventDefinition, Turn

if TYPE_CHECKING:
    from collections.abc import Sequence


class LanguageDetector:
    """Answers "which language": the category is an ISO 639-1 code, None where it cannot be told.

    A definition that asks yes or no has to state a language: "The user writes in Spanish".
    """

    name = "language"

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        """Return one detection for each pair of turn and definition.

        Raises:
            DetectorError: When a definition asks yes or no about no language.
            MissingDependencyError: When py3langid is not installed.
        """
        return [self._verdict(turn, event) for turn in batch for event in events]

    def _verdict(self, turn: Turn, event: EventDefinition) -> Detection:
        if event.answer == "category":
            return self._category(turn, event)
        condition = scoped_condition(event)
        if condition is None or event.answer == "score":
            raise DetectorError(
                f"The description {event.description!r} names no language to look for. Write it "
                'as in "The user writes in Spanish", or choose the detector auto.'
            )
        why = condition.evidence(turn)
        return Detection(
            event_id=event.id,
            task_id=turn.interaction.task_id,
            detected=why is not None,
            score=float(why is not None),
            evidence=why,
            detector=self.name,
        )

    def _category(self, turn: Turn, event: EventDefinition) -> Detection:
        side = sides_of(event)[0]
        code, sure = likeliest_language(text_of(turn, side))
        is_asked_for = code is not None and (not event.categories or code in event.categories)
        return Detection(
            event_id=event.id,
            task_id=turn.interaction.task_id,
            detected=is_asked_for,
            score=sure if is_asked_for else 0.0,
            detector=self.name,
            value=code if is_asked_for else None,
        )

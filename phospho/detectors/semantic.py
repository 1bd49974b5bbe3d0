"""The `semantic` detector: finds what a description means, offline, better with every example.

Decides each interaction by itself: the same interaction and definitions give the same verdict
whatever else is in the batch. The definitions of one call compete ("book a flight" against
"cancel a flight"), so hand over all of a project's together. What people said of interactions
(`EventDefinition.reviews`) moves the verdicts of that event alone; what the project's traffic
taught (`EventDefinition.cut`) is learned by `study`, and handed in again with the definition.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from phospho.detectors.categories import expand, gather
from phospho.detectors.comparing import Comparison
from phospho.detectors.deciding import shift_of, threshold_of
from phospho.detectors.description import BOTH_SIDES, sides_of
from phospho.detectors.texts import evidence
from phospho.models import (
    Cut,
    Detection,
    Embedded,
    EventDefinition,
    Evidence,
    Side,
    Turn,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from phospho.detectors import Embedder
    from phospho.detectors.closeness import Messages, Weights
    from phospho.detectors.comparing import Contest, LogOdds
    from phospho.detectors.probes import Probe

# Beyond the fourth decimal a probability is noise of the arithmetic.
_DECIMALS = 4

_MAX_REASON_CHARS = 80


@dataclass(frozen=True, eq=False)
class _Seen:
    """One side of a batch, as it was judged.

    Args:
        messages: The messages.
        contest: The definitions that look at this side.
        log_odds: For those that are wanted, by their place, the log-odds of each message.
    """

    messages: Messages
    contest: Contest
    log_odds: Mapping[int, LogOdds]


class SemanticDetector:
    """Compares messages with descriptions and examples by the meaning of their words.

    Args:
        embedder: Turns text into vectors; None where no package for it is installed.
        weights: Other calibrators than those that are shipped.
    """

    name = "semantic"

    def __init__(self, embedder: Embedder | None, *, weights: Weights | None = None) -> None:
        self._comparison = Comparison(embedder, weights)

    @property
    def embedder(self) -> Embedder | None:
        """What turns text into vectors."""
        return self._comparison.embedder

    @embedder.setter
    def embedder(self, embedder: Embedder | None) -> None:
        self._comparison.embedder = embedder

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        """Return one detection for each pair of turn and definition.

        Raises:
            MissingDependencyError: When there is no embedder.
        """
        return self.detect_among(batch, events, ())

    def detect_among(
        self,
        batch: Sequence[Turn],
        events: Sequence[EventDefinition],
        rivals: Sequence[EventDefinition],
    ) -> list[Detection]:
        """Return one detection for each pair of turn and definition, which compete with rivals.

        Raises:
            MissingDependencyError: When there is no embedder.
        """
        if not batch or not events:
            return []
        asked = expand(map(self._without_foreign_cut, events))
        others = expand(map(self._without_foreign_cut, rivals))
        return gather(events, self._detect(batch, asked, others))

    def _detect(
        self,
        batch: Sequence[Turn],
        events: Sequence[EventDefinition],
        rivals: Sequence[EventDefinition],
    ) -> list[Detection]:
        seen: dict[Side, _Seen] = {}
        for side in BOTH_SIDES:
            if any(side in sides_of(event) for event in events):
                messages = self._comparison.embed(batch, side)
                contest = self._comparison.contest([*events, *rivals], side)
                wanted = [place for place in contest.probes if place < len(events)]
                log_odds = self._comparison.judge(messages, contest, wanted)
                seen[side] = _Seen(messages, contest, log_odds)
        by_event = [
            self._detections(batch, event, place, seen) for place, event in enumerate(events)
        ]
        return [detection for of_turn in zip(*by_event, strict=True) for detection in of_turn]

    @property
    def is_free(self) -> bool:
        """Tell whether there is an embedder, and vectors cost nothing but time."""
        return self.embedder is not None and not getattr(self.embedder, "is_metered", False)

    @property
    def makes_vectors_as(self) -> str:
        """Return what vectors that are kept must be `made_by` to be used.

        Raises:
            MissingDependencyError: When there is no embedder.
        """
        return self._comparison.made_by

    def embed(self, batch: Sequence[Turn]) -> list[Embedded]:
        """Return the vectors of the messages of turns, to be handed in again as `Turn.embedded`.

        Raises:
            MissingDependencyError: When there is no embedder.
        """
        from phospho.detectors.closeness import pack_messages

        by_side = [pack_messages(self._comparison.embed(batch, side)) for side in BOTH_SIDES]
        made_by = self._comparison.made_by
        return [
            Embedded(made_by=made_by, input=said, output=answered)
            for said, answered in zip(*by_side, strict=True)
        ]

    def study(self, traffic: Sequence[Turn], events: Sequence[EventDefinition]) -> dict[str, Cut]:
        """Learn from unlabelled interactions how common events are and how they sound.

        Args:
            traffic: Interactions as they come, some hundred or more.
            events: All definitions of the project that this detector decides; those with a cut
                compete with the others, and teach nothing more.

        Returns:
            What is to be handed in as `EventDefinition.cut` from now on, by definition id; without
            those for which there is too little traffic.

        Raises:
            MissingDependencyError: When there is no embedder.
        """
        known = [self._without_foreign_cut(e) for e in events if e.answer != "category"]
        seen = {
            side: of_side
            for side in BOTH_SIDES
            if any(side in sides_of(event) for event in known if not event.cut)
            if (of_side := self._study(traffic, known, side))
        }
        return {
            event.id: self._cut(place, seen)
            for place, event in enumerate(known)
            if not event.cut and all(side in seen for side in sides_of(event))
        }

    def _study(
        self, traffic: Sequence[Turn], events: Sequence[EventDefinition], side: Side
    ) -> _Seen | None:
        """Learn from one side of the traffic, if there is enough of it."""
        from phospho.detectors.studying import make_traffic, study

        usable = make_traffic(self._comparison.embed(traffic, side))
        if not usable.is_enough:
            return None
        contest = self._comparison.contest(events, side)
        wanted = [place for place, event in contest.events.items() if not event.cut]
        learned = study(
            usable,
            self._comparison.yardstick(side),
            list(contest.probes.values()),
            self._comparison.calibrators,
            contest.columns(wanted),
        )
        contest = replace(
            contest, probes={**contest.probes, **dict(zip(wanted, learned, strict=True))}
        )
        log_odds = self._comparison.judge(usable.messages, contest, wanted)
        return _Seen(usable.messages, contest, log_odds)

    def _cut(self, place: int, seen: Mapping[Side, _Seen]) -> Cut:
        import numpy as np

        from phospho.detectors.axes import to_direction
        from phospho.detectors.deciding import best_threshold, estimate_prevalence, probabilities

        looking = {side: one for side, one in seen.items() if place in one.log_odds}
        log_odds = np.max([one.log_odds[place] for one in looking.values()], axis=0)
        prevalence = estimate_prevalence(log_odds)
        return Cut(
            prevalence=prevalence,
            threshold=best_threshold(probabilities(log_odds + shift_of(prevalence))),
            embedder=self._comparison.known_embedder.id,
            directions={
                side: to_direction(learned, one.contest.probes[place].usual)
                for side, one in looking.items()
                if (learned := one.contest.probes[place].learned)
            },
        )

    def _detections(
        self,
        batch: Sequence[Turn],
        event: EventDefinition,
        place: int,
        seen: Mapping[Side, _Seen],
    ) -> Iterator[Detection]:
        """Yield the verdicts for one definition; the likelier side decides."""
        import numpy as np

        from phospho.detectors.deciding import probabilities

        looking = [one for one in seen.values() if place in one.log_odds]
        log_odds = np.stack([one.log_odds[place] for one in looking])
        scores = probabilities(log_odds.max(axis=0)).round(_DECIMALS)
        likelier = log_odds.argmax(axis=0)
        has_text = np.any([one.messages.has_text for one in looking], axis=0)
        is_yes = (scores >= threshold_of(event)) & has_text
        embedder = self._comparison.known_embedder.id
        for row, turn in enumerate(batch):
            one = looking[likelier[row]]
            yield Detection(
                event_id=event.id,
                task_id=turn.interaction.task_id,
                detected=bool(is_yes[row]),
                score=float(scores[row]),
                evidence=_evidence(one, row, place, turn) if is_yes[row] else None,
                detector=self.name,
                embedder=embedder,
            )

    def _without_foreign_cut(self, event: EventDefinition) -> EventDefinition:
        """Return a definition without what was learned with other vectors than ours."""
        if event.cut is None or event.cut.embedder == self._comparison.known_embedder.id:
            return event
        return event.model_copy(update={"cut": None})


def _evidence(seen: _Seen, row: int, place: int, turn: Turn) -> Evidence:
    from phospho.detectors.closeness import nearest_piece
    from phospho.detectors.offers import offered

    probe: Probe = seen.contest.probes[place]
    nearest = nearest_piece(seen.messages, row, probe)
    reason = f'close to "{_shortened(nearest.near_to, _MAX_REASON_CHARS)}"'
    offer = offered(turn) if nearest.is_answer else ""
    if offer:
        reason = f'accepts "{_shortened(offer, _MAX_REASON_CHARS)}", {reason}'
    return evidence(probe.side, nearest.piece.of(seen.messages.texts[row]), reason)


def _shortened(text: str, limit: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"

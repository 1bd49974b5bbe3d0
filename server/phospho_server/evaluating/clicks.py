"""Plays a product manager who confirms or rejects some verdicts of each event.

Of each event, N labelled interactions are reviewed: half of them are those the detector is least
sure of, by their place in its own order next to the line between its yes and its no; the other half
is drawn at random, in turn from what it found and from what it did not. The labels become the
reviews of the definition. Reviewed interactions, and those with the very same texts, never count in
the figures that follow.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest

from phospho.models import Review
from phospho_server.evaluating.judged import Judged, Pair
from phospho_server.evaluating.suites import Suite

SEED = 20

_Texts = tuple[str, str]


@dataclass(frozen=True)
class Clicks:
    """What was reviewed.

    Args:
        suite: The suite, its definitions with reviews.
        known: The texts that were reviewed, for each event's name.
    """

    suite: Suite
    known: Mapping[str, frozenset[_Texts]]

    def without_reviewed(self, judged: Judged) -> Judged:
        """Return the verdicts on what no review gives away, event by event."""
        texts = _texts(self.suite)
        return judged.only(lambda name, pair: texts[pair.task_id] not in self.known[name])


def click(judged: Judged, number: int) -> Clicks:
    """Review `number` interactions of each event, given what a detector says without reviews."""
    suite, texts = judged.suite, _texts(judged.suite)
    known: dict[str, frozenset[_Texts]] = {}
    definitions = []
    for definition in suite.definitions:
        pairs = judged.pairs.get(definition.name, ())
        # The seed holds the name, so that an event is reviewed alike whatever others there are.
        draws = random.Random(f"{SEED} {definition.name}")
        reviewed = choose(pairs, number, draws)
        known[definition.name] = frozenset(texts[pair.task_id] for pair in reviewed)
        reviews = tuple(
            Review(input=said, output=answered, occurred=pair.occurred)
            for pair in reviewed
            for said, answered in (texts[pair.task_id],)
        )
        definitions.append(
            definition.model_copy(update={"reviews": (*definition.reviews, *reviews)})
        )
    return Clicks(replace(suite, definitions=definitions), known)


def choose(pairs: Sequence[Pair], number: int, draws: random.Random) -> list[Pair]:
    """Return which pairs of one event a person reviews, in the order of the reviews."""
    unsure = _nearest_to_the_line(pairs, (number + 1) // 2)
    taken = {pair.task_id for pair in unsure}
    left = [pair for pair in pairs if pair.task_id not in taken]
    draws.shuffle(left)
    found, others = _split(left, lambda pair: pair.detected)
    in_turn = chain.from_iterable(zip_longest(found, others))
    spread = [pair for pair in in_turn if pair is not None]
    return unsure + spread[: number - len(unsure)]


def _nearest_to_the_line(pairs: Sequence[Pair], number: int) -> list[Pair]:
    """Return the pairs around the place where the detector's order turns from yes to no.

    They come in turn from both sides of it, so that a detector that finds nothing, or everything,
    is asked about what it came nearest to. Equal scores are ordered by the id.
    """
    found, others = _split(pairs, lambda pair: pair.detected)
    found.sort(key=lambda pair: (_score(pair), pair.task_id))
    others.sort(key=lambda pair: (-_score(pair), pair.task_id))
    in_turn = chain.from_iterable(zip_longest(found, others))
    return [pair for pair in in_turn if pair is not None][:number]


def _split(
    pairs: Sequence[Pair], is_first: Callable[[Pair], bool]
) -> tuple[list[Pair], list[Pair]]:
    return [p for p in pairs if is_first(p)], [p for p in pairs if not is_first(p)]


def _score(pair: Pair) -> float:
    return -1.0 if pair.score is None else pair.score


def _texts(suite: Suite) -> dict[str, _Texts]:
    interactions = (turn.interaction for turn in suite.turns)
    return {each.task_id: (each.input, each.output or "") for each in interactions}

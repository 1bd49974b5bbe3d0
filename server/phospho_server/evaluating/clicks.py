"""Plays a product manager who confirms or rejects some verdicts of each event.

The sessions of a suite are dealt into two halves. Of each event, N labelled interactions of one
half are reviewed, and what that teaches is measured on the other half; then the other way round, so
that every interaction counts and none is judged by its own review. Of the N, half are those the
detector is least sure of, by their place in its own order next to the line between its yes and its
no; the others are drawn at random, in turn from what it found and from what it did not.
Interactions with the very same texts as a reviewed one do not count.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest

from phospho.models import Review, Turn
from phospho_server.evaluating.judged import Judged, Pair
from phospho_server.evaluating.suites import Suite

SEED = 20

HALVES = (0, 1)

_Texts = tuple[str, str]


@dataclass(frozen=True)
class Clicks:
    """What was reviewed in one half of a suite.

    Args:
        suite: The suite, its definitions with reviews.
        half: The half that was reviewed.
        known: The texts that were reviewed, for each event's name.
    """

    suite: Suite
    half: int
    known: Mapping[str, frozenset[_Texts]]

    def others(self, judged: Judged) -> Judged:
        """Return the verdicts on the other half, without what a review gives away."""
        texts = _texts(self.suite)

        def counts(name: str, pair: Pair) -> bool:
            is_other = half_of(pair.session_id) != self.half
            return is_other and texts[pair.task_id] not in self.known[name]

        return judged.only(counts)


def click(judged: Judged, number: int, half: int) -> Clicks:
    """Review `number` interactions of each event, given what a detector says without reviews."""
    suite, texts = judged.suite, _texts(judged.suite)
    turns = {turn.interaction.task_id: turn for turn in suite.turns}
    known: dict[str, frozenset[_Texts]] = {}
    definitions = []
    for definition in suite.definitions:
        pairs = judged.pairs.get(definition.name, ())
        mine = [pair for pair in pairs if half_of(pair.session_id) == half]
        # The seed holds the name, so that an event is reviewed alike whatever others there are.
        reviewed = choose(mine, number, random.Random(f"{SEED} {definition.name}"))
        known[definition.name] = frozenset(texts[pair.task_id] for pair in reviewed)
        reviews = tuple(
            make_review(turns[pair.task_id], occurred=pair.occurred) for pair in reviewed
        )
        definitions.append(
            definition.model_copy(update={"reviews": (*definition.reviews, *reviews)})
        )
    return Clicks(replace(suite, definitions=definitions), half, known)


def make_review(turn: Turn, *, occurred: bool) -> Review:
    """Return what a person said about an interaction, as a server would hand it over."""
    return Review(
        input=turn.interaction.input,
        output=turn.interaction.output or "",
        before=(turn.history[-1].output or "") if turn.history else "",
        occurred=occurred,
    )


def half_of(session_id: str) -> int:
    """Return which half a session is dealt into, the same each time."""
    return random.Random(f"{SEED} {session_id}").choice(HALVES)


def join(halves: Sequence[Judged]) -> Judged:
    """Return the verdicts on both halves as one."""
    first = halves[0]
    pairs = {name: [p for half in halves for p in half.pairs[name]] for name in first.pairs}
    return replace(first, pairs=pairs)


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

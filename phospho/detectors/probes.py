"""Turns an event definition into vectors that messages can be compared with.

The description gives one vector, as its speaker might put it. Examples give one each; where the
description means the same as an everyday event, that event's phrases serve as examples too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from phospho.detectors.axes import (
    Axis,
    Part,
    Usual,
    Vectors,
    from_direction,
    part,
    separate,
    usual_nearness,
)
from phospho.detectors.description import read
from phospho.detectors.yardstick import Yardstick, describe, find_lenders

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from phospho.detectors import Embedder
    from phospho.models import Cut, EventDefinition, Side

# With this many examples of its own an event needs no borrowed ones.
ENOUGH_EXAMPLES = 8

# What all borrowed phrases, and one phrasing of the description, weigh against one example.
_WEIGHT_BORROWED = 2.5
_WEIGHT_PHRASING = 0.5

# Everyday messages to tell the event from; more would cost time and change little.
_MOST_EVERYDAY = 400

# How alike an event's examples are, as the mean of each one's three nearest; few or scattered
# examples must not make everything look alike.
_NEAREST = 3
_LEAST_SPREAD = 0.2
_SPREAD_OF_ONE = 0.5

_MAX_EXAMPLE_CHARS = 600


@dataclass(frozen=True, eq=False)
class Probe:
    """An event definition, seen from one side of the interaction.

    Args:
        side: Which message it is compared with.
        goal: The description in few words, for people.
        vector: The description.
        phrases: One vector for each example, then for each borrowed phrase.
        phrase_texts: What to call each of them: the example itself, and the goal for what is
            borrowed, which nobody who reads it has written.
        spread: How alike the examples are to each other, as a cosine.
        shown: What is known to be the event: description, examples, borrowed phrases.
        axis: What tells that from everyday messages.
        learned: What tells the event from the project's own messages; None before it has seen any.
        usual: How near messages usually are to the description.
        is_rival: For each of the yardstick's centres, whether it is of another event.
    """

    side: Side
    goal: str
    vector: Vectors
    phrases: Vectors
    phrase_texts: tuple[str, ...]
    spread: float
    shown: tuple[Part, ...]
    axis: Axis
    learned: Axis | None
    usual: Usual
    is_rival: NDArray[np.bool_]

    @property
    def kind(self) -> str:
        """Return which calibrator joins its measures."""
        shown = "shown" if len(self.phrases) else "described"
        return f"{shown}_studied" if self.learned else shown


def make_probe(
    embedder: Embedder, yardstick: Yardstick, definition: EventDefinition, side: Side
) -> Probe:
    """Embed a definition for one side, without what was learned about it."""
    vector = describe(embedder, definition.description, side=side)
    lenders, is_akin = find_lenders(embedder, yardstick, definition.description)
    own = [text for text in (getattr(e, side).strip() for e in definition.examples) if text]
    own = [text[:_MAX_EXAMPLE_CHARS] for text in own]
    lent = [t for entry in lenders for t in entry.phrases] if len(own) < ENOUGH_EXAMPLES else []
    phrases = _encode(embedder, own + lent)
    reading = read(definition.description, side=side)
    shown = [
        part(embedder.encode(reading.phrasings), 1.0, _WEIGHT_PHRASING),
        part(phrases[: len(own)], 1.0),
        part(phrases[len(own) :], 1.0, _WEIGHT_BORROWED / max(len(lent), 1)),
    ]
    others = yardstick.messages_without(is_akin, most=_MOST_EVERYDAY)
    return Probe(
        side=side,
        goal=reading.goal,
        vector=vector,
        phrases=phrases,
        phrase_texts=(*own, *[reading.goal] * len(lent)),
        spread=_spread(phrases),
        shown=tuple(shown),
        axis=separate([*shown, part(others, 0.0)]),
        learned=None,
        usual=usual_nearness(others, vector),
        is_rival=np.concatenate([~is_akin, ~is_akin]),
    )


def with_lesson(probe: Probe, cut: Cut | None) -> Probe:
    """Return a probe with what was learned about its definition, with the same embedder."""
    if cut is None or probe.side not in cut.directions:
        return probe
    learned, usual = from_direction(cut.directions[probe.side])
    return replace(probe, learned=learned, usual=usual)


def _encode(embedder: Embedder, texts: list[str]) -> Vectors:
    return embedder.encode(texts) if texts else np.zeros((0, embedder.dim), dtype=np.float32)


def _spread(phrases: Vectors) -> float:
    if len(phrases) <= 1:
        return _SPREAD_OF_ONE
    alike = phrases @ phrases.T
    np.fill_diagonal(alike, -1.0)
    nearest = np.sort(alike, axis=1)[:, -min(_NEAREST, len(phrases) - 1) :]
    return max(_LEAST_SPREAD, float(nearest.mean()))

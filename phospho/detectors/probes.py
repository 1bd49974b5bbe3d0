"""Turns an event definition into vectors that messages can be compared with.

The description gives one vector, as its speaker might put it. Examples give one each; where the
description means the same as an everyday meaning, that meaning's messages serve as examples too.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from phospho.detectors.description import read
from phospho.detectors.everyday import everyday

if TYPE_CHECKING:
    from phospho.detectors import Embedder
    from phospho.models import EventDefinition, Side

Vectors = NDArray[np.float32]

# A description this close to an everyday meaning means the same. Among the labelled events the
# wrong neighbours end at 0.57 and the right ones begin at 0.62.
SAME_MEANING = 0.58

# With this many examples of its own an event needs no borrowed ones.
ENOUGH_EXAMPLES = 8

# Everyday messages much nearer to the event than others are may well be the event.
_NEAR_IN_DEVIATIONS = 1.5

# How alike an event's examples are, as the mean of each one's three nearest; few or scattered
# examples must not make everything look alike.
_NEAREST = 3
_LEAST_SPREAD = 0.2
_SPREAD_OF_ONE = 0.5

_MAX_EXAMPLE_CHARS = 600

_WORD = re.compile(r"\w+")
_STOP = frozenset(
    _WORD.findall(
        "the a an of to in on for and or that is was are were be been it its this with at by from "
        "as not do does did has have had they their them he she his her you your i my me we our "
        "us user assistant agent bot wants want wanted asks ask asked asking about whether if "
        "trying looking how what when where which who why says said say any some something "
        "someone one other another more than so can could will would should no"
    )
)
_SUFFIXES = (
    "ations", "ation", "ings", "ing", "ies", "ied", "edly", "ed", "es", "ers", "er", "ly", "s", "e",
)  # fmt: skip
_SHORTEST_STEM = 3


@dataclass(frozen=True, eq=False)
class Probe:
    """An event definition, seen from one side of the interaction.

    Args:
        side: Which message it is compared with.
        goal: The description in few words, for people.
        vector: The description.
        words: One vector for each telling word of the description, and `word_weights`, sum 1.
        phrases: One vector for each example; `phrase_texts` are their texts.
        spread: How alike the examples are to each other, as a cosine.
        is_contrast: For each everyday message, whether it surely is something else.
        is_rival: For each everyday meaning, whether it is another one.
    """

    side: Side
    goal: str
    vector: Vectors
    words: Vectors
    word_weights: Vectors
    phrases: Vectors
    phrase_texts: tuple[str, ...]
    spread: float
    is_contrast: NDArray[np.bool_]
    is_rival: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Yardstick:
    """The everyday messages of one side as vectors, and one vector for each description.

    `meaning_of` says for each description to which of the everyday meanings it belongs.
    """

    messages: Vectors
    descriptions: Vectors
    meaning_of: tuple[int, ...]


def make_yardstick(embedder: Embedder, side: Side) -> Yardstick:
    """Embed what is said every day on one side."""
    said = everyday(side)
    described = [(d, m) for m, meaning in enumerate(said.meanings) for d in meaning.descriptions]
    return Yardstick(
        messages=embedder.encode(said.messages),
        descriptions=np.stack([describe(embedder, d, side=side) for d, _ in described]),
        meaning_of=tuple(m for _, m in described),
    )


def make_probe(
    embedder: Embedder, yardstick: Yardstick, definition: EventDefinition, side: Side
) -> Probe:
    """Embed a definition for one side."""
    vector = describe(embedder, definition.description, side=side)
    nearness = yardstick.descriptions @ vector
    own = [text for text in (getattr(e, side).strip() for e in definition.examples) if text]
    lent = _borrowed(yardstick, nearness, side)
    messages = everyday(side).messages
    texts = [text[:_MAX_EXAMPLE_CHARS] for text in own]
    if len(own) < ENOUGH_EXAMPLES:
        texts += [messages[i] for i in lent]
    phrases = embedder.encode(texts) if texts else np.zeros((0, len(vector)), dtype=np.float32)
    to_event = yardstick.messages @ vector
    is_contrast = to_event < to_event.mean() + _NEAR_IN_DEVIATIONS * to_event.std()
    is_contrast[lent] = False
    words = _telling_words_of(definition.description, side)
    weights = np.array([rarity(word) for word in words], dtype=np.float32)
    return Probe(
        side=side,
        goal=read(definition.description, side=side).goal,
        vector=vector,
        words=embedder.encode(words),
        word_weights=weights / weights.sum(),
        phrases=phrases,
        phrase_texts=tuple(texts),
        spread=_spread(phrases),
        is_contrast=is_contrast,
        is_rival=_other_meanings(yardstick, nearness),
    )


def describe(embedder: Embedder, description: str, *, side: Side) -> Vectors:
    """Return the mean vector of a description's phrasings, of unit length."""
    mean = embedder.encode(read(description, side=side).phrasings).sum(axis=0)
    unit: Vectors = mean / max(float(np.linalg.norm(mean)), 1e-6)
    return unit


def telling_words(text: str) -> list[str]:
    """Return the distinct words of a text that say what it is about, in lower case."""
    words = dict.fromkeys(_WORD.findall(text.lower()))
    return [word for word in words if word not in _STOP and len(word) > 1]


def rarity(word: str) -> float:
    """Return how much a word tells: high where everyday messages hardly have it."""
    counts, total = _everyday_stems()
    return math.log(1 + total / (1 + counts[_stem(word)]))


@cache
def _everyday_stems() -> tuple[Counter[str], int]:
    messages = [*everyday("input").messages, *everyday("output").messages]
    counts = Counter(s for text in messages for s in {_stem(w) for w in telling_words(text)})
    return counts, len(messages)


def _telling_words_of(description: str, side: Side) -> list[str]:
    said = read(description, side=side).phrasings[-1].removeprefix("I ")
    return telling_words(said) or _WORD.findall(description.lower()) or [description]


def _stem(word: str) -> str:
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _SHORTEST_STEM:
            return word[: -len(suffix)]
    return word


def _borrowed(yardstick: Yardstick, nearness: Vectors, side: Side) -> list[int]:
    """Return the everyday messages that mean what the description means, if any do."""
    nearest = int(nearness.argmax())
    if nearness[nearest] < SAME_MEANING:
        return []
    return list(everyday(side).meanings[yardstick.meaning_of[nearest]].messages)


def _other_meanings(yardstick: Yardstick, nearness: Vectors) -> NDArray[np.bool_]:
    meaning_of = np.array(yardstick.meaning_of)
    same = meaning_of[nearness >= SAME_MEANING]
    return ~np.isin(meaning_of, same)


def _spread(phrases: Vectors) -> float:
    if len(phrases) <= 1:
        return _SPREAD_OF_ONE
    alike = phrases @ phrases.T
    np.fill_diagonal(alike, -1.0)
    nearest = np.sort(alike, axis=1)[:, -min(_NEAREST, len(phrases) - 1) :]
    return max(_LEAST_SPREAD, float(nearest.mean()))

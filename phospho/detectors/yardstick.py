"""The event library of one side as vectors, computed once for each embedder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from phospho.detectors.axes import Axis, part, separate
from phospho.detectors.description import read
from phospho.detectors.library import Entry, library
from phospho.detectors.packing import Packed, pack, unpack
from phospho.detectors.words import rarity, telling_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phospho.detectors import Embedder
    from phospho.detectors.axes import Vectors
    from phospho.models import Side

VECTORS_FILE = Path(__file__).with_name("library_vectors.npz")

# A description this close to an everyday event means the same. An entry that covers many topics
# lends only to descriptions that are about as general as it is.
SAME_MEANING = 0.57
SAME_BROAD_MEANING = 0.75
_TOGETHER = 0.1

# An everyday event this close to a description is no rival of it, though it may lend nothing.
_AKIN = 0.3

_NEAREST = 3

# The entries of what accepts and what refuses an offer, and how many other messages the first is
# told from.
_AGREES = "user_agrees"
_REFUSES = ("user_declines", "user_is_finished")
_MOST_OTHERS = 800

_NEGATION = re.compile(
    r"\b(?:not|no|never|without|unable|cannot|nothing|none|fail\w*)\b|n['’]t\b",  # noqa: RUF001
    re.IGNORECASE,
)


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What is said every day on one side, as vectors.

    All but the centres are packed: they are needed once for each definition.

    Args:
        side: Whose messages.
        entries: The everyday events.
        descriptions: One vector for each description of each entry, in order.
        is_negated: Whether each of them says that something is not so.
        starts: Where the descriptions of each entry begin.
        words: One vector for each telling word of any description.
        word_places: The words of each entry, in order, as places in `words`.
        word_starts: Where those of each entry begin.
        centres: The mean description of each entry, then the mean phrase of each.
        plain: Messages that mean nothing in particular.
        phrases: Some phrases of each entry, in order.
        phrase_starts: Where those of each entry begin.
        accepts: Directions that are all positive for a message that accepts an offer; none for the
            side that offers.
    """

    side: Side
    entries: tuple[Entry, ...]
    descriptions: Packed
    is_negated: np.ndarray[tuple[int], np.dtype[np.bool_]]
    starts: np.ndarray[tuple[int], np.dtype[np.intp]]
    words: Packed
    word_places: np.ndarray[tuple[int], np.dtype[np.intp]]
    word_starts: np.ndarray[tuple[int], np.dtype[np.intp]]
    centres: Vectors
    plain: Packed
    phrases: Packed
    phrase_starts: np.ndarray[tuple[int], np.dtype[np.intp]]
    accepts: tuple[Axis, ...]

    def messages_without(
        self, is_akin: np.ndarray[tuple[int], np.dtype[np.bool_]], *, most: int
    ) -> Vectors:
        """Return some everyday messages, less the phrases of the entries that are marked."""
        counts = np.diff([*self.phrase_starts, len(self.phrases)])
        others = np.concatenate([self.plain, self.phrases[~np.repeat(is_akin, counts)]])
        return unpack(others[:: max(1, -(-len(others) // most))])


def make_yardstick(embedder: Embedder, side: Side) -> Yardstick:
    """Return what is said every day on one side, as an embedder sees it.

    The vectors of the built-in embedder are shipped; any other computes its own, which takes it
    some thousand texts.
    """
    vectors = _shipped_vectors(embedder, side) or embed_library(embedder, side)
    entries = library(side).entries
    starts = _starts([len(entry.descriptions) for entry in entries])
    phrase_starts = _starts([len(entry.some_phrases) for entry in entries])
    phrases = vectors["phrases"]
    words = _words_by_entry(side)
    places = {word: place for place, word in enumerate(_distinct_words(side))}
    return Yardstick(
        side=side,
        entries=entries,
        descriptions=vectors["descriptions"],
        is_negated=np.array([bool(_NEGATION.search(t)) for e in entries for t in e.descriptions]),
        starts=starts,
        words=vectors["words"],
        word_places=np.array(
            [places[word] for of_entry in words for word in of_entry], dtype=np.intp
        ),
        word_starts=_starts([len(of_entry) for of_entry in words]),
        centres=np.vstack(
            [
                _means(unpack(vectors["descriptions"]), starts),
                _means(unpack(phrases), phrase_starts),
            ]
        ),
        plain=vectors["plain"],
        phrases=phrases,
        phrase_starts=phrase_starts,
        accepts=_acceptance(entries, phrases, phrase_starts, vectors["plain"]),
    )


def _acceptance(
    entries: Sequence[Entry],
    phrases: Packed,
    starts: np.ndarray[tuple[int], np.dtype[np.intp]],
    plain: Packed,
) -> tuple[Axis, ...]:
    """Return what tells phrases of agreement from all others, then from those of refusal."""
    names = np.repeat([entry.name for entry in entries], np.diff([*starts, len(phrases)]))
    agrees = unpack(phrases[names == _AGREES])
    if not len(agrees):
        return ()
    others = np.concatenate([phrases[names != _AGREES], plain])
    others = others[:: max(1, -(-len(others) // _MOST_OTHERS))]
    refuses = phrases[np.isin(names, _REFUSES)]
    return tuple(
        separate([part(agrees, 1.0), part(unpack(against), 0.0)]) for against in (others, refuses)
    )


def embed_library(embedder: Embedder, side: Side) -> dict[str, Packed]:
    """Return the vectors of all that a yardstick is made of."""
    said = library(side)
    described = [text for entry in said.entries for text in entry.descriptions]
    some = [phrase for entry in said.entries for phrase in entry.some_phrases]
    return {
        "descriptions": pack(_describe_all(embedder, described, side)),
        "words": pack(embedder.encode(_distinct_words(side))),
        "phrases": pack(embedder.encode(some)),
        "plain": pack(embedder.encode(said.plain)),
    }


def _shipped_vectors(embedder: Embedder, side: Side) -> dict[str, Packed] | None:
    """Return the vectors that are shipped, if they are of this embedder."""
    with np.load(VECTORS_FILE, allow_pickle=False) as shipped:
        if str(shipped["embedder"]) != embedder.id:
            return None
        return {
            name: shipped[f"{side}_{name}"]
            for name in ("descriptions", "words", "phrases", "plain")
        }


def _distinct_words(side: Side) -> list[str]:
    return list(dict.fromkeys(word for of_entry in _words_by_entry(side) for word in of_entry))


@cache
def _words_by_entry(side: Side) -> tuple[tuple[str, ...], ...]:
    """Return the telling words of each entry's descriptions, each once."""
    return tuple(
        tuple(dict.fromkeys(w for text in entry.descriptions for w in telling_words(text)))
        for entry in library(side).entries
    )


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    return unit


def describe(embedder: Embedder, description: str, *, side: Side) -> Vectors:
    """Return the mean vector of a description's phrasings, of unit length."""
    vector: Vectors = _describe_all(embedder, [description], side)[0]
    return vector


def find_lenders(
    embedder: Embedder, yardstick: Yardstick, description: str
) -> tuple[list[Entry], np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return the everyday events that mean what a description means, and which are akin to it.

    Two descriptions mean the same if their vectors are near, every telling word of the one is
    near some word of the other, and both or neither say that something is not so.
    """
    vector = describe(embedder, description, side=yardstick.side)
    nearness = unpack(yardstick.descriptions) @ vector
    alike = nearness.copy()
    alike[yardstick.is_negated != bool(_NEGATION.search(description))] = 0.0
    covered = _covered(embedder, yardstick, description)
    ends = [*yardstick.starts[1:], len(alike)]
    scores = np.array(
        [
            np.sort(alike[start:end])[-_NEAREST:].mean() * covered[i]
            for i, (start, end) in enumerate(zip(yardstick.starts, ends, strict=True))
        ]
    )
    nearest = np.maximum.reduceat(nearness, yardstick.starts)
    lenders = [
        entry
        for entry, score in zip(yardstick.entries, scores, strict=True)
        if score >= (SAME_BROAD_MEANING if entry.is_broad else SAME_MEANING)
        and score >= scores.max() - _TOGETHER
    ]
    return lenders, (scores >= _AKIN) | (nearest >= SAME_MEANING)


def _covered(embedder: Embedder, yardstick: Yardstick, description: str) -> Vectors:
    """Return for each entry how well its words cover those of a description, 0 to 1."""
    words = _said_words(description, yardstick.side)
    alike = (unpack(yardstick.words) @ embedder.encode(words).T)[yardstick.word_places]
    alike = np.maximum.reduceat(alike, yardstick.word_starts, axis=0)
    weights = np.array([rarity(word) for word in words], dtype=np.float32)
    covered: Vectors = alike @ (weights / weights.sum())
    return covered


def _said_words(description: str, side: Side) -> list[str]:
    said = read(description, side=side).phrasings[-1].removeprefix("I ")
    return telling_words(said) or description.lower().split() or [description]


def _describe_all(embedder: Embedder, descriptions: list[str], side: Side) -> Vectors:
    phrasings = [read(text, side=side).phrasings for text in descriptions]
    flat = embedder.encode([phrasing for several in phrasings for phrasing in several])
    return _means(flat, _starts([len(several) for several in phrasings]))


def _means(vectors: Vectors, starts: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Vectors:
    """Return the mean of each run of vectors, of unit length."""
    return _unit(np.add.reduceat(vectors, starts, axis=0))


def _starts(counts: list[int]) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    return np.cumsum([0, *counts[:-1]], dtype=np.intp)

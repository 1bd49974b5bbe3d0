"""Measures how close messages are to events, and turns that into probabilities.

Four measures each, joined by a small logistic calibrator that was fitted once
(`benchmarks/fit_semantic.py`) and is frozen in `semantic_weights.json`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from phospho.detectors.probes import Probe, Vectors, Yardstick, telling_words
from phospho.detectors.sentences import Piece, pieces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phospho.detectors import Embedder

Floats = NDArray[np.floating]

_WEIGHTS_FILE = Path(__file__).with_name("semantic_weights.json")

# The everyday messages nearest to a text say together how everyday it is.
_NEAREST_EVERYDAY = 5

# Of several examples the three nearest count: one may be near by accident.
_NEAREST_PHRASES = 3

# Two definitions this alike are the same event twice, not rivals.
_SAME_EVENT = 0.95

# Words beyond this part of a message are not matched one by one.
_MAX_WORD_CHARS = 600


@dataclass(frozen=True, eq=False)
class Messages:
    """The messages of one side of a batch, embedded.

    `starts[i]` is where the pieces of message `i` begin among `vectors`; `filled` lists the
    messages that have any text. The same for words.
    """

    count: int
    texts: tuple[str, ...]
    pieces: tuple[tuple[Piece, ...], ...]
    filled: NDArray[np.intp]
    starts: NDArray[np.intp]
    vectors: Vectors
    with_words: NDArray[np.intp]
    word_starts: NDArray[np.intp]
    word_places: NDArray[np.intp]
    word_vectors: Vectors


@dataclass(frozen=True)
class Calibrator:
    """Joins measures into a probability."""

    coefficients: tuple[float, ...]
    intercept: float

    def probability(self, measures: Floats) -> Floats:
        """Return one probability for each row of measures."""
        logits = measures @ np.array(self.coefficients) + self.intercept
        result: Floats = 1.0 / (1.0 + np.exp(-np.clip(logits, -30, 30)))
        return result


@cache
def calibrator(kind: str) -> Calibrator:
    """Return the frozen calibrator `described` (no examples) or `shown` (with examples)."""
    weights = json.loads(_WEIGHTS_FILE.read_text(encoding="utf-8"))[kind]
    return Calibrator(tuple(weights["coefficients"]), weights["intercept"])


def embed_messages(embedder: Embedder, texts: Sequence[str]) -> Messages:
    """Split messages into pieces and words, and embed both in one pass each."""
    parts = tuple(tuple(pieces(text)) for text in texts)
    said = [text[p.start : p.end] for text, ps in zip(texts, parts, strict=True) for p in ps]
    words = [telling_words(text[:_MAX_WORD_CHARS]) for text in texts]
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(w for ws in words for w in ws))}
    filled, starts = _layout([len(ps) for ps in parts])
    with_words, word_starts = _layout([len(ws) for ws in words])
    return Messages(
        count=len(texts),
        texts=tuple(texts),
        pieces=parts,
        filled=filled,
        starts=starts,
        vectors=_encode(embedder, said),
        with_words=with_words,
        word_starts=word_starts,
        word_places=np.array([vocabulary[w] for ws in words for w in ws], dtype=np.intp),
        word_vectors=_encode(embedder, list(vocabulary)),
    )


def _encode(embedder: Embedder, texts: list[str]) -> Vectors:
    return embedder.encode(texts) if texts else np.zeros((0, embedder.dim), dtype=np.float32)


def _layout(counts: list[int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return which rows have anything, and where what they have begins."""
    lengths = np.array(counts, dtype=np.intp)
    ends = np.cumsum(lengths)
    filled = np.flatnonzero(lengths)
    return filled, (ends - lengths)[filled]


def measure(messages: Messages, yardstick: Yardstick, probes: Sequence[Probe]) -> list[Floats]:
    """Return for each probe the measures of each message, shape `(messages.count, 4)`.

    A blank message has zeros. The columns are those that `calibrator` expects: nearness to the
    description or to the examples, the same less nearness to everyday messages, lead over rivals
    (each as near as its description or its examples, whichever is nearer), and words met.
    """
    everyday = messages.vectors @ yardstick.messages.T
    meanings = _best(messages, messages.vectors @ yardstick.descriptions.T)
    described = np.stack([probe.vector for probe in probes])
    near = _best(messages, messages.vectors @ described.T)
    shown = np.stack([_nearness_to_phrases(messages, probe) for probe in probes], axis=1)
    nearest = np.maximum(near, shown)
    is_other = described @ described.T < _SAME_EVENT
    rows: list[Floats] = []
    for i, probe in enumerate(probes):
        rivals = np.concatenate([nearest[:, is_other[i]], meanings[:, probe.is_rival]], axis=1)
        lead = nearest[:, i] - rivals.max(axis=1, initial=0.0)
        commonness = _best(messages, _mean_of_top(everyday[:, probe.is_contrast]))
        met = _words_met(messages, probe)
        if len(probe.phrases):
            columns = (shown[:, i] / probe.spread, shown[:, i] - commonness, lead, met)
        else:
            columns = (near[:, i], near[:, i] - commonness, lead, met)
        rows.append(np.stack(columns, axis=1).astype(np.float64))
    return rows


def probabilities(
    messages: Messages, yardstick: Yardstick, probes: Sequence[Probe]
) -> NDArray[np.float64]:
    """Return how probable each event is in each message, shape `(messages.count, len(probes))`."""
    result = np.zeros((messages.count, len(probes)))
    if not len(messages.filled) or not probes:
        return result
    for i, measures in enumerate(measure(messages, yardstick, probes)):
        kind = "shown" if len(probes[i].phrases) else "described"
        filled = messages.filled
        result[filled, i] = calibrator(kind).probability(measures[filled])
    return result


def nearest_piece(messages: Messages, row: int, probe: Probe) -> tuple[Piece, str]:
    """Return the sentence of message `row` nearest to the event, and the words it is near to."""
    at = int(messages.starts[int(np.searchsorted(messages.filled, row))])
    parts = messages.pieces[row]
    # The first piece is the whole message; a sentence is a better quote.
    skip = 1 if len(parts) > 1 else 0
    anchors = np.vstack([probe.phrases, probe.vector[None]])
    alike = messages.vectors[at + skip : at + len(parts)] @ anchors.T
    sentence, anchor = np.unravel_index(int(alike.argmax()), alike.shape)
    return parts[skip + int(sentence)], (*probe.phrase_texts, probe.goal)[int(anchor)]


def _best(messages: Messages, by_piece: Floats) -> Floats:
    """Return the highest value among the pieces of each message; 0 for a blank one."""
    best = np.zeros((messages.count, *by_piece.shape[1:]))
    if len(messages.filled):
        best[messages.filled] = np.maximum.reduceat(by_piece, messages.starts, axis=0)
    return best


def _mean_of_top(nearness: Floats) -> Floats:
    if nearness.shape[1] <= _NEAREST_EVERYDAY:
        return np.zeros(len(nearness))
    top = np.partition(nearness, -_NEAREST_EVERYDAY, axis=1)[:, -_NEAREST_EVERYDAY:]
    mean: Floats = top.mean(axis=1)
    return mean


def _nearness_to_phrases(messages: Messages, probe: Probe) -> Floats:
    """Return the mean nearness to the nearest examples; 0 where there are none."""
    if not len(probe.phrases):
        return np.zeros(messages.count)
    by_phrase = np.sort(_best(messages, messages.vectors @ probe.phrases.T), axis=1)
    mean: Floats = by_phrase[:, -_NEAREST_PHRASES:].mean(axis=1)
    return mean


def _words_met(messages: Messages, probe: Probe) -> Floats:
    """Return how well each message has the description's words, or words close to them."""
    met = np.zeros(messages.count)
    if len(messages.with_words):
        alike = (messages.word_vectors @ probe.words.T)[messages.word_places]
        best = np.maximum.reduceat(alike, messages.word_starts, axis=0)
        met[messages.with_words] = best @ probe.word_weights
    return met

"""Measures how close messages are to events, and turns that into log-odds.

A few measures each, joined by a small logistic calibrator that was fitted once
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

from phospho.detectors.sentences import Piece, pieces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phospho.detectors import Embedder
    from phospho.detectors.axes import Axis, Vectors
    from phospho.detectors.probes import Probe
    from phospho.detectors.yardstick import Yardstick

Floats = NDArray[np.floating]

_WEIGHTS_FILE = Path(__file__).with_name("semantic_weights.json")

# Of several examples the three nearest count: one may be near by accident.
_NEAREST_PHRASES = 3

# Two definitions this alike are the same event twice, not rivals.
_SAME_EVENT = 0.95

# The log-odds of an event in a message without text.
BLANK = -20.0


@dataclass(frozen=True, eq=False)
class Messages:
    """The messages of one side of a batch, embedded.

    `starts[i]` is where the pieces of the `i`-th message of `filled` begin among `vectors`;
    `filled` lists the messages that have any text.
    """

    count: int
    texts: tuple[str, ...]
    pieces: tuple[tuple[Piece, ...], ...]
    filled: NDArray[np.intp]
    starts: NDArray[np.intp]
    vectors: Vectors

    @property
    def wholes(self) -> Vectors:
        """Return one vector for each message, of all of it; zeros where there is no text."""
        wholes = np.zeros((self.count, self.vectors.shape[1]), dtype=np.float32)
        wholes[self.filled] = self.vectors[self.starts]
        return wholes


@dataclass(frozen=True)
class Calibrator:
    """Joins measures into log-odds, as if the event occurred in one of ten messages."""

    coefficients: tuple[float, ...]
    intercept: float

    def log_odds(self, measures: Floats) -> NDArray[np.float64]:
        """Return the log-odds for each row of measures."""
        result: NDArray[np.float64] = measures @ np.array(self.coefficients) + self.intercept
        return result


Weights = dict[str, Calibrator]
"""A calibrator for each `Probe.kind`."""


@cache
def shipped_weights() -> Weights:
    """Return the frozen calibrators."""
    written = json.loads(_WEIGHTS_FILE.read_text(encoding="utf-8"))["calibrators"]
    return {
        kind: Calibrator(tuple(each["coefficients"]), each["intercept"])
        for kind, each in written.items()
    }


def embed_messages(embedder: Embedder, texts: Sequence[str]) -> Messages:
    """Split messages into pieces, and embed them in one pass."""
    parts = tuple(tuple(pieces(text)) for text in texts)
    said = [text[p.start : p.end] for text, ps in zip(texts, parts, strict=True) for p in ps]
    lengths = np.array([len(ps) for ps in parts], dtype=np.intp)
    filled = np.flatnonzero(lengths)
    return Messages(
        count=len(texts),
        texts=tuple(texts),
        pieces=parts,
        filled=filled,
        starts=(np.cumsum(lengths) - lengths)[filled],
        vectors=embedder.encode(said) if said else np.zeros((0, embedder.dim), dtype=np.float32),
    )


def measure(
    messages: Messages, yardstick: Yardstick, probes: Sequence[Probe]
) -> list[NDArray[np.float64]]:
    """Return for each probe the measures of each message that has text.

    The columns are those that its calibrator expects: nearness to the description and how unusual
    that is, nearness to the examples (also against how alike they are), lead over rivals (each as
    near as its description or its examples, whichever is nearer), the position on the axis, and on
    the one learned from traffic where there is one.
    """
    described = np.stack([probe.vector for probe in probes])
    near = _best(messages, messages.vectors @ described.T)
    shown = np.stack([_nearness_to_phrases(messages, probe) for probe in probes], axis=1)
    everyday = _best(messages, messages.vectors @ yardstick.centres.T)
    nearest = np.maximum(near, shown)
    is_other = described @ described.T < _SAME_EVENT
    rows: list[NDArray[np.float64]] = []
    for i, probe in enumerate(probes):
        rivals = np.maximum(
            nearest[:, is_other[i]].max(axis=1, initial=0.0),
            everyday[:, probe.is_rival].max(axis=1, initial=0.0),
        )
        columns = [near[:, i], probe.usual.rarity_of(near[:, i])]
        if len(probe.phrases):
            columns += [shown[:, i], shown[:, i] / probe.spread]
        columns += [nearest[:, i] - rivals, _along(messages, probe.axis)]
        if probe.learned:
            columns.append(_along(messages, probe.learned))
        rows.append(np.stack(columns, axis=1).astype(np.float64))
    return rows


def log_odds(
    messages: Messages, yardstick: Yardstick, probes: Sequence[Probe], weights: Weights
) -> NDArray[np.float64]:
    """Return how probable each event is in each message, shape `(messages.count, len(probes))`."""
    result = np.full((messages.count, len(probes)), BLANK)
    if len(messages.filled) and probes:
        for i, measures in enumerate(measure(messages, yardstick, probes)):
            result[messages.filled, i] = weights[probes[i].kind].log_odds(measures)
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
    """Return the highest value among the pieces of each message that has text."""
    best: Floats = np.maximum.reduceat(by_piece, messages.starts, axis=0)
    return best


def _along(messages: Messages, axis: Axis) -> Floats:
    """Return how far along an axis the farthest piece of each message is."""
    return _best(messages, axis.positions(messages.vectors)[:, None])[:, 0]


def _nearness_to_phrases(messages: Messages, probe: Probe) -> Floats:
    """Return the mean nearness to the nearest examples; 0 where there are none."""
    if not len(probe.phrases):
        return np.zeros(len(messages.filled))
    by_phrase = _best(messages, messages.vectors @ probe.phrases.T)
    if by_phrase.shape[1] > _NEAREST_PHRASES:
        by_phrase = np.partition(by_phrase, -_NEAREST_PHRASES, axis=1)[:, -_NEAREST_PHRASES:]
    mean: Floats = by_phrase.mean(axis=1)
    return mean

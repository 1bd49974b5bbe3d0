"""Measures how close messages are to events, and turns that into log-odds.

A few measures each, joined by a small logistic calibrator that was fitted once
(`benchmarks/fit_semantic.py`) and is frozen in `semantic_weights.json`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from phospho.detectors.packing import Packed, pack, packed_size, unpack
from phospho.detectors.sentences import Piece, first_sentence, pieces

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

# What packed vectors of a message begin with.
_SAYS, _ACCEPTS = b"\0", b"\1"

# The log-odds of an event in a message without text.
BLANK = -20.0


@dataclass(frozen=True, eq=False)
class Messages:
    """The messages of one side of a batch, embedded.

    `starts[i]` is where the pieces of the `i`-th message of `filled` begin among `vectors`;
    `filled` lists the messages that have any text. Those that are marked in `accepts` have one more
    piece, before all others: an offer with the answer that accepts it (`detectors.offers`).
    """

    texts: tuple[str, ...]
    filled: NDArray[np.intp]
    starts: NDArray[np.intp]
    accepts: NDArray[np.bool_]
    vectors: Vectors

    @property
    def has_text(self) -> NDArray[np.bool_]:
        """Tell of each message whether there is any text."""
        has_text = np.zeros(len(self.texts), dtype=np.bool_)
        has_text[self.filled] = True
        return has_text

    @property
    def wholes(self) -> Vectors:
        """Return one vector for each message, of all of it; zeros where there is no text."""
        wholes = np.zeros((len(self.texts), self.vectors.shape[1]), dtype=np.float32)
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


def embed_messages(
    embedder: Embedder, texts: Sequence[str], kept: Sequence[bytes | None] = ()
) -> Messages:
    """Split messages into pieces, and embed them in one pass.

    Args:
        embedder: Makes the vectors.
        texts: The messages.
        kept: The packed vectors of each, where they are kept; for all messages or for none.
    """
    kept = kept if kept and embedder.dim else [None] * len(texts)
    accepts = np.array([(packed or b"")[:1] == _ACCEPTS for packed in kept])
    parts = [
        pieces(text) if packed is None else [] for text, packed in zip(texts, kept, strict=True)
    ]
    said = [text[p.start : p.end] for text, ps in zip(texts, parts, strict=True) for p in ps]
    encoded = embedder.encode(said) if said else np.zeros((0, embedder.dim), dtype=np.float32)
    size = packed_size(encoded.shape[1])
    lengths = np.array(
        [
            len(ps) if packed is None else len(packed) // size
            for ps, packed in zip(parts, kept, strict=True)
        ],
        dtype=np.intp,
    )
    filled = np.flatnonzero(lengths)
    return Messages(
        texts=tuple(texts),
        filled=filled,
        starts=(np.cumsum(lengths) - lengths)[filled],
        accepts=accepts[filled],
        vectors=unpack(_merged(pack(encoded), kept, lengths)),
    )


def _merged(new: Packed, kept: Sequence[bytes | None], lengths: NDArray[np.intp]) -> Packed:
    """Return new and kept vectors in the order of their messages."""
    known = [packed[1:] for packed in kept if packed]
    if not known:
        return new
    merged = np.empty(lengths.sum(), dtype=new.dtype)
    is_new = np.repeat([packed is None for packed in kept], lengths)
    merged[is_new] = new
    merged[~is_new] = np.frombuffer(b"".join(known), dtype=new.dtype)
    return merged


def pack_messages(messages: Messages) -> list[bytes]:
    """Return the vectors of each message as they can be kept: a mark, then the packed vectors."""
    packed = pack(messages.vectors)
    result = [b""] * len(messages.texts)
    # The first of these stands before the first message.
    parts = np.split(packed, messages.starts)[1:]
    for row, accepts, part in zip(messages.filled, messages.accepts, parts, strict=True):
        result[row] = (_ACCEPTS if accepts else _SAYS) + part.tobytes()
    return result


def measure(
    messages: Messages,
    yardstick: Yardstick,
    probes: Sequence[Probe],
    wanted: Sequence[int] | None = None,
) -> list[NDArray[np.float64]]:
    """Return for each wanted probe, by default all, the measures of each message that has text.

    The columns are those that its calibrator expects: nearness to the description and how unusual
    that is, nearness to the examples (also against how alike they are), lead over rivals of the
    message and of its best piece (each as near as its description or its examples, whichever is
    nearer), the position on the axis, and on the one learned from traffic where there is one.
    """
    described = np.stack([probe.vector for probe in probes])
    near_pieces = messages.vectors @ described.T
    everyday_pieces = messages.vectors @ yardstick.centres.T
    of_phrases = [_nearness_to_phrases(messages, probe) for probe in probes]
    shown, shown_pieces = (np.stack(each, axis=1) for each in zip(*of_phrases, strict=True))
    near, everyday = _best(messages, near_pieces), _best(messages, everyday_pieces)
    nearest, nearest_pieces = np.maximum(near, shown), np.maximum(near_pieces, shown_pieces)
    is_other = described @ described.T < _SAME_EVENT
    rows: list[NDArray[np.float64]] = []
    for i in range(len(probes)) if wanted is None else wanted:
        probe = probes[i]
        others = is_other[i], probe.is_rival
        lead = nearest[:, i] - _rivals(nearest, everyday, *others)
        lead_pieces = nearest_pieces[:, i] - _rivals(nearest_pieces, everyday_pieces, *others)
        columns = [near[:, i], probe.usual.rarity_of(near[:, i])]
        if len(probe.phrases):
            columns += [shown[:, i], shown[:, i] / probe.spread]
        columns += [lead, _best_of(messages, lead_pieces), _along(messages, probe.axis)]
        if probe.learned:
            columns.append(_along(messages, probe.learned))
        rows.append(np.stack(columns, axis=1).astype(np.float64))
    return rows


def log_odds(
    messages: Messages,
    yardstick: Yardstick,
    probes: Sequence[Probe],
    weights: Weights,
    wanted: Sequence[int] | None = None,
) -> NDArray[np.float64]:
    """Return how probable each event is in each message, shape `(messages, wanted probes)`.

    Args:
        messages: The messages.
        yardstick: What is said every day.
        probes: The events, which compete.
        weights: The calibrators.
        wanted: Places of the probes that are asked about; by default all.
    """
    wanted = range(len(probes)) if wanted is None else wanted
    result = np.full((len(messages.texts), len(wanted)), BLANK)
    if len(messages.filled) and wanted:
        measured = measure(messages, yardstick, probes, wanted)
        for column, (i, measures) in enumerate(zip(wanted, measured, strict=True)):
            result[messages.filled, column] = weights[probes[i].kind].log_odds(measures)
    return result


class Nearest(NamedTuple):
    """What of a message is nearest to an event.

    Args:
        piece: A sentence, or the whole message if that is one.
        near_to: The words it is near to.
        is_answer: Whether it is so together with the offer that it accepts.
    """

    piece: Piece
    near_to: str
    is_answer: bool


def nearest_piece(messages: Messages, row: int, probe: Probe) -> Nearest:
    """Return what of message `row` is nearest to the event."""
    place = int(np.searchsorted(messages.filled, row))
    start, is_answer = int(messages.starts[place]), bool(messages.accepts[place])
    text = messages.texts[row]
    said = pieces(text)
    parts = [first_sentence(text), *said] if is_answer else said
    # The first piece is the whole message; a sentence is a better quote.
    skip = 1 if len(said) > 1 and not is_answer else 0
    anchors = np.vstack([probe.phrases, probe.vector[None]])
    alike = messages.vectors[start + skip : start + len(parts)] @ anchors.T
    nearest, anchor = map(int, np.unravel_index(int(alike.argmax()), alike.shape))
    return Nearest(
        parts[skip + nearest],
        (*probe.phrase_texts, probe.goal)[anchor],
        is_answer and nearest == 0,
    )


def _best(messages: Messages, by_piece: Floats) -> Floats:
    """Return the highest value among the pieces of each message that has text."""
    best: Floats = np.maximum.reduceat(by_piece, messages.starts, axis=0)
    return best


def _best_of(messages: Messages, of_pieces: Floats) -> Floats:
    """Return the highest of one value for each piece."""
    return _best(messages, of_pieces[:, None])[:, 0]


def _along(messages: Messages, axis: Axis) -> Floats:
    """Return how far along an axis the farthest piece of each message is."""
    return _best_of(messages, axis.positions(messages.vectors))


def _rivals(
    nearest: Floats, everyday: Floats, is_other: NDArray[np.bool_], is_rival: NDArray[np.bool_]
) -> Floats:
    """Return how near the nearest of other events is."""
    rivals: Floats = np.maximum(
        nearest[:, is_other].max(axis=1, initial=0.0),
        everyday[:, is_rival].max(axis=1, initial=0.0),
    )
    return rivals


def _nearness_to_phrases(messages: Messages, probe: Probe) -> tuple[Floats, Floats]:
    """Return the mean nearness to the nearest examples of messages and pieces; 0 without any."""
    if not len(probe.phrases):
        return np.zeros(len(messages.filled)), np.zeros(len(messages.vectors))
    by_phrase = messages.vectors @ probe.phrases.T
    return _mean_of_nearest(_best(messages, by_phrase)), _mean_of_nearest(by_phrase)


def _mean_of_nearest(by_phrase: Floats) -> Floats:
    if by_phrase.shape[1] > _NEAREST_PHRASES:
        by_phrase = np.partition(by_phrase, -_NEAREST_PHRASES, axis=1)[:, -_NEAREST_PHRASES:]
    mean: Floats = by_phrase.mean(axis=1)
    return mean

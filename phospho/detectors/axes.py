"""The direction in which messages of an event differ from other messages.

A ridge logistic regression of an event's messages against others, solved in its dual form: there
are some hundred messages and more dimensions than that. Labels may be probabilities.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from phospho.models import Direction

if TYPE_CHECKING:
    from collections.abc import Sequence

Vectors = NDArray[np.float32]
Floats = NDArray[np.float64]

_RIDGE = 0.01
_ROUNDS = 15
_CLOSE_ENOUGH = 1e-3
_LEAST_CERTAINTY = 1e-9
_HIGHEST_LOG_ODDS = 30.0
_LEAST_DEVIATION = 1e-6


@dataclass(frozen=True, eq=False)
class Part:
    """Messages with a share in a regression.

    Args:
        vectors: One for each message.
        occurs: How probable it is that the event occurs in each.
        weight: What each of them weighs.
    """

    vectors: Vectors
    occurs: Floats
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Axis:
    """A direction; positions on it are log-odds of a balanced sample."""

    weights: Vectors
    offset: float

    def positions(self, vectors: Vectors) -> NDArray[np.floating]:
        """Return how far along the direction vectors are."""
        along: NDArray[np.floating] = vectors @ self.weights + self.offset
        return along


@dataclass(frozen=True, eq=False)
class Usual:
    """How near messages usually are to a description."""

    mean: float
    deviation: float

    def rarity_of(self, nearness: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return in deviations how much nearer than usual."""
        return (nearness - self.mean) / self.deviation


def usual_nearness(messages: Vectors, description: Vectors) -> Usual:
    """Return how near messages are to a description."""
    near = messages @ description
    return Usual(float(near.mean()), max(float(near.std()), _LEAST_DEVIATION))


def part(vectors: Vectors, occurs: float, weight: float = 1.0) -> Part:
    """Return messages that are all alike in whether the event occurs."""
    return Part(vectors, np.full(len(vectors), occurs), weight)


def separate(parts: Sequence[Part]) -> Axis:
    """Return the direction that tells messages of an event from others.

    Both count the same in all, however many there are of each.
    """
    vectors = np.vstack([each.vectors for each in parts]).astype(np.float64)
    occurs = np.concatenate([each.occurs for each in parts])
    shares = np.concatenate([np.full(len(each.vectors), each.weight) for each in parts])
    yes, no = shares * occurs, shares * (1 - occurs)
    yes, no = yes / max(yes.sum(), _LEAST_CERTAINTY), no / max(no.sum(), _LEAST_CERTAINTY)
    shares = np.maximum(yes + no, _LEAST_CERTAINTY) / 2
    labels = yes / np.maximum(yes + no, _LEAST_CERTAINTY)
    kernel = vectors @ vectors.T
    dual, offset = np.zeros(len(labels)), 0.0
    for _ in range(_ROUNDS):
        now = np.clip(kernel @ dual + offset, -_HIGHEST_LOG_ODDS, _HIGHEST_LOG_ODDS)
        p = 1 / (1 + np.exp(-now))
        certainty = shares * p * (1 - p) + _LEAST_CERTAINTY
        target = now + shares * (labels - p) / certainty
        solved = np.linalg.solve(
            kernel + np.diag(_RIDGE / certainty), np.stack([target, np.ones_like(target)], axis=1)
        )
        offset = float(solved[:, 0].sum() / solved[:, 1].sum())
        better = solved[:, 0] - offset * solved[:, 1]
        is_settled = float(np.abs(better - dual).max()) < _CLOSE_ENOUGH
        dual = better
        if is_settled:
            break
    return Axis((vectors.T @ dual).astype(np.float32), offset)


def to_direction(axis: Axis, usual: Usual) -> Direction:
    """Return what was learned as it is kept with a definition."""
    return Direction(
        weights=base64.b64encode(axis.weights.astype("<f4").tobytes()).decode("ascii"),
        offset=axis.offset,
        near_mean=usual.mean,
        near_deviation=usual.deviation,
    )


def from_direction(direction: Direction) -> tuple[Axis, Usual]:
    """Return what was kept with a definition."""
    weights = np.frombuffer(base64.b64decode(direction.weights), dtype="<f4")
    return (
        Axis(weights.astype(np.float32), direction.offset),
        Usual(direction.near_mean, direction.near_deviation),
    )

"""What people said about interactions moves the scores of messages that are like them.

The detector's log-odds are taken as a first opinion. Reviews correct it by a smooth function of
the message, zero until somebody says something: a Gaussian process with a cosine kernel, fitted to
the reviews by Newton's method. A click therefore counts at once, most for what is like the message
it was about and a little for all others of this event, and taking it back leaves no trace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from phospho.detectors.deciding import probabilities

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from phospho.detectors.axes import Vectors

    Floats = NDArray[np.float64]

# Variance that all messages share, and that of messages alike; how fast likeness fades as the
# cosine falls.
_SHARED = 1.0
_ALIKE = 9.0
_FADING = 0.4

_ROUNDS = 30
_CLOSE_ENOUGH = 1e-4
_LEAST_WEIGHT = 0.01


@dataclass(frozen=True, eq=False)
class Correction:
    """What reviews add to the log-odds of one event.

    Args:
        vectors: The reviewed messages.
        weights: How much each of them counts, positive for a yes.
    """

    vectors: Vectors
    weights: Floats

    def of(self, vectors: Vectors) -> Floats:
        """Return what to add for each message, shape `(len(vectors),)`."""
        added: Floats = _kernel(vectors, self.vectors) @ self.weights
        return added


def make_correction(vectors: Vectors, log_odds: Floats, occurred: NDArray[np.bool_]) -> Correction:
    """Return the correction that reviews ask for.

    Args:
        vectors: The reviewed messages.
        log_odds: The detector's own opinion of each.
        occurred: What people said of each.
    """
    kernel = _kernel(vectors, vectors)
    weights: Floats = np.zeros(len(vectors))
    for _ in range(_ROUNDS):
        added = kernel @ weights
        p = probabilities(log_odds + added)
        certainty = p * (1 - p) + _LEAST_WEIGHT
        target = added + (occurred - p) / certainty
        better = np.linalg.solve(kernel + np.diag(1 / certainty), target).astype(np.float64)
        is_settled = float(np.abs(better - weights).max()) < _CLOSE_ENOUGH
        weights = better
        if is_settled:
            break
    return Correction(vectors, weights)


def _kernel(some: Vectors, others: Vectors) -> Floats:
    alike = (some @ others.T).astype(np.float64)
    kernel: Floats = _SHARED + _ALIKE * np.exp((alike - 1) / _FADING)
    return kernel

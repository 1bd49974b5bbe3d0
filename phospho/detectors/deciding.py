"""Where the line between yes and no is drawn for one event.

Scores are log-odds as if every event occurred in one of ten messages (`ASSUMED_PREVALENCE`). From
unlabelled traffic an expectation-maximisation estimates how often it really occurs (Saerens,
Latinne and Decaestecker 2002), held back by what is usual; the threshold is where the F1 that is
to be expected from the probabilities themselves is highest.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from phospho.models import Cut, EventDefinition

    Floats = NDArray[np.float64]

ASSUMED_PREVALENCE = 0.1

# Without traffic to learn from.
DEFAULT_THRESHOLD = 0.5

# What is usual counts as much as this share of the traffic would.
_USUAL_PREVALENCE = 0.05
_HOLD = 0.5

_ROUNDS = 100
_CLOSE_ENOUGH = 1e-6
_BOUNDS = (1e-4, 0.9)
_HIGHEST_LOG_ODDS = 30.0

# Where an event does not occur at all, the likeliest messages are still no yes.
_LEAST_THRESHOLD = 0.2


def threshold_of(definition: EventDefinition) -> float:
    """Return the least score that is a yes."""
    return definition.cut.threshold if definition.cut else DEFAULT_THRESHOLD


def with_cuts(events: Iterable[EventDefinition], cuts: Mapping[str, Cut]) -> list[EventDefinition]:
    """Return definitions with what was learned about them."""
    return [event.model_copy(update={"cut": cuts.get(event.id)}) for event in events]


def shift_of(prevalence: float) -> float:
    """Return what to add to log-odds so that they fit a prevalence."""
    return _log_odds(prevalence) - _log_odds(ASSUMED_PREVALENCE)


def probabilities(log_odds: Floats) -> Floats:
    """Return the probabilities that log-odds stand for."""
    import numpy as np

    result: Floats = 1 / (1 + np.exp(-np.clip(log_odds, -_HIGHEST_LOG_ODDS, _HIGHEST_LOG_ODDS)))
    return result


def estimate_prevalence(log_odds: Floats) -> float:
    """Return in which share of the traffic an event occurs, from unlabelled scores."""
    prevalence, hold = _USUAL_PREVALENCE, _HOLD * len(log_odds)
    for _ in range(_ROUNDS):
        expected = probabilities(log_odds + shift_of(prevalence)).sum()
        better = float((expected + hold * _USUAL_PREVALENCE) / (len(log_odds) + hold))
        better = min(max(better, _BOUNDS[0]), _BOUNDS[1])
        if abs(better - prevalence) < _CLOSE_ENOUGH:
            break
        prevalence = better
    return prevalence


def best_threshold(scores: Floats) -> float:
    """Return the probability from which on a yes gives the highest expected F1."""
    import numpy as np

    ranked = np.sort(scores)[::-1]
    expected = 2 * np.cumsum(ranked) / (np.arange(1, len(ranked) + 1) + ranked.sum())
    return float(max(ranked[int(expected.argmax())], _LEAST_THRESHOLD))


def _log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))

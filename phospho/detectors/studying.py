"""Learns from a project's own traffic, without a label, where each event lies and how common it is.

Messages that already look like the event show how it sounds in this project: they count as far as
they are probable, together with what is known to be the event, against the project's other
messages. One round is enough: further rounds drift.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from phospho.detectors import closeness
from phospho.detectors.axes import Axis, Part, Vectors, part, separate, usual_nearness
from phospho.detectors.deciding import estimate_prevalence, probabilities, shift_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phospho.detectors.closeness import Messages, Weights
    from phospho.detectors.deciding import Floats
    from phospho.detectors.probes import Probe
    from phospho.detectors.yardstick import Yardstick

# Less traffic of a side says too little about it.
LEAST_TRAFFIC = 100

# What is likely counts as the event as far as it is likely; probabilities are sharpened first.
_SHARPNESS = 2.0
_LIKELY = 0.3
_FEWEST_LIKELY, _MOST_LIKELY = 12, 150

# Other messages of the project to tell the event from.
_MOST_OTHERS = 250

# Messages that stand for the project's in general.
_MOST_GENERAL = 500


@dataclass(frozen=True, eq=False)
class Traffic:
    """Messages of one side as they come, and what they look like in general."""

    messages: Messages
    general: Vectors

    @property
    def is_enough(self) -> bool:
        """Tell whether there is enough of it to learn from."""
        return len(self.messages.filled) >= LEAST_TRAFFIC


def make_traffic(messages: Messages) -> Traffic:
    """Return messages as traffic to learn from."""
    return Traffic(messages, _spread_out(messages.vectors[messages.starts], _MOST_GENERAL))


def study(
    traffic: Traffic,
    yardstick: Yardstick,
    probes: Sequence[Probe],
    weights: Weights,
    wanted: Sequence[int] | None = None,
) -> list[Probe]:
    """Return wanted probes, each with what the traffic shows.

    Args:
        traffic: Enough of it.
        yardstick: What is said every day.
        probes: The events, which compete.
        weights: The calibrators.
        wanted: Places of those that have not seen traffic yet; by default all.
    """
    messages = traffic.messages
    wanted = range(len(probes)) if wanted is None else wanted
    first = closeness.log_odds(messages, yardstick, probes, weights, wanted)[messages.filled]
    wholes = messages.vectors[messages.starts]
    return [
        replace(
            probes[i],
            learned=_learn(probes[i], wholes, first[:, column]),
            usual=usual_nearness(traffic.general, probes[i].vector),
        )
        for column, i in enumerate(wanted)
    ]


def _learn(probe: Probe, wholes: Vectors, log_odds: Floats) -> Axis:
    shift = shift_of(estimate_prevalence(log_odds))
    likely = probabilities(_SHARPNESS * (log_odds + shift))
    ranked = np.argsort(-likely, kind="stable")
    count = int(np.clip(1.5 * (likely > _LIKELY).sum(), _FEWEST_LIKELY, _MOST_LIKELY))
    top, rest = ranked[:count], np.sort(ranked[count:])
    others = _spread_out(wholes[rest], _MOST_OTHERS)
    return separate([*probe.shown, Part(wholes[top], likely[top]), part(others, 0.0)])


def _spread_out(vectors: Vectors, most: int) -> Vectors:
    return vectors[:: max(1, -(-len(vectors) // most))]

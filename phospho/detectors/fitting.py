"""Fits the calibrators of `semantic` on labelled interactions.

A ridge logistic regression for each kind of probe, over the measures of `closeness`. Events differ
in how common they are; each is weighed as if it occurred in one of ten messages, or the commonest
would decide, and each suite by the root of its number of events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from phospho.detectors import Embedder, closeness
from phospho.detectors.closeness import Calibrator, Messages, Weights
from phospho.detectors.deciding import ASSUMED_PREVALENCE
from phospho.detectors.description import BOTH_SIDES, sides_of
from phospho.detectors.offers import embed_turns
from phospho.detectors.probes import Probe, make_probe
from phospho.detectors.studying import make_traffic, study
from phospho.detectors.yardstick import Yardstick, make_yardstick

if TYPE_CHECKING:
    from phospho.models import EventDefinition, Side, Turn

Floats = NDArray[np.float64]

# A definition may have any number of examples, and a project few or many definitions.
EXAMPLES = (0, 3, 8)
FEW_EVENTS = 5

_RIDGE = 1e-3

# Projects differ more from the suites than these from each other: what was fitted is too sure.
_SOFTENING = 0.8

_ROUNDS = 25


class Labelled(Protocol):
    """Labelled interactions, as `phospho_server.evaluating.suites.Suite`."""

    @property
    def definitions(self) -> Sequence[EventDefinition]:
        """The events, with all their examples."""
        ...

    @property
    def turns(self) -> Sequence[Turn]:
        """The interactions."""
        ...

    @property
    def labels(self) -> Mapping[tuple[str, str], bool]:
        """Whether an event occurs, by the ids of interaction and definition, where it counts."""
        ...


@dataclass(frozen=True, eq=False)
class Group:
    """Some events of a suite, seen together from one side.

    Args:
        measured: For each probe what `closeness.measure` says before any traffic is studied.
        labels: For each probe the rows that count, and whether the event occurs in each.
    """

    yardstick: Yardstick
    messages: Messages
    probes: Sequence[Probe]
    measured: Sequence[Floats]
    labels: Sequence[tuple[NDArray[np.intp], NDArray[np.bool_]]]
    weight: float


def fit(embedder: Embedder, suites: Sequence[Labelled]) -> Weights:
    """Return calibrators fitted on labelled suites."""
    return fit_groups([group for suite in suites for group in groups_of(embedder, suite)])


def groups_of(embedder: Embedder, suite: Labelled) -> list[Group]:
    """Return a suite's events with few and many examples, all at once and a few at a time."""
    return [
        group
        for side in BOTH_SIDES
        for group in _groups_of_side(embedder, suite, side)
        if group.probes
    ]


def fit_groups(groups: Sequence[Group]) -> Weights:
    """Return calibrators: first for what has seen no traffic, then with their help the others."""
    fresh = _fit_kinds([(group, group.probes, group.measured) for group in groups])
    studied = []
    for group in groups:
        traffic = make_traffic(group.messages)
        if traffic.is_enough:
            probes = study(traffic, group.yardstick, group.probes, fresh)
            measured = closeness.measure(group.messages, group.yardstick, probes)
            studied.append((group, probes, measured))
    return {**fresh, **_fit_kinds(studied)}


def _groups_of_side(embedder: Embedder, suite: Labelled, side: Side) -> Iterator[Group]:
    definitions = [d for d in suite.definitions if sides_of(d) == (side,)]
    if not definitions:
        return
    yardstick = make_yardstick(embedder, side)
    messages = embed_turns(embedder, yardstick, suite.turns, side)
    labels = [_labels(suite, messages, definition) for definition in definitions]
    for examples in EXAMPLES:
        shown = [d.model_copy(update={"examples": d.examples[:examples]}) for d in definitions]
        probes = [make_probe(embedder, yardstick, d, side) for d in shown]
        for step in (len(probes), FEW_EVENTS):
            for at in range(0, len(probes), step):
                some = probes[at : at + step]
                yield Group(
                    yardstick,
                    messages,
                    some,
                    closeness.measure(messages, yardstick, some),
                    labels[at : at + step],
                    1 / len(suite.definitions) ** 0.5,
                )


def _labels(
    suite: Labelled, messages: Messages, definition: EventDefinition
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return which rows of the measures count for an event, and whether it occurs in each."""
    known = [
        (row, label)
        for row, place in enumerate(messages.filled)
        for key in [(suite.turns[place].interaction.task_id, definition.id)]
        if (label := suite.labels.get(key)) is not None
    ]
    return (
        np.array([row for row, _ in known], dtype=np.intp),
        np.array([label for _, label in known], dtype=bool),
    )


def _fit_kinds(seen: Sequence[tuple[Group, Sequence[Probe], Sequence[Floats]]]) -> Weights:
    rows: dict[str, list[tuple[Floats, NDArray[np.bool_], float]]] = {}
    for group, probes, measured in seen:
        for probe, measures, (places, occurs) in zip(probes, measured, group.labels, strict=True):
            rows.setdefault(probe.kind, []).append((measures[places], occurs, group.weight))
    return {kind: _fit(of_kind) for kind, of_kind in rows.items()}


def _fit(rows: Sequence[tuple[Floats, NDArray[np.bool_], float]]) -> Calibrator:
    """Return a ridge logistic regression, fitted by Newton's method."""
    x = np.vstack([measures for measures, _, _ in rows])
    y = np.concatenate([occurs for _, occurs, _ in rows]).astype(float)
    w = np.concatenate([_shares(occurs) * weight for _, occurs, weight in rows])
    w /= w.sum()
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-9
    z = np.c_[(x - mean) / scale, np.ones(len(x))]
    ridge = np.r_[np.full(x.shape[1], _RIDGE), 0.0]
    b = np.zeros(z.shape[1])
    for _ in range(_ROUNDS):
        p = 1 / (1 + np.exp(-z @ b))
        gradient = z.T @ (w * (p - y)) + ridge * b
        hessian = (z * (w * p * (1 - p))[:, None]).T @ z + np.diag(ridge + 1e-9)
        b -= np.linalg.solve(hessian, gradient)
    coefficients = b[:-1] / scale
    intercept = float(b[-1] - coefficients @ mean)
    return Calibrator(tuple((_SOFTENING * coefficients).tolist()), _SOFTENING * intercept)


def _shares(occurs: NDArray[np.bool_]) -> Floats:
    shares: Floats = np.where(
        occurs,
        ASSUMED_PREVALENCE / max(occurs.sum(), 1),
        (1 - ASSUMED_PREVALENCE) / max((~occurs).sum(), 1),
    )
    return shares

"""Fits the weights of `semantic` on given suites, so that others can judge it without them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from phospho.detectors import Detector, Embedder, closeness
from phospho.detectors.auto import AutoDetector
from phospho.detectors.closeness import Calibrator
from phospho.detectors.description import BOTH_SIDES, sides_of
from phospho.detectors.probes import make_probe, make_yardstick
from phospho.detectors.registry import load_detectors
from phospho.detectors.semantic import SemanticDetector
from phospho.detectors.texts import text_of
from phospho.errors import ConfigurationError
from phospho.models import Detection, EventDefinition, Side, Turn
from phospho.plugins import Plugins
from phospho_server.evaluating.suites import Suite

# As in `benchmarks/fit_semantic.py`, which fits the weights that are shipped.
PRIOR = 0.10
RIDGE = 1e-3
FEW_EVENTS = 5
EXAMPLES = (0, 3, 8)

_KINDS = ("described", "shown")

_Floats = NDArray[np.floating]


@dataclass(frozen=True)
class _Column:
    """One event of a suite: measures of the messages that count, and whether it occurs there."""

    kind: str
    measures: _Floats
    occurs: NDArray[np.bool_]
    weight: float


class Refitted(SemanticDetector):
    """`semantic` with other weights than those that are shipped."""

    def __init__(self, embedder: Embedder, calibrators: Mapping[str, Calibrator]) -> None:
        super().__init__(embedder)
        self._calibrators = calibrators

    def _judge(
        self, batch: Sequence[Turn], events: Sequence[EventDefinition], side: Side
    ) -> list[list[Detection]]:
        yardstick = self._yardstick(side)
        probes = [self._probe(event, side) for event in events]
        texts = [text_of(turn, side) for turn in batch]
        messages = closeness.embed_messages(self._embedder(), texts)
        scores = np.zeros((messages.count, len(probes)))
        filled = messages.filled
        for i, measures in enumerate(closeness.measure(messages, yardstick, probes)):
            calibrator = self._calibrators["shown" if len(probes[i].phrases) else "described"]
            scores[filled, i] = calibrator.probability(measures[filled])
        scores = scores.round(4)
        return [
            [
                self._detection(turn, event, float(scores[row, i]), messages, row, probes[i])
                for i, event in enumerate(events)
            ]
            for row, turn in enumerate(batch)
        ]


@dataclass
class Refitter:
    """Makes detectors whose weights were fitted on given suites; remembers what it measured."""

    # One for all: its embedder remembers texts.
    _detectors: Mapping[str, Detector] = field(default_factory=lambda: load_detectors(Plugins()))
    _measured: dict[str, list[_Column]] = field(default_factory=dict)

    def __call__(self, training: Sequence[Suite]) -> Mapping[str, Detector]:
        """Return all detectors, `semantic` fitted on the suites in `training`.

        Raises:
            ConfigurationError: When the installed `semantic` is none that can be fitted.
        """
        detectors = self._detectors
        semantic = detectors.get("semantic")
        if not isinstance(semantic, SemanticDetector) or semantic.embedder is None:
            raise ConfigurationError(
                "There is no embedder to fit weights for. Install one: pip install "
                "'phospho[semantic]'"
            )
        columns = [c for suite in training for c in self._columns(semantic, suite)]
        calibrators = {kind: _fit([c for c in columns if c.kind == kind]) for kind in _KINDS}
        refitted = Refitted(semantic.embedder, calibrators)
        auto = AutoDetector(rules=detectors["rules"], semantic=refitted)
        return {**detectors, "semantic": refitted, "auto": auto}

    def _columns(self, semantic: SemanticDetector, suite: Suite) -> list[_Column]:
        if suite.name not in self._measured:
            self._measured[suite.name] = [
                column
                for examples in EXAMPLES
                for few in (False, True)
                for side in BOTH_SIDES
                for column in _measure(semantic, suite.with_examples(examples), side, few=few)
            ]
        return self._measured[suite.name]


def _measure(
    semantic: SemanticDetector, suite: Suite, side: Side, *, few: bool
) -> Iterator[_Column]:
    """Measure a suite, its events all at once or `FEW_EVENTS` at a time."""
    definitions = [d for d in suite.definitions if sides_of(d) == (side,)]
    embedder = semantic.embedder
    if not definitions or embedder is None:
        return
    yardstick = make_yardstick(embedder, side)
    messages = closeness.embed_messages(embedder, [text_of(turn, side) for turn in suite.turns])
    step = FEW_EVENTS if few else len(definitions)
    for start in range(0, len(definitions), step):
        group = definitions[start : start + step]
        probes = [make_probe(embedder, yardstick, definition, side) for definition in group]
        measured = closeness.measure(messages, yardstick, probes)
        for definition, probe, measures in zip(group, probes, measured, strict=True):
            rows = [
                (row, label)
                for row in messages.filled.tolist()
                if (label := suite.labels.get(_key(suite, row, definition))) is not None
            ]
            yield _Column(
                "shown" if len(probe.phrases) else "described",
                measures[[row for row, _ in rows]],
                np.array([label for _, label in rows], dtype=bool),
                1 / len(suite.definitions) ** 0.5,
            )


def _key(suite: Suite, row: int, definition: EventDefinition) -> tuple[str, str]:
    return suite.turns[row].interaction.task_id, definition.id


def _fit(columns: Sequence[_Column]) -> Calibrator:
    """Return a ridge logistic regression, fitted by Newton's method."""
    x = np.vstack([column.measures for column in columns])
    y = np.concatenate([column.occurs for column in columns]).astype(float)
    w = np.concatenate([_weights(column) for column in columns])
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-9
    z = np.c_[(x - mean) / scale, np.ones(len(x))]
    w = w / w.sum()
    ridge = np.r_[np.full(x.shape[1], RIDGE), 0.0]
    b = np.zeros(z.shape[1])
    for _ in range(25):
        p = 1 / (1 + np.exp(-z @ b))
        gradient = z.T @ (w * (p - y)) + ridge * b
        hessian = (z * (w * p * (1 - p))[:, None]).T @ z + np.diag(ridge + 1e-9)
        b -= np.linalg.solve(hessian, gradient)
    coefficients = b[:-1] / scale
    return Calibrator(tuple(coefficients.tolist()), float(b[-1] - coefficients @ mean))


def _weights(column: _Column) -> _Floats:
    """Weigh an event as if it occurred in `PRIOR` of all messages, or common ones would decide."""
    y = column.occurs
    share = np.where(y, PRIOR / max(y.sum(), 1), (1 - PRIOR) / max((~y).sum(), 1))
    return np.asarray(share * column.weight)

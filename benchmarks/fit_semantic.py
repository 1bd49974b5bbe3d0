"""Fit the calibrator of the `semantic` detector, and judge it leave-one-suite-out.

    python benchmarks/fit_semantic.py FOLDER [--write]

The folder holds one folder for each suite with `events.json` and `interactions.jsonl`. Printed
are F1 and average precision, macro over events, with weights fitted without the suite they are
judged on. `--write` fits on all suites and replaces `phospho/detectors/semantic_weights.json`.
No text of the suites is stored, only the weights.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phospho.detectors.closeness import embed_messages, measure
from phospho.detectors.description import sides_of
from phospho.detectors.probes import make_probe, make_yardstick
from phospho.detectors.semantic import THRESHOLD
from phospho.detectors.use_encoder import UseEncoder
from phospho.models import EventDefinition, Example

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

WEIGHTS = Path(__file__).parents[1] / "phospho/detectors/semantic_weights.json"

# Suites differ in how common their events are (1 % to 40 %); each event is weighed as if it
# occurred in one of ten messages, or the commonest events would decide the weights.
PRIOR = 0.10
RIDGE = 1e-3

# A project may have few definitions: half of the training sees only this many of a suite.
FEW_EVENTS = 5

# Wording is the business of `rules`.
LEFT_OUT = {"literal"}


@dataclass(frozen=True)
class Column:
    """One event of a suite: measures of the rows that count, and whether it occurs there."""

    suite: str
    event: str
    kind: str
    measures: NDArray[np.float64]
    filled: NDArray[np.bool_]
    occurs: NDArray[np.bool_]
    weight: float


def load(folder: Path) -> Iterator[tuple[str, list[dict[str, Any]], list[dict[str, Any]]]]:
    """Yield name, events and rows of each suite."""
    for path in sorted(folder.glob("*/events.json")):
        if path.parent.name not in LEFT_OUT:
            lines = (path.parent / "interactions.jsonl").read_text(encoding="utf-8").splitlines()
            yield path.parent.name, json.loads(path.read_text()), [json.loads(x) for x in lines]


def columns(
    encoder: UseEncoder, suite: str, events: Sequence[dict[str, Any]], rows: list[dict[str, Any]],
    *, examples: int, few: bool,
) -> Iterator[Column]:  # fmt: skip
    """Measure a suite, its events all at once or `FEW_EVENTS` at a time."""
    definitions = [_definition(event, examples) for event in events]
    for side in ("input", "output"):
        mine = [d for d in definitions if sides_of(d) == (side,)]
        if not mine:
            continue
        yardstick = make_yardstick(encoder, side)
        messages = embed_messages(encoder, [row[side] or "" for row in rows])
        filled = np.zeros(len(rows), dtype=bool)
        filled[messages.filled] = True
        step = FEW_EVENTS if few else len(mine)
        for at in range(0, len(mine), step):
            group = mine[at : at + step]
            probes = [make_probe(encoder, yardstick, d, side) for d in group]
            for d, probe, measures in zip(
                group, probes, measure(messages, yardstick, probes), strict=True
            ):
                counts = np.array([d.name not in (r.get("ignore") or ()) for r in rows])
                occurs = np.array([d.name in r["events"] for r in rows])
                kind = "shown" if len(probe.phrases) else "described"
                yield Column(
                    suite, d.name, kind, measures[counts], filled[counts], occurs[counts],
                    1 / len(events) ** 0.5,
                )  # fmt: skip


def _definition(event: dict[str, Any], examples: int) -> EventDefinition:
    shown = [
        Example(input=e["input"], output=e["output"])
        for e in (event.get("examples") or [])[:examples]
    ]
    return EventDefinition(
        id=event["name"],
        name=event["name"],
        description=event["description"],
        examples=tuple(shown),
    )


def fit(parts: Iterable[Column]) -> tuple[NDArray[np.float64], float]:
    """Return coefficients and intercept of a ridge logistic regression (Newton's method)."""
    xs, ys, ws = [], [], []
    for part in parts:
        y = part.occurs[part.filled]
        share = np.where(y, PRIOR / max(y.sum(), 1), (1 - PRIOR) / max((~y).sum(), 1))
        xs.append(part.measures[part.filled])
        ys.append(y)
        ws.append(share * part.weight)
    x, y, w = np.vstack(xs), np.concatenate(ys).astype(float), np.concatenate(ws)
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
    return coefficients, float(b[-1] - coefficients @ mean)


def judge(part: Column, coefficients: NDArray[np.float64], intercept: float) -> tuple[float, float]:
    """Return F1 at the threshold, and average precision."""
    p = 1 / (1 + np.exp(-(part.measures @ coefficients + intercept)))
    p = np.where(part.filled, p, 0.0)
    found, y = p >= THRESHOLD, part.occurs
    f1 = 2 * (found & y).sum() / max(1, found.sum() + y.sum())
    ranked = y[np.argsort(-p, kind="stable")]
    precision = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    return float(f1), float(precision[ranked].mean()) if ranked.any() else 0.0


def training(every: Sequence[Column], kind: str, without: str | None) -> list[Column]:
    """Return what to fit on: everything for `described`, as any event can be only described."""
    return [part for part in every if part.kind == kind and part.suite != without]


def main() -> None:
    """Fit, judge and, if asked, write the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true", help="replace the shipped weights")
    arguments = parser.parse_args()
    suites = list(load(arguments.folder))
    if not suites:
        sys.exit(
            f"{arguments.folder} has no suites. Give the folder of labelled suites, as in dev/."
        )
    encoder = UseEncoder()
    measured = {
        (examples, few): [
            part
            for suite, events, rows in suites
            for part in columns(encoder, suite, events, rows, examples=examples, few=few)
        ]
        for examples in (0, 3, 8)
        for few in (False, True)
    }
    every = [part for parts in measured.values() for part in parts]
    names = [suite for suite, _, _ in suites]
    fitted = {(k, s): fit(training(every, k, s)) for k in ("described", "shown") for s in names}
    for (examples, few), parts in measured.items():
        print(f"{examples} examples, {f'{FEW_EVENTS} events' if few else 'all events'} at a time")
        means = []
        for suite in names:
            mine = [judge(p, *fitted[p.kind, suite]) for p in parts if p.suite == suite]
            means.append(np.mean(mine, axis=0))
            print(f"  {suite:10s} F1 {means[-1][0]:.3f}  AP {means[-1][1]:.3f}")
        f1, ap = np.mean(means, axis=0)
        print(f"  {'mean':10s} F1 {f1:.3f}  AP {ap:.3f}")
    if arguments.write:
        weights = {"embedder": encoder.id, "prior": PRIOR}
        for kind in ("described", "shown"):
            coefficients, intercept = fit(training(every, kind, None))
            weights[kind] = {
                "coefficients": [round(float(c), 4) for c in coefficients],
                "intercept": round(intercept, 4),
            }
        WEIGHTS.write_text(json.dumps(weights, indent=2) + "\n", encoding="utf-8")
        print(f"Wrote {WEIGHTS}")


if __name__ == "__main__":
    main()

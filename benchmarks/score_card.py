"""Compute the score card: detectors against labelled suites, each left out of the fitting.

    python benchmarks/score_card.py FOLDER [--write docs/score-card.md]

The folder holds one folder for each suite (events.json, interactions.jsonl), directly or in `dev/`.
Where it, or the folder above, holds a `score.py`, its figures must be the same. No text of an
interaction is written, only names of events. What stands between the markers of the section on
ideas is kept.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

# As the command sets it; read when numpy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from detection import Speed, time_detection
from score_page import ideas_of, render

from phospho_server.evaluating.refitting import Refitter
from phospho_server.evaluating.report import make_report
from phospho_server.evaluating.running import leave_one_out, run_settings
from phospho_server.evaluating.suites import read_suites

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

    from phospho_server.evaluating.report import EventReport, RunReport, Summary
    from phospho_server.evaluating.running import Run
    from phospho_server.evaluating.suites import Suite

# What a person may be asked to review of one event.
CLICKS = 20


@dataclass(frozen=True)
class Card:
    """What the page shows."""

    suites: Sequence[Suite]
    runs: Sequence[RunReport]
    clicks: int
    speed: Speed
    is_checked: bool


def measure(folder: Path) -> Card:
    """Run everything."""
    suites = read_suites(folder / "dev" if (folder / "dev").is_dir() else folder)
    speed = time_detection(suites)
    detectors_for = leave_one_out(suites, Refitter())
    runs = run_settings(suites, detectors_for, examples=(0, 3))
    runs = run_settings(suites, detectors_for, examples=(8,), clicks=CLICKS, earlier=runs)
    reports = make_report(runs)
    scorer = find_scorer(folder)
    if scorer is None:
        say(f"There is no score.py in {folder}: the figures are compared with no other program's.")
    else:
        compare_with(scorer, suites, runs[:3], reports)
        say("All figures are those of score.py.")
    return Card(suites, reports, CLICKS, speed, is_checked=scorer is not None)


def find_scorer(folder: Path) -> ModuleType | None:
    """Import the `score.py` that came with the suites."""
    places = (folder / "score.py", folder.parent / "score.py")
    path = next((place for place in places if place.exists()), None)
    if path is None:
        return None
    spec = importlib.util.spec_from_file_location("score", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compare_with(
    scorer: Any, suites: Sequence[Suite], runs: Sequence[Run], reports: Sequence[RunReport]
) -> None:
    """Score the same verdicts by the suites' own program, and stop where a figure differs."""
    gold = {suite.name: _gold(suite) for suite in suites}
    for run, report in zip(runs, reports, strict=False):
        theirs = scorer.score(gold, list(_predictions(run)))
        for suite in report.suites:
            for event in suite.events:
                name = f"{suite.name}/{event.name}"
                _same(name, theirs["events"][name], _figures(event))
            _same(suite.name, theirs["suites"][suite.name], _means(suite.summary))
        _same("mean of suites", theirs["mean_of_suites"], _means(report.mean))


def _gold(suite: Suite) -> tuple[list[dict[str, str]], list[dict[str, Any]]]:
    """Return a suite as score.py reads it."""
    names = {definition.id: definition.name for definition in suite.definitions}
    rows = []
    for turn in suite.turns:
        task_id = turn.interaction.task_id
        labels = {name: suite.labels.get((task_id, i)) for i, name in names.items()}
        rows.append(
            {
                "id": task_id,
                "events": [name for name, label in labels.items() if label],
                "ignore": [name for name, label in labels.items() if label is None],
            }
        )
    return [{"name": name} for name in names.values()], rows


def _predictions(run: Run) -> Iterator[dict[str, Any]]:
    for judged in run.judged:
        for event, pairs in judged.pairs.items():
            for pair in pairs:
                yield {
                    "suite": judged.suite.name,
                    "id": pair.task_id,
                    "event": event,
                    "detected": pair.detected,
                    "score": pair.score,
                }


def _figures(event: EventReport) -> dict[str, float | None]:
    f = event.figures
    return {
        "support": f.support, "precision": f.precision, "recall": f.recall, "f1": f.f1,
        "ap": f.ap, "auroc": f.auroc, "best_f1": f.best_f1,
    }  # fmt: skip


def _means(summary: Summary) -> dict[str, float | None]:
    return {
        "macro_precision": summary.precision, "macro_recall": summary.recall,
        "macro_f1": summary.f1, "micro_f1": summary.micro_f1, "macro_ap": summary.ap,
        "macro_auroc": summary.auroc, "macro_best_f1": summary.best_f1,
    }  # fmt: skip


def _same(what: str, theirs: dict[str, Any], ours: dict[str, float | None]) -> None:
    for name, value in ours.items():
        other = theirs.get(name)
        if (value is None) != (other is None) or abs((value or 0.0) - (other or 0.0)) > 1e-9:
            sys.exit(f"{what}: {name} is {value} here, and {other} by score.py.")


def say(text: str) -> None:
    """Tell how it goes."""
    print(text, file=sys.stderr)


def main() -> None:
    """Print the page, or write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", type=Path, help="the page to replace")
    arguments = parser.parse_args()
    page: Path | None = arguments.write
    ideas = ideas_of(page.read_text(encoding="utf-8") if page and page.exists() else "")
    text = render(measure(arguments.folder), ideas)
    if page is None:
        print(text)
    else:
        page.write_text(text, encoding="utf-8")
        say(f"Wrote {page}")


if __name__ == "__main__":
    main()

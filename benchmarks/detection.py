"""Score the built-in detectors on labelled suites, and time them.

    python benchmarks/detection.py FOLDER [--detector auto] [--examples 0 3 8]

The folder holds `dev/` (or suites directly) and `score.py`; its README describes the formats.
The shipped weights were fitted on these very suites: for honest figures without that advantage
see `benchmarks/score_card.py`, which judges each suite by weights fitted on the others.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phospho.detectors.registry import load_detectors
from phospho.models import EventDefinition, Interaction, Turn
from phospho.plugins import Plugins
from phospho_server.detect_files import detect_files
from phospho_server.judging_files import judge_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

    from phospho.detectors import Detector

LITERAL = "literal"

# For the speed: the events of a mid-sized project.
EVENTS = (
    "The user is trying to book a flight",
    "The assistant gave financial advice",
    "The user thanked the agent",
    "The user uses slang the LLM didn't understand",
    "The user asks the assistant to stop sending messages.",
    "The user wants a refund",
    "The assistant refused to answer the user's request",
    "The user is looking for a restaurant",
    "The user complains about the price",
    "The assistant started with 'As an AI language model'",
)


def suites(folder: Path) -> Iterator[Path]:
    """Yield the folders of the suites below `folder`."""
    for root in (folder / "dev", folder):
        found = sorted(path.parent for path in root.glob("*/events.json"))
        if found:
            yield from found
            return


def scorer(folder: Path) -> ModuleType:
    """Import the folder's own `score.py`."""
    path = next(
        (p / "score.py" for p in (folder, folder.parent) if (p / "score.py").exists()), None
    )
    if path is None:
        sys.exit(f"There is no score.py in {folder}. Give the folder that holds it and dev/.")
    spec = importlib.util.spec_from_file_location("score", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def score_suites(
    folder: Path, *, examples: int, detector: str, detectors: Mapping[str, Detector]
) -> dict[str, Any]:
    """Return the scorer's report over all suites."""
    score = scorer(folder)
    gold, predictions = {}, []
    with tempfile.TemporaryDirectory() as scratch:
        for suite in suites(folder):
            out = Path(scratch) / f"{suite.name}.jsonl"
            detect_files(
                suite / "events.json",
                suite / "interactions.jsonl",
                out,
                examples=examples,
                detector=detector,
                detectors=detectors,
            )
            gold.update(score.load(suite))
            lines = out.read_text(encoding="utf-8").splitlines()
            predictions += [{**json.loads(line), "suite": suite.name} for line in lines]
    report: dict[str, Any] = score.score(gold, predictions)
    return report


def print_report(examples: int, report: dict[str, Any]) -> None:
    """Print F1 and AP of each suite, and the mean of the semantic ones."""
    print(f"{examples} examples")
    for name, figures in report["suites"].items():
        print(f"  {name:10s} F1 {figures['macro_f1']:.3f}  AP {figures['macro_ap']:.3f}")
    semantic = [figures for name, figures in report["suites"].items() if name != LITERAL]
    f1 = sum(f["macro_f1"] for f in semantic) / len(semantic)
    ap = sum(f["macro_ap"] for f in semantic) / len(semantic)
    print(f"  {'mean':10s} F1 {f1:.3f}  AP {ap:.3f}   (without {LITERAL})")


def time_detection(folder: Path) -> None:
    """Print how many interactions a second one core judges, with a fresh model and 10 events."""
    rows = [
        json.loads(line)
        for suite in suites(folder)
        if suite.name in {"intents", "acts"}
        for line in (suite / "interactions.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    turns = [
        Turn(
            interaction=Interaction(
                task_id=f"t{i}", session_id="s", input=row["input"], output=row["output"]
            )
        )
        for i, row in enumerate(rows)
    ]
    events = [
        EventDefinition(id=f"e{i}", name=f"e{i}", description=d) for i, d in enumerate(EVENTS)
    ]
    detectors = load_detectors(Plugins())
    started = time.process_time()
    list(judge_all(turns[:1], events, detectors))
    loaded = time.process_time()
    list(judge_all(turns, events, detectors))
    spent = time.process_time() - loaded
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{len(turns)} interactions, {len(events)} events: {len(turns) / spent:.0f} a second of CPU"
    )
    print(f"model and definitions loaded in {loaded - started:.1f} s of CPU; peak {memory:.0f} MB")


def main() -> None:
    """Print the score card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--detector", default="auto")
    parser.add_argument("--examples", type=int, nargs="*", default=[0, 3, 8])
    arguments = parser.parse_args()
    if not list(suites(arguments.folder)):
        sys.exit(
            f"{arguments.folder} holds no labelled suites (events.json, interactions.jsonl). "
            "Give the folder that holds the labelled suites and score.py."
        )
    time_detection(arguments.folder)
    detectors = load_detectors(Plugins())
    for examples in arguments.examples:
        report = score_suites(
            arguments.folder, examples=examples, detector=arguments.detector, detectors=detectors
        )
        print_report(examples, report)


if __name__ == "__main__":
    main()

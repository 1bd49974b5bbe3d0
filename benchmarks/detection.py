"""Time the built-in detectors, and tell how much memory they take.

    python benchmarks/detection.py FOLDER

The folder holds one folder for each suite (events.json, interactions.jsonl); all interactions are
judged for ten events, with the embedder that the environment names. How good the verdicts are is
`phospho evaluate FOLDER`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

# As the command sets it; read when numpy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from phospho.detectors.registry import load_detectors
from phospho.errors import PhosphoError
from phospho.models import EventDefinition
from phospho.plugins import Plugins
from phospho_server.evaluating.running import peak_mb
from phospho_server.evaluating.suites import read_suites
from phospho_server.judging_files import judge_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phospho_server.evaluating.suites import Suite

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


@dataclass(frozen=True)
class Speed:
    """What judging costs with a fresh model."""

    interactions: int
    events: int
    per_cpu_s: float
    loading_s: float
    peak_mb: float | None


def time_detection(suites: Sequence[Suite]) -> Speed:
    """Judge all interactions for ten events, with a model that has seen nothing."""
    turns = [
        turn.model_copy(
            update={
                "interaction": turn.interaction.model_copy(
                    update={"task_id": f"{suite.name} {turn.interaction.task_id}"}
                )
            }
        )
        for suite in suites
        for turn in suite.turns
    ]
    events = [
        EventDefinition(id=f"e{i}", name=f"e{i}", description=d) for i, d in enumerate(EVENTS)
    ]
    detectors = load_detectors(Plugins())
    started = time.process_time()
    list(judge_all(turns[:1], events, detectors))
    loaded = time.process_time()
    # Verdicts are not kept, or their number would be the memory.
    for _ in judge_all(turns, events, detectors):
        pass
    spent = time.process_time() - loaded
    return Speed(len(turns), len(events), len(turns) / spent, loaded - started, peak_mb())


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    try:
        suites = read_suites(parser.parse_args().folder)
    except PhosphoError as exc:
        sys.exit(str(exc))
    speed = time_detection(suites)
    print(
        f"{speed.interactions} interactions, {speed.events} events: "
        f"{speed.per_cpu_s:.0f} a second of CPU"
    )
    print(f"model and definitions loaded in {speed.loading_s:.1f} s of CPU")
    print(f"peak memory {speed.peak_mb or 0:.0f} MB")


if __name__ == "__main__":
    main()

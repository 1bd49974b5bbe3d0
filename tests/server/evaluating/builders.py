"""Small suites, and detectors that say what a test needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from phospho.models import Detection, EventDefinition, Interaction, Turn
from phospho_server.evaluating.judged import Pair
from phospho_server.evaluating.suites import Suite


def pair(
    occurred: bool, detected: bool, score: float | None = None, *, id: str = "t", session: str = ""
) -> Pair:
    return Pair(occurred, detected, score, id, session or id)


def turn(text: str, *, id: str = "", session: str = "") -> Turn:
    task_id = id or text
    interaction = Interaction(task_id=task_id, session_id=session or task_id, input=text)
    return Turn(interaction=interaction)


def suite(texts: Sequence[str], **events: set[str]) -> Suite:
    """Return a suite whose interactions are their own ids; `events` says where each occurs."""
    definitions = [
        EventDefinition(id=f"id-{name}", name=name, description=f"The user means {name}")
        for name in events
    ]
    labels = {
        (text, f"id-{name}"): text in occurs for name, occurs in events.items() for text in texts
    }
    return Suite("suite", definitions, [turn(text) for text in texts], labels)


class Scores:
    """A detector that scores as it is told, and finds what scores a half or more."""

    def __init__(self, score: Callable[[Turn, EventDefinition], float], name: str = "auto") -> None:
        self.name = name
        self._score = score
        self.asked: list[Sequence[EventDefinition]] = []

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        self.asked.append(events)
        return [
            Detection(
                event_id=event.id, task_id=turn.interaction.task_id, detected=s >= 0.5, score=s
            )
            for turn in batch
            for event in events
            for s in (self._score(turn, event),)
        ]


def write_suite(
    folder: Path, events: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "events.json").write_text(json.dumps(events), encoding="utf-8")
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "interactions.jsonl").write_text(lines, encoding="utf-8")
    return folder

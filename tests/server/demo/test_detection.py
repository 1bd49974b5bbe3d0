"""What a newcomer sees found in the demo is mostly right; the floors keep it so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from phospho.detectors.registry import load_detectors
from phospho.models import Interaction, Turn
from phospho.plugins import Plugins
from phospho_server.demo import sample_definitions, sample_interactions
from phospho_server.judging_files import judge_all

LABELS = json.loads(Path(__file__).with_name("labels.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def found() -> dict[str, set[str]]:
    """The ids of the interactions in which each event was found, by the real model."""
    fields = ("task_id", "session_id", "input", "output")
    turns: list[Turn] = []
    said: dict[str, tuple[Interaction, ...]] = {}
    for row in sample_interactions(1_795_000_000_000):
        interaction = Interaction(**{field: row[field] for field in fields})
        history = said.get(interaction.session_id, ())
        turns.append(Turn(interaction=interaction, history=history))
        said[interaction.session_id] = (*history, interaction)
    detectors = load_detectors(Plugins(entry_points=False))
    names = {definition.id: definition.name for definition in sample_definitions()}
    by_event: dict[str, set[str]] = {name: set() for name in names.values()}
    for detection in judge_all(turns, sample_definitions(), detectors):
        if detection.detected:
            by_event[names[detection.event_id]].add(detection.task_id)
    return by_event


@pytest.mark.parametrize(
    ("event", "precision", "recall"),
    [
        ("book_flight", 0.60, 0.30),
        ("change_or_cancel", 0.68, 0.43),
        ("financial_advice", 0.30, 0.90),
        ("ai_disclaimer", 1.00, 1.00),
        ("slang_not_understood", 0.80, 0.95),
        ("user_thanks", 0.95, 0.78),
        ("stop_request", 0.60, 0.85),
        ("wants_human", 0.95, 0.73),
        ("refund_request", 0.68, 0.65),
        ("lost_card", 0.72, 0.70),
        ("card_number", 1.00, 1.00),
    ],
)
def test_what_is_found_is_mostly_right(
    found: dict[str, set[str]], event: str, precision: float, recall: float
) -> None:
    occurs = {task for task, label in LABELS.items() if event in label["events"]}
    arguable = {task for task, label in LABELS.items() if event in label.get("ignore", ())}
    counted = found[event] - arguable
    right = len(counted & occurs)
    assert right / len(counted) >= precision
    assert right / len(occurs) >= recall

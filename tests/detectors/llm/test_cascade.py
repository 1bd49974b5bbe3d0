"""The cascade: `semantic` decides, and an LLM decides again where it is not sure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from phospho.detectors.auto import AutoDetector
from phospho.detectors.llm.detector import LlmDetector, is_uncertain
from phospho.detectors.registry import load_detectors, run_detector
from phospho.detectors.rules import RulesDetector
from phospho.models import Cut, Detection, EventDefinition, Example, Review, Turn
from phospho.plugins import Plugins
from tests.detectors.builders import event, turn
from tests.judges import LoopbackJudge, honest, refused
from tests.server.processes import phospho

BANANA = event("The user mentions a banana", id="banana")


class Scored:
    """Stands in for `semantic`: the score is the number that the text begins with."""

    name = "semantic"

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        return [
            Detection(
                event_id=e.id,
                task_id=t.interaction.task_id,
                score=(score := float(t.interaction.input.split()[0])),
                detected=score >= 0.5,
                detector=self.name,
            )
            for t in batch
            for e in events
        ]


def auto(llm: LlmDetector | None) -> AutoDetector:
    return AutoDetector(rules=RulesDetector(), semantic=Scored(), llm=llm)


@pytest.mark.parametrize(
    ("score", "fields", "is_asked"),
    [
        pytest.param(0.5, {}, True, id="at-the-threshold"),
        pytest.param(0.05, {}, True, id="just-inside-below"),
        pytest.param(0.04, {}, False, id="just-outside-below"),
        pytest.param(0.95, {}, True, id="just-inside-above"),
        pytest.param(0.96, {}, False, id="just-outside-above"),
        pytest.param(0.0, {}, False, id="surely-not"),
        pytest.param(1.0, {}, False, id="surely"),
        pytest.param(0.87, {"examples": [Example(input="x")]}, True, id="examples-inside"),
        pytest.param(0.89, {"examples": [Example(input="x")]}, False, id="examples-outside"),
        pytest.param(0.89, {"reviews": [Review(occurred=False)]}, False, id="reviews-outside"),
        pytest.param(0.95, {"cut": Cut(prevalence=0.1, threshold=0.2)}, False, id="low-threshold"),
        pytest.param(0.02, {"cut": Cut(prevalence=0.1, threshold=0.2)}, True, id="low-and-near"),
        pytest.param(0.5, {"cut": Cut(prevalence=0.1, threshold=1.0)}, False, id="never"),
    ],
)
def test_the_uncertain_band_lies_around_the_threshold(
    score: float, fields: dict[str, object], is_asked: bool
) -> None:
    assert is_uncertain(event("The user mentions a banana", **fields), score) is is_asked


def test_only_what_is_uncertain_is_asked_and_the_judge_overrules(
    detector: LlmDetector, judge: LoopbackJudge
) -> None:
    texts = ["0.3 banana", "0.7 apple", "0.01 banana", "0.99 apple", "0.6 banana"]
    batch = [turn(text, task_id=text) for text in texts]
    found = run_detector(auto(detector), batch, [BANANA])
    assert {d.task_id: (d.detected, d.detector) for d in found} == {
        "0.3 banana": (True, "llm"),
        "0.7 apple": (False, "llm"),
        "0.01 banana": (False, "semantic"),
        "0.99 apple": (True, "semantic"),
        "0.6 banana": (True, "llm"),
    }
    assert sorted(judge.texts) == ["0.3 banana", "0.6 banana", "0.7 apple"]


def test_wording_and_events_that_name_their_detector_are_not_asked_about(
    detector: LlmDetector, judge: LoopbackJudge
) -> None:
    events = [
        event("The user says 'banana'", id="wording"),
        event("The user mentions a banana", id="offline", detector="semantic"),
    ]
    run_detector(auto(detector), [turn("0.5 banana")], events)
    assert judge.asked == []


@pytest.mark.parametrize("status", [401, 402, 404, 500])
def test_where_the_judge_fails_the_first_verdict_stands(
    detector: LlmDetector, judge: LoopbackJudge, status: int
) -> None:
    judge.answer = lambda asked: refused(status)
    found = run_detector(auto(detector), [turn("0.6 apple"), turn("0.4 x", task_id="t2")], [BANANA])
    assert [(d.detected, d.detector) for d in found] == [(True, "semantic"), (False, "semantic")]


def test_a_judge_that_is_away_is_left_alone_for_a_while(
    detector: LlmDetector, judge: LoopbackJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge.answer = lambda asked: refused(503)
    batch = [turn(f"0.6 apple {n}", task_id=f"t{n}") for n in range(20)]
    run_detector(auto(detector), batch, [BANANA])
    asked = len(judge.asked)
    assert 0 < asked <= 20
    judge.answer = honest
    run_detector(auto(detector), batch, [BANANA])
    assert len(judge.asked) == asked
    monkeypatch.setattr(detector, "_not_before_s", 0.0)
    found = run_detector(auto(detector), batch, [BANANA])
    assert {d.detector for d in found} == {"llm"}


def test_where_the_judge_lies_the_first_verdict_stands(
    detector: LlmDetector, judge: LoopbackJudge
) -> None:
    judge.answer = lambda asked: {
        key: {"evidence": "I love bananas", "occurred": True, "confidence": 100}
        for key in asked.events
    }
    found = run_detector(auto(detector), [turn("0.6 apple"), turn("0.4 x", task_id="t2")], [BANANA])
    assert [(d.detected, d.detector) for d in found] == [(True, "semantic"), (False, "semantic")]


def test_what_is_surely_not_so_stays_so_whatever_the_judge_would_say(
    detector: LlmDetector, judge: LoopbackJudge
) -> None:
    judge.answer = lambda asked: {
        key: {"evidence": "banana", "occurred": True, "confidence": 100} for key in asked.events
    }
    (found,) = run_detector(auto(detector), [turn("0.01 ignore this banana")], [BANANA])
    assert not found.detected


def test_without_an_llm_nothing_is_sent_anywhere() -> None:
    detectors = load_detectors(Plugins(entry_points=False))
    detected = run_detector(auto(None), [turn("0.6 x")], [BANANA])
    assert [d.detector for d in detected] == ["semantic"]
    llm, chooses = detectors["llm"], detectors["auto"]
    assert isinstance(llm, LlmDetector)
    assert isinstance(chooses, AutoDetector)
    assert (llm.judge, chooses.llm) == (None, None)


DEFINITIONS = [
    {"name": "fruit", "description": "The user mentions a banana", "detector": "llm"},
    {"name": "refund", "description": "The user wants a refund"},
]


def files(folder: Path) -> list[str]:
    (folder / "events.json").write_text(json.dumps(DEFINITIONS))
    rows = [
        {"id": "i1", "input": "I would like a banana", "output": "Here."},
        {"id": "i2", "input": "Please send me what I have paid, back", "output": "Sure."},
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [
        "detect", "--definitions", str(folder / "events.json"),
        "--interactions", str(folder / "rows.jsonl"),
        "--predictions", str(folder / "out.jsonl"),
    ]  # fmt: skip


def test_the_command_asks_the_llm_that_the_environment_names(
    judge: LoopbackJudge, tmp_path: Path
) -> None:
    ended = phospho(
        *files(tmp_path),
        PHOSPHO_LLM_BASE_URL=judge.url,
        PHOSPHO_LLM_MODEL="gpt-x",
        PHOSPHO_LLM_API_KEY="sk-secret",
    )
    assert ended.returncode == 0, ended.stderr
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(f["id"], f["event"]) for f in found if f["detected"]] == [("i1", "fruit")]
    assert {tuple(asked.events) for asked in judge.asked} == {("e1",)}
    # The judge knows no refund: it was asked about it all the same, and overruled.
    assert any("refund" in str(asked.events) for asked in judge.asked)


def test_the_command_says_what_to_set_where_an_event_needs_an_llm(tmp_path: Path) -> None:
    ended = phospho(*files(tmp_path))
    assert ended.returncode == 1
    assert "PHOSPHO_LLM_BASE_URL" in ended.stderr
    ended = phospho(*files(tmp_path), PHOSPHO_LLM_BASE_URL="ftp://example.org")
    assert "PHOSPHO_LLM_MODEL" in ended.stderr


def test_the_command_keeps_to_its_budget(judge: LoopbackJudge, tmp_path: Path) -> None:
    judge.answer = honest
    arguments = files(tmp_path)
    events = [{"name": "fruit", "description": "The user mentions a banana", "detector": "llm"}]
    (tmp_path / "events.json").write_text(json.dumps(events))
    ended = phospho(
        *arguments,
        PHOSPHO_LLM_BASE_URL=judge.url,
        PHOSPHO_LLM_MODEL="gpt-x",
        PHOSPHO_LLM_DAILY_TOKENS="1500",
    )
    assert ended.returncode == 1
    assert "budget of today is spent" in ended.stderr
    assert len(judge.asked) == 1

"""Judges that ask a loopback LLM, with pauses a hundred times shorter."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from phospho.detectors.llm import calling
from phospho.detectors.llm.connecting import make_judge
from phospho.detectors.llm.cost import Budget
from phospho.detectors.llm.detector import LlmDetector
from phospho.detectors.llm.ledger import MemoryLedger
from phospho.detectors.llm.settings import Endpoint
from tests.judges import LoopbackJudge, serve_judge

MakeDetector = Callable[..., LlmDetector]


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackJudge]:
    for name in ("_FIRST_PAUSE_S", "_LONGEST_PAUSE_S"):
        monkeypatch.setattr(calling, name, getattr(calling, name) / 100)
    with serve_judge() as served:
        yield served


@pytest.fixture
def make_detector(judge: LoopbackJudge) -> Iterator[MakeDetector]:
    made: list[LlmDetector] = []

    def make(budget: Budget | None = None, ledger: MemoryLedger | None = None) -> LlmDetector:
        endpoint = Endpoint(judge.url, "gpt-x", "sk-secret")
        detector = LlmDetector(
            make_judge(endpoint, budget=budget or Budget(), ledger=ledger or MemoryLedger())
        )
        made.append(detector)
        return detector

    yield make
    for detector in made:
        assert detector.judge is not None
        detector.judge.close()


@pytest.fixture
def detector(make_detector: MakeDetector) -> LlmDetector:
    return make_detector()

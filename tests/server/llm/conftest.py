"""A project whose LLM is a loopback judge, and both workers, run step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest

from phospho.detectors import Detector
from phospho.detectors.llm import calling
from phospho.detectors.llm.detector import LlmDetector
from phospho.models import Detection, EventDefinition, Turn
from phospho.plugins import Plugins
from phospho_server.detection import DetectionWorker
from phospho_server.llm import worker as llm_worker
from phospho_server.llm.sealing import Sealer
from phospho_server.llm.setup import Setups
from phospho_server.llm.worker import LlmWorker
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore, database_file
from tests.judges import LoopbackJudge, serve_judge


class Scored:
    """Stands in for `semantic`: the score is the number that the text begins with."""

    name = "semantic"

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        return [
            Detection(
                event_id=event.id,
                task_id=turn.interaction.task_id,
                score=(score := float(turn.interaction.input.split()[0])),
                detected=score >= 0.5,
            )
            for turn in batch
            for event in events
        ]


@dataclass
class Workers:
    """Both workers of a server."""

    local: DetectionWorker
    llm: LlmWorker

    def run(self) -> None:
        """Do all that can be done now."""
        self.local.run_until_done()
        self.llm.run_until_done()


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackJudge]:
    for name in ("_FIRST_PAUSE_S", "_LONGEST_PAUSE_S"):
        monkeypatch.setattr(calling, name, getattr(calling, name) / 100)
    monkeypatch.setattr(llm_worker, "_FIRST_REST_S", 0.0)
    with serve_judge() as served:
        yield served


MakeWorkers = Callable[..., Workers]


@pytest.fixture
def make_workers(store: SqliteStore, judge: LoopbackJudge) -> Iterator[MakeWorkers]:
    made: list[Workers] = []

    def make(**environment: str) -> Workers:
        named = {"PHOSPHO_LLM_BASE_URL": judge.url, "PHOSPHO_LLM_MODEL": "gpt-x", **environment}
        setups = Setups(Sealer(database_file(store)), {k: v for k, v in named.items() if v})
        plugins = Plugins(entry_points=False)
        detectors: dict[str, Detector] = {"semantic": Scored(), "llm": LlmDetector(None)}
        local = DetectionWorker(store, detectors, plugins, llm_is_ready=setups.is_ready)
        made.append(Workers(local, LlmWorker(store, plugins, setups)))
        return made[-1]

    yield make
    for workers in made:
        workers.llm.stop()


@pytest.fixture
def workers(make_workers: MakeWorkers) -> Workers:
    return make_workers()


Verdicts = dict[tuple[str, str], tuple[bool, str]]


def verdicts(store: SqliteStore, project: Project) -> Verdicts:
    """Return what stands, by task and event: whether it occurred, and who says so."""
    with store.read() as db:
        rows = db.rows(
            "select i.task_id, d.name, e.detected, e.detector from detections e "
            "join interactions i on i.id = e.interaction_id "
            "join event_definitions d on d.id = e.definition_id where e.project_id = :id",
            {"id": project.id},
        )
    return {(row["task_id"], row["name"]): (bool(row["detected"]), row["detector"]) for row in rows}

"""Detectors learn from a project's own traffic once there is enough of it, and now and then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from phospho.detectors import Embedder
from phospho.detectors.semantic import SemanticDetector
from phospho.detectors.use_encoder import UseEncoder
from phospho.models import Cut, Detection, EventDefinition, Turn
from phospho.plugins import Plugins
from phospho_server.detection import DetectionWorker
from phospho_server.store.definitions import edit_definition, list_enabled
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.store.versions import list_verdict_counts
from phospho_server.studying import FIRST_AT, GROWTH, MOST
from tests.server.builders import add, define, interaction

MEANING = Path(__file__).parents[2] / "docs/meaning.md"


class Pupil:
    """Says yes from the threshold on that it was taught; remembers how much it studied."""

    name = "semantic"

    def __init__(self) -> None:
        self.studied: list[int] = []
        self.asked: list[set[str]] = []

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        return [
            Detection(
                event_id=event.id,
                task_id=turn.interaction.task_id,
                detected=event.cut is not None,
                score=0.5,
            )
            for turn in batch
            for event in events
        ]

    def study(
        self, traffic: Sequence[Turn], events: Sequence[EventDefinition]
    ) -> Mapping[str, Cut]:
        self.studied.append(len(traffic))
        self.asked.append({event.id for event in events if event.cut is None})
        return {event.id: Cut(prevalence=0.2, threshold=0.3, embedder="e") for event in events}


class Renamed:
    """An embedder under another name."""

    id = "renamed"

    def __init__(self, embedder: Embedder | None) -> None:
        assert embedder is not None
        self.dim = embedder.dim
        self.encode = embedder.encode


@pytest.fixture
def pupil() -> Pupil:
    return Pupil()


@pytest.fixture
def semantic() -> SemanticDetector:
    return SemanticDetector(UseEncoder())


@pytest.fixture
def worker(store: SqliteStore, pupil: Pupil) -> DetectionWorker:
    return DetectionWorker(store, {"semantic": pupil}, Plugins(entry_points=False))


def say(store: SqliteStore, project: Project, start: int, number: int) -> None:
    add(store, project, *(interaction(f"t{start + i}", input="hi") for i in range(number)))


def events(store: SqliteStore, project: Project) -> int:
    with store.read() as db:
        row = db.row(
            "select count(*) as n from detections where project_id = :id and detected = 1",
            {"id": project.id},
        )
    return int(row["n"]) if row else 0


def test_what_was_found_before_there_was_enough_is_looked_at_again(
    store: SqliteStore, project: Project, worker: DetectionWorker, pupil: Pupil
) -> None:
    define(store, project, description="The user greets")
    say(store, project, 0, FIRST_AT - 50)
    worker.run_until_done()
    assert (pupil.studied, events(store, project)) == ([], 0)
    say(store, project, FIRST_AT - 50, 60)
    worker.run_until_done()
    assert pupil.studied == [FIRST_AT + 10]
    assert events(store, project) == FIRST_AT + 10


def test_traffic_is_studied_again_when_it_has_grown_by_half(
    store: SqliteStore, project: Project, worker: DetectionWorker, pupil: Pupil
) -> None:
    define(store, project, description="The user greets")
    for start, number in ((0, 300), (300, 140), (440, 10)):
        say(store, project, start, number)
        worker.run_until_done()
    assert pupil.studied == [300, 450]


def test_an_edited_definition_is_studied_before_it_is_looked_for(
    store: SqliteStore, project: Project, worker: DetectionWorker, pupil: Pupil
) -> None:
    definition = define(store, project, description="The user greets")
    say(store, project, 0, 250)
    worker.run_until_done()
    edited = definition.model_copy(update={"description": "The user says hello"})
    store.write(lambda db: edit_definition(db, project.id, edited))
    with store.read() as db:
        assert [d.cut for d in list_enabled(db, project.id)] == [None]
    worker.run_until_done()
    assert pupil.studied == [250, 250]
    assert events(store, project) == 250


@pytest.mark.parametrize("number", [250, FIRST_AT - 50], ids=["enough-before", "enough-after"])
def test_what_is_learned_about_an_edit_for_new_interactions_leaves_past_ones_alone(
    store: SqliteStore, project: Project, worker: DetectionWorker, number: int
) -> None:
    definition = define(store, project, description="The user greets")
    say(store, project, 0, number)
    worker.run_until_done()
    edited = definition.model_copy(update={"description": "The user says hello"})
    store.write(lambda db: edit_definition(db, project.id, edited, to_past=False))
    say(store, project, number, 5)
    worker.run_until_done()
    say(store, project, number + 5, 50)
    worker.run_until_done()
    with store.read() as db:
        counts = list_verdict_counts(db, project.id)[definition.id]
    assert [(count.version, count.verdicts) for count in counts] == [(2, 55), (1, number)]


def test_what_was_learned_is_there_after_a_restart(
    store: SqliteStore, project: Project, worker: DetectionWorker, pupil: Pupil
) -> None:
    define(store, project, description="The user greets")
    say(store, project, 0, 250)
    worker.run_until_done()
    another = DetectionWorker(store, {"semantic": pupil}, Plugins(entry_points=False))
    say(store, project, 250, 5)
    another.run_until_done()
    assert pupil.studied == [250]
    assert events(store, project) == 255


def test_the_page_about_meaning_says_when_traffic_is_studied() -> None:
    page = " ".join(MEANING.read_text(encoding="utf-8").split())
    assert f"From {FIRST_AT} interactions on" in page
    assert f"at the newest {MOST:,}" in page
    assert "half as many interactions more" in page
    assert GROWTH == 1.5


def test_a_new_definition_is_studied_alone(
    store: SqliteStore, project: Project, worker: DetectionWorker, pupil: Pupil
) -> None:
    first = define(store, project, description="The user greets")
    say(store, project, 0, 250)
    worker.run_until_done()
    second = define(store, project, name="bye", description="The user says goodbye")
    worker.run_until_done()
    assert pupil.asked == [{first.id}, {second.id}]


def test_another_embedder_learns_from_the_traffic_at_once(
    store: SqliteStore, project: Project, semantic: SemanticDetector
) -> None:
    event = define(store, project, description="The user greets")
    say(store, project, 0, 250)
    DetectionWorker(store, {"semantic": semantic}, Plugins(entry_points=False)).run_until_done()
    other = SemanticDetector(Renamed(semantic.embedder))
    say(store, project, 250, 1)
    DetectionWorker(store, {"semantic": other}, Plugins(entry_points=False)).run_until_done()
    with store.read() as db:
        (known,) = list_enabled(db, project.id)
    assert known.id == event.id
    assert known.cut
    assert known.cut.embedder == "renamed"

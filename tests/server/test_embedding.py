"""While nothing else is to be done, vectors of the newest interactions are made and kept."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from phospho.detectors import Detector
from phospho.detectors.semantic import SemanticDetector
from phospho.models import Embedded, Interaction, Turn
from phospho.plugins import Plugins
from phospho_server.detection import DetectionWorker
from phospho_server.embedding import Embedding
from phospho_server.previewing import preview
from phospho_server.store import changing, vectors
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, define, definition, interaction


class Letters:
    """Compares texts by their letters, and remembers what it was asked for."""

    dim = 26

    def __init__(self, id: str = "letters", *, is_metered: bool = False) -> None:
        self.id = id
        self.is_metered = is_metered
        self.asked: list[str] = []
        self.is_broken = False

    def encode(self, texts: Sequence[str]) -> Any:
        if self.is_broken:
            raise RuntimeError("out of order")
        self.asked += texts
        counts = [[text.lower().count(chr(97 + i)) + 0.1 for i in range(26)] for text in texts]
        vectors = np.array(counts, dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def letters() -> Letters:
    return Letters()


@pytest.fixture
def detectors(letters: Letters) -> dict[str, Detector]:
    return {"semantic": SemanticDetector(letters)}


def say(store: SqliteStore, project: Project, *names: str) -> None:
    add(store, project, *(interaction(name, input=f"Hello {name}") for name in names))


def kept(store: SqliteStore, project: Project) -> dict[str, Embedded]:
    with store.read() as db:
        rows = db.rows(
            "select id, task_id from interactions where project_id = :id", {"id": project.id}
        )
        turns = [
            (
                row["id"],
                Turn(interaction=Interaction(task_id=row["task_id"], session_id="", input="")),
            )
            for row in rows
        ]
        found = vectors.with_vectors(db, project.id, turns)
    return {turn.interaction.task_id: turn.embedded for _, turn in found if turn.embedded}


def work(embedding: Embedding) -> int:
    return sum(iter(embedding.run_once, 0))


def test_the_worker_keeps_vectors_when_nothing_waits(
    store: SqliteStore, project: Project, detectors: dict[str, Detector], letters: Letters
) -> None:
    say(store, project, "a", "b")
    worker = DetectionWorker(store, detectors, Plugins(entry_points=False))
    worker.run_until_done()
    assert kept(store, project) == {}
    assert (worker.run_once(), worker.run_once()) == (2, 0)
    assert set(kept(store, project)) == {"a", "b"}
    letters.asked.clear()
    assert worker.run_once() == 0
    assert letters.asked == []


def test_the_newest_are_kept_without_gaps(
    store: SqliteStore,
    project: Project,
    detectors: dict[str, Detector],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("phospho_server.store.vectors.MOST", 5)
    monkeypatch.setattr("phospho_server.embedding._BATCH", 2)
    embedding = Embedding(store, detectors)
    say(store, project, "a", "b", "c")
    assert embedding.run_once() == 2
    assert set(kept(store, project)) == {"b", "c"}
    # What is new goes first, in order; then what is old.
    say(store, project, "d", "e", "f")
    assert embedding.run_once() == 2
    assert set(kept(store, project)) == {"b", "c", "d", "e"}
    assert work(embedding) == 1
    assert set(kept(store, project)) == {"b", "c", "d", "e", "f"}
    # Those between that are too old already are never made.
    say(store, project, *"ghijklmn")
    assert work(embedding) == 5
    assert set(kept(store, project)) == set("jklmn")


def test_old_ones_are_made_until_there_are_enough(
    store: SqliteStore,
    project: Project,
    detectors: dict[str, Detector],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("phospho_server.store.vectors.MOST", 5)
    monkeypatch.setattr("phospho_server.embedding._BATCH", 2)
    say(store, project, *"abcdefgh")
    # A new process goes on where the last one ended.
    for _ in range(3):
        Embedding(store, detectors).run_once()
    assert set(kept(store, project)) == set("defgh")
    assert work(Embedding(store, detectors)) == 0


def test_every_project_has_its_own(
    store: SqliteStore, project: Project, detectors: dict[str, Detector]
) -> None:
    other = store.write(lambda db: create_project(db, "Other"))
    for name in "abc":
        say(store, project, name)
        say(store, other, f"other-{name}")
    assert work(Embedding(store, detectors)) == 6
    assert set(kept(store, project)) == set("abc")
    assert set(kept(store, other)) == {"other-a", "other-b", "other-c"}


def test_another_embedder_makes_all_anew(
    store: SqliteStore, project: Project, detectors: dict[str, Detector]
) -> None:
    say(store, project, "a", "b")
    work(Embedding(store, detectors))
    other = SemanticDetector(Letters("other"))
    assert work(Embedding(store, {"semantic": other})) == 2
    assert {one.made_by for one in kept(store, project).values()} == {other.makes_vectors_as}


@pytest.mark.parametrize(
    "detectors",
    [
        {},
        {"semantic": SemanticDetector(None)},
        {"semantic": SemanticDetector(Letters(is_metered=True))},
    ],
)
def test_nothing_is_embedded_ahead_without_an_embedder_or_for_money(
    store: SqliteStore, project: Project, detectors: dict[str, Detector]
) -> None:
    say(store, project, "a")
    assert work(Embedding(store, detectors)) == 0
    assert kept(store, project) == {}


def test_an_embedder_that_fails_is_reported_once_and_left_alone_for_a_while(
    store: SqliteStore,
    project: Project,
    detectors: dict[str, Detector],
    letters: Letters,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    letters.is_broken = True
    say(store, project, "a")
    embedding = Embedding(store, detectors)
    with caplog.at_level(logging.WARNING):
        assert (embedding.run_once(), embedding.run_once()) == (0, 0)
    assert caplog.text.count("out of order") == 1
    letters.is_broken = False
    assert embedding.run_once() == 0
    later = time.monotonic() + 61
    monkeypatch.setattr("phospho_server.embedding.time.monotonic", lambda: later)
    assert embedding.run_once() == 1


def test_an_answer_that_comes_meanwhile_leaves_no_vector_of_what_was(
    store: SqliteStore, project: Project, letters: Letters
) -> None:
    add(store, project, interaction("t1", output=None))

    class Slow(Letters):
        """While it works, the answer comes."""

        def encode(self, texts: Sequence[str]) -> Any:
            store.write(lambda db: changing.answer(db, project.id, 1, "Which date?"))
            return super().encode(texts)

    Embedding(store, {"semantic": SemanticDetector(Slow())}).run_once()
    assert kept(store, project) == {}
    with store.read() as db:
        assert vectors.list_missing(db, project.id, limit=5) == [1]
    Embedding(store, {"semantic": SemanticDetector(letters)}).run_once()
    assert set(kept(store, project)) == {"t1"}


def test_a_preview_makes_no_vector_that_is_kept(
    store: SqliteStore, project: Project, detectors: dict[str, Detector], letters: Letters
) -> None:
    say(store, project, *(f"number {i}" for i in range(20)))
    draft = definition("draft", description="The user says hello", detector="semantic")
    before = preview(store, detectors, project.id, draft)
    work(Embedding(store, detectors))
    again = {"semantic": SemanticDetector(letters)}
    letters.asked.clear()
    after = preview(store, again, project.id, draft)
    assert [text for text in letters.asked if "Hello number" in text] == []
    assert (after.looked_at, after.matches) == (20, before.matches)


def test_the_past_is_judged_with_kept_vectors(
    store: SqliteStore, project: Project, detectors: dict[str, Detector], letters: Letters
) -> None:
    say(store, project, *(f"number {i}" for i in range(20)))
    worker = DetectionWorker(store, detectors, Plugins(entry_points=False))
    worker.run_until_done()
    work(Embedding(store, detectors))
    letters.asked.clear()
    define(store, project, description="The user says hello", detector="semantic")
    worker.run_until_done()
    assert [text for text in letters.asked if "Hello number" in text] == []
    with store.read() as db:
        (row,) = db.rows("select count(*) as n from detections")
    assert row["n"] == 20

"""A click changes the next verdicts of its event, at once, and those of no other."""

from __future__ import annotations

from collections.abc import Sequence

from phospho.models import Detection, EventDefinition, Turn
from phospho.plugins import Plugins
from phospho_server.detection import DetectionWorker
from phospho_server.store import Connection, reviews
from phospho_server.store.definitions import edit_definition
from phospho_server.store.interactions import find_ids
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.store.transcripts import list_transcript
from tests.server.builders import NOON_MS, add, define, interaction


class Parrot:
    """Says yes to an input that somebody confirmed, and to no other."""

    name = "semantic"

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        return [
            Detection(
                event_id=event.id,
                task_id=turn.interaction.task_id,
                detected=turn.interaction.input in {r.input for r in event.reviews if r.occurred},
                score=0.5,
            )
            for turn in batch
            for event in events
        ]


def found_in(store: SqliteStore, project: Project) -> dict[str, list[str]]:
    with store.read() as db:
        lines = list_transcript(db, project.id, "s1")
    return {line.task_id: [event.name for event in line.events] for line in lines}


def click(store: SqliteStore, project: Project, event: EventDefinition, *, occurred: bool) -> None:
    def change(db: Connection) -> None:
        at = find_ids(db, project.id, ["t1"])["t1"]
        reviews.review(
            db,
            project.id,
            event.id,
            at,
            occurred=occurred,
            source="transcript",
        )

    store.write(change)


def test_a_click_changes_the_next_verdicts_of_that_event_only(
    store: SqliteStore, project: Project
) -> None:
    flights = define(store, project, name="flights")
    define(store, project, name="hotels")
    add(store, project, interaction("t1", input="fly me"))
    worker = DetectionWorker(store, {"semantic": Parrot()}, Plugins(entry_points=False))
    worker.run_until_done()
    assert found_in(store, project) == {"t1": []}

    click(store, project, flights, occurred=True)
    with store.read() as db:
        assert db.rows("select 1 from jobs") == []
    add(store, project, interaction("t2", input="fly me", created_at_ms=NOON_MS + 1))
    worker.run_until_done()
    assert found_in(store, project) == {"t1": ["flights"], "t2": ["flights"]}

    click(store, project, flights, occurred=False)
    add(store, project, interaction("t3", input="fly me", created_at_ms=NOON_MS + 2))
    worker.run_until_done()
    assert found_in(store, project) == {"t1": [], "t2": ["flights"], "t3": []}


def test_a_click_reaches_a_detector_also_when_it_looks_at_the_past(
    store: SqliteStore, project: Project
) -> None:
    event = define(store, project, name="flights")
    add(
        store,
        project,
        interaction("t1", input="fly me"),
        interaction("t2", input="fly me", created_at_ms=NOON_MS + 1),
    )
    worker = DetectionWorker(store, {"semantic": Parrot()}, Plugins(entry_points=False))
    worker.run_until_done()
    click(store, project, event, occurred=True)
    edited = event.model_copy(update={"description": "The user wants to fly"})
    store.write(lambda db: edit_definition(db, project.id, edited))
    worker.run_until_done()
    assert found_in(store, project) == {"t1": ["flights"], "t2": ["flights"]}

"""The detection worker: every interaction meets every event, whatever breaks on the way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import phospho
from phospho.detectors import Detector
from phospho.errors import DetectorError
from phospho.models import Detection, EventDefinition, Evidence, Interaction, Turn
from phospho.plugins import Plugins
from phospho_server.detection import DetectionWorker
from phospho_server.errors import StorageFullError
from phospho_server.store import jobs, leases, reviews
from phospho_server.store.definitions import (
    delete_definition,
    edit_definition,
    enable_definition,
    list_definitions,
)
from phospho_server.store.interactions import find_ids
from phospho_server.store.projects import create_project
from phospho_server.store.rows import DefinitionRow, Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.store.transcripts import list_transcript
from phospho_server.store.turns import MAX_HISTORY
from tests.server.builders import NOON_MS, add, define, interaction
from tests.waiting import PATIENCE_S


class WordDetector:
    """Finds its definition's description as a word of the input; counts what it was asked."""

    def __init__(self, name: str = "semantic") -> None:
        self.name = name
        self.asked: list[str] = []
        self.before: Callable[[Sequence[Turn]], object] = lambda batch: None

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        self.before(batch)
        self.asked += [turn.interaction.task_id for turn in batch]
        return [
            Detection(
                event_id=event.id,
                task_id=turn.interaction.task_id,
                detected=(found := event.description in turn.interaction.input),
                score=float(found),
                evidence=Evidence(side="input", quote=event.description) if found else None,
            )
            for turn in batch
            for event in events
        ]


@pytest.fixture
def detector() -> WordDetector:
    return WordDetector()


def worker(store: SqliteStore, *detectors: Detector, plugins: Any = ()) -> DetectionWorker:
    by_name = {detector.name: detector for detector in detectors}
    return DetectionWorker(store, by_name, Plugins(plugins, entry_points=False))


def listed(store: SqliteStore, project: Project) -> dict[str, DefinitionRow]:
    with store.read() as db:
        return {row.definition.name: row for row in list_definitions(db, project.id)}


def found_in(store: SqliteStore, project: Project, session_id: str = "s1") -> dict[str, list[str]]:
    with store.read() as db:
        lines = list_transcript(db, project.id, session_id)
    return {line.task_id: [event.name for event in line.events] for line in lines}


def run_parked_now(store: SqliteStore) -> None:
    """Let what waits for another attempt run at once."""
    store.write(lambda db: db.execute("update jobs set run_at_ms = 0"))


def test_new_interactions_are_judged_for_every_event(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    define(store, project, name="flights", description="flight")
    define(store, project, name="hotels", description="hotel")
    add(
        store,
        project,
        interaction("t1", input="a flight and a hotel"),
        interaction("t2", input="a flight", created_at_ms=NOON_MS + 1),
        interaction("t3", input="nothing", created_at_ms=NOON_MS + 2),
    )
    worker(store, detector).run_until_done()
    assert found_in(store, project) == {"t1": ["flights", "hotels"], "t2": ["flights"], "t3": []}
    assert {name: row.events for name, row in listed(store, project).items()} == {
        "flights": 2,
        "hotels": 1,
    }
    with store.read() as db:
        assert len(db.rows("select 1 from detections")) == 6
        assert db.rows("select 1 from jobs") == []


def test_a_new_event_is_applied_to_the_past(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    many = [interaction(f"t{n}", input="flight" if n % 10 == 0 else "x") for n in range(450)]
    add(store, project, *many)
    at_work = worker(store, detector)
    at_work.run_until_done()
    define(store, project, name="flights", description="flight")
    assert listed(store, project)["flights"].pending == 450
    progress: list[int] = []
    at_work.run_until_done(progress.append)
    row = listed(store, project)["flights"]
    assert (row.events, row.pending) == (45, 0)
    assert sum(progress) >= 450


def test_events_defined_one_after_the_other_share_the_way_through_the_past(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    add(store, project, *[interaction(f"t{n}", input="flight") for n in range(700)])
    at_work = worker(store, detector)
    at_work.run_until_done()
    for name in ("one", "two"):
        define(store, project, name=name, description="flight")
    at_work.run_once()
    define(store, project, name="three", description="flight")
    at_work.run_until_done()
    # "three" is alone on the first step, and then goes on with the others.
    assert len(detector.asked) == 700 + 200
    assert [row.events for row in listed(store, project).values()] == [700, 700, 700]


def test_backfills_that_meet_where_another_project_has_spoken_go_on(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    other = store.write(lambda db: create_project(db, "other"))
    add(store, project, *[interaction(f"t{n}", input="flight") for n in range(10)])
    at_work = worker(store, detector)
    at_work.run_until_done()
    define(store, project, name="first", description="flight")
    add(store, other, *[interaction(f"o{n}") for n in range(5)])
    add(store, project, interaction("last", input="flight"))
    define(store, project, name="second", description="flight")
    at_work.run_until_done()
    assert {name: (row.events, row.pending) for name, row in listed(store, project).items()} == {
        "first": (11, 0),
        "second": (11, 0),
    }


def test_an_edited_event_is_applied_again_and_replaces_its_verdicts(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    event = define(store, project, name="flights", description="flight")
    add(store, project, interaction("t1", input="flight"), interaction("t2", input="plane"))
    at_work = worker(store, detector)
    at_work.run_until_done()
    changed = event.model_copy(update={"description": "plane"})
    store.write(lambda db: edit_definition(db, project.id, changed))
    at_work.run_until_done()
    assert found_in(store, project) == {"t1": [], "t2": ["flights"]}
    assert listed(store, project)["flights"].events == 1


def test_verdicts_of_a_version_that_was_edited_meanwhile_are_dropped(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    event = define(store, project, name="flights", description="flight")
    add(store, project, interaction("t1", input="flight"))

    def edit(_: object) -> None:
        detector.before = lambda batch: None
        changed = event.model_copy(update={"description": "plane"})
        store.write(lambda db: edit_definition(db, project.id, changed))

    detector.before = edit
    at_work = worker(store, detector)
    at_work.run_once()
    assert found_in(store, project) == {"t1": []}
    at_work.run_until_done()
    assert listed(store, project)["flights"].pending == 0
    with store.read() as db:
        (row,) = db.rows("select definition_version, detected from detections")
    assert tuple(dict(row).values()) == (2, 0)


def test_what_arrived_before_an_edit_for_new_interactions_is_judged_by_the_edit(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    event = define(store, project, name="flights", description="flight")
    at_work = worker(store, detector)
    add(store, project, interaction("past", input="plane"))
    at_work.run_until_done()
    add(store, project, interaction("t1", input="plane"))

    def edit(_: object) -> None:
        detector.before = lambda batch: None
        changed = event.model_copy(update={"description": "plane"})
        store.write(lambda db: edit_definition(db, project.id, changed, to_past=False))

    detector.before = edit
    at_work.run_until_done()
    assert found_in(store, project) == {"past": [], "t1": ["flights"]}
    assert listed(store, project)["flights"].pending == 0


def test_an_event_deleted_meanwhile_leaves_nothing(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    event = define(store, project, description="flight")
    add(store, project, interaction("t1", input="flight"))

    def delete(_: object) -> None:
        detector.before = lambda batch: None
        store.write(lambda db: delete_definition(db, project.id, event.id))

    detector.before = delete
    worker(store, detector).run_until_done()
    with store.read() as db:
        assert db.rows("select 1 from detections") == []
        assert db.rows("select 1 from jobs") == []


def test_an_event_switched_off_is_not_looked_for(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    event = define(store, project, description="flight")
    store.write(lambda db: enable_definition(db, project.id, event.id, enabled=False))
    add(store, project, interaction("t1", input="flight"))
    worker(store, detector).run_until_done()
    assert found_in(store, project) == {"t1": []}


def test_one_poison_interaction_hurts_no_other(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    def choke(batch: Sequence[Turn]) -> None:
        if any("poison" in turn.interaction.input for turn in batch):
            raise ValueError("cannot digest this")

    detector.before = choke
    define(store, project, name="flights", description="flight")
    many = [interaction(f"t{n}", input="flight") for n in range(100)]
    add(store, project, *many, interaction("bad", input="poison flight"))
    at_work = worker(store, detector)
    for _ in range(jobs.MAX_ATTEMPTS["detect"]):
        at_work.run_until_done()
        run_parked_now(store)
    row = listed(store, project)["flights"]
    assert (row.events, row.pending) == (100, 1)
    assert "cannot digest this" in (row.problem or "")

    detector.before = lambda batch: None
    store.write(lambda db: jobs.retry_parked(db, project.id))
    at_work.run_until_done()
    row = listed(store, project)["flights"]
    assert (row.events, row.pending, row.problem) == (101, 0, None)


def test_one_event_that_spoils_its_detector_hurts_no_other(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    real = detector.detect

    def choke(batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        if any(event.name == "spoilt" for event in events):
            raise DetectorError("This event needs a model that is away.")
        return real(batch, events)

    detector.detect = choke  # type: ignore[method-assign]
    define(store, project, name="flights", description="flight")
    define(store, project, name="spoilt", description="flight")
    add(store, project, interaction("t1", input="flight"), interaction("t2", input="flight"))
    worker(store, detector).run_until_done()
    rows = listed(store, project)
    assert (rows["flights"].events, rows["flights"].problem) == (2, None)
    assert (rows["spoilt"].events, rows["spoilt"].pending) == (0, 2)
    assert rows["spoilt"].problem == "This event needs a model that is away."


def test_a_detector_that_is_away_costs_only_its_own_events(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    away = WordDetector("away")

    def refuse(_: object) -> None:
        raise DetectorError("The model is not loaded. Install it.")

    away.before = refuse
    define(store, project, name="near", description="flight")
    define(store, project, name="far", description="flight", detector="away")
    add(store, project, *[interaction(f"t{n}", input="flight") for n in range(7)])
    at_work = worker(store, detector, away)
    at_work.run_until_done()
    rows = listed(store, project)
    assert (rows["near"].events, rows["near"].pending) == (7, 0)
    assert (rows["far"].events, rows["far"].pending) == (0, 7)
    assert rows["far"].problem == "The model is not loaded. Install it."

    away.before = lambda batch: None
    run_parked_now(store)
    at_work.run_until_done()
    assert listed(store, project)["far"].events == 7


def test_a_detector_that_is_away_stops_catching_up_until_it_is_back(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    add(store, project, *[interaction(f"t{n}", input="flight") for n in range(300)])
    at_work = worker(store, detector)
    at_work.run_until_done()
    define(store, project, name="far", description="flight", detector="missing")
    at_work.run_until_done()
    row = listed(store, project)["far"]
    assert row.pending == 300
    assert "missing" in (row.problem or "")
    run_parked_now(store)
    worker(store, detector, WordDetector("missing")).run_until_done()
    row = listed(store, project)["far"]
    assert (row.events, row.pending, row.problem) == (300, 0, None)


def test_work_that_was_claimed_by_a_dead_process_is_done_once(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    define(store, project, name="flights", description="flight")
    add(store, project, interaction("t1", input="flight"))
    store.write(lambda db: leases.claim(db, most=100))  # by a process that then dies
    at_work = worker(store, detector)
    assert at_work.run_once() == 0
    store.write(lambda db: leases.take_from_dead(db, ""))
    at_work.run_until_done()
    assert listed(store, project)["flights"].events == 1


def test_what_a_full_disk_kept_from_being_stored_is_done_as_soon_as_it_can_be(
    store: SqliteStore,
    project: Project,
    detector: WordDetector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    define(store, project, name="flights", description="flight")
    add(store, project, interaction("t1", input="flight"))
    at_work = worker(store, detector)
    write, is_full = store.write, True

    def claim_but_store_nothing(change: Callable[..., Any]) -> Any:
        if is_full and change.__name__ == "finish":
            raise StorageFullError("full")
        return write(change)

    monkeypatch.setattr(store, "write", claim_but_store_nothing)
    with pytest.raises(StorageFullError):
        at_work.run_once()
    is_full = False
    at_work.run_until_done()
    assert listed(store, project)["flights"].events == 1


def test_a_session_without_end_is_loaded_in_parts(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    seen: list[tuple[int, int]] = []

    def look(batch: Sequence[Turn]) -> None:
        seen.extend(
            (len(turn.interaction.input), sum(len(i.input) for i in turn.history)) for turn in batch
        )

    detector.before = look
    define(store, project)
    add(store, project, *[interaction(f"t{n:03}", input="x" * 50_000) for n in range(120)])
    worker(store, detector).run_until_done()
    assert {length for length, _ in seen} == {50_000}
    assert max(history for _, history in seen) == MAX_HISTORY * 4_000


def test_a_detector_sees_the_history_of_its_session(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    seen: dict[str, list[str]] = {}

    def look(batch: Sequence[Turn]) -> None:
        for turn in batch:
            seen[turn.interaction.task_id] = [i.task_id for i in turn.history]

    detector.before = look
    define(store, project)
    add(
        store,
        project,
        interaction("late", created_at_ms=NOON_MS + 2),
        interaction("early", created_at_ms=NOON_MS),
        interaction("elsewhere", session_id="s2"),
        *[
            interaction(f"long{n:02}", session_id="s3", created_at_ms=NOON_MS + n)
            for n in range(MAX_HISTORY + 5)
        ],
    )
    worker(store, detector).run_until_done()
    assert seen["late"] == ["early"]
    assert seen["early"] == []
    assert seen["elsewhere"] == []
    assert len(seen["long24"]) == MAX_HISTORY
    assert seen["long24"][-1] == "long23"


class Listener:
    """A plugin that takes note of events, and fails as often as it is told to."""

    def __init__(self, fails: int = 0) -> None:
        self.fails = fails
        self.told: list[tuple[str, str, float]] = []

    @phospho.hookimpl
    def phospho_event_detected(
        self, event: Detection, interaction: Interaction, definition: EventDefinition
    ) -> None:
        if self.fails:
            self.fails -= 1
            raise OSError("the ticket system is away")
        self.told.append((definition.name, interaction.input, event.score))


def test_plugins_are_told_of_each_new_event_once(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    listener = Listener()
    event = define(store, project, name="flights", description="flight")
    add(store, project, interaction("t1", input="flight"), interaction("t2", input="no"))
    at_work = worker(store, detector, plugins=[listener])
    at_work.run_until_done()
    assert listener.told == [("flights", "flight", 1.0)]
    changed = event.model_copy(update={"description": "fligh"})
    store.write(lambda db: edit_definition(db, project.id, changed))
    at_work.run_until_done()
    assert len(listener.told) == 1


def test_a_failing_listener_is_told_again_and_hurts_no_other(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    good, bad = Listener(), Listener(fails=2)
    define(store, project, name="flights", description="flight")
    add(store, project, interaction("t1", input="flight"), interaction("t2", input="flight"))
    at_work = worker(store, detector, plugins=[good, bad])
    at_work.run_until_done()
    assert (len(good.told), len(bad.told)) == (2, 0)
    assert "ticket system is away" in (listed(store, project)["flights"].problem or "")
    run_parked_now(store)
    at_work.run_until_done()
    assert (len(good.told), len(bad.told)) == (2, 2)
    assert listed(store, project)["flights"].events == 2


def test_an_edit_does_not_forget_who_is_still_to_be_told(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    listener = Listener(fails=1)
    event = define(store, project, name="flights", description="flight")
    add(store, project, interaction("t1", input="flight"))
    at_work = worker(store, detector, plugins=[listener])
    at_work.run_until_done()
    changed = event.model_copy(update={"description": "fligh"})
    store.write(lambda db: edit_definition(db, project.id, changed))
    run_parked_now(store)
    at_work.run_until_done()
    assert listener.told == [("flights", "flight", 1.0)]


def test_an_event_that_no_longer_stands_is_not_told(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    listener = Listener()
    event = define(store, project, description="flight")
    add(store, project, interaction("t1", input="flight"))
    at_work = worker(store, detector, plugins=[listener])
    at_work.run_once()
    store.write(lambda db: db.execute("update detections set detected = 0"))
    at_work.run_until_done()
    assert listener.told == []
    store.write(lambda db: delete_definition(db, project.id, event.id))
    at_work.run_until_done()


def test_an_event_that_a_person_spoke_of_first_is_not_told(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    listener = Listener()
    event = define(store, project, name="flights", description="flight")
    new = [interaction(f"t{n}", session_id=f"s{n}", input="flight") for n in range(3)]
    add(store, project, *new)
    with store.read() as db:
        ids = find_ids(db, project.id, ["t0", "t1"])
    for task, occurred in (("t0", True), ("t1", False)):
        store.write(
            lambda db, t=task, o=occurred: reviews.review(  # type: ignore[misc]
                db, project.id, event.id, ids[t], occurred=o, source="transcript"
            )
        )
    worker(store, detector, plugins=[listener]).run_until_done()
    assert len(listener.told) == 1
    assert listed(store, project)["flights"].events == 2


def test_the_thread_detects_soon_after_it_is_woken_and_stops_when_asked(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    define(store, project, name="flights", description="flight")
    judged = threading.Event()
    detector.before = lambda batch: judged.set()
    at_work = worker(store, detector)
    at_work.start()
    add(store, project, interaction("t1", input="flight"))
    at_work.wake()
    assert judged.wait(PATIENCE_S)
    at_work.stop(PATIENCE_S)
    assert found_in(store, project) == {"t1": ["flights"]}


def test_the_thread_outlives_an_unexpected_error(
    store: SqliteStore,
    project: Project,
    detector: WordDetector,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("phospho_server.working.TROUBLE_S", 0.01)
    define(store, project, name="flights", description="flight")
    at_work = worker(store, detector)
    done = threading.Event()
    real = at_work.run_once
    failed: list[int] = []

    def fail_twice() -> int:
        if len(failed) < 2:
            failed.append(1)
            raise RuntimeError("a bug of ours")
        count = real()
        if count:
            done.set()
        return count

    monkeypatch.setattr(at_work, "run_once", fail_twice)
    add(store, project, interaction("t1", input="flight"))
    at_work.start()
    assert done.wait(PATIENCE_S)
    at_work.stop()
    assert "a bug of ours" in caplog.text
    assert listed(store, project)["flights"].events == 1


def test_a_score_and_a_category_are_kept_with_their_verdicts_and_told(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    told: list[Any] = []

    class Listener:
        @phospho.hookimpl
        def phospho_event_detected(self, event: Detection) -> None:
            told.append(event.value)

    real = detector.detect

    def with_values(batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        values = {"mood": 4.5, "topic": "billing", "plain": None}
        named = {event.id: event.name for event in events}
        return [
            each.model_copy(update={"value": values[named[each.event_id]]})
            for each in real(batch, events)
        ]

    detector.detect = with_values  # type: ignore[method-assign]
    define(store, project, name="plain", description="x")
    define(store, project, name="mood", description="x", answer="score")
    define(
        store, project, name="topic", description="x", answer="category",
        categories=("billing", "delivery"),
    )  # fmt: skip
    add(store, project, interaction("t1"))
    worker(store, detector, plugins=[Listener()]).run_until_done()
    with store.read() as db:
        (line,) = list_transcript(db, project.id, "s1")
        rows = db.rows("select value from detections order by definition_id")
    assert {event.name: event.value for event in line.events} == {"mood": 4.5, "topic": "billing"}
    assert [row["value"] for row in rows] == [None, "4.5", '"billing"']
    assert sorted(told, key=str) == [4.5, "billing"]


def test_an_event_of_a_session_is_found_once_by_any_detector_and_told_once(
    store: SqliteStore, project: Project, detector: WordDetector
) -> None:
    told: list[str] = []

    class Listener:
        @phospho.hookimpl
        def phospho_event_detected(self, interaction: Interaction) -> None:
            told.append(interaction.task_id)

    many = [
        interaction(f"t{n}", session_id=f"s{n % 2}", input="flight", created_at_ms=NOON_MS + n)
        for n in range(450)
    ]
    add(store, project, *many)
    at_work = worker(store, detector, plugins=[Listener()])
    at_work.run_until_done()
    define(store, project, name="flights", description="flight", scope="session")
    at_work.run_until_done()  # the newest first
    assert listed(store, project)["flights"].events == 2
    assert found_in(store, project, "s0")["t0"] == ["flights"]
    assert found_in(store, project, "s1")["t1"] == ["flights"]
    assert len(told) == 2

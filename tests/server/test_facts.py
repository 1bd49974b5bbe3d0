"""The language and sentiment of every interaction, told by the detection worker."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

import phospho
from phospho.detectors import Detector
from phospho.detectors.language_detector import LanguageDetector
from phospho.detectors.registry import load_detectors
from phospho.detectors.rules import RulesDetector
from phospho.models import Detection, EventDefinition, Turn
from phospho.plugins import Plugins
from phospho_server.clock import hour_of
from phospho_server.detection import DetectionWorker
from phospho_server.migrations import migrations
from phospho_server.store import message_facts
from phospho_server.store.projects import create_project
from phospho_server.store.rows import FactCount, Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.store.transcripts import list_transcript
from tests.server.builders import HOUR_MS, NOON_MS, add, define, interaction

SPANISH = "quiero hablar con una persona"
ENGLISH = "I want to talk to a person"


class Glad:
    """Knows one word of joy and one of anger."""

    name = "sentiment"

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        values = {"yay": 0.9, "grr": -0.9}
        return [
            Detection(
                event_id=event.id,
                task_id=turn.interaction.task_id,
                detected=True,
                score=1,
                value=values.get(turn.interaction.input.split()[0], 0.0),
            )
            for turn in batch
            for event in events
        ]


class Fixed:
    """A detector of strangers that always answers the same, or raises it."""

    def __init__(self, name: str, answer: Any) -> None:
        self.name = name
        self.answer = answer

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        is_broken = isinstance(self.answer, Exception)
        if is_broken and any(turn.interaction.input == "bad" for turn in batch):
            raise self.answer
        return [
            Detection(
                event_id=event.id,
                task_id=turn.interaction.task_id,
                detected=True,
                score=1,
                value="xx" if is_broken else self.answer,
            )
            for turn in batch
            for event in events
        ]


def worker(store: SqliteStore, *detectors: Detector) -> DetectionWorker:
    by_name = {detector.name: detector for detector in detectors}
    return DetectionWorker(store, by_name, Plugins(entry_points=False))


def restart(store: SqliteStore, *detectors: Detector) -> None:
    """Do what a worker does that starts on the store, and all it finds to do."""
    started = worker(store, *detectors)
    started.prepare()
    started.run_until_done()


def known(store: SqliteStore, project: Project, session_id: str = "s1") -> list[tuple[Any, Any]]:
    with store.read() as db:
        lines = list_transcript(db, project.id, session_id)
    return [(line.language, line.sentiment) for line in lines]


def counted(store: SqliteStore, project: Project, fact: str) -> dict[str, int]:
    with store.read() as db:
        found = message_facts.count_values(db, project.id, fact, since_ms=0, until_ms=NOON_MS * 2)
    return {each.value: each.interactions for each in found}


def in_session(
    store: SqliteStore, project: Project, session_id: str = "s1"
) -> Mapping[str, Sequence[FactCount]]:
    with store.read() as db:
        return message_facts.count_in_session(db, project.id, session_id)


def test_new_interactions_have_their_facts_told_with_their_events(
    store: SqliteStore, project: Project
) -> None:
    add(
        store,
        project,
        interaction("t1", input=f"yay {SPANISH}"),
        interaction("t2", input=f"grr {ENGLISH}", created_at_ms=NOON_MS + 1),
        interaction("t3", input="👍", created_at_ms=NOON_MS + 2),
    )
    worker(store, LanguageDetector(), Glad()).run_until_done()
    assert known(store, project) == [("es", 0.9), ("en", -0.9), (None, 0.0)]
    assert counted(store, project, "language") == {"en": 1, "es": 1}
    assert counted(store, project, "sentiment") == {"negative": 1, "neutral": 1, "positive": 1}
    assert in_session(store, project)["language"] == [FactCount("en", 1), FactCount("es", 1)]


def test_where_messages_are_read_for_events_facts_are_told_in_the_same_step(
    store: SqliteStore, project: Project
) -> None:
    define(store, project, description="The user says 'persona'")
    add(store, project, interaction("t1", input=SPANISH))
    working = worker(store, LanguageDetector(), RulesDetector())
    assert working.run_once() == 1
    assert known(store, project) == [("es", None)]
    assert working.run_once() == 0


def test_without_events_facts_wait_while_many_interactions_arrive(
    store: SqliteStore, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phospho_server.detection._BUSY_S", 3600.0)
    add(store, project, *(interaction(f"t{i}", input=SPANISH) for i in range(200)))
    working = worker(store, LanguageDetector())
    assert working.run_once() == 200
    assert working.run_once() == 0
    assert counted(store, project, "language") == {}
    working._busy_until = 0.0
    assert working.run_once() == 200
    assert counted(store, project, "language") == {"es": 200}


def test_without_their_detectors_facts_stay_unknown(store: SqliteStore, project: Project) -> None:
    add(store, project, interaction("t1", input=SPANISH))
    worker(store).run_until_done()
    assert known(store, project) == [(None, None)]
    assert counted(store, project, "language") == {}
    with store.read() as db:
        assert message_facts.list_values(db, project.id, "language") == []


def test_a_job_done_twice_counts_once(store: SqliteStore, project: Project) -> None:
    add(store, project, interaction("t1", input=SPANISH), interaction("t2", input=ENGLISH))
    store.write(
        lambda db: db.execute(
            "insert into jobs select 'again', project_id, kind, definition_id, payload, before_id, "
            "size, attempts, run_at_ms + 1, 0, null, null, created_at_ms, '' from jobs"
        )
    )
    worker(store, LanguageDetector()).run_until_done()
    assert counted(store, project, "language") == {"en": 1, "es": 1}


def test_a_new_answer_takes_the_place_of_the_old(store: SqliteStore, project: Project) -> None:
    add(store, project, interaction("t1", input=SPANISH))
    worker(store, Fixed("language", "pt")).run_until_done()
    restart(store)
    restart(store, LanguageDetector())
    assert known(store, project) == [("es", None)]
    assert counted(store, project, "language") == {"es": 1}
    assert in_session(store, project)["language"] == [FactCount("es", 1)]


def test_the_past_is_told_when_a_detector_is_first_there(
    store: SqliteStore, project: Project
) -> None:
    add(store, project, *(interaction(f"t{i}", input=SPANISH) for i in range(450)))
    other = store.write(lambda db: create_project(db, "Other"))
    add(store, other, interaction("t1", input=ENGLISH))
    restart(store)
    assert counted(store, project, "language") == {}
    restart(store, LanguageDetector())
    assert counted(store, project, "language") == {"es": 450}
    assert counted(store, other, "language") == {"en": 1}


def test_the_past_is_told_once(store: SqliteStore, project: Project) -> None:
    add(store, project, interaction("t1", input=SPANISH))
    worker(store, LanguageDetector()).run_until_done()
    worker(store, LanguageDetector()).prepare()
    with store.read() as db:
        assert db.rows("select * from jobs") == []


def test_the_gap_is_filled_when_a_detector_was_away(store: SqliteStore, project: Project) -> None:
    add(store, project, interaction("t1", input=SPANISH))
    restart(store, LanguageDetector())
    add(store, project, interaction("t2", input=ENGLISH))
    restart(store)
    add(store, project, interaction("t3", input=ENGLISH))
    restart(store, LanguageDetector())
    assert counted(store, project, "language") == {"en": 2, "es": 1}


def test_one_interaction_that_takes_a_detector_down_costs_its_own_fact(
    store: SqliteStore, project: Project
) -> None:
    add(
        store,
        project,
        interaction("t1", input="good"),
        interaction("t2", input="bad", created_at_ms=NOON_MS + 1),
        interaction("t3", input="good", created_at_ms=NOON_MS + 2),
    )
    worker(store, Fixed("language", ValueError("no"))).run_until_done()
    assert [language for language, _ in known(store, project)] == ["xx", None, "xx"]


@pytest.mark.parametrize(
    ("name", "answer", "kept"),
    [
        pytest.param("language", "zh-Hant-TW", ("zh-Hant-TW", None), id="region"),
        pytest.param("language", "x" * 1000, ("x" * 35, None), id="long"),
        pytest.param("language", "", (None, None), id="empty"),
        pytest.param("language", 3.0, (None, None), id="no-text"),
        pytest.param("sentiment", 7.0, (None, None), id="out-of-range"),
        pytest.param("sentiment", float("nan"), (None, None), id="not-a-number"),
        pytest.param("sentiment", "glad", (None, None), id="no-number"),
    ],
)
def test_what_a_stranger_answers_is_kept_if_it_is_an_answer(
    store: SqliteStore, project: Project, name: str, answer: Any, kept: tuple[Any, Any]
) -> None:
    add(store, project, interaction("t1"))
    worker(store, Fixed(name, answer)).run_until_done()
    assert known(store, project) == [kept]


def test_a_plugin_takes_the_place_of_a_built_in_detector() -> None:
    mine = Fixed("language", "tlh")

    class Brings:
        @phospho.hookimpl
        def phospho_register_detectors(self) -> list[Detector]:
            return [mine]

    detectors = load_detectors(Plugins([Brings()], entry_points=False))
    assert detectors["language"] is mine


def test_facts_are_counted_in_the_hour_of_their_interaction(
    store: SqliteStore, project: Project
) -> None:
    add(
        store,
        project,
        interaction("t1", input="grr"),
        interaction("t2", input="yay", created_at_ms=NOON_MS + HOUR_MS),
        interaction("t3", input="yay", created_at_ms=NOON_MS + HOUR_MS + 1),
    )
    worker(store, Glad()).run_until_done()
    start = hour_of(NOON_MS)
    with store.read() as db:
        series = message_facts.get_sentiment_series(
            db, project.id, since_ms=start, until_ms=start + 3 * HOUR_MS, step_ms=HOUR_MS
        )
    assert series.values == {
        "negative": [1, 0, 0],
        "neutral": [0, 0, 0],
        "positive": [0, 2, 0],
    }


def test_an_older_database_gets_its_facts(tmp_path: Path) -> None:
    path = tmp_path / "phospho.db"
    database = Database(path)
    migrations.apply(database, stop_before="m007_language")
    database.execute("insert into projects values ('p', 'Old', 0)")
    database.execute(
        "insert into interactions (project_id, task_id, session_id, created_at_ms, received_at_ms, "
        "input) values ('p', 't1', 's1', 0, 0, ?)",
        [SPANISH],
    )
    database.execute("insert into counters values ('p', 'interactions', '', 0, 1)")
    database.execute("insert into sessions values ('p', 's1', 0, 0, 1, 0, 0, null, null, '')")
    database.conn.commit()
    database.close()
    store = SqliteStore(path)
    restart(store, LanguageDetector())
    store.close()
    with sqlite3.connect(path) as raw:
        assert raw.execute("select language from interactions").fetchall() == [("es",)]
    raw.close()

"""A preview tells what saving a draft would change, fast, and changes nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phospho.detectors import Detector
from phospho.detectors.rules import RulesDetector
from phospho.errors import DetectorError
from phospho.models import Detection, EventDefinition, Evidence, Turn
from phospho.plugins import Plugins
from phospho_server.detection import DetectionWorker
from phospho_server.errors import BusyError, InvalidError
from phospho_server.previewing import Preview, preview
from phospho_server.store import recent
from phospho_server.store.definitions import create_definition, edit_definition
from phospho_server.store.labels import list_words
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import NOON_MS, add, define, definition, interaction
from tests.server.databases import on_sqlite
from tests.waiting import HELD_S, PATIENCE_S


class LengthDetector:
    """Gives the length of the input as a score, and remembers what it was asked."""

    def __init__(self, name: str = "semantic") -> None:
        self.name = name
        self.asked: list[tuple[int, int]] = []
        self.histories: list[int] = []
        self.pause_s = 0.0

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        time.sleep(self.pause_s)
        self.asked.append((len(batch), len(events)))
        self.histories += [len(turn.history) for turn in batch]
        return [self._judge(turn, event) for turn in batch for event in events]

    def _judge(self, turn: Turn, event: EventDefinition) -> Detection:
        score = min(len(turn.interaction.input) / 10, 1.0)
        value: float | str | None = None
        if event.answer == "category":
            value = next((c for c in event.categories if c in turn.interaction.input), None)
        return Detection(
            event_id=event.id,
            task_id=turn.interaction.task_id,
            detected=score >= 0.5,
            score=score,
            evidence=Evidence(side="input", reason="long") if score >= 0.5 else None,
            value=value,
        )


def run(
    store: SqliteStore,
    project: Project,
    draft: EventDefinition,
    *detectors: Detector,
    **options: Any,
) -> Preview:
    by_name = {each.name: each for each in detectors or (RulesDetector(),)}
    return preview(store, by_name, project.id, draft, **options)


def work(store: SqliteStore, *detectors: Detector) -> None:
    by_name = {each.name: each for each in detectors or (RulesDetector(),)}
    DetectionWorker(store, by_name, Plugins(entry_points=False)).run_until_done()


def say(store: SqliteStore, project: Project, *texts: str, session_id: str = "s1") -> None:
    add(
        store,
        project,
        *(
            interaction(
                f"{session_id}-{n}", session_id=session_id, created_at_ms=NOON_MS + n, input=text
            )
            for n, text in enumerate(texts)
        ),
    )


def says(*words: str, **fields: Any) -> EventDefinition:
    quoted = " or ".join(f"'{word}'" for word in words)
    return definition(description=f"The user says {quoted}", **fields)


def test_a_new_event_shows_what_it_would_find(store: SqliteStore, project: Project) -> None:
    say(store, project, "a refund", "hello", "refund please")
    found = run(store, project, says("refund"))
    assert (found.looked_at, found.matches, found.is_new) == (3, 2, True)
    assert [seen.input for seen in found.new_yes.seen] == ["refund please", "a refund"]
    assert found.new_yes.seen[0].evidence == Evidence(
        side="input", quote="refund", reason='contains "refund"'
    )
    assert found.understood == "Looks for the wording 'refund' in the user's message"
    assert found.detector == "rules"
    with store.read() as db:
        assert db.rows("select 1 from detections union all select 1 from event_definitions") == []


def test_an_edit_shows_what_would_be_new_and_what_would_go(
    store: SqliteStore, project: Project
) -> None:
    say(store, project, "refund", "money", "refund and money", "hello")
    event = store.write(lambda db: create_definition(db, project.id, says("refund")))
    work(store)
    found = run(store, project, says("money", id=event.id))
    assert (found.matches, found.is_new) == (2, False)
    assert [seen.input for seen in found.new_yes.seen] == ["money"]
    assert [seen.input for seen in found.new_no.seen] == ["refund"]


def test_the_nearest_misses_are_shown_and_certain_noes_are_not(
    store: SqliteStore, project: Project
) -> None:
    say(store, project, "", "a", "aaaa", "aa", "aaaaaaaa")
    found = run(store, project, definition(), LengthDetector())
    assert [(seen.input, seen.score) for seen in found.misses] == [
        ("aaaa", 0.4),
        ("aa", 0.2),
        ("a", 0.1),
    ]


def test_the_draft_competes_with_the_other_events_and_not_with_itself(
    store: SqliteStore, project: Project
) -> None:
    say(store, project, "hello")
    define(store, project, name="other")
    event = define(store, project)
    detector = LengthDetector()
    run(store, project, definition(id=event.id), detector)
    run(store, project, definition(id="draft"), detector)
    assert detector.asked == [(1, 2), (1, 3)]


def test_a_score_and_a_category_are_summed_up(store: SqliteStore, project: Project) -> None:
    say(store, project, "bill", "a bill", "parcel", "none")
    mood = definition(answer="score", score_range=(0, 10))
    assert run(store, project, mood, LengthDetector()).mean == pytest.approx((4 + 6 + 6 + 4) / 4)
    topic = definition(answer="category", categories=("bill", "parcel"))
    found = run(store, project, topic, LengthDetector())
    assert (found.values, found.matches) == ({"bill": 2, "parcel": 1}, 3)


def test_a_slow_detector_has_looked_at_the_newest_when_the_time_is_up(
    store: SqliteStore, project: Project
) -> None:
    say(store, project, *(f"text {n}" for n in range(60)))
    slow = LengthDetector("slow")
    slow.pause_s = 0.2
    found = run(store, project, definition(detector="slow"), slow, limit_s=0.1)
    assert (found.looked_at, found.is_cut_short) == (25, True)
    assert found.new_yes.seen[0].input == "text 59"
    assert slow.histories[0] == 20  # what the worker would show it


def test_a_quick_detector_is_shown_many_at_once_with_their_history(
    store: SqliteStore, project: Project
) -> None:
    say(store, project, *(f"text {n}" for n in range(60)))
    detector = LengthDetector()
    run(store, project, definition(), detector)
    assert detector.asked == [(60, 1)]
    assert sorted(detector.histories) == [*range(20), *[20] * 40]


def test_only_the_newest_interactions_are_looked_at(store: SqliteStore, project: Project) -> None:
    say(store, project, *(f"refund {n}" for n in range(30)))
    found = run(store, project, says("refund"), most=7)
    assert (found.looked_at, found.matches) == (7, 7)
    assert found.new_yes.seen[0].input == "refund 29"


def test_an_event_of_a_session_counts_what_was_said_before_the_newest(
    store: SqliteStore, project: Project
) -> None:
    say(store, project, "refund", "hello", "refund", session_id="a")
    say(store, project, "hello", "refund", "refund", session_id="b")
    found = run(store, project, says("refund", scope="session"), most=4)
    assert [seen.task_id for seen in found.new_yes.seen] == ["b-1"]
    assert found.looked_at == 4


def test_a_person_s_word_is_left_alone(store: SqliteStore, project: Project) -> None:
    say(store, project, "refund", "money")
    event = store.write(lambda db: create_definition(db, project.id, says("refund")))
    work(store)
    store.write(
        lambda db: db.execute(
            "insert into reviews (id, project_id, definition_id, interaction_id, occurred, source, "
            "created_at_ms) values ('r', :project_id, :id, 1, 1, 'transcript', 1)",
            {"project_id": project.id, "id": event.id},
        )
    )
    found = run(store, project, says("money", id=event.id))
    assert (found.matches, found.new_yes.count, found.new_no.count, found.reviewed) == (2, 1, 0, 1)


def test_an_empty_project_shows_nothing(store: SqliteStore, project: Project) -> None:
    found = run(store, project, says("refund", scope="session"))
    assert (found.looked_at, found.matches, found.is_cut_short) == (0, 0, False)


def test_a_detector_that_is_away_is_named(store: SqliteStore, project: Project) -> None:
    say(store, project, "hello")
    with pytest.raises(InvalidError, match="no detector 'semantic'"):
        run(store, project, definition())

    class Away(LengthDetector):
        def detect(self, *_: object) -> list[Detection]:
            raise DetectorError("The model is away. Start it.")

    with pytest.raises(InvalidError, match="The model is away"):
        run(store, project, definition(), Away())


def test_there_is_one_preview_at_a_time(
    store: SqliteStore, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phospho_server.previewing._PATIENCE_S", 0.05)
    say(store, project, "hello")
    started, go_on = threading.Event(), threading.Event()

    class Waits(LengthDetector):
        def detect(self, *arguments: Any) -> list[Detection]:
            started.set()
            go_on.wait(HELD_S)
            return super().detect(*arguments)

    thread = threading.Thread(target=run, args=(store, project, definition(), Waits()))
    thread.start()
    started.wait(PATIENCE_S)
    with pytest.raises(BusyError, match="Another preview is under way"):
        run(store, project, says("hello"))
    go_on.set()
    thread.join()
    assert run(store, project, says("hello")).matches == 1


def test_a_preview_asks_the_database_a_fixed_number_of_questions(
    store: SqliteStore, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    with store.read() as db:
        kind = type(db)
    real = kind.rows

    def rows(self: Any, sql: str, *arguments: Any) -> Any:
        asked.append(sql)
        return real(self, sql, *arguments)

    monkeypatch.setattr(kind, "rows", rows)
    numbers = []
    for count in (3, 60):
        say(store, project, *(f"refund {n}" for n in range(count)), session_id=f"s{count}")
        asked.clear()
        run(store, project, says("refund", scope="session"))
        numbers.append(len(asked))
    assert numbers[0] == numbers[1] <= 7


words = st.sampled_from(["refund", "money", "hello", "refund money", ""])
spoken = st.lists(st.tuples(st.sampled_from("abc"), words, st.integers(0, 50)), max_size=25)
drafts: st.SearchStrategy[dict[str, str]] = st.builds(
    dict,
    description=st.sampled_from(
        [
            "The user says 'refund'",
            "The user says 'money' or 'hello'",
            "The user says 'refund' and 'money'",
            "The message is longer than 3 words",
            "The user does not say 'refund'",
        ]
    ),
    scope=st.sampled_from(["auto", "user_message", "assistant_message", "interaction", "session"]),
)


def is_possible(draft: dict[str, str]) -> bool:
    return draft["scope"] != "session" or "not" not in draft["description"]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(spoken, drafts.filter(is_possible), drafts.filter(is_possible), st.integers(1, 30))
def test_what_a_preview_says_is_what_saving_changes(
    store: SqliteStore,
    said: list[tuple[str, str, int]],
    before: dict[str, Any],
    after: dict[str, Any],
    most: int,
) -> None:
    project = store.write(lambda db: create_project(db, "p"))
    event = store.write(lambda db: create_definition(db, project.id, definition(**before)))
    news = [
        interaction(f"t{n}", session_id=s, input=text, output=text, created_at_ms=NOON_MS + at)
        for n, (s, text, at) in enumerate(said)
    ]
    add(store, project, *news)
    work(store)

    def standing() -> set[str]:
        with store.read() as db:
            rows = db.rows(
                "select i.task_id, i.id from detections d join interactions i "
                "on i.id = d.interaction_id where d.project_id = :id and d.detected = 1",
                {"id": project.id},
            )
        return {row["task_id"] for row in rows}

    draft = definition(id=event.id, **after)
    found = run(store, project, draft, most=most)
    newest = {new.task_id for new in news[-most:]}
    old = standing() & newest
    store.write(lambda db: edit_definition(db, project.id, draft))
    work(store)
    new = standing() & newest
    assert found.looked_at == len(newest)
    assert (found.matches, found.new_yes.count, found.new_no.count) == (
        len(new),
        len(new - old),
        len(old - new),
    )
    assert {seen.task_id for seen in found.new_yes.seen} <= new - old
    assert {seen.task_id for seen in found.new_no.seen} <= old - new


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("a refund", "a refund", id="short"),
        pytest.param("refund " + "x" * 300, "refund " + "x" * 199 + "…", id="begins"),
        pytest.param(
            "x" * 999 + " refund " + "y" * 999,
            "…" + "x" * 59 + " refund " + "y" * 139 + "…",
            id="within",
        ),
    ],
)
def test_a_long_text_is_shown_around_its_evidence(
    store: SqliteStore, project: Project, text: str, shown: str
) -> None:
    say(store, project, text)
    (seen,) = run(store, project, says("refund")).new_yes.seen
    assert seen.input == shown


def test_a_preview_of_a_meaning_says_what_saving_changes(
    store: SqliteStore, project: Project, detectors: dict[str, Detector]
) -> None:
    texts = (
        "I want my money back",
        "Please cancel my subscription",
        "Thanks a lot, that was great",
        "Can you book me a table for two?",
        "This is far too expensive",
        "Give me a refund for this order",
        "What is the weather like?",
        "Book a flight to Oslo for me",
    )
    say(store, project, *texts)
    define(store, project, name="thanks", description="The user thanks the assistant")
    event = define(store, project, name="money", description="The user wants a refund")
    work(store, *detectors.values())

    def standing() -> set[str]:
        with store.read() as db:
            rows = db.rows(
                "select i.input from detections d join interactions i on i.id = d.interaction_id "
                "where d.definition_id = :id and d.detected = 1",
                {"id": event.id},
            )
        return {row["input"] for row in rows}

    draft = event.model_copy(update={"description": "The user is trying to book something"})
    found = run(store, project, draft, *detectors.values())
    old = standing()
    store.write(lambda db: edit_definition(db, project.id, draft))
    work(store, *detectors.values())
    new = standing()
    assert found.detector == "semantic"
    assert new != old
    assert {seen.input for seen in found.new_yes.seen} == new - old
    assert {seen.input for seen in found.new_no.seen} == old - new


@on_sqlite
def test_a_preview_reads_by_indexes_what_it_needs(store: SqliteStore, project: Project) -> None:
    say(store, project, *(f"refund {n}" for n in range(10)))
    plans: dict[str, str] = {}

    class Explains:
        """Runs each query, and asks SQLite how."""

        def __init__(self, db: Any) -> None:
            self.db = db

        def rows(self, sql: str, params: Any) -> Any:
            plan = self.db.rows(f"explain query plan {sql}", params)
            plans[sql] = " | ".join(row["detail"] for row in plan)
            return self.db.rows(sql, params)

    with store.read() as read:
        db: Any = Explains(read)
        rows = recent.list_recent(db, project.id, most=5)
        assert len(recent.list_before(db, project.id, rows, most=3)) == 3
        recent.list_event_ids(db, project.id, "e", oldest_id=3, most=5)
        list_words(db, project.id, "e", oldest_id=3)
    newest, before, events, reviews = plans.values()
    assert "interactions_by_project" in newest
    assert "interactions_by_session (project_id=? AND session_id=?)" in before
    assert "events_by_definition (project_id=? AND definition_id=? AND interaction_id>?)" in events
    assert "reviews_that_stand (project_id=? AND definition_id=? AND interaction_id>?)" in reviews
    assert not any("SCAN" in plan for plan in plans.values())

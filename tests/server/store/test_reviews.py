"""What people say of verdicts: it stands, the roll-ups follow, and it can be taken back."""

from __future__ import annotations

import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from phospho.models import EventDefinition, Review
from phospho_server.clock import hour_of
from phospho_server.errors import InvalidError, NotFoundError
from phospho_server.store import Store, detections, reviews
from phospho_server.store.definitions import (
    delete_definition,
    edit_definition,
    enable_definition,
    list_enabled,
)
from phospho_server.store.interactions import find_ids
from phospho_server.store.learning import MOST_CHARS, MOST_REVIEWS
from phospho_server.store.projects import create_project
from phospho_server.store.reviews import Source
from phospho_server.store.rows import Event, NewInteraction, Project
from phospho_server.store.transcripts import list_transcript
from phospho_server.store.versions import list_verdict_counts
from tests.server.builders import HOUR_MS, NOON_MS, add, define, interaction, totals, verdict
from tests.server.databases import new_store, on_each_database

pytestmark = on_each_database


def judge(
    store: Store,
    project: Project,
    event: EventDefinition,
    new: NewInteraction,
    *,
    detected: bool,
    **changes: Any,
) -> None:
    """Let a detector speak."""
    said = verdict(store, project, new, detected=detected, **changes)
    store.write(lambda db: detections.record(db, project.id, event, [said]))


def row_id(store: Store, project: Project, task_id: str = "t1") -> int:
    with store.read() as db:
        return find_ids(db, project.id, [task_id])[task_id]


def review(
    store: Store,
    project: Project,
    event: EventDefinition,
    *,
    occurred: bool,
    task_id: str = "t1",
    source: Source = "transcript",
) -> bool:
    at = row_id(store, project, task_id)
    return store.write(
        lambda db: reviews.review(db, project.id, event.id, at, occurred=occurred, source=source)
    )


def undo(store: Store, project: Project, event: EventDefinition, task_id: str = "t1") -> bool:
    at = row_id(store, project, task_id)
    return store.write(lambda db: reviews.undo(db, project.id, event.id, at))


def listed(store: Store, event: EventDefinition) -> list[dict[str, Any]]:
    """Return the reviews that stand."""
    with store.read() as db:
        rows = db.rows(
            "select * from reviews where definition_id = :id and undone_at_ms is null",
            {"id": event.id},
        )
    return [dict(row) for row in rows]


def shown(store: Store, project: Project) -> tuple[list[Event], list[Event]]:
    """Return the events and the rejected ones of the first interaction of a transcript."""
    with store.read() as db:
        line = list_transcript(db, project.id, "s1")[0]
    return list(line.events), list(line.rejected)


@pytest.fixture
def event(store: Store, project: Project) -> EventDefinition:
    add(store, project, interaction())
    return define(store, project)


def test_a_rejected_event_is_no_event_until_it_is_undone(
    store: Store, project: Project, event: EventDefinition
) -> None:
    judge(store, project, event, interaction(), detected=True)
    assert review(store, project, event, occurred=False)
    events, rejected = shown(store, project)
    assert (events, [e.reviewed for e in rejected]) == ([], [False])
    assert totals(store, project).events == 0
    assert undo(store, project, event)
    events, rejected = shown(store, project)
    assert ([e.reviewed for e in events], rejected) == ([None], [])
    assert totals(store, project).events == 1


@pytest.mark.parametrize("has_looked", [True, False], ids=["detector-said-no", "not-looked-yet"])
def test_an_event_is_added_by_hand(
    store: Store, project: Project, event: EventDefinition, *, has_looked: bool
) -> None:
    if has_looked:
        judge(store, project, event, interaction(), detected=False)
    assert review(store, project, event, occurred=True)
    assert [(e.reviewed, e.judged) for e in shown(store, project)[0]] == [
        (True, False if has_looked else None)
    ]
    assert totals(store, project).events == 1
    assert undo(store, project, event)
    assert shown(store, project) == ([], [])
    assert totals(store, project).events == 0
    with store.read() as db:
        rows = db.rows("select detected, judged, reviewed from detections")
    assert [tuple(dict(row).values()) for row in rows] == [(0, None, None)] * has_looked


def test_a_review_remembers_the_verdict_it_was_about(
    store: Store, project: Project, event: EventDefinition
) -> None:
    judge(store, project, event, interaction(), detected=True, score=0.7, embedder="use-1")
    review(store, project, event, occurred=False, source="audit")
    judge(store, project, event, interaction(), detected=False, score=0.2, embedder="use-2")
    (row,) = listed(store, event)
    assert (row["occurred"], row["judged"], row["score"]) == (False, True, 0.7)
    assert (row["source"], row["definition_version"], row["embedder"]) == ("audit", 1, "use-1")


def test_a_later_verdict_never_overwrites_a_persons_word(
    store: Store, project: Project, event: EventDefinition
) -> None:
    judge(store, project, event, interaction(), detected=True)
    review(store, project, event, occurred=False)
    judge(store, project, event, interaction(), detected=True, score=0.99, detector="llm")
    assert shown(store, project)[0] == []
    assert totals(store, project).events == 0
    with store.read() as db:
        (row,) = db.rows("select detected, judged, reviewed, score, detector from detections")
    assert tuple(dict(row).values()) == (0, 1, 0, 0.99, "llm")


def test_the_same_word_twice_is_one_and_another_takes_its_place(
    store: Store, project: Project, event: EventDefinition
) -> None:
    judge(store, project, event, interaction(), detected=True)
    assert [review(store, project, event, occurred=word) for word in (True, True, False)] == [
        True,
        False,
        True,
    ]
    assert [row["occurred"] for row in listed(store, event)] == [False]
    assert undo(store, project, event)
    assert not undo(store, project, event)
    assert listed(store, event) == []
    assert len(shown(store, project)[0]) == 1
    with store.read() as db:
        log = db.rows("select occurred, undone_at_ms from reviews order by id")
    assert [(row["occurred"], row["undone_at_ms"] is None) for row in log] == [
        (1, False),
        (0, False),
    ]


def test_two_who_click_at_once_leave_one_word(
    store: Store, project: Project, event: EventDefinition
) -> None:
    judge(store, project, event, interaction(), detected=True)
    at_once = [
        threading.Thread(
            target=review, args=(store, project, event), kwargs={"occurred": n % 2 == 0}
        )
        for n in range(8)
    ]
    for thread in at_once:
        thread.start()
    for thread in at_once:
        thread.join()
    (row,) = listed(store, event)
    assert len(shown(store, project)[0]) == totals(store, project).events == int(row["occurred"])


def test_peoples_words_outlive_a_new_version_and_being_switched_off(
    store: Store, project: Project, event: EventDefinition
) -> None:
    judge(store, project, event, interaction(), detected=True)
    review(store, project, event, occurred=False)
    edited = store.write(
        lambda db: edit_definition(
            db, project.id, event.model_copy(update={"description": "Other words"})
        )
    )
    for enabled in (False, True):
        store.write(
            lambda db, on=enabled: enable_definition(  # type: ignore[misc]
                db, project.id, event.id, enabled=on
            )
        )
    judge(store, project, edited, interaction(), detected=True)
    assert shown(store, project)[0] == []
    with store.read() as db:
        (definition,) = list_enabled(db, project.id)
    assert [r.occurred for r in definition.reviews] == [False]


def test_a_deleted_event_takes_its_reviews_out_of_sight(
    store: Store, project: Project, event: EventDefinition
) -> None:
    judge(store, project, event, interaction(), detected=True)
    review(store, project, event, occurred=False)
    store.write(lambda db: delete_definition(db, project.id, event.id))
    assert shown(store, project) == ([], [])
    again = define(store, project, name=event.name)
    assert listed(store, again) == []
    with store.read() as db:
        assert [d.reviews for d in list_enabled(db, project.id)] == [()]


def test_only_what_belongs_to_the_project_can_be_reviewed(
    store: Store, project: Project, event: EventDefinition
) -> None:
    other = store.write(lambda db: create_project(db, "other"))
    add(store, other, interaction())
    theirs, mine = row_id(store, other), row_id(store, project)
    for project_id, at in [(project.id, theirs), (other.id, mine), (other.id, theirs)]:
        with pytest.raises(NotFoundError):
            store.write(
                lambda db, p=project_id, i=at: reviews.review(  # type: ignore[misc]
                    db, p, event.id, i, occurred=True, source="audit"
                )
            )
        with pytest.raises(NotFoundError):
            store.write(
                lambda db, p=project_id, i=at: reviews.undo(  # type: ignore[misc]
                    db, p, event.id, i
                )
            )
    with pytest.raises(InvalidError, match="Use one of"):
        review(store, project, event, occurred=True, source="dream")  # type: ignore[arg-type]
    assert totals(store, project).events == 0


def test_definitions_carry_their_own_reviews_newest_last(
    store: Store, project: Project, event: EventDefinition
) -> None:
    add(store, project, interaction("t2", input="x" * 9_000, output=None))
    define(store, project, name="other")
    review(store, project, event, occurred=True, task_id="t2")
    review(store, project, event, occurred=False)
    with store.read() as db:
        mine, other = list_enabled(db, project.id)
    assert mine.reviews == (
        Review(input="x" * MOST_CHARS, before="Which date?", occurred=True),
        Review(input="Book me a flight", output="Which date?", occurred=False),
    )
    assert other.reviews == ()


def test_a_definition_carries_at_most_its_newest_reviews(
    store: Store, project: Project, event: EventDefinition
) -> None:
    new = [interaction(f"n{n}", input=f"number {n}") for n in range(MOST_REVIEWS + 5)]
    add(store, project, *new)
    with store.read() as db:
        ids = find_ids(db, project.id, [i.task_id for i in new])
    for i in new:
        store.write(
            lambda db, at=ids[i.task_id]: reviews.review(  # type: ignore[misc]
                db, project.id, event.id, at, occurred=True, source="audit"
            )
        )
    with store.read() as db:
        (definition,) = list_enabled(db, project.id)
    assert len(definition.reviews) == MOST_REVIEWS
    assert definition.reviews[0].input == "number 5"
    assert definition.reviews[-1].input == f"number {MOST_REVIEWS + 4}"


def test_an_event_of_a_session_moves_with_peoples_words(store: Store, project: Project) -> None:
    new = [interaction(f"t{n}", created_at_ms=NOON_MS + n) for n in range(3)]
    add(store, project, *new)
    event = define(store, project, scope="session")

    def standing() -> list[str]:
        with store.read() as db:
            return [line.task_id for line in list_transcript(db, project.id, "s1") if line.events]

    judge(store, project, event, new[1], detected=True)
    judge(store, project, event, new[2], detected=True)
    assert standing() == ["t1"]
    review(store, project, event, occurred=False, task_id="t1")
    assert standing() == ["t2"]
    review(store, project, event, occurred=True, task_id="t0")
    assert standing() == ["t0"]
    undo(store, project, event, "t1")
    assert standing() == ["t0"]
    undo(store, project, event, "t0")
    assert standing() == ["t1"]
    assert totals(store, project).events == 1


_TASKS = [
    interaction(f"t{n}", session_id=f"s{n % 2}", created_at_ms=NOON_MS + n * HOUR_MS)
    for n in range(6)
]
_tasks = st.sampled_from(_TASKS)
_which = st.sampled_from([0, 1, 2])


class Reviewing(RuleBasedStateMachine):
    """Detectors and people speak in any order about interactions, and an event of sessions too."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.store = new_store(Path(self.folder.name) / "phospho.db")
        self.project = self.store.write(lambda db: create_project(db, "p"))
        add(self.store, self.project, *_TASKS)
        self.events = [
            define(self.store, self.project, name="one"),
            define(self.store, self.project, name="two"),
            define(self.store, self.project, name="of-session", scope="session"),
        ]
        self.said: dict[tuple[int, str], bool] = {}
        self.words: dict[tuple[int, str], bool] = {}

    @rule(which=_which, new=_tasks, detected=st.booleans())
    def a_detector_speaks(self, which: int, new: NewInteraction, *, detected: bool) -> None:
        judge(self.store, self.project, self.events[which], new, detected=detected)
        self.said[which, new.task_id] = detected

    @rule(which=_which, new=_tasks, occurred=st.booleans())
    def a_person_speaks(self, which: int, new: NewInteraction, *, occurred: bool) -> None:
        changed = review(
            self.store, self.project, self.events[which], occurred=occurred, task_id=new.task_id
        )
        assert changed == (self.words.get((which, new.task_id)) is not occurred)
        self.words[which, new.task_id] = occurred

    @rule(which=_which, new=_tasks)
    def a_person_takes_it_back(self, which: int, new: NewInteraction) -> None:
        was_there = undo(self.store, self.project, self.events[which], new.task_id)
        assert was_there == ((which, new.task_id) in self.words)
        self.words.pop((which, new.task_id), None)

    @rule(which=_which)
    def a_definition_is_edited(self, which: int) -> None:
        event = self.events[which]
        edited = event.model_copy(update={"description": f"Version {event.version + 1}"})
        self.events[which] = self.store.write(
            lambda db: edit_definition(db, self.project.id, edited)
        )
        # Versions of an event of sessions have a first each, until all is looked at again.
        if event.scope == "session":
            said = [(i, self.said[which, i.task_id]) for i in _TASKS if self.has_said(which, i)]
            found = [verdict(self.store, self.project, i, detected=yes) for i, yes in said]
            self.store.write(
                lambda db: detections.record(db, self.project.id, self.events[which], found)
            )

    def has_said(self, which: int, new: NewInteraction) -> bool:
        return (which, new.task_id) in self.said

    def occurred(self, which: int, new: NewInteraction) -> bool:
        """Tell whether an event occurred by all that was said of the interaction itself."""
        pair = which, new.task_id
        return self.words.get(pair, self.said.get(pair, False))

    def stands(self, which: int, new: NewInteraction) -> bool:
        """Tell whether an event stands; of a detector's, each session has its first."""
        if not self.occurred(which, new):
            return False
        if self.events[which].scope != "session" or (which, new.task_id) in self.words:
            return True
        return not any(
            self.occurred(which, other)
            for other in _TASKS
            if other.session_id == new.session_id and other.created_at_ms < new.created_at_ms
        )

    @invariant()
    def what_stands_is_the_persons_word_and_otherwise_the_detectors(self) -> None:
        expected = {
            (which, i.task_id) for which in (0, 1, 2) for i in _TASKS if self.stands(which, i)
        }
        names = {event.name: which for which, event in enumerate(self.events)}
        with self.store.read() as db:
            lines = [line for s in ("s0", "s1") for line in list_transcript(db, self.project.id, s)]
        found = {(names[e.name], line.task_id) for line in lines for e in line.events}
        assert found == expected

    @invariant()
    def roll_ups_equal_a_recount(self) -> None:
        with self.store.read() as db:
            rows = db.rows(
                "select e.definition_id, i.session_id, i.created_at_ms from detections e "
                "join interactions i on i.id = e.interaction_id where e.detected = 1"
            )
            by_session = db.rows(
                "select f.value as definition_id, s.session_id, g.interactions as events "
                "from session_facts g join facts f on f.id = g.fact_id and f.fact = 'event' "
                "join sessions s on s.id = g.session_row"
            )
            by_hour = db.rows("select * from counters where metric = 'events' and value <> 0")
        sessions: dict[tuple[str, str], int] = {}
        hours: dict[tuple[str, int], int] = {}
        for row in rows:
            session = row["definition_id"], row["session_id"]
            hour = row["definition_id"], hour_of(row["created_at_ms"])
            sessions[session] = sessions.get(session, 0) + 1
            hours[hour] = hours.get(hour, 0) + 1
        assert {(r["definition_id"], r["session_id"]): r["events"] for r in by_session} == sessions
        assert {(r["key"], r["hour_ms"]): r["value"] for r in by_hour} == hours

    @invariant()
    def verdicts_of_detectors_are_counted(self) -> None:
        with self.store.read() as db:
            rows = db.rows(
                "select definition_id, definition_version, count(*) as n from detections "
                "where detector <> 'person' group by 1, 2"
            )
            counted = list_verdict_counts(db, self.project.id)
        assert {(row["definition_id"], row["definition_version"]): row["n"] for row in rows} == {
            (event_id, each.version): each.verdicts
            for event_id, counts in counted.items()
            for each in counts
        }

    @invariant()
    def one_review_stands_for_each_word(self) -> None:
        for which, event in enumerate(self.events):
            count = sum(each == which for each, _ in self.words)
            assert len(listed(self.store, event)) == count

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()


TestReviewing = Reviewing.TestCase
TestReviewing.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)

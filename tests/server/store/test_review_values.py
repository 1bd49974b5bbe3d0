"""A person says which category or score it is: that stands, counts follow, undo takes it back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho.models import EventDefinition
from phospho_server.errors import InvalidError
from phospho_server.store import Connection, Store, detections, reviews
from phospho_server.store.definitions import edit_definition, list_enabled
from phospho_server.store.interactions import find_ids
from phospho_server.store.review_values import settle_review
from phospho_server.store.rows import Event, Project
from phospho_server.store.transcripts import list_transcript
from phospho_server.store.values import AnswerCount, count_answers
from tests.server.builders import add, define, definition, interaction, totals, verdict
from tests.server.databases import on_each_database

pytestmark = on_each_database

CATEGORIES = ("billing", "refund", "other")


@pytest.fixture
def topic(store: Store, project: Project) -> EventDefinition:
    add(store, project, interaction())
    return define(store, project, name="topic", answer="category", categories=CATEGORIES)


@pytest.fixture
def urgency(store: Store, project: Project) -> EventDefinition:
    add(store, project, interaction())
    return define(store, project, name="urgency", answer="score", score_range=(1, 5))


def judge(store: Store, project: Project, event: EventDefinition, value: str | None) -> None:
    """Let a detector say a value, given as JSON."""
    said = verdict(store, project, interaction(), detected=value is not None, value=value)
    store.write(lambda db: detections.record(db, project.id, event, [said]))


def say(
    store: Store,
    project: Project,
    event: EventDefinition,
    value: float | str | None = None,
    *,
    occurred: bool = True,
) -> bool:
    def change(db: Connection) -> bool:
        at = find_ids(db, project.id, ["t1"])["t1"]
        return reviews.review(
            db, project.id, event.id, at, occurred=occurred, source="transcript", value=value
        )

    return store.write(change)


def undo(store: Store, project: Project, event: EventDefinition) -> None:
    store.write(
        lambda db: reviews.undo(db, project.id, event.id, find_ids(db, project.id, ["t1"])["t1"])
    )


def standing(store: Store, project: Project) -> list[Event]:
    with store.read() as db:
        return list(list_transcript(db, project.id, "s1")[0].events)


def answers(store: Store, project: Project, event: EventDefinition) -> AnswerCount:
    with store.read() as db:
        counted = count_answers(db, project.id, event)
    assert counted
    return counted


def test_the_category_that_a_person_chose_stands_until_it_is_undone(
    store: Store, project: Project, topic: EventDefinition
) -> None:
    judge(store, project, topic, '"refund"')
    assert say(store, project, topic, "billing")
    (event,) = standing(store, project)
    assert (event.value, event.said_value, event.reviewed) == ("billing", "refund", True)
    assert answers(store, project, topic).categories == {"billing": 1}
    assert totals(store, project).events == 1
    undo(store, project, topic)
    (event,) = standing(store, project)
    assert (event.value, event.said_value, event.reviewed) == ("refund", None, None)
    assert answers(store, project, topic).categories == {"refund": 1}


def test_no_later_verdict_takes_its_place(
    store: Store, project: Project, topic: EventDefinition
) -> None:
    judge(store, project, topic, '"refund"')
    say(store, project, topic, "billing")
    judge(store, project, topic, '"other"')
    (event,) = standing(store, project)
    assert (event.value, event.said_value) == ("billing", "other")
    undo(store, project, topic)
    assert [event.value for event in standing(store, project)] == ["other"]


def test_who_confirms_means_the_category_that_was_found(
    store: Store, project: Project, topic: EventDefinition
) -> None:
    judge(store, project, topic, '"refund"')
    say(store, project, topic)
    judge(store, project, topic, '"other"')
    assert [event.value for event in standing(store, project)] == ["refund"]


def test_a_category_is_given_where_none_was_found_or_looked_for(
    store: Store, project: Project, topic: EventDefinition
) -> None:
    with pytest.raises(InvalidError, match="Choose the category"):
        say(store, project, topic)
    say(store, project, topic, "billing")
    assert [event.value for event in standing(store, project)] == ["billing"]
    judge(store, project, topic, None)
    assert [event.value for event in standing(store, project)] == ["billing"]
    undo(store, project, topic)
    assert standing(store, project) == []
    assert answers(store, project, topic).categories == {}


def test_another_category_takes_the_place_of_the_first_and_the_same_twice_is_one(
    store: Store, project: Project, topic: EventDefinition
) -> None:
    judge(store, project, topic, '"refund"')
    assert say(store, project, topic, "billing")
    assert not say(store, project, topic, "billing")
    assert not say(store, project, topic)
    assert say(store, project, topic, "other")
    with store.read() as db:
        log = db.rows(
            "select value, undone_at_ms is null as stands from reviews order by created_at_ms, id"
        )
    assert [(entry["value"], entry["stands"]) for entry in log] == [
        ('"billing"', 0),
        ('"other"', 1),
    ]
    assert totals(store, project).events == 1


def test_a_rejected_category_is_not_counted(
    store: Store, project: Project, topic: EventDefinition
) -> None:
    judge(store, project, topic, '"refund"')
    say(store, project, topic, occurred=False)
    assert standing(store, project) == []
    assert answers(store, project, topic).categories == {}


@pytest.mark.parametrize(("value", "is_event"), [(4.5, True), (3, True), (2.0, False)])
def test_a_score_says_by_itself_whether_the_event_occurred(
    store: Store, project: Project, urgency: EventDefinition, value: float, *, is_event: bool
) -> None:
    judge(store, project, urgency, "5.0")
    say(store, project, urgency, value)
    assert [event.value for event in standing(store, project)] == [value] * is_event
    assert answers(store, project, urgency).mean == value
    assert totals(store, project).events == is_event
    undo(store, project, urgency)
    assert answers(store, project, urgency).mean == 5


@pytest.mark.parametrize("value", ["cooking", "", 3.0])
def test_a_category_there_is_not_is_refused(
    store: Store, project: Project, topic: EventDefinition, value: float | str
) -> None:
    with pytest.raises(InvalidError, match="cannot be"):
        say(store, project, topic, value)


def test_a_category_of_an_older_version_can_still_be_confirmed(
    store: Store, project: Project, topic: EventDefinition
) -> None:
    judge(store, project, topic, '"refund"')
    fewer = topic.model_copy(update={"categories": ("billing", "other")})
    store.write(lambda db: edit_definition(db, project.id, fewer))
    assert say(store, project, topic)
    assert [event.value for event in standing(store, project)] == ["refund"]


def test_detectors_are_handed_the_categories_that_people_chose(
    store: Store, project: Project, topic: EventDefinition
) -> None:
    judge(store, project, topic, '"refund"')
    say(store, project, topic, "billing")
    with store.read() as db:
        (enabled,) = list_enabled(db, project.id)
    (review,) = enabled.reviews
    assert (review.occurred, review.value, review.input) == (True, "billing", "Book me a flight")


_VALUES = st.one_of(
    st.none(), st.floats(), st.integers(), st.text(max_size=9), st.sampled_from(CATEGORIES)
)


@given(
    event=st.sampled_from(
        [
            definition(),
            definition(answer="category", categories=CATEGORIES),
            definition(answer="score", score_range=(1, 5)),
        ]
    ),
    occurred=st.booleans(),
    value=_VALUES,
    said=st.one_of(st.none(), st.sampled_from(CATEGORIES)),
)
def test_whatever_is_sent_is_a_value_of_the_event_or_refused(
    event: EventDefinition, occurred: bool, value: float | str | None, said: str | None
) -> None:
    try:
        is_event, kept = settle_review(event, said, occurred=occurred, value=value)
    except InvalidError as error:
        assert str(error).endswith(".")
        return
    if event.answer == "yes_no":
        assert (is_event, kept) == (occurred, None)
    elif event.answer == "category":
        assert kept in CATEGORIES if is_event else kept is None
    elif isinstance(kept, float):
        assert 1 <= kept <= 5
        assert is_event == (kept >= 3)

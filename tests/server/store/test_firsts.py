"""An event of a session occurs once in it, whatever the order in which verdicts come."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phospho.models import EventDefinition
from phospho_server.store import Store, detections
from phospho_server.store.projects import create_project
from phospho_server.store.rows import NewInteraction, Project, StoredDetection
from tests.server.builders import NOON_MS, add, define, interaction, totals, verdict
from tests.server.databases import new_store, on_each_database

pytestmark = on_each_database


def spoken(count: int, sessions: Sequence[str] = ("s1",)) -> list[NewInteraction]:
    """Return interactions that take turns in the sessions."""
    return [
        interaction(
            f"t{n}", session_id=sessions[n % len(sessions)], created_at_ms=NOON_MS + n * 1_000
        )
        for n in range(count)
    ]


def record(
    store: Store, project: Project, event: EventDefinition, *found: StoredDetection
) -> list[int]:
    return store.write(lambda db: detections.record(db, project.id, event, found))


def standing(store: Store, event: EventDefinition) -> list[int]:
    with store.read() as db:
        rows = db.rows(
            "select interaction_id from detections where definition_id = :id and detected = 1 "
            "order by 1",
            {"id": event.id},
        )
    return [row["interaction_id"] for row in rows]


@pytest.fixture
def event(store: Store, project: Project) -> EventDefinition:
    return define(store, project, scope="session")


def test_the_event_moves_to_an_earlier_interaction_and_is_told_once(
    store: Store, project: Project, event: EventDefinition
) -> None:
    news = spoken(3)
    add(store, project, *news)
    first, second, third = [verdict(store, project, new, detected=True) for new in news]
    assert record(store, project, event, third) == [third.interaction_id]
    assert record(store, project, event, second) == []
    assert standing(store, event) == [second.interaction_id]
    assert record(store, project, event, first, third) == []
    assert standing(store, event) == [first.interaction_id]
    assert totals(store, project).events == 1


def test_when_the_first_goes_the_next_takes_its_place(
    store: Store, project: Project, event: EventDefinition
) -> None:
    news = spoken(3)
    add(store, project, *news)
    found = [verdict(store, project, new, detected=True) for new in news]
    record(store, project, event, *found)
    record(store, project, event, replace(found[0], detected=False))
    assert standing(store, event) == [found[1].interaction_id]
    record(store, project, event, *(replace(each, detected=False) for each in found))
    assert standing(store, event) == []
    assert totals(store, project).events == 0


def test_a_moved_event_keeps_its_evidence(
    store: Store, project: Project, event: EventDefinition
) -> None:
    news = spoken(2)
    add(store, project, *news)
    first, second = [
        verdict(store, project, new, detected=True, evidence='{"side": "input"}', value='"a"')
        for new in news
    ]
    record(store, project, event, first, second)
    record(store, project, event, replace(first, detected=False, evidence=None))
    with store.read() as db:
        (row,) = db.rows("select evidence, value, repeated from detections where detected = 1")
    assert tuple(dict(row).values()) == ('{"side": "input"}', '"a"', None)


def test_the_word_of_a_person_stays_where_it_was_said(
    store: Store, project: Project, event: EventDefinition
) -> None:
    news = spoken(3)
    add(store, project, *news)
    found = [verdict(store, project, new, detected=True) for new in news]
    record(store, project, event, *found)

    def review(row_id: int, said: int) -> None:
        store.write(
            lambda db: db.execute(
                "update detections set reviewed = :said, detected = :said "
                "where interaction_id = :id",
                {"said": said, "id": row_id},
            )
        )

    review(found[0].interaction_id, 0)
    record(store, project, event, found[1])
    assert standing(store, event) == [found[1].interaction_id]
    review(found[1].interaction_id, 1)
    record(store, project, event, found[2])
    assert standing(store, event) == [found[1].interaction_id]


verdicts = st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=6)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(verdicts, max_size=6), st.permutations(range(9)))
def test_any_order_of_verdicts_leaves_each_session_its_first(
    batches: list[list[tuple[int, bool]]], times: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = new_store(Path(folder, "x.db"))
        project = store.write(lambda db: create_project(db, "p"))
        event = define(store, project, scope="session")
        # Time and order of arrival differ.
        news = [
            replace(new, created_at_ms=NOON_MS + times[n] * 1_000)
            for n, new in enumerate(spoken(9, ("a", "b")))
        ]
        add(store, project, *news)
        said: dict[int, bool] = {}
        for batch in batches:
            said.update(batch)
            found = [
                verdict(store, project, news[n], detected=yes) for n, yes in dict(batch).items()
            ]
            record(store, project, event, *found)
        expected: dict[str, int] = {}
        for n in sorted((n for n, yes in said.items() if yes), key=lambda n: times[n]):
            expected.setdefault(news[n].session_id, n + 1)
        assert standing(store, event) == sorted(expected.values())
        assert totals(store, project).events == len(expected)
        store.close()

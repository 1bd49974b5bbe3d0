"""Events by the length of their session and by their place in it."""

from __future__ import annotations

import pytest

from phospho.models import EventDefinition
from phospho_server.clock import HOUR_MS
from phospho_server.store import Store, detections, event_shapes
from phospho_server.store.event_shapes import ANY, EventShapes, get_shapes
from phospho_server.store.rows import NewInteraction, Project
from tests.server.builders import NOON_MS, add, define, interaction, verdict
from tests.server.databases import on_each_database

pytestmark = on_each_database


def talk(session_id: str, length: int, *, at_ms: int = NOON_MS) -> list[NewInteraction]:
    """Return a session of so many interactions, a second apart."""
    return [
        interaction(
            f"{session_id}-{place}", session_id=session_id, created_at_ms=at_ms + place * 1000
        )
        for place in range(length)
    ]


@pytest.fixture
def event(store: Store, project: Project) -> EventDefinition:
    return define(store, project)


def find(store: Store, project: Project, event: EventDefinition, *found: NewInteraction) -> None:
    verdicts = [verdict(store, project, each, detected=True) for each in found]
    store.write(lambda db: detections.record(db, project.id, event, verdicts))


def shapes(
    store: Store, project: Project, *events: EventDefinition, until_ms: int = NOON_MS * 2
) -> EventShapes:
    with store.read() as db:
        return get_shapes(
            db, project.id, [event.id for event in events], since_ms=0, until_ms=until_ms
        )


def test_sessions_are_sorted_by_length_and_interactions_by_place(
    store: Store, project: Project, event: EventDefinition
) -> None:
    short, middle, long = talk("short", 1), talk("middle", 4), talk("long", 12)
    add(store, project, *short, *middle, *long)
    find(store, project, event, short[0], middle[2], long[0], long[9], long[11])
    found = shapes(store, project, event)
    assert found.lengths.totals == [1, 0, 1, 0, 1]
    assert found.lengths.counts[event.id] == [1, 0, 1, 0, 1]
    assert found.positions.totals == [3, 2, 2, 2, 1, 1, 1, 1, 1, 3]
    assert found.positions.counts[event.id] == [2, 0, 1, 0, 0, 0, 0, 0, 0, 2]
    assert found.positions.share(event.id, 9) == pytest.approx(2 / 3)
    assert found.lengths.share(event.id, 1) is None
    assert (found.sessions, found.interactions, found.is_whole) == (3, 17, True)


def test_any_event_counts_an_interaction_once(
    store: Store, project: Project, event: EventDefinition
) -> None:
    other = define(store, project, name="other")
    one, two = talk("one", 1), talk("two", 2)
    add(store, project, *one, *two)
    find(store, project, event, one[0], two[0])
    find(store, project, other, one[0], two[1])
    found = shapes(store, project, event, other)
    assert found.positions.counts[ANY][:2] == [2, 1]
    assert found.lengths.counts[ANY][:2] == [1, 1]
    assert shapes(store, project, event).positions.counts[ANY][:2] == [2, 0]


def test_it_is_the_same_whether_interactions_arrived_close_together_or_not(
    store: Store, project: Project, event: EventDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = define(store, project, name="other")
    between, long = talk("between", 2), talk("long", 12)
    add(store, project, *long[:5], *between, *long[5:])
    find(store, project, event, long[0], long[7], between[1])
    find(store, project, other, long[0], long[11])
    close = shapes(store, project, event)
    assert close.positions.counts == {
        ANY: [1, 1, 0, 0, 0, 0, 0, 1, 0, 0],
        event.id: [1, 1, 0, 0, 0, 0, 0, 1, 0, 0],
    }
    monkeypatch.setattr(event_shapes, "_MOST_AMONG", 0)
    assert shapes(store, project, event) == close


def test_a_late_arrival_moves_what_comes_after_it(
    store: Store, project: Project, event: EventDefinition
) -> None:
    said = talk("s", 2)
    add(store, project, *said)
    find(store, project, event, said[1])
    add(store, project, interaction("late", session_id="s", created_at_ms=NOON_MS - 1))
    assert shapes(store, project, event).positions.counts[event.id][:3] == [0, 0, 1]


def test_only_sessions_of_the_period_count(
    store: Store, project: Project, event: EventDefinition
) -> None:
    add(store, project, *talk("old", 1), *talk("new", 1, at_ms=NOON_MS + HOUR_MS))
    assert shapes(store, project, event, until_ms=NOON_MS + 1).sessions == 1
    empty = shapes(store, project, event, until_ms=NOON_MS)
    assert (empty.sessions, empty.interactions, empty.is_whole) == (0, 0, True)


def test_the_work_is_bounded_and_what_was_left_out_is_told(
    store: Store, project: Project, event: EventDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_shapes, "MOST_SESSIONS", 3)
    monkeypatch.setattr(event_shapes, "MOST_INTERACTIONS", 5)
    monkeypatch.setattr(event_shapes, "LONGEST", 4)
    for n, length in enumerate((2, 3, 9, 2)):
        add(store, project, *talk(f"s{n}", length, at_ms=NOON_MS + n * HOUR_MS))
    found = shapes(store, project, event)
    assert (found.sessions, found.is_whole) == (3, False)
    # The newest has 2 interactions; the endless one is left out, and the next one has 3.
    assert (found.placed, found.interactions) == (2, 5)

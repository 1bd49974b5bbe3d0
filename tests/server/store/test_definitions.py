"""Event definitions, their versions, and the roll-ups of their verdicts."""

from __future__ import annotations

import pytest

from phospho.models import EventDefinition, Example
from phospho_server.errors import ConflictError, NotFoundError
from phospho_server.store import Store, counters, detections, jobs, leases, purging
from phospho_server.store.definitions import (
    delete_definition,
    edit_definition,
    enable_definition,
    get_definition,
    list_definitions,
    list_enabled,
)
from phospho_server.store.projects import create_project
from phospho_server.store.rows import DefinitionRow, Project
from phospho_server.store.sessions import list_sessions
from phospho_server.store.sqlite import SqliteStore
from phospho_server.store.transcripts import list_transcript
from tests.server.builders import NOON_MS, add, define, interaction, totals, verdict
from tests.server.databases import on_each_database, on_sqlite

pytestmark = on_each_database


def only(store: Store, project: Project) -> DefinitionRow:
    with store.read() as db:
        (row,) = list_definitions(db, project.id)
    return row


def claim(store: Store) -> list[str]:
    return [job.kind for job in store.write(lambda db: leases.claim(db, most=100))]


def edit(store: Store, project: Project, changed: EventDefinition) -> EventDefinition:
    return store.write(lambda db: edit_definition(db, project.id, changed))


def test_a_definition_comes_back_as_it_was_given(store: Store, project: Project) -> None:
    created = define(
        store,
        project,
        keywords=("flight", "plane"),
        pattern="fl.ght",
        examples=(Example(input="I need to fly"),),
        settings={"depth": 3},
        scope="user_message",
    )
    with store.read() as db:
        assert get_definition(db, project.id, created.id) == created
        assert list_enabled(db, project.id) == [created]


def test_a_name_is_taken_once_in_a_project(store: Store, project: Project) -> None:
    created = define(store, project)
    with pytest.raises(ConflictError, match="'booking' already"):
        define(store, project)
    other = store.write(lambda db: create_project(db, "other"))
    define(store, other)
    second = define(store, project, name="second")
    with pytest.raises(ConflictError):
        edit(store, project, second.model_copy(update={"name": created.name}))


def test_an_edit_makes_a_version_but_a_new_name_does_not(store: Store, project: Project) -> None:
    add(store, project, interaction("t1"))
    created = define(store, project)
    renamed = edit(store, project, created.model_copy(update={"name": "flights"}))
    assert (renamed.version, renamed.name) == (1, "flights")
    edited = edit(store, project, renamed.model_copy(update={"description": "Other"}))
    assert edited.version == 2
    with store.read() as db:
        versions = db.rows("select version, description from event_definition_versions")
        assert [row["version"] for row in versions] == [1, 2]


def test_a_new_definition_waits_for_all_past_interactions(store: Store, project: Project) -> None:
    add(store, project, interaction("t1"), interaction("t2"))
    claimed = store.write(lambda db: leases.claim(db, most=10))
    store.write(lambda db: jobs.finish(db, claimed[0]))
    define(store, project)
    assert only(store, project).pending == 2
    assert claim(store) == ["backfill"]


def test_without_past_interactions_there_is_nothing_to_catch_up(
    store: Store, project: Project
) -> None:
    define(store, project)
    assert claim(store) == []


def test_verdicts_move_the_counts_by_their_difference(store: Store, project: Project) -> None:
    new = interaction("t1")
    add(store, project, new)
    event = define(store, project)

    def record(*, detected: bool) -> list[int]:
        found = verdict(store, project, new, detected=detected)
        return store.write(lambda db: detections.record(db, project.id, event, [found]))

    assert len(record(detected=True)) == 1
    assert record(detected=True) == []
    assert totals(store, project).events == 1
    assert only(store, project).events == 1
    record(detected=False)
    assert totals(store, project).events == 0
    with store.read() as db:
        assert list_sessions(db, project.id).sessions[0].events == ()
        assert list_transcript(db, project.id, "s1")[0].events == ()


def test_a_deleted_event_is_gone_from_every_count(store: Store, project: Project) -> None:
    new = interaction("t1")
    add(store, project, new)
    event = define(store, project)
    other = define(store, project, name="other")
    found = [verdict(store, project, new, detected=True)]
    for each in (event, other):
        store.write(lambda db, each=each: detections.record(db, project.id, each, found))  # type: ignore[misc]
    store.write(lambda db: delete_definition(db, project.id, event.id))
    assert totals(store, project).events == 1
    assert only(store, project).definition == other
    with store.read() as db:
        assert [e.name for e in list_transcript(db, project.id, "s1")[0].events] == ["other"]
        (session,) = list_sessions(db, project.id).sessions
        assert [(e.name, e.events) for e in session.events] == [("other", 1)]
        with pytest.raises(NotFoundError):
            get_definition(db, project.id, event.id)
    define(store, project)  # the name is free again


def test_an_event_switched_off_waits_for_nothing_and_on_again_catches_up(
    store: Store, project: Project
) -> None:
    add(store, project, interaction("t1"))
    event = define(store, project)

    def switch(*, enabled: bool) -> None:
        store.write(lambda db: enable_definition(db, project.id, event.id, enabled=enabled))

    switch(enabled=False)
    assert not only(store, project).enabled
    assert only(store, project).pending == 0
    with store.read() as db:
        assert list_enabled(db, project.id) == []
    switch(enabled=True)
    assert only(store, project).pending == 2  # the new interaction, and the catching up


def test_a_definition_of_another_project_is_out_of_reach(store: Store, project: Project) -> None:
    event = define(store, project)
    other = store.write(lambda db: create_project(db, "other"))
    with pytest.raises(NotFoundError):
        store.write(lambda db: delete_definition(db, other.id, event.id))
    with pytest.raises(NotFoundError):
        store.write(lambda db: edit_definition(db, other.id, event))


def test_events_are_counted_by_definition(store: Store, project: Project) -> None:
    new = interaction("t1")
    add(store, project, new)
    event = define(store, project)
    define(store, project, name="never")
    found = [verdict(store, project, new, detected=True)]
    store.write(lambda db: detections.record(db, project.id, event, found))
    with store.read() as db:
        counts = counters.count_events(db, project.id, since_ms=0, until_ms=NOON_MS * 2)
        assert counters.first_hour(db, project.id) == NOON_MS
    assert [(c.name, c.events) for c in counts] == [("booking", 1), ("never", 0)]
    assert counters.whole_hours(NOON_MS) == NOON_MS + 3_600_000


@on_sqlite
def test_a_transcript_looks_at_its_own_verdicts_alone(store: SqliteStore) -> None:
    # Without statistics SQLite guesses: here it once read all verdicts of a project.
    with store.read() as db:
        plan = db.rows(
            "explain query plan select e.score from detections e "
            "join event_definitions d on d.id = e.definition_id "
            "where e.project_id = :p and e.interaction_id in (:a, :b) and e.detected = 1",
            {"p": "p", "a": 1, "b": 2},
        )
    assert "project_id=? AND interaction_id=?" in plan[0]["detail"]


def test_verdicts_of_a_deleted_event_go_a_part_at_a_time(
    store: Store, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "PART", 2)
    new = [interaction(f"t{n}") for n in range(5)]
    add(store, project, *new)
    gone, kept = define(store, project), define(store, project, name="kept")
    for event in (gone, kept):
        found = [verdict(store, project, each, detected=True) for each in new]
        store.write(lambda db, e=event, f=found: detections.record(db, project.id, e, f))  # type: ignore[misc]
    store.write(lambda db: delete_definition(db, project.id, gone.id))
    left = []
    while claimed := store.write(lambda db: leases.claim(db, most=1, kinds=["purge"])):
        (job,) = claimed
        place = store.write(lambda db, job=job: purging.purge_part(db, job))  # type: ignore[misc]
        with store.read() as db:
            left.append(len(db.rows("select 1 from detections")))
        store.write(
            lambda db, job=job, place=place: (  # type: ignore[misc]
                jobs.advance(db, job, before_id=place, done=0) if place else jobs.finish(db, job)
            )
        )
    assert left == [8, 6, 5]
    with store.read() as db:
        known = db.rows(
            "select f.value from facts f join session_facts g on g.fact_id = f.id "
            "where f.fact = 'event'"
        )
        assert [row["value"] for row in known] == [kept.id]

"""Versions of a definition, and the counts that tell which of them a figure comes from."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phospho.detectors.rules import RulesDetector
from phospho.models import EventDefinition
from phospho.plugins import Plugins
from phospho_server.detection import DetectionWorker
from phospho_server.errors import NotFoundError
from phospho_server.store import Store, backfills, detections, jobs, leases
from phospho_server.store.definitions import (
    apply_to_past,
    delete_definition,
    edit_definition,
    enable_definition,
    get_definition,
    list_definitions,
    restore_version,
)
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Backfill, DefinitionRow, Project
from phospho_server.store.versions import (
    VerdictCount,
    list_starts,
    list_verdict_counts,
    list_versions,
)
from tests.server.builders import NOON_MS, add, define, interaction, verdict
from tests.server.databases import on_each_database

pytestmark = on_each_database


def worker(store: Store) -> DetectionWorker:
    return DetectionWorker(store, {"rules": RulesDetector()}, Plugins(entry_points=False))


def edit(
    store: Store, project: Project, event: EventDefinition, word: str, *, to_past: bool = True
) -> EventDefinition:
    changed = event.model_copy(update={"description": f"The user says '{word}'"})
    return store.write(lambda db: edit_definition(db, project.id, changed, to_past=to_past))


def counts(store: Store, project: Project, event: EventDefinition) -> dict[int, int]:
    with store.read() as db:
        listed = list_verdict_counts(db, project.id).get(event.id, [])
    return {count.version: count.verdicts for count in listed}


def switch(store: Store, project: Project, event: EventDefinition, *, enabled: bool) -> None:
    store.write(lambda db: enable_definition(db, project.id, event.id, enabled=enabled))


def only(store: Store, project: Project) -> DefinitionRow:
    with store.read() as db:
        (row,) = list_definitions(db, project.id)
    return row


def fill(store: Store, project: Project, count: int, start: int = 0) -> None:
    add(
        store,
        project,
        *(
            interaction(f"t{n}", session_id=f"s{n}", created_at_ms=NOON_MS + n, input="refund it")
            for n in range(start, start + count)
        ),
    )


def test_the_place_where_a_new_version_begins_moves_into_the_past(
    store: Store, project: Project
) -> None:
    event = define(store, project, description="The user says 'refund'")
    fill(store, project, 450)
    at_work = worker(store)
    at_work.run_until_done()
    assert counts(store, project, event) == {1: 450}
    event = edit(store, project, event, "money")
    assert only(store, project).backfill == Backfill(2, total=450, left=450, is_paused=False)
    at_work.run_once()
    assert counts(store, project, event) == {2: 200, 1: 250}
    backfill = only(store, project).backfill
    assert backfill is not None
    assert (backfill.done, backfill.left) == (200, 250)
    with store.read() as db:
        assert list_starts(db, project.id)[event.id, 2] == NOON_MS + 250
    at_work.run_until_done()
    assert counts(store, project, event) == {2: 450}
    assert only(store, project).backfill is None
    with store.read() as db:
        assert (event.id, 2) not in list_starts(db, project.id)


def test_a_version_for_new_interactions_leaves_the_past_its_verdicts(
    store: Store, project: Project
) -> None:
    event = define(store, project, description="The user says 'refund'")
    fill(store, project, 10)
    at_work = worker(store)
    at_work.run_until_done()
    event = edit(store, project, event, "money", to_past=False)
    assert only(store, project).pending == 0
    fill(store, project, 4, start=10)
    at_work.run_until_done()
    assert counts(store, project, event) == {2: 4, 1: 10}
    assert only(store, project).events == 10
    with store.read() as db:
        assert list_starts(db, project.id)[event.id, 2] == NOON_MS + 10
    store.write(lambda db: apply_to_past(db, project.id, event))
    at_work.run_until_done()
    assert counts(store, project, event) == {2: 14}
    assert only(store, project).events == 0


def test_a_way_through_the_past_can_rest_and_go_on(store: Store, project: Project) -> None:
    event = define(store, project, description="The user says 'refund'")
    fill(store, project, 450)
    at_work = worker(store)
    at_work.run_until_done()
    event = edit(store, project, event, "money")
    at_work.run_once()
    store.write(lambda db: backfills.pause_backfill(db, project.id, event.id))
    fill(store, project, 5, start=450)
    at_work.run_until_done()
    assert counts(store, project, event) == {2: 205, 1: 250}
    row = only(store, project)
    assert row.backfill == Backfill(2, total=450, left=250, is_paused=True)
    assert row.problem is None
    store.write(lambda db: jobs.retry_parked(db, project.id, event.id))
    at_work.run_until_done()
    assert counts(store, project, event) == {2: 455}


def test_a_way_that_is_paused_under_way_stays_paused(store: Store, project: Project) -> None:
    event = define(store, project, description="The user says 'refund'")
    fill(store, project, 300)
    worker(store).run_until_done()
    edit(store, project, event, "money")
    (job,) = store.write(lambda db: leases.claim(db, most=200))
    store.write(lambda db: backfills.pause_backfill(db, project.id, event.id))
    store.write(lambda db: jobs.fail(db, job, "away"))
    assert store.write(lambda db: leases.claim(db, most=200)) == []


def test_restoring_makes_a_new_version_that_equals_the_old_one(
    store: Store, project: Project
) -> None:
    event = define(store, project, description="The user says 'refund'", scope="session")
    edit(store, project, event, "money")
    restored = store.write(lambda db: restore_version(db, project.id, event.id, 1))
    assert restored == event.model_copy(update={"version": 3})
    assert store.write(lambda db: restore_version(db, project.id, event.id, 1)).version == 3
    with store.read() as db:
        rows = list_versions(db, project.id, get_definition(db, project.id, event.id))
    assert [row.definition.version for row in rows] == [3, 2, 1]
    assert rows[2].definition == event


@pytest.mark.parametrize("version", [0, 2, 99])
def test_a_version_that_is_not_there_cannot_be_restored(
    store: Store, project: Project, version: int
) -> None:
    event = define(store, project)
    with pytest.raises(NotFoundError):
        store.write(lambda db: restore_version(db, project.id, event.id, version))


def test_a_version_of_another_project_cannot_be_restored(store: Store, project: Project) -> None:
    event = define(store, project)
    other = store.write(lambda db: create_project(db, "other"))
    with pytest.raises(NotFoundError):
        store.write(lambda db: restore_version(db, other.id, event.id, 1))


def test_a_deleted_event_leaves_no_counts(store: Store, project: Project) -> None:
    event = define(store, project, description="The user says 'refund'")
    fill(store, project, 3)
    worker(store).run_until_done()
    store.write(lambda db: delete_definition(db, project.id, event.id))
    with store.read() as db:
        assert list_verdict_counts(db, project.id) == {}


def test_the_model_of_meaning_is_counted_apart(store: Store, project: Project) -> None:
    new = [interaction(f"t{n}") for n in range(3)]
    add(store, project, *new)
    event = define(store, project)

    def record(*embedders: str | None) -> None:
        found = [
            verdict(store, project, each, detected=False, detector="semantic", embedder=embedder)
            for each, embedder in zip(new, embedders, strict=False)
        ]
        store.write(lambda db: detections.record(db, project.id, event, found))

    record("old", "old", None)
    record("new")
    with store.read() as db:
        (listed,) = list_verdict_counts(db, project.id).values()
    assert listed == [VerdictCount(1, "semantic", name, 1) for name in ("", "new", "old")]


changes = st.lists(
    st.one_of(
        st.tuples(st.just("log"), st.integers(1, 3)),
        st.tuples(st.just("work"), st.just(1)),
        st.tuples(st.just("edit"), st.sampled_from([True, False])),
        st.tuples(st.just("switch"), st.booleans()),
    ),
    max_size=8,
)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(changes)
def test_the_counts_are_what_a_recount_finds(
    store: Store, steps: Sequence[tuple[str, int | bool]]
) -> None:
    project = store.write(lambda db: create_project(db, "p"))
    event = define(store, project, description="The user says 'refund'")
    at_work = worker(store)
    for number, (step, amount) in enumerate(steps):
        if step == "log":
            fill(store, project, int(amount), start=number * 10)
        elif step == "work":
            at_work.run_once()
        elif step == "edit":
            event = edit(store, project, event, f"word{number}", to_past=bool(amount))
        else:
            switch(store, project, event, enabled=bool(amount))
    with store.read() as db:
        rows = db.rows(
            "select definition_version, count(*) as n from detections "
            "where project_id = :id group by 1",
            {"id": project.id},
        )
    recounted = {row["definition_version"]: row["n"] for row in rows}
    assert counts(store, project, event) == recounted

"""What each version of the app did."""

from __future__ import annotations

from collections.abc import Sequence

from phospho_server.clock import DAY_MS, day_of
from phospho_server.store import Store, definitions, detections, reviews
from phospho_server.store.app_versions import VersionRow, list_app_versions
from phospho_server.store.feedback import add_feedback
from phospho_server.store.interactions import find_ids
from phospho_server.store.rows import Project
from tests.server.builders import NOON_MS, add, define, interaction, verdict
from tests.server.databases import on_each_database

pytestmark = on_each_database

TODAY_MS = day_of(NOON_MS)


def versions(
    store: Store, project: Project, *, days: int = 30, most: int = 8
) -> tuple[Sequence[VersionRow], int, int]:
    with store.read() as db:
        return list_app_versions(
            db,
            project.id,
            since_ms=TODAY_MS - days * DAY_MS,
            until_ms=TODAY_MS + DAY_MS,
            most=most,
        )


def test_a_version_has_its_interactions_feedback_and_days(store: Store, project: Project) -> None:
    add(
        store,
        project,
        interaction("t1", version_id="1.0", created_at_ms=NOON_MS - 40 * DAY_MS),
        interaction("t2", version_id="1.0", created_at_ms=NOON_MS - DAY_MS, flag="success"),
        interaction("t3", version_id="1.0"),
        interaction("t4", version_id="1.1"),
        interaction("t5"),
    )
    store.write(
        lambda db: add_feedback(db, project.id, "t3", flag="failure", notes=None, source=None)
    )
    (old, new), count, total = versions(store, project)
    assert (count, total) == (2, 3)
    assert (old.version_id, old.interactions, old.successes, old.failures) == ("1.0", 2, 1, 1)
    assert old.by_day == {TODAY_MS - DAY_MS: 1, TODAY_MS: 1}
    assert (old.first_day_ms, old.last_day_ms) == (TODAY_MS - 40 * DAY_MS, TODAY_MS)
    assert (new.version_id, new.interactions, new.events) == ("1.1", 1, 0)


def test_events_of_a_version_follow_verdicts_people_and_deletion(
    store: Store, project: Project
) -> None:
    new = interaction("t1", version_id="1.0")
    add(store, project, new)
    event = define(store, project)
    yes = verdict(store, project, new, detected=True)
    with store.read() as db:
        row_id = find_ids(db, project.id, ["t1"])["t1"]

    def events() -> int:
        return versions(store, project)[0][0].events

    assert events() == 0
    store.write(lambda db: detections.record(db, project.id, event, [yes]))
    assert events() == 1
    store.write(
        lambda db: reviews.review(
            db, project.id, event.id, row_id, occurred=False, source="transcript"
        )
    )
    assert events() == 0
    store.write(lambda db: reviews.undo(db, project.id, event.id, row_id))
    assert events() == 1
    store.write(lambda db: definitions.delete_definition(db, project.id, event.id))
    assert events() == 0


def test_of_very_many_versions_those_with_the_most_interactions_are_shown(
    store: Store, project: Project
) -> None:
    many = [interaction(f"t{n}", version_id=f"v{n:03}") for n in range(50)]
    add(store, project, *many, interaction("again", version_id="v042"))
    shown, count, total = versions(store, project, most=3)
    assert [row.version_id for row in shown] == ["v042", "v000", "v001"]
    assert (count, total) == (50, 51)


def test_a_project_without_versions_has_none(store: Store, project: Project) -> None:
    add(store, project, interaction(), interaction("t2", version_id=""))
    assert versions(store, project) == ([], 0, 0)

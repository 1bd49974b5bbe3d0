"""The LLM's scores follow what people say of its answers, for each event by itself."""

from __future__ import annotations

from phospho.models import EventDefinition
from phospho_server.store import Connection, reviews
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, define, interaction, totals
from tests.server.llm.conftest import Workers

BANANA = "The user mentions a banana"


def judge(store: SqliteStore, project: Project, workers: Workers, *tasks: str) -> None:
    """Have the LLM say yes to interactions, 90 sure."""
    texts = [interaction(t, input=f"0.5 banana {t}", session_id=t) for t in tasks]
    add(store, project, *texts)
    workers.run()


def score(store: SqliteStore, task_id: str, event: EventDefinition) -> float:
    with store.read() as db:
        row = db.row(
            "select score from detections d join interactions i on i.id = d.interaction_id "
            "where i.task_id = :task and d.definition_id = :event",
            {"task": task_id, "event": event.id},
        )
    assert row
    return float(row["score"])


def reject_all(store: SqliteStore, project: Project, event: EventDefinition) -> None:
    def reject(db: Connection) -> None:
        for row in db.rows("select id from interactions"):
            reviews.review(db, project.id, event.id, row["id"], occurred=False, source="audit")

    store.write(reject)


def undo_all(store: SqliteStore, project: Project, event: EventDefinition) -> None:
    def undo(db: Connection) -> None:
        for row in db.rows("select id from interactions"):
            reviews.undo(db, project.id, event.id, row["id"])

    store.write(undo)


def test_scores_fall_when_people_reject_and_of_that_event_alone(
    store: SqliteStore, project: Project, workers: Workers
) -> None:
    event = define(store, project, name="banana", description=BANANA)
    other = define(store, project, name="fruit", description=BANANA)
    judge(store, project, workers, *(f"t{n}" for n in range(20)))
    assert score(store, "t0", event) == 0.75
    reject_all(store, project, event)
    before = totals(store, project).events
    judge(store, project, workers, "next")
    assert score(store, "next", event) == 0.5
    assert score(store, "next", other) == 0.75
    # The verdict is still the LLM's.
    assert totals(store, project).events == before + 2


def test_reviews_that_are_taken_back_count_no_more(
    store: SqliteStore, project: Project, workers: Workers
) -> None:
    event = define(store, project, name="banana", description=BANANA)
    judge(store, project, workers, *(f"t{n}" for n in range(20)))
    reject_all(store, project, event)
    undo_all(store, project, event)
    judge(store, project, workers, "next")
    assert score(store, "next", event) == 0.75


def test_reviews_of_calibrated_scores_are_taken_by_what_was_claimed(
    store: SqliteStore, project: Project, workers: Workers
) -> None:
    event = define(store, project, name="banana", description=BANANA)
    judge(store, project, workers, *(f"t{n}" for n in range(20)))
    reject_all(store, project, event)
    judge(store, project, workers, "next")
    reject_all(store, project, event)
    with store.read() as db:
        rows = db.rows("select claimed from reviews where undone_at_ms is null")
    assert len({round(row["claimed"], 2) for row in rows}) == 1


def test_reviews_of_local_verdicts_say_nothing_about_an_llm(
    store: SqliteStore, project: Project, workers: Workers
) -> None:
    event = define(store, project, name="banana", description=BANANA)
    texts = [interaction(f"t{n}", input=f"0.99 banana {n}", session_id=f"{n}") for n in range(30)]
    add(store, project, *texts)
    workers.run()
    reject_all(store, project, event)
    judge(store, project, workers, "next")
    assert score(store, "next", event) == 0.75

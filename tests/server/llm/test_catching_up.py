"""What the LLM could not be asked when it came about is asked later, once and within bounds."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlite_utils import Database

from phospho_server.clock import DAY_MS
from phospho_server.migrations import migrations
from phospho_server.store import llm, llm_unasked, llm_usage
from phospho_server.store.definitions import delete_definition, edit_definition, enable_definition
from phospho_server.store.llm import LlmSettings
from phospho_server.store.projects import create_project
from phospho_server.store.reviews import review
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.judges import LoopbackJudge, honest, refused
from tests.server.builders import NOON_MS, add, define, interaction, totals
from tests.server.llm.conftest import MakeWorkers, Workers, verdicts

BANANA = "The user mentions a banana"

NO_LLM = {"PHOSPHO_LLM_BASE_URL": "", "PHOSPHO_LLM_MODEL": ""}


def unasked(store: SqliteStore, project: Project) -> int:
    with store.read() as db:
        return llm_unasked.count(db, project.id)


def configure(store: SqliteStore, project: Project, **settings: object) -> None:
    store.write(lambda db: llm.save_settings(db, project.id, LlmSettings(**settings)))  # type: ignore[arg-type]


def begin_new_day(store: SqliteStore) -> None:
    """Let what was spent be of yesterday."""
    store.write(lambda db: db.execute("update llm_usage set day_ms = day_ms - :d", {"d": DAY_MS}))


def test_what_was_uncertain_before_there_was_an_llm_is_asked_about_once(
    store: SqliteStore, project: Project, make_workers: MakeWorkers, judge: LoopbackJudge
) -> None:
    define(store, project, name="banana", description=BANANA)
    define(store, project, name="offline", description=BANANA, detector="semantic")
    add(
        store,
        project,
        interaction("missed", input="0.3 banana"),
        interaction("false", input="0.7 apple"),
        interaction("sure", input="0.99 apple"),
    )
    make_workers(**NO_LLM).run()
    assert unasked(store, project) == 2
    workers = make_workers()
    workers.run()
    found = verdicts(store, project)
    assert found["missed", "banana"] == (True, "llm")
    assert found["false", "banana"] == (False, "llm")
    assert found["sure", "banana"] == (True, "semantic")
    assert found["missed", "offline"] == (False, "semantic")
    assert (unasked(store, project), len(judge.asked)) == (0, 2)
    assert totals(store, project).events == 4
    workers.run()
    assert len(judge.asked) == 2


def test_all_events_of_an_interaction_are_asked_late_in_one_call(
    store: SqliteStore, project: Project, make_workers: MakeWorkers, judge: LoopbackJudge
) -> None:
    for name in ("banana", "apple", "plum"):
        define(store, project, name=name, description=f"The user mentions a {name}")
    add(store, project, *(interaction(f"t{n}", input=f"0.5 {n} apple") for n in range(30)))
    make_workers(**NO_LLM).run()
    make_workers().run()
    # A batch may end between the events of one interaction.
    assert 30 <= len(judge.asked) <= 32
    assert {detector for _, detector in verdicts(store, project).values()} == {"llm"}


def test_the_newest_of_each_event_are_asked_about_first_and_no_more_than_so_many(
    store: SqliteStore,
    project: Project,
    make_workers: MakeWorkers,
    judge: LoopbackJudge,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(llm_unasked, "MOST", 60)
    define(store, project, name="banana", description=BANANA)
    add(store, project, *(interaction(f"t{n}", input=f"0.5 {n}") for n in range(100)))
    make_workers(**NO_LLM).run()
    assert unasked(store, project) == 60
    workers = make_workers()
    assert workers.llm.run_once() == 50
    assert {int(text.split()[1]) for text in judge.texts} == set(range(50, 100))
    workers.run()
    assert len(judge.asked) == 60


def test_what_is_new_is_asked_before_what_is_late(
    store: SqliteStore, project: Project, make_workers: MakeWorkers, judge: LoopbackJudge
) -> None:
    define(store, project, name="banana", description=BANANA)
    add(store, project, *(interaction(f"t{n}", input=f"0.5 late {n}") for n in range(60)))
    make_workers(**NO_LLM).run()
    workers = make_workers()
    workers.llm.run_once()
    add(store, project, interaction("new", input="0.5 new"))
    workers.local.run_until_done()
    workers.llm.run_once()
    assert judge.texts[-1] == "0.5 new"
    assert len(judge.asked) == 51


def test_what_is_late_leaves_half_of_a_budget_for_today(
    store: SqliteStore, project: Project, make_workers: MakeWorkers, judge: LoopbackJudge
) -> None:
    configure(store, project, daily_tokens=11_000)
    define(store, project, name="banana", description=BANANA)
    add(store, project, *(interaction(f"t{n}", input=f"0.6 late {n}") for n in range(20)))
    make_workers(**NO_LLM).run()
    workers = make_workers()
    workers.run()
    assert (len(judge.asked), unasked(store, project)) == (5, 15)
    workers.run()
    assert len(judge.asked) == 5
    # What comes in today has the other half.
    add(store, project, *(interaction(f"n{n}", input=f"0.6 new {n}") for n in range(20)))
    workers.run()
    assert len(judge.asked) == 10
    with store.read() as db:
        assert llm_usage.use_of_today(db, project.id).tokens <= 11_000
    assert unasked(store, project) == 30


def test_what_a_budget_did_not_suffice_for_is_asked_the_next_day(
    store: SqliteStore, project: Project, make_workers: MakeWorkers, judge: LoopbackJudge
) -> None:
    configure(store, project, daily_tokens=5_000)
    define(store, project, name="banana", description=BANANA)
    add(store, project, *(interaction(f"t{n}", input=f"0.6 {n} banana") for n in range(7)))
    make_workers().run()
    assert (len(judge.asked), unasked(store, project)) == (4, 3)
    begin_new_day(store)
    make_workers().run()
    assert len(judge.asked) == 6
    begin_new_day(store)
    make_workers().run()
    assert (len(judge.asked), unasked(store, project)) == (7, 0)
    assert set(verdicts(store, project).values()) == {(True, "llm")}
    # Each was counted when the LLM could have been asked, and not once more.
    with store.read() as db:
        (use,) = llm_usage.list_uses(db, project.id, since_ms=0)
    assert (use.verdicts, use.asked) == (7, 7)


def test_a_raised_budget_goes_on_with_what_is_late_at_once(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    configure(store, project, daily_tokens=1_200)
    define(store, project, name="banana", description=BANANA)
    add(store, project, *(interaction(f"t{n}", input=f"0.6 {n}") for n in range(5)))
    workers.run()
    assert (len(judge.asked), unasked(store, project)) == (1, 4)
    configure(store, project, daily_tokens=100_000)
    workers.run()
    assert (len(judge.asked), unasked(store, project)) == (5, 0)


def test_a_pause_while_catching_up_loses_nothing(
    store: SqliteStore, project: Project, make_workers: MakeWorkers, judge: LoopbackJudge
) -> None:
    define(store, project, name="banana", description=BANANA)
    add(store, project, *(interaction(f"t{n}", input=f"0.6 {n} banana") for n in range(30)))
    make_workers(**NO_LLM).run()
    workers = make_workers()
    judge.answer = lambda asked: refused(401)
    workers.run()
    assert (len(judge.asked), unasked(store, project)) == (1, 30)
    workers.run()
    assert len(judge.asked) == 1
    judge.answer = honest
    store.write(lambda db: llm.resume(db, project.id))
    workers.run()
    assert unasked(store, project) == 0
    assert set(verdicts(store, project).values()) == {(True, "llm")}


def test_an_outage_while_catching_up_loses_nothing(
    store: SqliteStore, project: Project, make_workers: MakeWorkers, judge: LoopbackJudge
) -> None:
    define(store, project, name="banana", description=BANANA)
    add(store, project, *(interaction(f"t{n}", input=f"0.6 {n} banana") for n in range(30)))
    make_workers(**NO_LLM).run()
    workers = make_workers()
    judge.answer = lambda asked: refused(503)
    assert workers.llm.run_once() == 0
    assert unasked(store, project) == 30
    judge.answer = honest
    workers.run()
    assert unasked(store, project) == 0


def test_an_answer_that_cannot_be_used_ends_the_matter(
    store: SqliteStore, project: Project, make_workers: MakeWorkers, judge: LoopbackJudge
) -> None:
    judge.answer = lambda asked: "What a lovely day!"
    define(store, project, name="banana", description=BANANA)
    add(store, project, interaction("t1", input="0.6 apple"))
    make_workers(**NO_LLM).run()
    make_workers().run()
    assert verdicts(store, project) == {("t1", "banana"): (True, "semantic")}
    assert (len(judge.asked), unasked(store, project)) == (2, 0)


def test_what_people_reviewed_meanwhile_is_not_asked_about(
    store: SqliteStore, project: Project, make_workers: MakeWorkers, judge: LoopbackJudge
) -> None:
    event = define(store, project, name="banana", description=BANANA)
    add(store, project, interaction("t1", input="0.6 said"), interaction("t2", input="0.6 open"))
    make_workers(**NO_LLM).run()
    store.write(lambda db: review(db, project.id, event.id, 1, occurred=False, source="transcript"))
    make_workers().run()
    assert (judge.texts, unasked(store, project)) == (["0.6 open"], 0)


def test_what_is_edited_switched_off_or_deleted_meanwhile_is_not_asked_about(
    store: SqliteStore, project: Project, make_workers: MakeWorkers, judge: LoopbackJudge
) -> None:
    names = ("edited", "off", "deleted", "forward")
    events = {name: define(store, project, name=name, description=BANANA) for name in names}
    add(store, project, interaction("t1", input="0.6 banana"))
    make_workers(**NO_LLM).run()
    assert unasked(store, project) == 4
    changed = {"description": "The user mentions a plum"}

    def change(name: str, *, to_past: bool) -> None:
        newer = events[name].model_copy(update=changed)
        store.write(lambda db: edit_definition(db, project.id, newer, to_past=to_past))

    change("edited", to_past=True)
    change("forward", to_past=False)
    store.write(lambda db: enable_definition(db, project.id, events["off"].id, enabled=False))
    store.write(lambda db: delete_definition(db, project.id, events["deleted"].id))
    make_workers().run()
    assert unasked(store, project) == 0
    assert [[e["event"] for e in asked.events.values()] for asked in judge.asked] == [
        ["The user mentions a plum"]
    ]
    assert verdicts(store, project)["t1", "forward"] == (True, "semantic")


def test_an_older_version_does_not_take_the_place_of_a_newer_one(
    store: SqliteStore, project: Project
) -> None:
    event = define(store, project, description=BANANA)
    add(store, project, *(interaction(f"t{n}") for n in range(3)))
    for version, ids in ((2, [1, 2]), (1, [2, 3])):
        store.write(
            lambda db, version=version, ids=ids: llm_unasked.note(  # type: ignore[misc]
                db, project.id, ids, definition_id=event.id, version=version
            )
        )
    with store.read() as db:
        listed = llm_unasked.list_newest(db, project.id, most=9)
    assert [(each.interaction_id, each.version) for each in listed] == [(3, 1), (2, 2), (1, 2)]


def test_nothing_is_noted_while_nothing_of_a_project_is_to_be_sent(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    configure(store, project, is_off=True)
    define(store, project, name="banana", description=BANANA)
    add(store, project, interaction("t1", input="0.6 private"))
    workers.run()
    configure(store, project, is_off=False)
    workers.run()
    assert (judge.asked, unasked(store, project)) == ([], 0)


def test_projects_take_turns_in_catching_up(
    store: SqliteStore, project: Project, make_workers: MakeWorkers, judge: LoopbackJudge
) -> None:
    other = store.write(lambda db: create_project(db, "other"))
    for each in (project, other):
        define(store, each, name="banana", description=BANANA)
    add(store, project, *(interaction(f"t{n}", input=f"0.6 {n}") for n in range(120)))
    add(store, other, interaction("t1", input="0.6 of the other"))
    make_workers(**NO_LLM).run()
    workers = make_workers()
    workers.llm.run_once()
    workers.llm.run_once()
    assert "0.6 of the other" in judge.texts
    assert len(judge.asked) == 51


def make_old_verdicts(database: Database) -> None:
    """Leave verdicts as the steps before this one did: 2 and 4 are uncertain, and of `auto`."""
    database.table("projects").insert(vars(Project("proj_old", "Old", NOON_MS)))
    fields = {"project_id": "proj_old", "created_at_ms": NOON_MS}
    defined = {**fields, "description": "d", "scope": "auto", "settings": "{}", "color": 0}
    for event, detector in (("meant", "auto"), ("offline", "semantic")):
        database.table("event_definitions").insert(
            {
                **defined,
                "id": event,
                "name": event,
                "version": 1,
                "detector": detector,
                "enabled": 1,
                "updated_at_ms": NOON_MS,
            }
        )
    scores = [("meant", 0.001), ("meant", 0.4), ("offline", 0.4), ("meant", 0.9), ("meant", 1.0)]
    for row_id, (event, score) in enumerate(scores, start=1):
        database.table("interactions").insert(
            {
                **fields,
                "id": row_id,
                "task_id": f"t{row_id}",
                "session_id": "s1",
                "received_at_ms": NOON_MS,
                "input": "before",
            }
        )
        database.table("detections").insert(
            {
                **fields,
                "definition_id": event,
                "interaction_id": row_id,
                "definition_version": 1,
                "detected": int(score >= 0.5),
                "score": score,
                "detector": "semantic",
            }
        )


def test_verdicts_from_before_they_were_noted_are_asked_about(tmp_path: Path) -> None:
    path = tmp_path / "phospho.db"
    database = Database(path)
    migrations.apply(database, stop_before="m009_llm_later_and_values")
    make_old_verdicts(database)
    database.close()
    store = SqliteStore(path)
    with store.read() as db:
        waiting = llm_unasked.list_newest(db, "proj_old", most=10)
    assert [each.interaction_id for each in waiting] == [4, 2]
    store.close()
